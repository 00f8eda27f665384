package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
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
	for _, target := range []string{"/apis/things/things/7", "/things/7", "/things/7/name", "/none"} {
		b.Run(target, func(b *testing.B) {
			r := httptest.NewRequest("GET", target, http.NoBody)
			w := &discard{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
			if want := map[bool]int{true: 404, false: 200}[target == "/none"]; w.status != want {
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
