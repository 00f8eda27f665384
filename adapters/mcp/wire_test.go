package mcp_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"capd/adapters/mcp"
)

func TestModernWire(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{Version: "1.2.3"})

	a := h.post(pathAnd(modern("server/discover", "", "{}")))
	result := string(a.messages[0].Result)
	for _, want := range []string{`"2026-07-28"`, `"2025-11-25"`, `"capabilities":{"tools":{"listChanged":true}}`,
		`"instructions":"Find and book rooms."`, `"name":"rooms"`, `"title":"Rooms"`, `"version":"1.2.3"`, `"cacheScope":"private"`} {
		if !strings.Contains(result, want) {
			t.Errorf("server/discover: no %s in %s", want, result)
		}
	}
	a = h.post(pathAnd(modern("tools/list", "", "{}")))
	result = string(a.messages[0].Result)
	for _, want := range []string{`"resultType":"complete"`, `"ttlMs":0`, `"cacheScope":"private"`, `"name":"get-room"`} {
		if !strings.Contains(result, want) {
			t.Errorf("tools/list: no %s in %s", want, result)
		}
	}
	a = h.post(pathAnd(modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)))
	result = string(a.messages[0].Result)
	if !strings.Contains(result, `"resultType":"complete"`) || !strings.Contains(result, "/rooms/7") || strings.Contains(result, "__capd") {
		t.Errorf("tools/call: %s", result)
	}
	header, body := modern("tools/call", "nowhere", `{"name":"nowhere"}`)
	h.wantError(header, body, http.StatusBadRequest, -32602)
	header, body = modern("tools/list", "", `{"cursor":"%"}`)
	h.wantError(header, body, http.StatusBadRequest, -32602)
	header, body = modern("no/such", "", `{}`)
	h.wantError(header, body, http.StatusNotFound, -32601)
}

func pathAnd(header map[string]string, body string) (string, map[string]string, string) {
	return "/mcp/rooms", header, body
}

func (h *house) wantError(header map[string]string, body string, status, code int) {
	h.t.Helper()
	a := h.post("/mcp/rooms", header, body)
	if a.status != status || len(a.messages) != 1 || a.messages[0].Error == nil || a.messages[0].Error.Code != code {
		h.t.Errorf("%v %s: %d %s; want %d and JSON-RPC error %d", header, body, a.status, a.body, status, code)
	}
}

// TestNameHeader: the name in the header is compared with the body after decoding
// (specification 2026-07-28, basic/transports).
func TestNameHeader(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)

	header["Mcp-Name"] = "=?base64?" + base64.StdEncoding.EncodeToString([]byte("get-room")) + "?="
	if a := h.post("/mcp/rooms", header, body); a.status != http.StatusOK || !strings.Contains(a.body, "/rooms/7") {
		t.Errorf("encoded: %d %s", a.status, a.body)
	}
	for _, wrong := range []string{"list.rooms", "=?base64?" + base64.StdEncoding.EncodeToString([]byte("list.rooms")) + "?=", "=?base64?!?=", ""} {
		header["Mcp-Name"] = wrong
		h.wantError(header, body, http.StatusBadRequest, -32020)
	}
	header["Mcp-Name"], header["Mcp-Method"] = "get-room", "tools/list"
	h.wantError(header, body, http.StatusBadRequest, -32020)
}

func TestOlderWire(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	session := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms"), "Mcp-Protocol-Version": "2025-11-25"}
	a := h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
	if !strings.Contains(a.body, `"name":"get-room"`) {
		t.Errorf("tools/list: %d %s", a.status, a.body)
	}
	a = h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"get-room","arguments":[1]}}`)
	if len(a.messages) != 1 || a.messages[0].Error != nil ||
		!strings.Contains(a.body, "The arguments do not fit this tool: arguments must be a JSON object") {
		t.Errorf("arguments that are no object: %d %s", a.status, a.body)
	}
	if a = h.do(http.MethodDelete, "/mcp/rooms", session, ""); a.status != http.StatusNoContent {
		t.Errorf("DELETE: %d", a.status)
	}
	if a = h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":4,"method":"ping"}`); a.status != http.StatusNotFound {
		t.Errorf("after DELETE: %d, want 404", a.status)
	}
}

// TestVersionAskedAndSpoken: a session whose client asked for the modern version speaks the
// older protocol all the same, and gets its results.
func TestVersionAskedAndSpoken(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	h.upstream.answer(200, "application/json", `[]`)
	a := h.post("/mcp/rooms", nil, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2026-07-28","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	session := map[string]string{"Mcp-Session-Id": a.header.Get("Mcp-Session-Id")}
	a = h.post("/mcp/rooms", session, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list.rooms"}}`)
	if !strings.Contains(a.body, `"structuredContent":{"result":[]}`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxBody: 2000})
	header, body := modern("tools/call", "create-room", `{"name":"create-room","arguments":{"body":{"x":"`+strings.Repeat("x", 2000)+`"}}}`)
	if a := h.post("/mcp/rooms", header, body); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("modern: %d, want 413", a.status)
	}
	if a := h.post("/mcp/rooms", nil, strings.Replace(body, "tools/call", "initialize", 1)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("older, without a session: %d, want 413", a.status)
	}
	session := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms")}
	if a := h.post("/mcp/rooms", session, body); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("older: %d, want 413", a.status)
	}
}

