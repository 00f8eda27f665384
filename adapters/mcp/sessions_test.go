package mcp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`

// alive tells whether a session is there, and uses it.
func (h *house) alive(session string) bool {
	h.t.Helper()
	a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":9,"method":"ping"}`)
	if a.status != http.StatusOK && a.status != http.StatusNotFound {
		h.t.Errorf("ping: %d %s", a.status, a.body)
	}
	return a.status == http.StatusOK
}

// TestTheLongestIdleSessionMakesRoom for one more than there may be.
func TestTheLongestIdleSessionMakesRoom(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "other": rooms}, mcp.Options{MaxSessions: 2})
	first, second := h.session("/mcp/rooms"), h.session("/mcp/rooms")
	h.session("/mcp/other") // has its own
	if !h.alive(first) {
		t.Fatal("the first session is gone before there is a third")
	}
	third := h.session("/mcp/rooms")
	if h.alive(second) {
		t.Error("the longest idle session is still there")
	}
	if !h.alive(first) || !h.alive(third) {
		t.Error("a session ended that was used later")
	}
	// Only a session needs room.
	h.post("/mcp/rooms", nil, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	h.post("/mcp/rooms", nil, `nonsense`)
	h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": "unknown"}, initialize)
	h.post(pathAnd(modern("tools/list", "", "{}")))
	if !h.alive(first) || !h.alive(third) {
		t.Error("a session ended for a request that opens none")
	}
	if n := h.log.count("MCP session ended to make room", "document", "rooms"); n != 1 {
		t.Errorf("%d records, want one", n)
	}
}

// TestSessionsInUseStay: an open stream and a call in flight are uses, even when the
// client of the call no longer waits for its answer.
func TestSessionsInUseStay(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxSessions: 3})
	started, finish := make(chan struct{}), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	const get = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`
	stream, streaming := h.stream("/mcp/rooms")
	calling, left := h.session("/mcp/rooms"), h.session("/mcp/rooms")
	result := make(chan answer)
	go func() { result <- h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": calling}, get) }()
	<-started
	ctx, leave := context.WithCancel(context.Background())
	// It is over for the server when the context of the request has ended.
	gone, inner := make(chan struct{}), *h.handler.Load()
	var watched http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Session-Id") == left && r.Method == http.MethodPost {
			context.AfterFunc(r.Context(), func() { close(gone) })
		}
		inner.ServeHTTP(w, r)
	})
	h.handler.Store(&watched)
	go func() {
		r := h.request(http.MethodPost, "/mcp/rooms", map[string]string{"Mcp-Session-Id": left}, get)
		if resp, err := h.Client().Do(r.WithContext(ctx)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-started
	leave()
	<-gone
	h.handler.Store(&inner)

	a := h.post("/mcp/rooms", map[string]string{"Test-Request-Id": "the-request"}, initialize)
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "5" ||
		a.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.body, `"requestId":"the-request"`) {
		t.Errorf("one more: %d %v %s; want a 503 with Retry-After", a.status, a.header, a.body)
	}
	close(finish)
	if a := <-result; !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("the call in flight got %d %s", a.status, a.body)
	}
	h.session("/mcp/rooms")
	if !h.alive(streaming) {
		t.Error("the session with a stream ended")
	}
	// A session that its client ends makes room at once.
	if a := h.do(http.MethodDelete, "/mcp/rooms", map[string]string{"Mcp-Session-Id": streaming}, ""); a.status != http.StatusNoContent {
		t.Errorf("DELETE: %d", a.status)
	}
	stream.wait()
	before := h.log.count("MCP session ended to make room", "", "")
	h.session("/mcp/rooms")
	if n := h.log.count("MCP session ended to make room", "", "") - before; n != 0 {
		t.Errorf("%d sessions ended where there was room", n)
	}
}

// TestAFloodOfSessions: however they ask, clients have no more sessions than allowed.
func TestAFloodOfSessions(t *testing.T) {
	t.Parallel()
	const most = 5
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxSessions: most})
	asks := []string{
		initialize,
		"[" + initialize + "]",
		strings.Replace(initialize, `"initialize"`, `"\u0069nitialize"`, 1),
		strings.Replace(initialize, `"method"`, `"m\u0065thod"`, 1),
		strings.Replace(initialize, `"method"`, `"method":"ping","method"`, 1),
		strings.Replace(initialize, `"method":"initialize"`, `"method":"initialize","method":"ping"`, 1),
		strings.Replace(initialize, `"method":"initialize"`, `"method":"initialize","METHOD":"ping"`, 1),
	}
	var mu sync.Mutex
	var ids []string
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 10 {
				for _, ask := range asks {
					a := h.post("/mcp/rooms", map[string]string{"Mcp-Protocol-Version": "2025-03-26"}, ask)
					if id := a.header.Get("Mcp-Session-Id"); id != "" {
						mu.Lock()
						ids = append(ids, id)
						mu.Unlock()
					}
				}
			}
		})
	}
	clients.Wait()
	alive := 0
	for _, id := range ids {
		if h.alive(id) {
			alive++
		}
	}
	if alive > most || alive == 0 || len(ids) < 40 {
		t.Errorf("%d of %d sessions are there, want at most %d", alive, len(ids), most)
	}
}

// TestASessionWithoutRequestsEnds after its time; any request keeps it, and a call under way does.
func TestASessionWithoutRequestsEnds(t *testing.T) {
	t.Parallel()
	const whole, half = 10 * time.Minute, 5 * time.Minute
	clock := newClock()
	var now atomic.Int64
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{
		SessionTimeout: whole, After: clock.After, Now: func() time.Time { return time.Unix(now.Load(), 0) },
	})
	// pass lets time pass, and what waited for as much happen.
	pass := func(d, timer time.Duration) {
		now.Add(int64(d / time.Second))
		clock.pass(timer)
	}
	const get = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`
	for name, message := range map[string]string{"a call": get, "another request": `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`} {
		stream, id := h.stream("/mcp/rooms") // is no request that counts
		header := map[string]string{"Mcp-Session-Id": id}
		now.Add(int64(half / time.Second))
		if a := h.post("/mcp/rooms", header, message); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, a.status, a.body)
		}
		pass(half, whole) // half of it since the request
		if !h.alive(id) {
			t.Fatalf("%s does not keep a session", name)
		}
		pass(whole, half)
		stream.wait()
		if h.alive(id) {
			t.Errorf("%s: the session is still there", name)
		}
	}

	started, finish := make(chan struct{}), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	id := h.session("/mcp/rooms")
	result := make(chan answer)
	go func() { result <- h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": id}, get) }()
	<-started
	pass(whole, whole)
	if !h.alive(id) {
		t.Error("a session ended while a call was under way")
	}
	close(finish)
	if a := <-result; !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("the call got %d %s", a.status, a.body)
	}
}

