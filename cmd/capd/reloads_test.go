package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// saysSpec is a document of one word. A call of it asks the upstream twice and gives both
// answers beside the word, as a route and as a tool with the word in its name.
func saysSpec(id, word string, port string) string {
	return strings.NewReplacer("ID", id, "WORD", word, "PORT", port).Replace(`ikanos: 1.0.0-beta5
binds: [ { namespace: env, keys: { UPSTREAM: UPSTREAM } } ]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources: { say: { path: "/say/WORD", operations: { say: { method: GET } } } }
  exposes:
  - type: rest
    namespace: r
    port: PORT
    resources:
      say:
        path: /ID
        operations:
          say:
            method: GET
            steps:
              one: { type: call, call: up.say }
              two: { type: call, call: up.say }
            mappings:
            - { target: one, value: $.one.said }
            - { target: two, value: $.two.said }
            - { target: own, value: WORD }
            outputParameters:
            - { name: one, type: string }
            - { name: two, type: string }
            - { name: own, type: string }
  - type: mcp
    namespace: m
    port: PORT
    tools:
      ID_WORD: { description: Say WORD., call: up.say }
`)
}

// reloadRig is a capd whose documents have ports of their own, and who reloads when asked.
type reloadRig struct {
	t       *testing.T
	dir     string
	base    string // of the port of most documents
	port    string
	guest   string // another port
	control string
	failed  atomic.Int64
	calls   atomic.Int64
}

func (r *reloadRig) fail(format string, args ...any) {
	if r.failed.Add(1) <= 10 {
		r.t.Errorf(format, args...)
	}
}

func (r *reloadRig) write(id, word, port string) {
	writeSpec(r.t, filepath.Join(r.dir, id+".yaml"), saysSpec(id, word, port))
}

// reload reads everything again, and wants it to succeed.
func (r *reloadRig) reload() {
	r.t.Helper()
	resp, err := http.Post(r.control+"/reload", "", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		r.t.Fatalf("a reload ended with %s %v", resp.Status, err)
	}
}

// quiet keeps the addresses and the errors of a log.
type quiet struct {
	mu      sync.Mutex
	control chan string
	serving chan struct{}
	errors  []string
}

func (q *quiet) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var e struct{ Level, Msg, Address string }
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		switch {
		case e.Msg == "the control address is served":
			q.control <- e.Address
		case e.Msg == "serving":
			close(q.serving)
		case e.Level == "ERROR" || e.Level == "WARN":
			q.mu.Lock()
			q.errors = append(q.errors, string(line))
			q.mu.Unlock()
		}
	}
	return len(p), nil
}

