package mcp_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestReloadAnnouncesChanges: clients of both eras are told when the list of tools became
// another, and only then (decision D12).
func TestReloadAnnouncesChanges(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		before := h.log.count("MCP tools changed", "document", "rooms")
		told := make(chan struct{}, 8)
		s := h.connect("/mcp/rooms", era, &sdk.ClientOptions{
			ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { told <- struct{}{} },
		})
		call(t, s, "get-room", map[string]any{"id": "1"}) // the stream is open, the list was wanted

		// The same list from another document, and the same document from another plan.
		h.load(map[string]string{"rooms": strings.ReplaceAll(rooms, "api.example.test", "new.example.test")}, h.upstream)
		h.load(map[string]string{"rooms": rooms, "other": rooms}, h.upstream)
		if n := h.log.count("MCP tools changed", "", "") - before; n != 0 {
			t.Errorf("%s: %d announcements of a list that did not change", era, n)
		}
		h.load(map[string]string{"rooms": strings.ReplaceAll(rooms, "Get a room.", "Get one room of "+era)}, h.upstream)
		<-told
		list, err := s.ListTools(context.Background(), nil)
		if err != nil || list.Tools[0].Description != "Get one room of "+era {
			t.Errorf("%s: %v, %v; want the new description", era, list, err)
		}
		if n := h.log.count("MCP tools changed", "document", "rooms") - before; n != 1 {
			t.Errorf("%s: %d announcements, want one", era, n)
		}
		h.load(map[string]string{"rooms": rooms}, h.upstream)
		<-told
	}
}

// TestReloadWhileCalling: a call ends on the plan it began with (decision D14), in a
// session that goes on.
func TestReloadWhileCalling(t *testing.T) {
	t.Parallel()
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(era, func(t *testing.T) {
			t.Parallel()
			h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
			started, finish := make(chan struct{}), make(chan struct{})
			h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
				close(started)
				<-finish
				return response(200, "text/plain", "old"), nil
			})
			s := h.connect("/mcp/rooms", era, nil)
			done := make(chan *sdk.CallToolResult)
			go func() {
				res, err := s.CallTool(context.Background(), &sdk.CallToolParams{Name: "get-room", Arguments: map[string]any{"id": "1"}})
				if err != nil {
					t.Error(err)
				}
				done <- res
			}()
			<-started
			h.load(map[string]string{"rooms": rooms}, respond(200, "text/plain", "new"))
			if got := text(t, call(t, s, "get-room", map[string]any{"id": "1"})); got != "new" {
				t.Errorf("a call after the reload got %q", got)
			}
			close(finish)
			if got := text(t, <-done); got != "old" {
				t.Errorf("the call before the reload got %q", got)
			}
		})
	}
}

// TestRemovedEndpoint: its streams end, its calls in flight do not, and its address and its
// sessions are not found.
func TestRemovedEndpoint(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "other": rooms}, mcp.Options{})
	older, session := h.stream("/mcp/rooms")
	modernStream := h.listen("/mcp/rooms")
	started, finish, result := make(chan struct{}), make(chan struct{}), make(chan answer)
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		close(started)
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	go func() {
		result <- h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session},
			`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`)
	}()
	<-started

	h.load(map[string]string{"other": rooms}, h.upstream)
	older.wait()
	modernStream.wait()
	header, body := modern("tools/list", "", "{}")
	if a := h.post("/mcp/rooms", header, body); a.status != http.StatusNotFound {
		t.Errorf("its address: %d, want 404", a.status)
	}
	close(finish)
	if a := <-result; !strings.Contains(a.body, `"text":"done"`) {
		t.Errorf("the call in flight got %d %q", a.status, a.body)
	}
	if a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":1,"method":"ping"}`); a.status != http.StatusNotFound {
		t.Errorf("its session: %d, want 404", a.status)
	}
	if a := h.post("/mcp/other", header, body); a.status != http.StatusOK {
		t.Errorf("its neighbour: %d", a.status)
	}
	// A document that comes back is a new server.
	h.load(map[string]string{"rooms": rooms, "other": rooms}, h.upstream)
	if a := h.post("/mcp/rooms", header, body); a.status != http.StatusOK {
		t.Errorf("after it came back: %d", a.status)
	}
	if a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":1,"method":"ping"}`); a.status != http.StatusNotFound {
		t.Errorf("its old session: %d, want 404", a.status)
	}
}

// openStream is a response that stays open.
type openStream struct {
	messages chan message
	closed   chan struct{}
}

// wait returns when the server has ended the stream.
func (s *openStream) wait() { <-s.closed }

// stream opens the listening stream of a new session of the older protocol.
func (h *house) stream(path string) (*openStream, string) {
	h.t.Helper()
	session := h.session(path)
	return h.follow(h.request(http.MethodGet, path, map[string]string{"Mcp-Session-Id": session, "Accept": "text/event-stream"}, "")), session
}