// TestASessionEndsDuringACall: the call is answered all the same.
func TestASessionEndsDuringACall(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, finish := make(chan struct{}), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	id := h.session("/mcp/rooms")
	header := map[string]string{"Mcp-Session-Id": id}
	result := make(chan answer)
	go func() { result <- h.post("/mcp/rooms", header, toolCall("get-room", `{"id":"7"}`)) }()
	<-started
	// Another call may not have its ID.
	if a := h.post("/mcp/rooms", header, toolCall("get-room", `{"id":"8"}`)); a.status != http.StatusBadRequest ||
		a.body != `{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"duplicate in-flight request ID 1"}}` {
		t.Errorf("the same ID: %d %s", a.status, a.body)
	}
	if a := h.do(http.MethodDelete, "/mcp/rooms", header, ""); a.status != http.StatusNoContent {
		t.Errorf("DELETE: %d", a.status)
	}
	if h.alive(id) {
		t.Error("the session is still there")
	}
	close(finish)
	if a := <-result; !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("the call got %d %s", a.status, a.body)
	}
}

// TestACallOutlivesItsRequest in a session, whose client cancels it by saying so. With the last two IDs
// it goes through the SDK.
func TestACallOutlivesItsRequest(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started := make(chan context.Context)
	h.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		started <- ctx
		<-ctx.Done()
		return response(200, "text/plain", "done"), nil
	})
	header := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}
	for _, id := range []string{"7", `"seven"`, "-7", `"sept é"`} {
		over := make(chan struct{})
		leave := h.begin(header, strings.Replace(toolCall("get-room", `{"id":"7"}`), `"id":1`, `"id":`+id, 1), over)
		call := <-started
		leave()
		if call.Err() != nil {
			t.Errorf("%s: the call ended with its request", id)
		}
		h.post("/mcp/rooms", header, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":`+id+`}}`)
		<-call.Done()
		<-over
	}
}

// begin makes a request of a client that can leave. over is closed when the server is done with it.
func (h *house) begin(header map[string]string, body string, over chan<- struct{}) (leave func()) {
	r := h.request(http.MethodPost, "/mcp/rooms", header, body)
	ctx, leave := context.WithCancel(plan.WithRequestID(context.Background(), "left"))
	go func() {
		defer close(over)
		(*h.handler.Load()).ServeHTTP(httptest.NewRecorder(), r.WithContext(ctx))
	}()
	return leave
}

// TestNothingNewInASessionThatEnds: its time is up, and a call is still under way that nobody waits for.
func TestNothingNewInASessionThatEnds(t *testing.T) {
	t.Parallel()
	clock := newClock()
	var now atomic.Int64
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{
		SessionTimeout: time.Minute, After: clock.After, Now: func() time.Time { return time.Unix(now.Load(), 0) },
	})
	started, finish := make(chan struct{}), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	defer close(finish)
	header := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}
	over := make(chan struct{})
	leave := h.begin(header, strings.Replace(toolCall("get-room", `{"id":"7"}`), `"id":1`, `"id":-1`, 1), over)
	<-started
	leave()
	<-over // the SDK lets a request go whose client left
	now.Add(60)
	clock.pass(time.Minute)
	h.upstream.answer(200, "text/plain", "more")
	if a := h.post("/mcp/rooms", header, toolCall("get-room", `{"id":"7"}`)); a.status != http.StatusNotFound {
		t.Errorf("a call got %d %s", a.status, a.body)
	}
}

// TestNothingIsLeftOfASession that its client ends: no timer either, which would keep it in memory.
func TestNothingIsLeftOfASession(t *testing.T) {
	t.Parallel()
	clock := newClock()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{SessionTimeout: time.Minute, After: clock.After})
	id := h.session("/mcp/rooms")
	clock.await(time.Minute, 1)
	h.do(http.MethodDelete, "/mcp/rooms", map[string]string{"Mcp-Session-Id": id}, "")
	clock.await(time.Minute, 0)
}
