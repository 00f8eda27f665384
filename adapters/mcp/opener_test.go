package mcp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// marks are what came with requests: of each the request, a value of its context, and the text of
// its token.
type marks struct {
	mu       sync.Mutex
	requests []weak.Pointer[http.Request]
	values   []weak.Pointer[[64]byte]
	tokens   []weak.Pointer[byte]
}

type markKey struct{}

// mark makes a token for a request, which also lets it in, and remembers what to look for.
func (m *marks) mark(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		value := new([64]byte)
		token := strings.Repeat("x", 64) + fmt.Sprint(len(m.tokens)) // nothing else is in its piece of memory
		r.Header["Authorization"] = []string{token}
		r.Header["Cookie"] = []string{token}
		who := (plan.Caller{Subject: "ada"}).WithToken(plan.NewSecret(token))
		r = r.WithContext(context.WithValue(plan.WithCaller(r.Context(), who), markKey{}, value))
		m.requests, m.values = append(m.requests, weak.Make(r)), append(m.values, weak.Make(value))
		m.tokens = append(m.tokens, weak.Make((*byte)(reflect.ValueOf(token).UnsafePointer())))
		m.mu.Unlock()
		defer m.mu.Lock()
		next.ServeHTTP(w, r)
	})
}

// left gives what of the requests is still in memory.
func (m *marks) left() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for i := range m.requests {
		if m.requests[i].Value() != nil {
			out = append(out, fmt.Sprint("request ", i))
		}
		if m.values[i].Value() != nil {
			out = append(out, fmt.Sprint("context ", i))
		}
		if m.tokens[i].Value() != nil {
			out = append(out, fmt.Sprint("token ", i))
		}
	}
	return strings.Join(out, ", ")
}

// TestSessionsForgetRequests: nothing stays of the requests that open and use a session, while it
// lives: neither the request, nor what its context leads to, nor the token of its caller.
func TestSessionsForgetRequests(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	var m marks
	inner := h.handler.Load()
	marking := m.mark(*inner)
	h.handler.Store(&marking)
	forgotten := func(after string) {
		t.Helper()
		h.CloseClientConnections() // net/http reads the next request into memory of the last one
		left := ""
		for end := time.Now().Add(patience); time.Now().Before(end); { // what a goroutine holds that is about to end
			runtime.GC()
			if left = m.left(); left == "" {
				return
			}
		}
		t.Errorf("after %s there is still: %s", after, left)
	}
	session := h.session("/mcp/rooms")
	forgotten("initialize")
	for range 3 {
		if a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":5,"method":"tools/list","params":{"more":1}}`); a.status != http.StatusOK {
			t.Fatalf("tools/list: %d %s", a.status, a.body)
		}
	}
	forgotten("tools/list")
	for _, more := range []string{"", `,"more":1`} { // past the SDK, and through it
		a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session}, `{"jsonrpc":"2.0","id":6,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"}`+more+`}}`)
		if !strings.Contains(a.body, "/rooms/7") {
			t.Fatalf("tools/call: %d %s", a.status, a.body)
		}
		forgotten("tools/call")
	}
	if !h.alive(session) {
		t.Error("the session has ended")
	}
	if len(m.tokens) < 6 {
		t.Errorf("%d requests were looked at", len(m.tokens))
	}
}

// TestCallsOfASessionAreTheirOwn: a call of a session runs under the ID and the address of its own
// request, not those of the request that opened the session.
func TestCallsOfASessionAreTheirOwn(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	inner := *h.handler.Load()
	var from http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, err := netip.ParseAddr(r.Header.Get("Test-Address")); err == nil {
			r = r.WithContext(plan.WithArrival(r.Context(), r.Header.Get("Test-Call"), a))
		}
		inner.ServeHTTP(w, r)
	})
	h.handler.Store(&from)
	h.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		who := plan.CallerOf(ctx)
		return response(200, "text/plain", fmt.Sprint(plan.RequestID(ctx), " ", who.RequestID, " ", plan.CallerAddress(ctx), " ", who.Address)), nil
	})
	session := h.session("/mcp/rooms")
	for n, id := range []string{"first", "second"} {
		a := h.post("/mcp/rooms", map[string]string{"Mcp-Session-Id": session, "Test-Call": id, "Test-Address": fmt.Sprint("192.0.2.", n)},
			`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get-room","arguments":{"id":"7"},"more":1}}`) // not so plain that it goes past the SDK
		if want := fmt.Sprintf("%s %[1]s 192.0.2.%d 192.0.2.%[2]d", id, n); !strings.Contains(a.body, `"text":"`+want+`"`) {
			t.Errorf("%d %s, want the text %s", a.status, a.body, want)
		}
	}
}
