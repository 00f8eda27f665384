package skill

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"capd/engine/plan"
)

// problem is a problem document (RFC 9457), as the other adapters write them.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	RequestID string `json:"requestId,omitempty"`
}

// statusOf is the table from codes to the wire. Nothing is called here, so codes of a call that
// failed upstream do not occur.
func statusOf(code plan.Code) int {
	switch code {
	case plan.CodeInvalidInput:
		return http.StatusBadRequest
	case plan.CodeNotFound:
		return http.StatusNotFound
	case plan.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case plan.CodeUnauthorized:
		return http.StatusUnauthorized
	case plan.CodeForbidden:
		return http.StatusForbidden
	case plan.CodeRefused:
		return http.StatusNotImplemented
	case plan.CodeRateLimited:
		return http.StatusTooManyRequests
	case plan.CodeOverloaded:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func errNotFound() *plan.Error {
	return plan.Errorf(plan.CodeNotFound, "nothing is served at this path; GET /%s lists what is", plan.Skill.Prefix())
}

// fail answers a request that failed before anything of an answer was sent, and records it.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	ctx := r.Context()
	if errors.Is(ctx.Err(), context.Canceled) {
		cutConnection() // nobody is there to answer
	}
	e := plan.AsError(err)
	status := statusOf(e.Code)
	level := slog.LevelDebug // a caller's mistake
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.String("request_id", plan.RequestID(ctx)), slog.String("code", e.Code.String()),
		slog.String("message", e.Message), slog.Int("status", status),
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	s.opts.Logger.LogAttrs(ctx, level, "request for a skill failed", attrs...)
	writeProblem(w, r, e)
}

// writeProblem answers with a failure. Headers that are set stay.
func writeProblem(w http.ResponseWriter, r *http.Request, e *plan.Error) {
	status := statusOf(e.Code)
	body, err := encode(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code.String(), RequestID: plan.RequestID(r.Context()),
	})
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Cache-Control", "no-store") // the next reload, or a new file, can change it
	write(w, r, status, "application/problem+json", body)
}

// cutConnection ends a request without an end of its answer. It does not return.
func cutConnection() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // the one way that net/http has for it
}
