package httpclient_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"capd/adapters/httpclient"
)

// BenchmarkDo measures a call through the client next to the same call through a bare
// http.Transport, in turns and on the same upstream. "ratio" is client to transport.
func BenchmarkDo(b *testing.B) {
	answer := make([]byte, 1<<10)
	srv := server(b, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
	c := newClient(b, httpclient.Options{})
	bare := &http.Transport{}
	b.Cleanup(bare.CloseIdleConnections)
	req := request(b, "GET", srv.URL, "/v1/rooms/42?limit=10", "Authorization", "Bearer t", "Accept", "application/json")
	ctx := context.Background()

	viaClient := func() {
		resp, err := c.Do(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body.Stream)
		_ = resp.Body.Close()
	}
	viaTransport := func() {
		r, err := http.NewRequestWithContext(ctx, "GET", srv.URL+"/v1/rooms/42?limit=10", nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer t")
		r.Header.Set("Accept", "application/json")
		resp, err := bare.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	viaClient()
	viaTransport()

	var ours, theirs time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		viaClient()
		middle := time.Now()
		viaTransport()
		ours += middle.Sub(start)
		theirs += time.Since(middle)
	}
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/call")
}
