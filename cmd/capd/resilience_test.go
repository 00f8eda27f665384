package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// protectedSpec has one API with settings, and three doors: REST, MCP and REST for callers with a
// name.
const protectedSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resilience: SETTINGS
    resources:
    - path: /things
      operations:
      - { name: get, method: GET }
      - { name: add, method: POST }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /things
      operations:
      - { name: get, method: GET, call: up.get }
      - { name: add, method: POST, call: up.add }
  - type: rest
    namespace: named
    port: 8081
    authentication: { type: basic, username: ann, password: '{{env.UPSTREAM}}' }
    resources:
    - path: /mine
      operations:
      - { name: mine, method: GET, call: up.get }
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - { name: get, description: Get things, call: up.get }
    - { name: add, description: Add a thing, call: up.add }
`

// shaky is an upstream that counts its requests and answers them with statuses in turn, the last
// for all that follow. A status of 0 closes the connection.
type shaky struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	sent     int
	hold     chan struct{} // nil: it answers at once
}

func shakyUpstream(tb testing.TB, statuses ...int) *shaky {
	tb.Helper()
	s := &shaky{statuses: statuses}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		s.sent++
		status, hold := s.statuses[0], s.hold
		if len(s.statuses) > 1 {
			s.statuses = s.statuses[1:]
		}
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d}`, status)
	}))
	tb.Cleanup(s.Close)
	return s
}

// took gives how many requests came since the last time.
func (s *shaky) took() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.sent
	s.sent = 0
	return n
}

func (s *shaky) answer(statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = statuses
}

// protectedInstance serves protectedSpec with settings.
func protectedInstance(t *testing.T, up *shaky, settings string, args ...string) (i *instance, control, file string) {
	t.Helper()
	i, control, dir := controlled(t, map[string]string{"doc.yaml": strings.Replace(protectedSpec, "SETTINGS", settings, 1)}, []string{"UPSTREAM=" + up.URL}, args...)
	return i, control, filepath.Join(dir, "doc.yaml")
}

// TestRetriesThroughBothDoors: what may be sent again is, what may not is sent once, and the
// caller, the audit and the metrics are told the truth.
func TestRetriesThroughBothDoors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	up := shakyUpstream(t, 503, 0, 200)
	i, control, _ := protectedInstance(t, up, "{ retry: { wait: 1ms } }", "--audit", file)
	got := call(t, http.MethodGet, i.url+"/apis/doc/things", "")
	if got.Status != 200 || up.took() != 3 || got.Body != `{"status":200}` {
		t.Errorf("GET: %+v", got)
	}
	up.answer(503)
	if got := call(t, http.MethodGet, i.url+"/apis/doc/things", ""); got.Status != 503 || got.Header.Get("Proxy-Status") != "capd; received-status=503" || up.took() != 3 {
		t.Errorf("GET that fails: %+v", got)
	}
	if got := callTool(t, i.url+"/mcp/doc", "get", "{}"); !got.IsError || up.took() != 3 {
		t.Errorf("tool: %+v", got)
	}
	for _, statuses := range [][]int{{503, 200}, {0, 200}, {429, 200}} {
		up.answer(statuses...)
		if got := call(t, http.MethodPost, i.url+"/apis/doc/things", `{}`); got.Status == 200 || up.took() != 1 {
			t.Errorf("POST: %+v", got)
		}
		up.answer(statuses...)
		if got := callTool(t, i.url+"/mcp/doc", "add", "{}"); !got.IsError || up.took() != 1 {
			t.Errorf("tool that adds: %+v", got)
		}
	}
	up.answer(0)
	if got := call(t, http.MethodGet, i.url+"/apis/doc/things", ""); got.Status != 502 || up.took() < 3 {
		t.Errorf("GET that is lost: %+v", got)
	}
	metrics := asks(t, http.MethodGet, control+"/metrics", "", http.StatusOK, nil)
	for _, want := range []string{`capd_retries_total{document="doc",reason="503"} 5`, `capd_retries_total{document="doc",reason="connection"} 3`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	i.stop()
	audit, err := os.ReadFile(file)
	if err != nil || strings.Count(string(audit), `"attempts":3`) != 4 {
		t.Errorf("the audit has %s, %v", audit, err)
	}
}

// isHour reports whether a Retry-After is an hour, less what the test has taken so far.
func isHour(retryAfter string) bool {
	s, err := strconv.Atoi(retryAfter)
	return err == nil && s > 3600-int(patience.Seconds()) && s <= 3600
}

