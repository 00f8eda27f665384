package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// cachedSpec keeps answers; RESILIENCE says how. Its callers come through several doors.
const cachedSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM, KEY: KEY, TOKEN: TOKEN }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resilience: RESILIENCE
    authentication: { type: apikey, key: X-Key, value: "{{KEY}}", placement: header }
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET, inputParameters: [{ name: page, in: query }] }
      - { name: add, method: POST }
  exposes:
  - type: rest
    namespace: open
    port: 8080
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET, call: up.list, with: { page: rest.page } }
      - { name: add, method: POST, call: up.add }
    - path: /names
      operations:
      - { name: names, method: GET, call: up.list, outputParameters: [{ type: string, mapping: $.name }] }
  - type: rest
    namespace: guarded
    port: 8080
    authentication: { type: bearer, token: "{{TOKEN}}" }
    resources:
    - path: /guarded/rooms
      operations: [{ name: list, method: GET, call: up.list }]
  - type: mcp
    namespace: tools
    port: 8080
    tools:
    - { name: list, description: List the rooms, call: up.list }
    - { name: add, description: Add a room, call: up.add }
`

// cacheUpstream answers each request with its number, to be kept for a minute.
func cacheUpstream(t *testing.T, header ...string) upstream {
	t.Helper()
	up := upstream{recorder: &recorder{}}
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.record(r)
		mu.Lock()
		n++
		mine := n
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", `"one"`)
		w.Header().Set("Cache-Status", "inner.example; hit")
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = fmt.Fprintf(w, `{"name":"room %d"}`, mine)
	}))
	t.Cleanup(server.Close)
	up.url = server.URL
	return up
}

func (u upstream) wants(t *testing.T, what string, n int) {
	t.Helper()
	if seen := u.take(); len(seen) != n {
		t.Errorf("%s: the upstream saw %d requests, want %d: %+v", what, len(seen), n, seen)
	}
}

func cacheEnv(up upstream) []string {
	return []string{"UPSTREAM=" + up.url, "KEY=marked-key-1", "TOKEN=t0ken"}
}

// TestCache: what is kept answers REST and MCP, as it is and mapped, for the same caller of the
// same document; a change ends it.
func TestCache(t *testing.T) {
	t.Parallel()
	up := cacheUpstream(t)
	spec := strings.Replace(cachedSpec, "RESILIENCE", "{ cache: {} }", 1)
	i, control, dir := controlled(t, map[string]string{"one.yaml": spec, "other.yaml": spec}, cacheEnv(up))
	rest, tools := i.url+"/apis/one/rooms", i.url+"/mcp/one"

	first := call(t, "GET", rest, "")
	if first.Body != `{"name":"room 1"}` || first.Header.Get("Cache-Status") != "capd; fwd=uri-miss" || first.Header.Get("Age") != "" {
		t.Errorf("the first answer: %+v", first)
	}
	up.wants(t, "the first", 1)
	hit := call(t, "GET", rest, "")
	if hit.Body != first.Body || !strings.HasPrefix(hit.Header.Get("Cache-Status"), "capd; hit; ttl=") || hit.Header.Get("Age") == "" || hit.Header.Get("Cache-Control") != "max-age=60" || hit.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the second answer: %+v", hit)
	}
	// Who does not want gzip is another who asks, whatever the upstream says it varies by.
	for range 2 {
		if got := callTool(t, tools, "list", `{}`).text(t); got != `{"name":"room 2"}` {
			t.Errorf("the tool gives %s", got)
		}
	}
	up.wants(t, "the tool", 1)
	if got := call(t, "GET", i.url+"/apis/one/names", ""); got.Body != `"room 2"` || got.Header.Get("Age") == "" || got.Header.Get("Etag") != "" {
		t.Errorf("mapped: %+v", got)
	}
	if got := knock(t, "GET", rest, `If-None-Match: "one"`); got.Status != 304 || got.Body != "" || got.Header.Get("Etag") != `"one"` {
		t.Errorf("with the tag of the answer: %+v", got)
	}
	if got := knock(t, "GET", rest, `If-None-Match: "two"`, "Cache-Control: no-cache"); got.Status != 200 || got.Body != first.Body {
		t.Errorf("with another tag: %+v", got)
	}
	if got := knock(t, "HEAD", rest); got.Status != 200 || got.Body != "" || got.Header.Get("Content-Length") != fmt.Sprint(len(first.Body)) {
		t.Errorf("HEAD: %+v", got)
	}
	up.wants(t, "what is kept", 0)
	asks(t, "POST", control+"/reload", "", 200, nil)
	call(t, "GET", rest, "")
	up.wants(t, "what is kept, after a reload", 0)

	if got := knock(t, "GET", rest, "Range: bytes=0-3"); got.Header.Get("Cache-Status") != "capd; fwd=bypass" {
		t.Errorf("a part: %+v", got)
	}
	up.wants(t, "a part", 1)
	call(t, "GET", rest+"?page=2", "")
	up.wants(t, "another page", 1)
	knock(t, "GET", i.url+"/guarded/rooms", "Authorization: Bearer t0ken")
	up.wants(t, "another caller", 1)
	call(t, "GET", i.url+"/apis/other/rooms", "")
	up.wants(t, "another document", 1)

	callTool(t, tools, "add", `{}`)
	up.wants(t, "a change", 1)
	call(t, "GET", i.url+"/apis/other/rooms", "")
	up.wants(t, "the other document after a change", 0)
	call(t, "GET", rest, "")
	call(t, "GET", rest+"?page=2", "")
	call(t, "GET", rest, "")
	up.wants(t, "the document after a change", 2)

	writeSpec(t, dir+"/one.yaml", strings.Replace(cachedSpec, "RESILIENCE", "{ cache: false }", 1))
	asks(t, "POST", control+"/reload", "", 200, nil)
	if got := call(t, "GET", rest, ""); got.Header.Get("Cache-Status") != "" {
		t.Errorf("without a cache: %+v", got)
	}
	up.wants(t, "without a cache", 1)

	metrics := asks(t, "GET", control+"/metrics", "", 200, nil)
	for _, line := range []string{
		`capd_cache_requests_total{document="one",result="hit"} 8`, `capd_cache_requests_total{document="one",result="miss"} 6`,
		`capd_cache_requests_total{document="one",result="bypass"} 1`, `capd_cache_requests_total{document="other",result="miss"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
	}
	if strings.Contains(metrics, "capd_cache_bytes 0\n") || !strings.Contains(metrics, "capd_cache_bytes ") {
		t.Error("the metrics do not say how much is kept")
	}
}

