package rest

import (
	"net/http"
	"strconv"

	"capd/engine/plan"
)

// write answers with a call's result.
func (s *server) write(c *call, result *plan.Result) error {
	if result.Status < 200 || result.Status > 999 {
		// net/http cannot send such a status as a final one.
		return plan.Errorf(plan.CodeUpstreamFailed, "the upstream answered with the status %d, which is no final one", result.Status)
	}
	r, w := c.Request(), c.Response()
	h := w.Header()
	if !hasContent(r.Method, result) {
		setHeader(h, result, -1)
		setLength(h, r.Method, result)
		w.WriteHeader(result.Status)
		return nil
	}
	if result.Body.Stream == nil {
		setHeader(h, result, int64(len(result.Body.Bytes)))
		w.WriteHeader(result.Status)
		if _, err := w.Write(result.Body.Bytes); err != nil {
			s.cutOff(c, clientGone(err))
			return errAbort
		}
		return nil
	}
	return s.stream(c, result)
}

// hasContent reports whether an answer has content at all: not to HEAD, whoever asked it,
// and not with a status that forbids it (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
func hasContent(method string, result *plan.Result) bool {
	switch result.Status {
	case http.StatusNoContent, http.StatusResetContent, http.StatusNotModified:
		return false
	}
	return method != http.MethodHead && result.Method != http.MethodHead
}

// setLength sets the Content-Length of an answer without content: for HEAD that of the
// content it stands for, where it is known.
func setLength(h http.Header, method string, result *plan.Result) {
	switch {
	case result.Status == http.StatusNoContent || result.Status == http.StatusNotModified:
	case method != http.MethodHead || result.Status == http.StatusResetContent:
		h.Set("Content-Length", "0")
	case result.Body.Stream == nil && len(result.Body.Bytes) > 0:
		h.Set("Content-Length", strconv.Itoa(len(result.Body.Bytes)))
	case result.Body.Len > 0, result.Body.Len == 0 && result.Method != http.MethodHead:
		h.Set("Content-Length", strconv.FormatInt(result.Body.Len, 10))
	}
}

// writeBytes answers with content of capd's own.
func writeBytes(w http.ResponseWriter, r *http.Request, status int, mediaType string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a client that is gone needs no answer
	}
}