// TestMessageOfManyValues: what the SDK decodes of a message is bounded by more than its bytes; arguments of
// tools are not decoded.
func TestMessageOfManyValues(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	many := "[" + strings.Repeat("{},", 10_000) + "{}]"
	call := func(params string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + params + `}}`
	}
	arguments := `"name":"create-room","arguments":{"body":{"x":` + many + `}}`
	hello := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"t","version":"1"},"capabilities":{"experimental":`
	for _, c := range []struct {
		name, body string
		refused    bool
	}{
		{"arguments", call(arguments), false},
		{"initialize", hello + `{"x":{}}}}}`, false},
		{"capabilities", hello + `{"x":{"y":` + many + `}}}}}`, true},
		{"meta", call(arguments + `,"_meta":{"x":` + many + `}`), true},
		{"beside params", `{"jsonrpc":"2.0","id":1,"method":"tools/list","x":` + many + `}`, true},
		{"arguments of a prompt", strings.Replace(call(arguments), "tools/call", "prompts/get", 1), true},
		{"two methods", strings.Replace(call(arguments), `"id"`, `"Method":"prompts/get","id"`, 1), true},
		{"two methods, one of them in disguise", strings.Replace(call(arguments), `"id"`, `"m\u0065thod":"prompts/get","id"`, 1), true},
		{"a long text", call(arguments + `,"_meta":{"x":"` + strings.Repeat(`a{},[]\",`, 600_000) + `"}`), false},
		{"a batch", "[" + call(arguments) + "," + call(arguments) + "]", false},
		{"a long batch", "[" + strings.Repeat(call(`"name":"get-room"`)+",", 10_000) + call(arguments) + "]", true},
	} {
		header := map[string]string{"Mcp-Session-Id": h.session("/mcp/rooms"), "Mcp-Protocol-Version": "2025-03-26"}
		if strings.HasPrefix(c.body, hello) {
			header = nil
		}
		a := h.post("/mcp/rooms", header, c.body)
		refused := a.status == http.StatusRequestEntityTooLarge && strings.Contains(a.body, `"code":-32600`)
		if refused != c.refused || !refused && a.status != http.StatusOK {
			t.Errorf("%s: %d %.200s", c.name, a.status, a.body)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	one := map[string]string{"team-a/rooms": rooms}
	two := map[string]string{"team-a/rooms": rooms, "x y": rooms}
	several := map[string]string{"both": rooms + strings.ReplaceAll(rooms[strings.Index(rooms, "  - type: mcp"):], "rooms-mcp", "other")}
	tests := []struct {
		name, path string
		docs       map[string]string
		found      bool
	}{
		{"document", "/mcp/team-a/rooms", one, true},
		{"trailing slash", "/mcp/team-a/rooms/", one, true},
		{"escaped slash is no separator", "/mcp/team-a%2Frooms", one, false},
		{"the only one", "/mcp", one, true},
		{"the only one, trailing slash", "/mcp/", one, true},
		{"not the only one", "/mcp", two, false},
		{"escaped ID", "/mcp/x%20y", two, true},
		{"unknown", "/mcp/nowhere", two, false},
		{"an empty segment", "/mcp//", one, false},
		{"below an endpoint", "/mcp/team-a/rooms/x", one, false},
		{"a folder", "/mcp/team-a", one, true},
		{"above a folder of that name", "/mcp/team", one, false},
		{"first of several", "/mcp/both", several, true},
		{"by namespace", "/mcp/both/other", several, true},
		{"by the first's namespace", "/mcp/both/rooms-mcp", several, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, tt.docs, mcp.Options{})
			header, body := modern("tools/list", "", "{}")
			header["Test-Request-Id"] = "the-request"
			a := h.post(tt.path, header, body)
			switch {
			case tt.found && (a.status != http.StatusOK || !strings.Contains(a.body, "get-room")):
				t.Errorf("%d %s", a.status, a.body)
			case !tt.found && (a.status != http.StatusNotFound || a.header.Get("Content-Type") != "application/problem+json" ||
				!strings.Contains(a.body, `"code":"not-found","requestId":"the-request"`)):
				t.Errorf("%d %s, want a problem document", a.status, a.body)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "team/halls": strings.ReplaceAll(rooms, "label: Rooms", "label: Halls")}, mcp.Options{})
	want := `{"endpoints":[` +
		`{"path":"/mcp/rooms","document":"rooms","namespace":"rooms-mcp","label":"Rooms","description":"Find and book rooms.","tools":3},` +
		`{"path":"/mcp/team/halls","document":"team/halls","namespace":"rooms-mcp","label":"Halls","description":"Find and book rooms.","tools":3}],` +
		`"views":[{"path":"/mcp/team","kind":"folder","documents":1,"tools":3}]}` + "\n"
	for _, accept := range []string{"", "*/*", "application/json", "text/html, */*"} {
		a := h.do(http.MethodGet, "/mcp", map[string]string{"Accept": accept}, "")
		if a.status != http.StatusOK || a.body != want || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("Accept %q: %d %s\nwant %s", accept, a.status, a.body, want)
		}
	}
	if a := h.do(http.MethodGet, "/mcp", nil, ""); a.status != http.StatusNotFound {
		t.Errorf("GET for a stream: %d, want 404", a.status)
	}

	// Where the only endpoint is at /mcp too, a look at it gets the index and a client its protocol.
	h = open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	if a := h.do(http.MethodGet, "/mcp", map[string]string{"Accept": "*/*"}, ""); !strings.Contains(a.body, `"path":"/mcp/rooms"`) {
		t.Errorf("index: %d %s", a.status, a.body)
	}
	if a := h.do(http.MethodGet, "/mcp", map[string]string{"Mcp-Protocol-Version": "2026-07-28"}, ""); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET of the modern protocol: %d, want 405", a.status)
	}
}
