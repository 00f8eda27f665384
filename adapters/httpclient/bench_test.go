package httpclient_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// BenchmarkDo measures a call through the client, and the same call through a bare http.Transport.
// The upstream is in this process, so that its allocations are counted with both.
func BenchmarkDo(b *testing.B) {
	answer := make([]byte, 1<<10)
	srv := server(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	c := newClient(b, httpclient.Options{})
	bare := &http.Transport{}
	b.Cleanup(bare.CloseIdleConnections)
	ctx := context.Background()
	read := func(b *testing.B, body io.ReadCloser, err error) {
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, body)
		_ = body.Close()
	}
	const target = "/v1/rooms/42?limit=10"
	for _, bench := range []struct {
		name string
		do   func(b *testing.B)
	}{
		{"GET", func(b *testing.B) {
			req := request(b, "GET", srv.URL, target, "Authorization", "Bearer t", "Accept", "application/json", "X-API-Key", "k")
			resp, err := c.Do(ctx, req)
			read(b, resp.Body.Stream, err)
		}},
		{"POST", func(b *testing.B) {
			req := request(b, "POST", srv.URL, target, "Authorization", "Bearer t", "Content-Type", "application/json")
			req.Body = plan.BytesBody(answer)
			resp, err := c.Do(ctx, req)
			read(b, resp.Body.Stream, err)
		}},
		{"bare GET", func(b *testing.B) {
			r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+target, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer t")
			r.Header.Set("Accept", "application/json")
			r.Header["X-API-Key"] = []string{"k"}
			resp, err := bare.RoundTrip(r)
			read(b, resp.Body, err)
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.do(b)
			b.ReportAllocs()
			for b.Loop() {
				bench.do(b)
			}
		})
	}
}