// freePort gives a port that is free on a host that only this test uses.
func freePort(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("this system has one loopback address only: %v", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestReloadsUnderTraffic reloads a folder of fifty documents a thousand times, while callers
// of all kinds call. Two documents change together all the time, others break, come and go, and
// a port opens and closes. No call fails, none sees half a change, and when all is over memory
// and goroutines are what they were.
func TestReloadsUnderTraffic(t *testing.T) {
	reloads := 1000
	if raceEnabled || testing.Short() {
		reloads = 200 // each costs several times as much
	}
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"said":"`+strings.TrimPrefix(r.URL.Path, "/say/")+`"}`)
	}))
	// How many connections capd keeps to its upstream depends on how many calls met. Each is three
	// goroutines of this process: who reads and who writes at capd's end, and who serves at the
	// other. They are bounded by the pool, and no growth.
	var kept atomic.Int64
	upstream.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			kept.Add(3)
		case http.StateClosed, http.StateHijacked:
			kept.Add(-3)
		}
	}
	upstream.Start()
	defer upstream.Close()
	const host = "127.78.0.1"
	r := &reloadRig{t: t, dir: t.TempDir(), port: freePort(t, host), guest: freePort(t, host)}
	r.base = "http://" + net.JoinHostPort(host, r.port)
	for i := range 48 {
		r.write(fmt.Sprintf("still%d", i), "still", r.port)
	}
	r.write("left", "v0", r.port)
	r.write("right", "v0", r.port)

	log := &quiet{control: make(chan string, 1), serving: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args := []string{"serve", r.dir, "--address", host, "--control-address", "127.0.0.1:0", "--watch", "off", "--mcp-combined", "--log-format", "json", "--mcp-search-above", "never"}
	go func() {
		ended <- run(ctx, args, []string{"UPSTREAM=" + upstream.URL}, strings.NewReader(""), io.Discard, log)
	}()
	r.control = "http://" + until(t, log.control, "the control address")
	until(t, log.serving, "the start")

	turn := func(i int) { // what changes before a reload
		switch word := fmt.Sprintf("v%d", i/2%2); {
		case i%2 == 1: // nothing: every unit is used again
		default:
			r.write("left", word, r.port)
			r.write("right", word, r.port)
		}
		guest := filepath.Join(r.dir, "guest.yaml")
		switch i % 10 {
		case 3:
			r.write("guest", "here", r.guest)
		case 8:
			if err := os.Remove(guest); err != nil {
				t.Error(err)
			}
		case 4:
			writeSpec(t, filepath.Join(r.dir, "still7.yaml"), "ikanos: [")
		case 6:
			r.write("still7", "still", r.port)
		}
		r.reload()
		switch i % 10 {
		case 3:
			if got, err := r.get("http://" + net.JoinHostPort(host, r.guest) + "/guest"); err != nil || !strings.Contains(got, `"own":"here"`) {
				r.fail("the port that was opened: %s %v", got, err)
			}
		case 8:
			if _, err := net.Dial("tcp", net.JoinHostPort(host, r.guest)); !errors.Is(err, syscall.ECONNREFUSED) {
				r.fail("the port that was closed: %v", err)
			}
		}
	}
	traffic := func(n int) {
		var running sync.WaitGroup
		var callers []chan struct{} // each takes what it is to do, while capd reloads
		for _, call := range []func(){r.pair("left"), r.pair("right"), r.still(), r.tools(), r.session()} {
			todo := make(chan struct{}, 10)
			callers = append(callers, todo)
			running.Go(func() {
				for range todo {
					call()
				}
			})
		}
		for i := range n {
			for _, todo := range callers {
				for range 2 {
					notify(todo, struct{}{})
				}
			}
			turn(i)
		}
		for _, todo := range callers {
			close(todo)
		}
		running.Wait()
	}
	listener := r.listen()
	traffic(reloads / 10) // until all that is filled once is full
	before := settled(0, 0, &kept)
	traffic(reloads)
	after := settled(before.heap+4<<20, before.goroutines+3, &kept)
	t.Logf("%d reloads, %d calls; heap %d KiB before, %d KiB after; goroutines %d before, %d after",
		reloads, r.calls.Load(), before.heap>>10, after.heap>>10, before.goroutines, after.goroutines)
	if after.heap > before.heap+4<<20 {
		t.Errorf("the heap grew from %d to %d KiB", before.heap>>10, after.heap>>10)
	}
	if after.goroutines > before.goroutines+3 {
		all := make([]byte, 1<<20)
		t.Errorf("goroutines grew from %d to %d:\n%s", before.goroutines, after.goroutines, all[:runtime.Stack(all, true)])
	}
	if told := listener(); told == 0 {
		t.Error("an MCP client was never told that the tools changed")
	}
	if r.calls.Load() < int64(reloads) {
		t.Errorf("only %d calls for %d reloads", r.calls.Load(), reloads)
	}
	stop()
	if code := until(t, ended, "the end"); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	for _, line := range log.errors {
		if !strings.Contains(line, "still7") {
			t.Errorf("the log says %s", line)
		}
	}
}

// get gives the body of a good answer.
func (r *reloadRig) get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	r.calls.Add(1)
	return string(body), err
}

// pair calls a document that changes: the word of its own and those of both steps are of one
// version.
func (r *reloadRig) pair(id string) func() {
	return func() {
		body, err := r.get(r.base + "/" + id)
		var got struct{ One, Two, Own string }
		if err != nil || json.Unmarshal([]byte(body), &got) != nil {
			r.fail("%s: %s %v", id, body, err)
			return
		}
		if got.One != got.Own || got.Two != got.Own || !strings.HasPrefix(got.Own, "v") {
			r.fail("%s sees half a change: %s", id, body)
		}
	}
}

// still calls documents that do not change, one of which breaks now and then.
func (r *reloadRig) still() func() {
	n := 0
	return func() {
		n++
		body, err := r.get(fmt.Sprintf("%s/still%d", r.base, n%48))
		if err != nil || body != `{"one":"still","two":"still","own":"still"}` {
			r.fail("still%d: %s %v", n%48, body, err)
		}
	}
}

// tools lists the tools of all documents in one request: those of the two that change together
// are of one version.
func (r *reloadRig) tools() func() {
	return func() {
		body, err := r.post(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`)
		if err != nil {
			r.fail("tools/list: %v", err)
			return
		}
		for _, v := range []string{"v0", "v1"} {
			left, right := strings.Contains(body, "left_"+v), strings.Contains(body, "right_"+v)
			if left != right {
				r.fail("tools/list sees half a change: left %v, right %v in %s", left, right, v)
			}
		}
		if !strings.Contains(body, "left_v") || !strings.Contains(body, "still47_still") {
			r.fail("tools/list gives not all: %.500s", body)
		}
	}
}

