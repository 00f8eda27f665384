package mcp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// lines gives the lines of a response that goes on.
func (h *house) lines(r *http.Request) (*bufio.Scanner, *http.Response) {
	h.t.Helper()
	resp, err := h.Client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = resp.Body.Close() })
	return bufio.NewScanner(resp.Body), resp
}

func until(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), want) {
			return
		}
	}
	t.Fatalf("the stream ended without %q: %v", want, lines.Err())
}

// TestSilentStreamsAreKeptAlive by comments, and only while they are silent.
func TestSilentStreamsAreKeptAlive(t *testing.T) {
	t.Parallel()
	const interval = 17 * time.Second
	clock := newClock()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{KeepAlive: interval, After: clock.After})
	header, body := modern("subscriptions/listen", "", `{"notifications":{"toolsListChanged":true}}`)
	listening, resp := h.lines(h.request(http.MethodPost, "/mcp/rooms", header, body))
	until(t, listening, "acknowledged")
	if resp.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("header %v", resp.Header)
	}
	older, _ := h.lines(h.request(http.MethodGet, "/mcp/rooms", map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}, ""))
	until(t, older, ": ok")
	for range 3 {
		clock.await(interval, 2)
		clock.pass(interval) // the first time there was something
		clock.await(interval, 2)
		clock.pass(interval)
		until(t, listening, ": keep-alive")
		until(t, older, ": keep-alive")
	}
	// Messages come as before.
	h.load(map[string]string{"rooms": strings.ReplaceAll(rooms, "Get a room.", "Get one.")}, h.upstream)
	until(t, listening, "notifications/tools/list_changed")
	until(t, older, "notifications/tools/list_changed")
	if err := h.adapter.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	clock.await(interval, 0)
}

// TestLateErrors: an error that comes when the stream has begun is an event of it.
func TestLateErrors(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"trips": trips}, mcp.Options{})
	h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		if strings.HasSuffix(r.URL(), "/bed") {
			return nil, &plan.Error{Code: plan.CodeNotFound, Message: "not here"} // an error of the protocol
		}
		return response(200, "text/plain", "x"), nil
	})
	a := h.eraCall("2026-07-28", "/mcp/trips", "book-trip", `{}`, `"progressToken":1`)
	if a.status != http.StatusOK || len(a.messages) != 2 || a.messages[0].Method != "notifications/progress" ||
		a.messages[1].Error == nil || a.messages[1].Error.Code != -32602 {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = h.eraCall("2026-07-28", "/mcp/trips", "book-trip", `{}`, "")
	if a.status != http.StatusBadRequest || len(a.messages) != 1 || a.messages[0].Error == nil {
		t.Errorf("without progress: %d %s", a.status, a.body)
	}
}

// TestStalledClient: who takes nothing of an answer or of a stream does not keep it for ever.
func TestStalledClient(t *testing.T) {
	t.Parallel()
	o := mcp.Options{StallTimeout: 50 * time.Millisecond, MaxText: 30 << 20} // more than connections take ahead
	for name, o := range map[string]mcp.Options{"directly": o, "through the SDK": mcp.ViaSDK(o)} {
		t.Run(name, func(t *testing.T) { testStalledClient(t, o) })
	}
}

func testStalledClient(t *testing.T, o mcp.Options) {
	h := open(t, map[string]string{"rooms": rooms}, o)
	h.upstream.answer(200, "text/plain", strings.Repeat("x", 24<<20))
	over, inner := make(chan struct{}), *h.handler.Load()
	var watched http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		close(over)
	})
	h.handler.Store(&watched)
	conn, err := net.Dial("tcp", h.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
	var b strings.Builder
	fmt.Fprintf(&b, "POST /mcp/rooms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n", len(body))
	for k, v := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if _, err := conn.Write([]byte(b.String() + "\r\n" + body)); err != nil {
		t.Fatal(err)
	}
	<-over // which is never, when nothing bounds it
}