// listen opens a subscription of the modern protocol and waits until it is acknowledged.
func (h *house) listen(path string) *openStream {
	h.t.Helper()
	header, body := modern("subscriptions/listen", "", `{"notifications":{"toolsListChanged":true}}`)
	s := h.follow(h.request(http.MethodPost, path, header, body))
	if m := <-s.messages; m.Method != "notifications/subscriptions/acknowledged" {
		h.t.Fatalf("first message %+v, want the acknowledgement", m)
	}
	return s
}

func (h *house) follow(r *http.Request) *openStream {
	h.t.Helper()
	resp, err := h.Client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		h.t.Fatalf("%s %s: %d", r.Method, r.URL.Path, resp.StatusCode)
	}
	s := &openStream{messages: make(chan message, 16), closed: make(chan struct{})}
	go func() {
		defer resp.Body.Close()
		defer close(s.closed)
		for m := range events(resp.Body) {
			s.messages <- m
		}
	}()
	return s
}

// TestDrainLetsTheServerShutDown: listening streams end, calls in flight do not.
func TestDrainLetsTheServerShutDown(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, finish := make(chan struct{}, 2), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	older, session := h.stream("/mcp/rooms")
	listening := h.listen("/mcp/rooms")
	results := make(chan answer)
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
	go func() { results <- h.post("/mcp/rooms", header, body) }()
	go func() {
		results <- h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session},
			`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`)
	}()
	<-started
	<-started

	if err := h.adapter.Drain(context.Background()); err != nil {
		t.Fatal(err)
	}
	older.wait()
	listening.wait()
	if m := <-listening.messages; m.Result == nil {
		t.Errorf("the subscription ended with %+v, want its result", m)
	}
	if a := h.do(http.MethodGet, "/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, ""); a.status != http.StatusServiceUnavailable {
		t.Errorf("a stream after Drain: %d, want 503", a.status)
	}
	shut := make(chan error)
	go func() { shut <- h.Config.Shutdown(context.Background()) }()
	close(finish)
	for range 2 {
		if a := <-results; !strings.Contains(a.body, `"text":"done"`) {
			t.Errorf("a call in flight got %d %s", a.status, a.body)
		}
	}
	if err := <-shut; err != nil {
		t.Error(err)
	}
	if err := h.adapter.Drain(context.Background()); err != nil {
		t.Errorf("a second Drain: %v", err)
	}
}

// TestClientGoesAway: in the modern protocol closing the response cancels the upstream
// call; in the older one a notification does.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, canceled := make(chan struct{}), make(chan error)
	h.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-ctx.Done()
		canceled <- ctx.Err()
		return nil, &plan.Error{Code: plan.CodeCanceled, Message: "the caller went away", Cause: ctx.Err()}
	})

	t.Run("modern", func(t *testing.T) {
		header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
		ctx, leave := context.WithCancel(context.Background())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if resp, err := h.Client().Do(h.request(http.MethodPost, "/mcp/rooms", header, body).WithContext(ctx)); err == nil {
				_ = resp.Body.Close()
			}
		}()
		<-started
		leave()
		<-gone
		if err := <-canceled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("older", func(t *testing.T) {
		session := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}}}`)
		}()
		<-started
		h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`)
		if err := <-canceled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		<-gone
	})
}

// TestPrepareAloneChangesNothing: what was prepared and never swapped in is not served.
func TestPrepareAloneChangesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	next := bind(t, map[string]string{"other": rooms}, nil, h.link, h.upstream)
	if _, err := h.adapter.Prepare(context.Background(), h.bound, next); err != nil {
		t.Fatal(err)
	}
	call(t, h.connect("/mcp/rooms", "2026-07-28", nil), "get-room", map[string]any{"id": "1"})

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.adapter.Prepare(ctx, h.bound, next); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare after its context ended: %v", err)
	}
}

// TestNothingServed: an adapter without a plan, and an address without endpoints, answer.
func TestNothingServed(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	swap, err := h.adapter.Prepare(context.Background(), h.bound, nil)
	if err != nil {
		t.Fatal(err)
	}
	handler, retire := swap()
	now := handler("127.0.0.1:1")
	h.handler.Store(&now)
	retire()
	if a := h.do(http.MethodGet, "/mcp", map[string]string{"Accept": "application/json"}, ""); a.body != "{\"endpoints\":[]}\n" {
		t.Errorf("index: %d %s", a.status, a.body)
	}
	if a := h.post("/mcp/rooms", nil, "{}"); a.status != http.StatusNotFound {
		t.Errorf("%d, want 404", a.status)
	}
}
