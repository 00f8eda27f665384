//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"capd/adapters/redistest"
)

// seenStore is what /status says of what replicas share.
type seenStore struct{ Kind, Address, State, Error string }

// ended runs a command to its end.
func ended(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &log)
	return code, out.String(), log.String()
}

// storeOf asks for the state of the store until it is as wanted.
func storeOf(t *testing.T, control, want string) seenStore {
	t.Helper()
	var status struct{ Store seenStore }
	eventually(t, "the store to be "+want, func() bool {
		asks(t, "GET", control+"/status", "", 200, &status)
		return status.Store.State == want
	})
	return status.Store
}

// replicaSpec has an answer to keep, and one that nobody keeps behind a rate limit of ten.
const replicaSpec = `ikanos: 1.0.0-beta5
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resilience: { cache: { shared: true } }
    resources:
      kept:
        path: /kept/{id}
        operations: { get: { method: GET } }
  - type: http
    namespace: limited
    baseUri: "{{UPSTREAM}}"
    resilience: { rate: { count: 10, period: 1h, burst: 10 } }
    resources:
      counted:
        path: /counted
        operations: { post: { method: POST } }
  exposes:
  - type: rest
    namespace: r
    port: 8080
    resources:
      kept: { path: '/kept/{id}', operations: { get: { method: GET, call: up.get } } }
      counted: { path: /counted, operations: { post: { method: POST, call: limited.post } } }
  - type: mcp
    namespace: m
    port: 8080
    tools:
      post: { description: Post., call: limited.post, confirm: 'Post?' }
`

// replicas serves a spec twice, with one Redis and one key.
func replicas(t *testing.T, server *redistest.Server, args ...string) (a, b *instance, seen *recorder) {
	t.Helper()
	seen = &recorder{}
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.record(r)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = w.Write([]byte(`{"path":"` + r.URL.Path + `"}`))
	}))
	t.Cleanup(up.Close)
	spec := specFile(t, "spec.yaml", replicaSpec)
	key := specFile(t, "key", "a key that both of them have")
	args = append([]string{"--redis", "redis://" + server.Addr + "?read_timeout=20s", "--state-key-file", key, spec}, args...)
	return start(t, []string{"UPSTREAM=" + up.URL}, args...), start(t, []string{"UPSTREAM=" + up.URL}, args...), seen
}

// TestReplicasShareLimits: of what both are asked at once the upstream gets what its limit lets
// through in all.
func TestReplicasShareLimits(t *testing.T) {
	t.Parallel()
	a, b, seen := replicas(t, redistest.Start(t))
	var ok, limited atomic.Int32
	var group sync.WaitGroup
	for n := range 60 {
		i := []*instance{a, b}[n%2]
		group.Go(func() {
			switch got := call(t, "POST", i.url+"/apis/spec/counted", "{}"); got.Status {
			case http.StatusOK:
				ok.Add(1)
			case http.StatusTooManyRequests:
				limited.Add(1)
				if s, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || s <= 0 || s > 360 {
					t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
				}
			default:
				t.Errorf("answered %d %s", got.Status, got.Body)
			}
		})
	}
	group.Wait()
	if n := len(seen.take()); ok.Load() != 10 || limited.Load() != 50 || n != 10 {
		t.Errorf("%d answered, %d turned away, %d at the upstream", ok.Load(), limited.Load(), n)
	}
}

// TestReplicasShareAnswers: what one has fetched the other answers with.
func TestReplicasShareAnswers(t *testing.T) {
	t.Parallel()
	a, b, seen := replicas(t, redistest.Start(t))
	for n := range 10 {
		path := "/apis/spec/kept/" + strconv.Itoa(n)
		first, second := call(t, "GET", a.url+path, ""), call(t, "GET", b.url+path, "")
		if first.Status != 200 || second.Status != 200 || first.Body != second.Body || second.Header.Get("Age") == "" {
			t.Errorf("%+v, then %+v", first, second)
		}
	}
	if n := len(seen.take()); n != 10 {
		t.Errorf("the upstream was asked %d times for 10 things", n)
	}
}

