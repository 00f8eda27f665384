package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"capd/engine/plan"
)

func TestEveryCodeHasAnAnswer(t *testing.T) {
	t.Parallel()
	want := map[plan.Code]string{
		plan.CodeInvalidInput:        "400 http_request_error",
		plan.CodeBodyTooLarge:        "413 http_request_error",
		plan.CodeNotFound:            "404 http_request_error",
		plan.CodeMethodNotAllowed:    "405 http_request_error",
		plan.CodeUnauthorized:        "401 http_request_denied",
		plan.CodeForbidden:           "403 http_request_denied",
		plan.CodeRefused:             "501 proxy_configuration_error",
		plan.CodeNotConfigured:       "503 proxy_configuration_error",
		plan.CodeUpstreamFailed:      "502 destination_unavailable",
		plan.CodeUpstreamTimeout:     "504 http_response_timeout",
		plan.CodeUpstreamUnavailable: "503 destination_unavailable",
		plan.CodeRateLimited:         "429 http_request_denied",
		plan.CodeOverloaded:          "503 connection_limit_reached",
		plan.CodeUpstreamTooLarge:    "502 http_response_body_size",
		plan.CodeBadOutput:           "502 http_protocol_error",
		plan.CodeStepFailed:          "502 destination_unavailable",
		plan.CodeDeclined:            "403 http_request_denied",
		plan.CodeCannotAsk:           "501 proxy_configuration_error",
		plan.CodeCanceled:            "499 http_request_error",
		plan.CodeInternal:            "500 proxy_internal_error",
	}
	for code := plan.Code(1); code < plan.NumCodes; code++ {
		a := answerOf(code)
		if got := fmt.Sprintf("%d %s", a.status, a.proxyError); got != want[code] {
			t.Errorf("%s: got %q, want %q", code, got, want[code])
		}
		log := &records{}
		ts := resultServer(t, log, func(*http.Request) (*plan.Result, error) {
			return nil, &plan.Error{Code: code, Message: "what to do", Cause: errors.New("the <cause>")}
		})
		got := do(t, "GET", ts.URL, nil)
		if !strings.Contains(log.String(), `"code":"`+code.String()+`"`) || !strings.Contains(log.String(), "cause") {
			t.Errorf("%s: the log has %s", code, log)
		}
		if code == plan.CodeCanceled {
			if got.err == nil {
				t.Errorf("%s: something was answered: %d %s", code, got.StatusCode, got.body)
			}
			continue
		}
		checkProblem(t, got, a.status, code, "what to do")
		if strings.Contains(got.body, "cause") {
			t.Errorf("%s: the cause is shown to the caller: %s", code, got.body)
		}
		if h := got.Header.Get("Proxy-Status"); h != fmt.Sprintf("capd; error=%s; details=%q", a.proxyError, code.String()) {
			t.Errorf("%s: Proxy-Status %q", code, h)
		}
	}
}

// checkProblem checks that a reply is a problem document.
func checkProblem(t testing.TB, got *reply, status int, code plan.Code, detail string) {
	t.Helper()
	if got.err != nil {
		t.Errorf("%s: %v", code, got.err)
		return
	}
	var p map[string]any
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Errorf("%s: %v in %q", code, err, got.body)
		return
	}
	if got.StatusCode != status || p["status"] != float64(status) || p["code"] != code.String() || p["detail"] != detail ||
		p["type"] != "about:blank" || p["requestId"] == nil || p["title"] != http.StatusText(status) {
		t.Errorf("got %d %s\nwant %d %s %q", got.StatusCode, got.body, status, code, detail)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Length": fmt.Sprint(len(got.body)),
	} {
		if v := got.Header.Get(name); v != want {
			t.Errorf("%s: %s is %q, want %q", code, name, v, want)
		}
	}
}

func TestErrorThatIsNoCallErrorIsInternal(t *testing.T) {
	t.Parallel()
	log := &records{}
	ts := resultServer(t, log, func(*http.Request) (*plan.Result, error) {
		return nil, fmt.Errorf("wrapped: %w", &url.Error{Op: "Get", URL: "https://x.example/?key=hush", Err: errors.New("no route to host")})
	})
	checkProblem(t, do(t, "GET", ts.URL, nil), 500, plan.CodeInternal, "internal error")
	if text := log.String(); !strings.Contains(text, "no route to host") || strings.Contains(text, "hush") {
		t.Errorf("the log should have the cause without its URL: %s", text)
	}
}

func TestPanicEndsOneCallOnly(t *testing.T) {
	t.Parallel()
	log := &records{}
	ts := resultServer(t, log, func(r *http.Request) (*plan.Result, error) {
		switch r.URL.Path {
		case "/value":
			panic("what a caller sent: hush")
		case "/runtime":
			var none []int
			_ = none[len(r.URL.Path)]
		case "/late":
			return &plan.Result{Status: 200, Body: stream(&panicking{first: "begun"})}, nil
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		return &plan.Result{Status: 200, Body: plan.BytesBody([]byte("fine"))}, nil
	})
	checkProblem(t, do(t, "GET", ts.URL+"/value", nil), 500, plan.CodeInternal, "internal error")
	checkProblem(t, do(t, "GET", ts.URL+"/runtime", nil), 500, plan.CodeInternal, "internal error")
	if got := do(t, "GET", ts.URL+"/late", nil); got.err == nil || got.body != "begun" {
		t.Errorf("a panic within a body ended as a whole answer: %q", got.body)
	}
	text := log.String()
	if strings.Contains(text, "hush") {
		t.Errorf("the panic's value is in the log: %s", text)
	}
	for _, want := range []string{`"level":"ERROR"`, `"msg":"answer cut off"`, `"bytes_sent":5`, "problem_test.go", "index out of range", `"cause":"panic: string"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log has no %q: %s", want, text)
		}
	}
	before := len(text)
	if got := do(t, "GET", ts.URL+"/abort", nil); got.err == nil {
		t.Errorf("an aborted request was answered: %d", got.StatusCode)
	}
	if after := log.String(); len(after) != before {
		t.Errorf("an abort is no failure of a call, but was logged: %s", after[before:])
	}
	if got := do(t, "GET", ts.URL, nil); got.StatusCode != 200 || got.body != "fine" {
		t.Errorf("after the panics: %d %q", got.StatusCode, got.body)
	}
}

// panicking gives its first piece and then panics.
type panicking struct{ first string }

func (p *panicking) Read(b []byte) (int, error) {
	if p.first == "" {
		panic("in a body: hush")
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}
