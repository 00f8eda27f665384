package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
)

// The words of health, as other engines of the language write them.
const (
	statusUp       = "UP"
	statusDegraded = "DEGRADED"
	statusDown     = "DOWN"
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

// endpoint answers requests with one of its methods.
type endpoint struct {
	methods map[string]http.HandlerFunc // HEAD goes where GET goes
}

// ServeHTTP answers a request that may come in.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if serve := e.methods[method]; serve != nil {
		serve(w, r)
		return
	}
	allowed := []string{http.MethodOptions}
	for m := range e.methods {
		allowed = append(allowed, m)
		if m == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	fail(w, r, http.StatusMethodNotAllowed, plan.Errorf(plan.CodeMethodNotAllowed, "this address takes %s", strings.Join(allowed, ", ")))
}

// fail answers with a problem document.
func fail(w http.ResponseWriter, r *http.Request, status int, e *plan.Error) {
	reply(w, r, status, "application/problem+json", problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code.String(), RequestID: plan.RequestID(r.Context()),
	})
}

func notFound(w http.ResponseWriter, r *http.Request) {
	fail(w, r, http.StatusNotFound, plan.Errorf(plan.CodeNotFound, "nothing is served under this address"))
}

// answer answers with JSON.
func answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	reply(w, r, status, "application/json", v)
}

func reply(w http.ResponseWriter, r *http.Request, status int, mediaType string, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
	}
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	// Who does not read holds nothing up for long.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerPatience)) // a writer without deadlines does not stall
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // a client that is gone needs no answer
	}
	if control.Flush() == nil {
		_ = control.SetWriteDeadline(time.Time{})
	}
}

// answerPatience is how long a caller may take to read an answer.
const answerPatience = 30 * time.Second

// mark sets the headers of every answer: none may be kept, nor taken for a page.
func mark(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// live answers as long as there is anybody to answer.
func live(w http.ResponseWriter, r *http.Request) {
	answer(w, r, http.StatusOK, struct {
		Status string `json:"status"`
	}{statusUp})
}

// readBody reads a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, *plan.Error) {
	tooLarge := plan.Errorf(plan.CodeBodyTooLarge, "the body has more than %d bytes", limit)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if e, ok := errors.AsType[*plan.Error](err); ok {
		return nil, e
	}
	if err != nil {
		return nil, plan.Errorf(plan.CodeInvalidInput, "the body could not be read")
	}
	if int64(len(body)) > limit {
		return nil, tooLarge
	}
	return body, nil
}

// failBody answers for a body that could not be read.
func failBody(w http.ResponseWriter, r *http.Request, e *plan.Error) {
	status := http.StatusBadRequest
	if e.Code == plan.CodeBodyTooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	fail(w, r, status, e)
}