func (r *reloadRig) post(message string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, r.base+"/mcp", strings.NewReader(message))
	if err != nil {
		return "", err
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"},
		"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/list"},
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, body)
	}
	r.calls.Add(1)
	return string(body), err
}

// session connects as a client does, lists, calls a tool that stays, and leaves.
func (r *reloadRig) session() func() {
	return func() {
		ctx := context.Background()
		client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
		session, err := client.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: r.base + "/mcp/still1", MaxRetries: -1}, nil)
		if err != nil {
			r.fail("connect: %v", err)
			return
		}
		defer func() { _ = session.Close() }() // nothing is asked any more
		got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "still1_still"})
		if err != nil || got.IsError || len(got.Content) != 1 || got.Content[0].(*mcp.TextContent).Text != `{"said":"still"}` {
			r.fail("tools/call: %+v %v", got, err)
		}
		r.calls.Add(1)
	}
}

// listen connects a client that stays, and gives how often it was told of other tools.
func (r *reloadRig) listen() (told func() int64) {
	var n atomic.Int64
	client := mcp.NewClient(&mcp.Implementation{Name: "listener", Version: "1"}, &mcp.ClientOptions{
		ToolListChangedHandler: func(context.Context, *mcp.ToolListChangedRequest) { n.Add(1) },
	})
	session, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: r.base + "/mcp/left", MaxRetries: -1}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return func() int64 {
		if _, err := session.ListTools(context.Background(), nil); err != nil {
			r.t.Errorf("the session did not last: %v", err)
		}
		_ = session.Close()
		return n.Load()
	}
}

// footprint is what a process holds.
type footprint struct {
	heap       uint64
	goroutines int
}

// settled looks at what the process holds until it is no more than wanted; where nothing is wanted,
// a few times. Goroutines that are kept are none of it.
func settled(heap uint64, goroutines int, kept *atomic.Int64) footprint {
	var best footprint
	end := time.Now().Add(patience)
	for n := 0; n <= 10 || heap != 0 && time.Now().Before(end); n++ {
		http.DefaultClient.CloseIdleConnections()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		now := footprint{m.HeapAlloc, runtime.NumGoroutine() - int(kept.Load())}
		if n == 0 || now.heap < best.heap {
			best.heap = now.heap
		}
		if n == 0 || now.goroutines < best.goroutines {
			best.goroutines = now.goroutines
		}
		if n > 2 && best.heap <= heap && best.goroutines <= goroutines {
			break
		}
		<-time.After(50 * time.Millisecond) // connections end by themselves
	}
	return best
}