// TestReplicasUseAnswersOnce: a yes that is sent to both makes one call.
func TestReplicasUseAnswersOnce(t *testing.T) {
	t.Parallel()
	a, b, seen := replicas(t, redistest.Start(t))
	round := func(i *instance, more string) answer {
		t.Helper()
		req, err := http.NewRequest(http.MethodPost, i.url+"/mcp/spec", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"post","arguments":{}`+more+
			`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
			"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"post"},
		}
		return send(t, req)
	}
	var asked struct{ Result struct{ RequestState string } }
	if got := round(a, ""); json.Unmarshal(messageOf(got), &asked) != nil || asked.Result.RequestState == "" {
		t.Fatalf("asked %s", got.Body)
	}
	yes := `,"inputResponses":{"confirm":{"action":"accept"}},"requestState":` + quoteJSON(asked.Result.RequestState)
	var done, refused atomic.Int32
	var group sync.WaitGroup
	for n := range 20 {
		i := []*instance{a, b}[n%2]
		group.Go(func() {
			switch got := round(i, yes); {
			case strings.Contains(got.Body, "/counted"):
				done.Add(1)
			case strings.Contains(got.Body, "made with it already"):
				refused.Add(1)
			default:
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
	group.Wait()
	if n := len(seen.take()); done.Load() != 1 || refused.Load() != 19 || n != 1 {
		t.Errorf("%d done, %d refused, %d at the upstream", done.Load(), refused.Load(), n)
	}
}

// TestReplicasLoseRedis: a Redis that is killed under load, and comes back, makes no call fail.
func TestReplicasLoseRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b, _ := replicas(t, server, "--control-address", "127.0.0.1:0")
	stop := make(chan struct{})
	var group sync.WaitGroup
	var calls, limited atomic.Int32
	for n := range 8 {
		i := []*instance{a, b}[n%2]
		group.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				if got := call(t, "GET", i.url+"/apis/spec/kept/"+strconv.Itoa(k%50), ""); got.Status != 200 {
					t.Errorf("answered %d %s", got.Status, got.Body)
					return
				}
				switch got := call(t, "POST", i.url+"/apis/spec/counted", "{}"); got.Status {
				case 200:
				case http.StatusTooManyRequests:
					limited.Add(1)
				default:
					t.Errorf("answered %d %s", got.Status, got.Body)
					return
				}
				calls.Add(2)
			}
		})
	}
	more := func() { // lets calls go on for a while
		for begun := calls.Load(); calls.Load() < begun+200 && !t.Failed(); {
			asks(t, "GET", a.controlURL(t)+"/health/ready", "", 200, nil)
		}
	}
	more()
	for range 2 {
		server.Kill()
		for _, i := range []*instance{a, b} {
			storeOf(t, i.controlURL(t), "down")
		}
		more()
		server.Restart()
		for _, i := range []*instance{a, b} {
			storeOf(t, i.controlURL(t), "up")
		}
		more()
	}
	close(stop)
	group.Wait()
	if limited.Load() == 0 {
		t.Error("nothing was limited")
	}
	if keys := server.Do("DBSIZE"); keys == ":0" {
		t.Error("the Redis that came back is not used")
	}
}