// TestBoundedStreams: one more is refused until another one ends; other requests are served.
func TestBoundedStreams(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "other": rooms}, mcp.Options{MaxStreams: 2})
	h.listen("/mcp/other") // has its own
	older, session := h.stream("/mcp/rooms")
	h.listen("/mcp/rooms")
	header, body := modern("subscriptions/listen", "", `{"notifications":{"toolsListChanged":true}}`)
	second := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms"), "Accept": "text/event-stream"}
	for _, a := range []answer{h.post("/mcp/rooms", header, body), h.do(http.MethodGet, "/mcp/rooms", second, "")} {
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || a.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("one more stream: %d %v %s", a.status, a.header, a.body)
		}
	}
	if a := h.post(pathAnd(modern("tools/list", "", "{}"))); a.status != http.StatusOK {
		t.Errorf("another request: %d", a.status)
	}
	h.do(http.MethodDelete, "/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, "")
	older.wait()
	// The place is free when the handler of the stream has returned, which its client cannot see.
	for {
		resp, err := h.Client().Do(h.request(http.MethodGet, "/mcp/rooms", second, ""))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
	}
}

// TestListenIsOfTheModernProtocol: a session cannot hold streams open by it.
func TestListenIsOfTheModernProtocol(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")},
		`{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true}}}`)
	if len(a.messages) != 1 || a.messages[0].Error == nil || a.messages[0].Error.Code != -32601 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestChangesOfAView: the clients of a view of several are told when a member changed, and
// those that asked for a newer version than a session can have, too.
func TestChangesOfAView(t *testing.T) {
	t.Parallel()
	docs := func(description string) map[string]string {
		return map[string]string{
			"team/rooms": strings.ReplaceAll(rooms, "Get a room.", description),
			"team/halls": strings.ReplaceAll(rooms, "rooms-mcp", "halls-mcp"),
		}
	}
	h := open(t, docs("Get a room."), mcp.Options{})
	listening := h.listen("/mcp/team")
	older, _ := h.stream("/mcp/team")
	a := h.post("/mcp/team", nil, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2026-07-28","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	asked := h.follow(h.request(http.MethodGet, "/mcp/team", map[string]string{"Mcp-Session-Id": a.header.Get("Mcp-Session-Id"), "Accept": "text/event-stream"}, ""))
	if !strings.Contains(a.body, `"protocolVersion":"2025-11-25"`) {
		t.Errorf("initialize: %s", a.body)
	}
	header, body := modern("tools/list", "", "{}")
	if a := h.post("/mcp/team", header, body); !strings.Contains(a.body, "Get a room.") {
		t.Fatalf("the view: %d %s", a.status, a.body)
	}
	h.load(docs("Get one."), h.upstream)
	for _, s := range []*openStream{listening, older, asked} {
		if m := <-s.messages; m.Method != "notifications/tools/list_changed" {
			t.Errorf("got %+v", m)
		}
	}
}

// TestWithoutSessions: the older protocol is served without sessions, and offers nothing that
// needs one.
func TestWithoutSessions(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "trips": trips}, mcp.Options{WithoutSessions: true})
	for _, era := range eras {
		s := h.connect("/mcp/rooms", era, nil)
		if got := text(t, call(t, s, "get-room", map[string]any{"id": "7"})); !strings.Contains(got, "/rooms/7") {
			t.Errorf("%s: %s", era, got)
		}
		if era < "2026-07-28" && (s.ID() != "" || s.InitializeResult().Capabilities.Tools.ListChanged) {
			t.Errorf("%s: session %q, capabilities %+v", era, s.ID(), s.InitializeResult().Capabilities.Tools)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if a := h.do(method, "/mcp/rooms", map[string]string{"Mcp-Session-Id": "x"}, ""); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	got := tellings(t, h.sessionCall("/mcp/trips", "of another replica", "book-trip", `{}`, `"progressToken":"t"`))
	if len(got.progress) != 2 {
		t.Errorf("progress %+v", got.progress)
	}
}

// TestGoingAwayWithoutASession cancels the call, since nothing else can.
func TestGoingAwayWithoutASession(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{WithoutSessions: true})
	started, canceled := make(chan struct{}), make(chan error, 1)
	h.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		close(started)
		<-ctx.Done()
		canceled <- ctx.Err()
		return nil, &plan.Error{Code: plan.CodeCanceled, Message: "the caller went away", Cause: ctx.Err()}
	})
	ctx, leave := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r := h.request(http.MethodPost, "/mcp/rooms", nil, `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`)
		if resp, err := h.Client().Do(r.WithContext(ctx)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-started
	leave()
	<-gone
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
