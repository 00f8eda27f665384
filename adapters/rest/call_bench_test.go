package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/engine/plan"
)

// BenchmarkServe is what a call costs beside the network: routing, binding, rendering and
// writing the answer.
func BenchmarkServe(b *testing.B) {
	body := plan.BytesBody([]byte(`{"name":"seven"}`))
	h := serveThings(b, Options{}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 200, Body: body, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}}, nil
	}).Config.Handler
	for _, request := range []struct{ name, method, target, body string }{
		{"mounted", "GET", "/apis/things/things/7", ""}, {"bare", "GET", "/things/7", ""}, {"query", "GET", "/things?q=a", ""},
		{"body", "POST", "/things", `{"a":1}`}, {"mapped", "GET", "/things/7/name", ""}, {"unknown", "GET", "/none", ""},
	} {
		b.Run(request.name, func(b *testing.B) {
			body := strings.NewReader(request.body)
			r := httptest.NewRequest(request.method, request.target, body)
			w := &discard{header: http.Header{}}
			if request.body == "" {
				r.Body, r.ContentLength = http.NoBody, 0
			}
			r = r.WithContext(plan.WithRequestID(r.Context(), plan.NewRequestID())) // as who takes it in does
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				body.Reset(request.body)
				h.ServeHTTP(w, r)
			}
			if want := map[bool]int{true: 404, false: 200}[request.name == "unknown"]; w.status != want {
				b.Fatalf("got %d, want %d", w.status, want)
			}
		})
	}
}

// discard is a response that nobody reads.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