// TestCacheShared: with shared, callers are given the same answers.
func TestCacheShared(t *testing.T) {
	t.Parallel()
	up := cacheUpstream(t)
	i := start(t, cacheEnv(up), specFile(t, "one.yaml", strings.Replace(cachedSpec, "RESILIENCE", "{ cache: { shared: true } }", 1)))
	call(t, "GET", i.url+"/rooms", "")
	knock(t, "GET", i.url+"/guarded/rooms", "Authorization: Bearer t0ken")
	up.wants(t, "two callers", 1)
	if got := knock(t, "GET", i.url+"/guarded/rooms", "Authorization: Bearer wrong"); got.Status != 401 {
		t.Errorf("who may not call is answered: %+v", got)
	}
	up.wants(t, "one who may not call", 0)
}

// TestCacheOff: nothing is kept or shared by itself.
func TestCacheOff(t *testing.T) {
	t.Parallel()
	up := cacheUpstream(t)
	i := start(t, cacheEnv(up), specFile(t, "one.yaml", strings.Replace(cachedSpec, "    resilience: RESILIENCE\n", "", 1)))
	for range 3 {
		if got := call(t, "GET", i.url+"/rooms", ""); got.Header.Get("Cache-Status") != "" {
			t.Errorf("got %+v", got)
		}
	}
	up.wants(t, "three calls", 3)
}

