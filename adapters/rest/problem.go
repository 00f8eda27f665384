package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"capd/engine/plan"
)

// answer is how a code looks on the wire.
type answer struct {
	status int
	// proxyError is the error type of Proxy-Status (RFC 9209 section 2.3): what failed, in
	// words that intermediaries know.
	proxyError string
}

// statusClientClosed is what logs call a call whose client went away. It is never sent.
const statusClientClosed = 499

// answerOf is the one table from codes to the wire.
func answerOf(code plan.Code) answer {
	switch code {
	case plan.CodeInvalidInput:
		return answer{http.StatusBadRequest, "http_request_error"}
	case plan.CodeBodyTooLarge:
		return answer{http.StatusRequestEntityTooLarge, "http_request_error"}
	case plan.CodeNotFound:
		return answer{http.StatusNotFound, "http_request_error"}
	case plan.CodeMethodNotAllowed:
		return answer{http.StatusMethodNotAllowed, "http_request_error"}
	case plan.CodeUnauthorized:
		return answer{http.StatusUnauthorized, "http_request_denied"}
	case plan.CodeForbidden:
		return answer{http.StatusForbidden, "http_request_denied"}
	case plan.CodeRefused:
		return answer{http.StatusNotImplemented, "proxy_configuration_error"}
	case plan.CodeNotConfigured:
		return answer{http.StatusServiceUnavailable, "proxy_configuration_error"}
	case plan.CodeUpstreamFailed:
		return answer{http.StatusBadGateway, "destination_unavailable"}
	case plan.CodeUpstreamTimeout:
		return answer{http.StatusGatewayTimeout, "http_response_timeout"}
	case plan.CodeUpstreamUnavailable:
		return answer{http.StatusServiceUnavailable, "destination_unavailable"}
	case plan.CodeRateLimited:
		return answer{http.StatusTooManyRequests, "http_request_denied"}
	case plan.CodeOverloaded:
		return answer{http.StatusServiceUnavailable, "connection_limit_reached"}
	case plan.CodeUpstreamTooLarge:
		return answer{http.StatusBadGateway, "http_response_body_size"}
	case plan.CodeBadOutput:
		return answer{http.StatusBadGateway, "http_protocol_error"}
	case plan.CodeStepFailed:
		return answer{http.StatusBadGateway, "destination_unavailable"}
	case plan.CodeDeclined:
		return answer{http.StatusForbidden, "http_request_denied"}
	case plan.CodeCannotAsk:
		return answer{http.StatusNotImplemented, "proxy_configuration_error"}
	case plan.CodeCanceled:
		return answer{statusClientClosed, "http_request_error"}
	}
	return answer{http.StatusInternalServerError, "proxy_internal_error"}
}

// problem is a problem document (RFC 9457). Its type is "about:blank": the status says
// what kind of problem it is, and Code says it exactly. It has no instance: RequestID is
// what finds the log record.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	Code      string `json:"code"`
	RequestID string `json:"requestId,omitempty"`

	Step           string `json:"step,omitempty"`
	UpstreamStatus int    `json:"upstreamStatus,omitempty"`
}

// statusOf gives the status of a failure. What an upstream says of the caller's own input is
// passed on, also when it says it to one step of several; a refused credential is capd's.
func statusOf(e *plan.Error) int {
	switch e.UpstreamStatus {
	case http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return e.UpstreamStatus
	}
	return answerOf(e.Code).status
}

// writeProblem answers with a failure of capd's own. Headers that are set stay.
func writeProblem(w http.ResponseWriter, r *http.Request, e *plan.Error) {
	a, status := answerOf(e.Code), statusOf(e)
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	// A struct of strings and a number always encodes.
	_ = enc.Encode(problem{
		Type:      "about:blank",
		Title:     http.StatusText(status),
		Status:    status,
		Detail:    e.Message,
		Code:      e.Code.String(),
		RequestID: plan.RequestID(r.Context()),

		Step: e.Step, UpstreamStatus: e.UpstreamStatus,
	})
	h := w.Header()
	h.Set("Proxy-Status", `capd; error=`+a.proxyError+`; details="`+e.Code.String()+`"`)
	// Caches may keep a 404, 405 or 501 on their own account; the next reload can change it.
	h.Set("Cache-Control", "no-store")
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfterSeconds()))
	}
	writeBytes(w, r, status, "application/problem+json", body.Bytes())
}
