package mcp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// BenchmarkToolsCall measures a tools/call over HTTP on loopback, through to an upstream,
// next to httputil.ReverseProxy in front of the same upstream in the same run. "x-proxy" is
// how many times the proxy's time it takes.
func BenchmarkToolsCall(b *testing.B) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"7","name":"room"}`)
	}))
	b.Cleanup(up.Close)
	target, err := url.Parse(up.URL)
	if err != nil {
		b.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Transport: transport,
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
	})
	b.Cleanup(proxy.Close)

	docs := map[string]string{"rooms": strings.ReplaceAll(rooms, "https://api.example.test", up.URL)}
	for _, mode := range modes(b, docs) {
		mode.house.upstream.set(forward(transport))
		b.Run(mode.name, func(b *testing.B) {
			b.ReportAllocs()
			var ours, theirs time.Duration
			for b.Loop() {
				start := time.Now()
				exchange(b, mode.house.Client(), mode.request())
				ours += time.Since(start)
				b.StopTimer()
				start = time.Now()
				r, err := http.NewRequest(http.MethodGet, proxy.URL+"/rooms/7", nil)
				if err != nil {
					b.Fatal(err)
				}
				exchange(b, proxy.Client(), r)
				theirs += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(ours)/float64(theirs), "x-proxy")
		})
	}
}

// BenchmarkServeToolsCall measures what the adapter and the plan take of a tools/call, without a network
// on either side.
func BenchmarkServeToolsCall(b *testing.B) {
	for _, mode := range modes(b, map[string]string{"rooms": rooms}) {
		mode.house.upstream.answer(200, "application/json", `{"id":"7","name":"room"}`)
		b.Run(mode.name, func(b *testing.B) { serve(b, mode.house, mode.request()) })
	}
}

// BenchmarkServeToolsList is the same for the first page of a tools/list.
func BenchmarkServeToolsList(b *testing.B) {
	h := open(b, map[string]string{"rooms": rooms}, mcp.Options{})
	header, body := modern("tools/list", "", "{}")
	serve(b, h, h.request(http.MethodPost, "/mcp/rooms", header, body))
}

// serve serves a request again and again.
func serve(b *testing.B, h *house, r *http.Request) {
	b.ReportAllocs()
	handler := *h.handler.Load()
	for b.Loop() {
		in := r.WithContext(r.Context())
		in.Body, _ = r.GetBody() // a reader of a text never fails
		w := &discarded{header: http.Header{}}
		if handler.ServeHTTP(w, in); w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// discarded is a response that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }

// mode is one way to call a tool.
type mode struct {
	name    string
	house   *house
	request func() *http.Request
}

// modes gives the tools/call of each era, with and without a session.
func modes(b *testing.B, docs map[string]string) []mode {
	h, alone := open(b, docs, mcp.Options{}), open(b, docs, mcp.Options{WithoutSessions: true})
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
	session, older := h.session("/mcp/rooms"), toolCall("get-room", `{"id":"7"}`)
	return []mode{
		{"2026-07-28", h, func() *http.Request { return h.request(http.MethodPost, "/mcp/rooms", header, body) }},
		{"2025-11-25 session", h, func() *http.Request {
			return h.request(http.MethodPost, "/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, older)
		}},
		{"2025-11-25 alone", alone, func() *http.Request { return alone.request(http.MethodPost, "/mcp/rooms", nil, older) }},
	}
}

func exchange(b *testing.B, c *http.Client, r *http.Request) {
	resp, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "room") {
		b.Fatalf("%d %s, %v", resp.StatusCode, body, err)
	}
}

// forward is the least that sends a request over HTTP.
func forward(t http.RoundTripper) plan.UpstreamFunc {
	return func(ctx context.Context, r *plan.Request) (*plan.Response, error) {
		req, err := http.NewRequestWithContext(ctx, r.Method, r.URL(), r.Body.Reader())
		if err != nil {
			return nil, err
		}
		if r.Body.IsEmpty() {
			req.Body = nil
		}
		resp, err := t.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return &plan.Response{
			Status: resp.StatusCode,
			Header: []plan.Field{{Name: "Content-Type", Value: resp.Header.Get("Content-Type")}},
			Body:   plan.Body{Stream: resp.Body, Len: resp.ContentLength},
		}, nil
	}
}
