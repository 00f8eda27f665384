package auth

import (
	"encoding/json"
	"net/http"
	"strings"

	"capd/engine/plan"
)

// refusal is an answer to requests that may not come in. There are few, and none says
// anything of the request it answers.
type refusal struct {
	status int
	code   string
	detail string
}

var (
	unauthorized = refusal{http.StatusUnauthorized, plan.CodeUnauthorized.String(), "the credentials are missing or wrong"}
	scopesLacked = refusal{http.StatusForbidden, plan.CodeForbidden.String(), "the access token does not have every scope that this needs"}
	tooMany      = refusal{http.StatusTooManyRequests, plan.CodeRateLimited.String(), "wrong credentials came from this address too often; try again later"}
	unchecked    = refusal{http.StatusServiceUnavailable, "", "access tokens cannot be checked now; try again later"}
)

// problem is the body of a refusal (RFC 9457).
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code,omitempty"`
	RequestID string `json:"requestId,omitempty"`
}

// write answers. Headers that are set stay.
func (a refusal) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	// A struct of strings and a number always encodes; a caller who is gone reads nothing.
	_ = json.NewEncoder(w).Encode(problem{
		Type: "about:blank", Title: http.StatusText(a.status), Status: a.status, Detail: a.detail, Code: a.code,
		RequestID: plan.RequestID(r.Context()),
	})
}

// quoted writes a quoted-string (RFC 9110 section 5.6.4). What cannot stand in one is left out.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteString("\\" + string(c))
		case c >= ' ' && c < 0x7f:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
