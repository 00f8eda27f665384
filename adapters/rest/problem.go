package rest

import (
	"bytes"
	"encoding/json"
	"net/http"

	"capd/engine/plan"
)

// answer is how a code looks on the wire.
type answer struct {
	status int
	title  string
	// proxyError is the error type of Proxy-Status (RFC 9209 section 2.3): who failed, in
	// words that intermediaries know.
	proxyError string
}

// statusClientClosed is what logs call a call whose client went away. It is never sent.
const statusClientClosed = 499

// answerOf is the one table from codes to the wire.
func answerOf(code plan.Code) answer {
	switch code {
	case plan.CodeInvalidInput:
		return answer{http.StatusBadRequest, "Invalid input", "http_request_error"}
	case plan.CodeBodyTooLarge:
		return answer{http.StatusRequestEntityTooLarge, "Request body too large", "http_request_error"}
	case plan.CodeNotFound:
		return answer{http.StatusNotFound, "Nothing here", "http_request_error"}
	case plan.CodeMethodNotAllowed:
		return answer{http.StatusMethodNotAllowed, "Method not allowed", "http_request_error"}
	case plan.CodeForbidden:
		return answer{http.StatusForbidden, "Forbidden", "http_request_denied"}
	case plan.CodeRefused:
		return answer{http.StatusNotImplemented, "Operation not served", "proxy_configuration_error"}
	case plan.CodeNotConfigured:
		return answer{http.StatusServiceUnavailable, "Operation not configured", "proxy_configuration_error"}
	case plan.CodeUpstreamFailed:
		return answer{http.StatusBadGateway, "Upstream failed", "destination_unavailable"}
	case plan.CodeUpstreamTimeout:
		return answer{http.StatusGatewayTimeout, "Upstream timeout", "http_response_timeout"}
	case plan.CodeUpstreamTooLarge:
		return answer{http.StatusBadGateway, "Upstream answer too large", "http_response_body_size"}
	case plan.CodeBadOutput:
		return answer{http.StatusBadGateway, "Upstream answer cannot be mapped", "http_protocol_error"}
	case plan.CodeCanceled:
		return answer{statusClientClosed, "Client closed the request", "http_request_error"}
	}
	return answer{http.StatusInternalServerError, "Internal error", "proxy_internal_error"}
}

// problem is a problem document (RFC 9457). Type and Code say the same: Type for clients
// that know the RFC, Code for people. There is no instance: RequestID finds the log record.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	RequestID string `json:"request_id,omitempty"`
}

// writeProblem answers with a failure of capd's own. Headers that are set stay.
func writeProblem(w http.ResponseWriter, r *http.Request, e *plan.Error) {
	a := answerOf(e.Code)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	// A struct of strings and a number always encodes.
	_ = enc.Encode(problem{
		Type:      "urn:capd:problem:" + e.Code.String(),
		Title:     a.title,
		Status:    a.status,
		Detail:    e.Message,
		Code:      e.Code.String(),
		RequestID: plan.RequestID(r.Context()),
	})
	h := w.Header()
	h.Set("Proxy-Status", `capd; error=`+a.proxyError+`; details="`+e.Code.String()+`"`)
	// Caches may keep a 404, 405 or 501 on their own account; the next reload can change it.
	h.Set("Cache-Control", "no-store")
	writeBytes(w, r, a.status, "application/problem+json", body.Bytes())
}