// TestRedisIsDown: a Redis that is not there, or goes away, makes nothing fail, and is shown where
// operators look; its password is shown nowhere.
func TestRedisIsDown(t *testing.T) {
	t.Parallel()
	const password = "marked-secret-42"
	server := redistest.Start(t, "--requirepass", password)
	server.Kill()
	dir := t.TempDir()
	file := filepath.Join(dir, "redis")
	writeSpec(t, file, "redis://:"+password+"@"+server.Addr+"/0\n")
	i, control, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=https://rooms.example.com"}, "--stub", "--redis-url-file", file)
	shown := ""
	metric := func(line string) {
		t.Helper()
		got := asks(t, "GET", control+"/metrics", "", 200, nil)
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
		shown += got
	}
	healthy := func(status, store string) {
		t.Helper()
		var h struct{ Status, Store string }
		shown += asks(t, "GET", control+"/health/ready", "", 200, &h)
		if h.Status != status || h.Store != store {
			t.Errorf("health is %+v, want %s %s", h, status, store)
		}
	}
	if s := storeOf(t, control, "down"); s.Address != "redis://"+server.Addr || s.Kind != "redis" || s.Error == "" {
		t.Errorf("the store is %+v", s)
	}
	healthy("DEGRADED", "down")
	metric("capd_store_up 0")
	metric(`capd_store_errors_total{operation="take"} 0`)
	if got := call(t, "GET", i.url+"/apis/rooms/rooms", ""); got.Status != 200 {
		t.Errorf("a call is answered with %d", got.Status)
	}
	code, stdout, stderr := ended(t, nil, "status", "--control", control)
	if code != 0 || !strings.Contains(stdout, "shared state in redis://"+server.Addr+": down (") {
		t.Errorf("status: %d\n%s%s", code, stdout, stderr)
	}
	server.Restart()
	storeOf(t, control, "up")
	healthy("UP", "")
	metric("capd_store_up 1")

	// The password is changed, and so is the file.
	writeSpec(t, file, "redis://:other@"+server.Addr)
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "down")
	writeSpec(t, file, "redis://:"+password+"@"+server.Addr)
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "up")
	writeSpec(t, file, "nothing")
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "up")

	shown += asks(t, "GET", control+"/config", "", 200, nil) + asks(t, "GET", control+"/status", "", 200, nil) + i.printed()
	if strings.Contains(shown, password) {
		t.Errorf("the password is shown:\n%s", shown)
	}
	for _, event := range []string{"the Redis cannot be used", "the Redis is used again", "the Redis is the one of before"} {
		if !strings.Contains(i.printed(), event) {
			t.Errorf("the log does not say: %s", event)
		}
	}
}

// TestRedisURL: a URL that is none is told before anything is served, and without repeating it.
func TestRedisURL(t *testing.T) {
	t.Parallel()
	spec := specFile(t, "rooms.yaml", roomsSpec)
	file := specFile(t, "redis", "redis://:mark#ed@host")
	for _, tt := range []struct {
		args, env []string
		want      string
	}{
		{[]string{"--redis", "marked"}, nil, "capd: --redis must be the URL of a Redis, such as redis://"},
		{[]string{"--redis", "redis://host?marked=1"}, nil, "capd: --redis has a setting after the ? that is not known"},
		{nil, []string{"CAPD_REDIS=http://marked"}, "capd: --redis must be"},
		{[]string{"--redis-url-file", file}, nil, "capd: --redis-url-file must be"},
		{[]string{"--redis-url-file", file + "x"}, nil, "capd: --redis-url-file: open "},
		{[]string{"--redis-url-file", file, "--redis", "redis://host"}, nil, "exclude each other"},
		{[]string{"--redis-ca", file}, nil, "--redis-ca needs --redis"},
		{[]string{"--redis", "rediss://host", "--redis-ca", file}, nil, "holds no certificate"},
	} {
		for _, more := range []string{"--stub", "--check"} {
			code, stdout, stderr := ended(t, tt.env, append([]string{"serve", "--listen", "127.0.0.1:0", more, spec}, tt.args...)...)
			if code != 2 || !strings.Contains(stderr, tt.want) || strings.Contains(stdout+stderr, "marked") {
				t.Errorf("%q %q: %d\n%s%s\nwant %s", tt.args, tt.env, code, stdout, stderr, tt.want)
			}
		}
	}
}

// TestRedisPasswordOnCommandLine: it is warned of, and only where it can be seen.
func TestRedisPasswordOnCommandLine(t *testing.T) {
	t.Parallel()
	const url = "unix://:marked@/does/not/exist"
	spec := specFile(t, "rooms.yaml", roomsSpec)
	seen := start(t, nil, "--stub", spec, "--redis", url).printed()
	hidden := start(t, []string{"CAPD_REDIS=" + url}, "--stub", spec).printed()
	if warning := "list of processes"; !strings.Contains(seen, warning) || strings.Contains(hidden, warning) || strings.Contains(seen+hidden, "marked") {
		t.Errorf("on the command line:\n%s\nin the environment:\n%s", seen, hidden)
	}
}