// TestCacheStale: an answer that is over is given while the upstream is down.
func TestCacheStale(t *testing.T) {
	t.Parallel()
	up := upstream{recorder: &recorder{}}
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.record(r)
		if n++; n > 1 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Etag", `"one"`)
		_, _ = io.WriteString(w, "the room")
	}))
	t.Cleanup(server.Close)
	up.url = server.URL
	i := start(t, cacheEnv(up), specFile(t, "one.yaml", strings.Replace(cachedSpec, "RESILIENCE", "{ retry: false, cache: { stale: 1h } }", 1)))
	call(t, "GET", i.url+"/rooms", "")
	got := call(t, "GET", i.url+"/rooms", "")
	if got.Status != 200 || got.Body != "the room" || got.Header.Get("Cache-Status") != "capd; fwd=stale" || got.Header.Get("Age") == "" {
		t.Errorf("while the upstream is down: %+v", got)
	}
	// net/http sends a GET again whose connection was lost while it was idle.
	if seen := up.take(); len(seen) < 2 || seen[1].Header.Get("If-None-Match") != `"one"` {
		t.Errorf("the upstream saw %+v", seen)
	}
}

// TestCoalesce: many callers at once are one request upstream, whatever door they come through.
func TestCoalesce(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	up := upstream{recorder: &recorder{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.record(r)
		asked <- struct{}{}
		<-answer
		w.Header().Set("Cache-Control", "max-age=60") // for those who come too late to share
		_, _ = io.WriteString(w, `{"name":"room"}`)
	}))
	t.Cleanup(server.Close)
	up.url = server.URL
	i := start(t, cacheEnv(up), specFile(t, "one.yaml", strings.Replace(cachedSpec, "RESILIENCE", "{ coalesce: true, cache: {} }", 1)))
	const many = 20
	var group sync.WaitGroup
	for range many {
		group.Go(func() {
			if got := call(t, "GET", i.url+"/rooms", ""); got.Status != 200 || got.Body != `{"name":"room"}` {
				t.Errorf("REST: %+v", got)
			}
		})
		group.Go(func() {
			if got := callTool(t, i.url+"/mcp/one", "list", `{}`); got.IsError || got.text(t) != `{"name":"room"}` {
				t.Errorf("MCP: %+v", got)
			}
		})
		group.Go(func() { // one who hangs up
			ctx, cancel := context.WithCancel(context.Background())
			req, err := http.NewRequestWithContext(ctx, "GET", i.url+"/rooms", http.NoBody)
			if err != nil {
				t.Error(err)
			}
			go cancel()
			if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
		})
	}
	<-asked
	close(answer)
	group.Wait()
	// Those who hang up may have been alone for a moment, and then their request is given up.
	if n := len(up.take()); n > many {
		t.Errorf("%d callers made %d requests", 3*many, n)
	}
	call(t, "GET", i.url+"/rooms", "")
	up.wants(t, "afterwards", 0)
}

// TestCacheOfExchange: what was fetched in the name of one caller is never given to another,
// also when the document says that answers are shared.
func TestCacheOfExchange(t *testing.T) {
	t.Parallel()
	up := cacheUpstream(t, "Cache-Control", "public, max-age=60")
	is := startIssuer(t, allAudiences()...)
	spec := strings.Replace(exchangeSpec, "    authentication:\n      type: oauth2\n      grantType", "    resilience: { cache: { shared: true }, coalesce: true }\n    authentication:\n      type: oauth2\n      grantType", 1)
	i := start(t, []string{"UPSTREAM=" + up.url, "ISSUER=" + is.URL, "CLIENT_ID=exchanger", "CLIENT_SECRET=secret of exchanger"}, specFile(t, "spec.yaml", spec))
	ada, bob := is.token(t, "ada"), is.token(t, "bob")
	for range 2 {
		if got := knock(t, "GET", i.url+"/rooms", bearerOf(ada)); got.Body != `{"name":"room 1"}` {
			t.Errorf("ada gets %+v", got)
		}
		if got := knock(t, "GET", i.url+"/rooms", bearerOf(bob)); got.Body != `{"name":"room 2"}` {
			t.Errorf("bob gets %+v", got)
		}
	}
	up.wants(t, "two callers, twice", 2)
}