// TestBreakerSurvivesReloads: an upstream that is down is left alone, through every door, also
// after its document changed.
func TestBreakerSurvivesReloads(t *testing.T) {
	t.Parallel()
	const settings = "{ retry: false, breaker: { failures: 3, of: 3, window: 10m, open: 1h } }"
	up := shakyUpstream(t, 503)
	i, control, file := protectedInstance(t, up, settings)
	for range 3 {
		call(t, http.MethodPost, i.url+"/apis/doc/things", "{}")
	}
	open := func(when string) {
		t.Helper()
		got := call(t, http.MethodGet, i.url+"/apis/doc/things", "")
		if got.Status != 503 || !isHour(got.Header.Get("Retry-After")) || !strings.Contains(got.Body, `"code":"upstream-unavailable"`) ||
			!strings.Contains(got.Body, "failed too often and is left alone for a while; try again in "+got.Header.Get("Retry-After")+" s") {
			t.Errorf("%s: %+v", when, got)
		}
		if got := callTool(t, i.url+"/mcp/doc", "get", "{}"); !got.IsError || !strings.Contains(got.text(t), "left alone for a while") {
			t.Errorf("%s: tool: %+v", when, got)
		}
		if n := up.took(); n != 0 {
			t.Errorf("%s: %d requests were sent", when, n)
		}
	}
	if n := up.took(); n != 3 {
		t.Errorf("%d requests were sent, want 3", n)
	}
	open("at first")
	writeSpec(t, file, strings.Replace(protectedSpec, "SETTINGS", settings+"\n    description: Changed", 1))
	asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
	open("after a reload")
	metrics := asks(t, http.MethodGet, control+"/metrics", "", http.StatusOK, nil)
	for _, want := range []string{`capd_breaker_state{api="up",document="doc"} 2`, `capd_breaker_opened_total{api="up",document="doc"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	if status := asks(t, http.MethodGet, control+"/status", "", http.StatusOK, nil); !strings.Contains(status, `"breakers":[{"document":"doc","api":"up","host":"`+strings.TrimPrefix(up.URL, "http://")+`","state":"open"}]`) {
		t.Errorf("the status is %s", status)
	}
	if !strings.Contains(i.stderr.String(), `"msg":"an upstream failed too often and is left alone","document":"doc","api":"up"`) {
		t.Error("the log does not say so")
	}
	// Other settings are another breaker.
	up.answer(200)
	writeSpec(t, file, strings.Replace(protectedSpec, "SETTINGS", "{ breaker: false }", 1))
	asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
	if got := call(t, http.MethodGet, i.url+"/apis/doc/things", ""); got.Status != 200 {
		t.Errorf("without a breaker: %+v", got)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	writeSpec(t, filepath.Join(filepath.Dir(file), "other.yaml"), roomsSpec)
	asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
	if metrics := asks(t, http.MethodGet, control+"/metrics", "", http.StatusOK, nil); strings.Contains(metrics, "capd_breaker_state{") {
		t.Error("the metrics tell of a document that is gone")
	}
}

// TestLimitsThroughBothDoors: rates and places are one for all doors, and a caller who has a name
// has a rate alone.
func TestLimitsThroughBothDoors(t *testing.T) {
	t.Parallel()
	t.Run("rate", func(t *testing.T) {
		t.Parallel()
		up := shakyUpstream(t, 200)
		i, control, _ := protectedInstance(t, up, "{ rate: { count: 1, period: 1h, burst: 2 } }")
		call(t, http.MethodGet, i.url+"/apis/doc/things", "")
		callTool(t, i.url+"/mcp/doc", "get", "{}")
		got := call(t, http.MethodGet, i.url+"/apis/doc/things", "")
		if got.Status != 429 || !isHour(got.Header.Get("Retry-After")) || !strings.Contains(got.Body, `"code":"rate-limited"`) {
			t.Errorf("REST: %+v", got)
		}
		if got := callTool(t, i.url+"/mcp/doc", "get", "{}"); !got.IsError || !strings.Contains(got.text(t), "is called too often; try again in") {
			t.Errorf("MCP: %+v", got)
		}
		if n := up.took(); n != 2 {
			t.Errorf("%d requests were sent, want 2", n)
		}
		if metrics := asks(t, http.MethodGet, control+"/metrics", "", http.StatusOK, nil); !strings.Contains(metrics, `capd_limited_total{document="doc",limit="rate"} 2`) {
			t.Error("it is not counted")
		}
	})
	t.Run("caller", func(t *testing.T) {
		t.Parallel()
		up := shakyUpstream(t, 200)
		i, _, _ := protectedInstance(t, up, "{ callerRate: { count: 1, period: 1h } }")
		ann := func() int {
			req, err := http.NewRequest(http.MethodGet, i.url+"/apis/doc/named/mine", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("ann", up.URL)
			return send(t, req).Status
		}
		nobody := func() int { return call(t, http.MethodGet, i.url+"/apis/doc/things", "").Status }
		if got := []int{ann(), nobody(), ann(), nobody(), ann()}; fmt.Sprint(got) != "[200 200 429 429 429]" || up.took() != 2 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("concurrency", func(t *testing.T) {
		t.Parallel()
		up := shakyUpstream(t, 200)
		up.hold = make(chan struct{})
		i, _, _ := protectedInstance(t, up, "{ concurrency: { max: 1, queue: 1 } }")
		var group sync.WaitGroup
		statuses := make(chan answer, 6)
		for range 6 {
			group.Go(func() { statuses <- call(t, http.MethodGet, i.url+"/apis/doc/things", "") })
		}
		for range 4 { // one is under way, one waits
			if got := <-statuses; got.Status != 503 || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.Body, `"code":"overloaded"`) {
				t.Errorf("turned away: %+v", got)
			}
		}
		if n := up.took(); n > 1 {
			t.Errorf("%d requests at once", n)
		}
		close(up.hold)
		group.Wait()
		for range 2 {
			if got := <-statuses; got.Status != 200 {
				t.Errorf("let in: %+v", got)
			}
		}
	})
}
