package mcp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMalformedRequests are refused by both eras with a status or an error of the protocol, and
// never end in an internal error.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms, "library": library}, mcp.Options{})
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	deep := strings.Repeat("[", 200_000)
	bodies := map[string]string{
		"empty":             ``,
		"no JSON":           `hello`,
		"cut off":           `{"jsonrpc":"2.0","id":1,"method":"tools/list"`,
		"a string":          `"tools/list"`,
		"null":              `null`,
		"a number":          `7`,
		"nested":            deep,
		"nested params":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `,"name":"get-room","arguments":` + deep + strings.Repeat("]", len(deep)) + `}}`,
		"trailing garbage":  `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `}} and more`,
		"two messages":      `{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}`,
		"no version":        `{"id":1,"method":"tools/list","params":{` + meta + `}}`,
		"other version":     `{"jsonrpc":"1.0","id":1,"method":"tools/list","params":{` + meta + `}}`,
		"version a number":  `{"jsonrpc":2,"id":1,"method":"tools/list","params":{` + meta + `}}`,
		"method a number":   `{"jsonrpc":"2.0","id":1,"method":7,"params":{` + meta + `}}`,
		"empty method":      `{"jsonrpc":"2.0","id":1,"method":"","params":{` + meta + `}}`,
		"id an object":      `{"jsonrpc":"2.0","id":{},"method":"tools/list","params":{` + meta + `}}`,
		"id a list":         `{"jsonrpc":"2.0","id":[1],"method":"tools/list","params":{` + meta + `}}`,
		"params a string":   `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":"x"}`,
		"params a list":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}`,
		"no params":         `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`,
		"name a number":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `,"name":7}}`,
		"name missing":      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `}}`,
		"meta a list":       `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":[],"name":"get-room"}}`,
		"cursor a number":   `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + meta + `,"cursor":7}}`,
		"uri a list":        `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{` + meta + `,"uri":[]}}`,
		"uri missing":       `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{` + meta + `}}`,
		"prompt a boolean":  `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{` + meta + `,"name":true}}`,
		"subscribe to none": `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{` + meta + `}}`,
		"listen to none":    `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `}}`,
		"listen to a list":  `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{` + meta + `,"notifications":[]}}`,
		"sampling":          `{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{` + meta + `}}`,
		"roots":             `{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{` + meta + `}}`,
		"elicitation":       `{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{` + meta + `}}`,
		"an odd level":      `{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":7}}`,
		"the hidden tool":   `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{` + meta + `,"name":"__capd_call"}}`,
		"invalid UTF-8":     "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/\xff\xfe\",\"params\":{" + meta + "}}",
	}
	for name, body := range bodies {
		var m struct {
			Method any
			Params struct{ Name, URI any }
		}
		_ = json.Unmarshal([]byte(body), &m)
		header := map[string]string{"Mcp-Protocol-Version": "2026-07-28"}
		if s, ok := m.Method.(string); ok {
			header["Mcp-Method"] = s
		} else if strings.Contains(body, "tools/list") {
			header["Mcp-Method"] = "tools/list"
		}
		for _, v := range []any{m.Params.Name, m.Params.URI} {
			if s, ok := v.(string); ok {
				header["Mcp-Name"] = s
			}
		}
		for _, path := range []string{"/mcp/rooms", "/mcp/library"} {
			session := map[string]string{"Mcp-Session-Id": h.session(path), "Mcp-Protocol-Version": "2025-11-25"}
			for era, a := range map[string]answer{
				"modern": h.post(path, header, body), "older": h.post(path, session, strings.Replace(body, meta, `"_meta":{}`, 1)), "no session": h.post(path, nil, body),
			} {
				refused := a.status >= 400 && a.status < 500
				for _, m := range a.messages {
					refused = refused || m.Error != nil && m.Error.Code != -32603
					if m.Result != nil && strings.Contains(string(m.Result), `"isError":true`) {
						refused = true // arguments that do not fit are for the model
					}
				}
				if !refused || a.status >= 500 {
					t.Errorf("%s, %s, %s: %d %.300s", name, era, path, a.status, a.body)
				}
			}
		}
	}
	if n := h.log.count("panic in an MCP request", "", ""); n > 0 {
		t.Errorf("%d panics: %s", n, h.log.text("panic in an MCP request"))
	}
}

// TestBatches are of revision 2025-03-26 and before it.
func TestBatches(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	const batch = `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"tools/list"}]`
	for version, want := range map[string]int{"2026-07-28": 400, "2025-11-25": 400, "2025-06-18": 400, "2025-03-26": 200, "2024-11-05": 200} {
		header := map[string]string{"Mcp-Protocol-Version": version}
		if version < "2026-07-28" {
			header["Mcp-Session-Id"] = h.session("/mcp/rooms")
		}
		a := h.post("/mcp/rooms", header, batch)
		if a.status != want || want == 200 && len(a.messages) != 2 {
			t.Errorf("%s: %d %s", version, a.status, a.body)
		}
	}
}

// TestRequestsOfTheModernProtocol: what each must say, and what it must not be.
func TestRequestsOfTheModernProtocol(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range header {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	const version, capabilities = `"io.modelcontextprotocol/protocolVersion":"2026-07-28"`, `"io.modelcontextprotocol/clientCapabilities":{}`
	h.wantError(header, strings.Replace(body, version+",", "", 1), 400, -32602)
	h.wantError(header, strings.Replace(body, ","+capabilities, "", 1), 400, -32602)
	h.wantError(header, strings.Replace(body, `"_meta":{`+version+","+capabilities+`},`, "", 1), 400, -32602)
	h.wantError(header, strings.Replace(body, version, `"io.modelcontextprotocol/protocolVersion":"2025-11-25"`, 1), 400, -32020)
	h.wantError(header, strings.Replace(body, version, `"io.modelcontextprotocol/protocolVersion":7`, 1), 400, -32602)
	h.wantError(with("Mcp-Method", "tools/list"), body, 400, -32020)
	h.wantError(with("Mcp-Method", ""), body, 400, -32020)
	h.wantError(with("Mcp-Name", "other"), body, 400, -32020)
	h.wantError(with("Mcp-Name", ""), body, 400, -32020)

	a := h.post("/mcp/rooms", with("Mcp-Protocol-Version", "2031-01-01"), strings.Replace(body, "2026-07-28", "2031-01-01", 1))
	if a.status != 400 || a.messages[0].Error == nil || a.messages[0].Error.Code != -32022 ||
		!strings.Contains(a.body, `"requested":"2031-01-01"`) || !strings.Contains(a.body, `"2026-07-28"`) {
		t.Errorf("a version of the future: %d %s", a.status, a.body)
	}
	if a := h.post("/mcp/rooms", map[string]string{"Mcp-Protocol-Version": "1999-01-01"}, body); a.status != 400 {
		t.Errorf("a version that never was: %d %s", a.status, a.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete, http.MethodPut} {
		if a := h.do(method, "/mcp/rooms", map[string]string{"Mcp-Protocol-Version": "2026-07-28"}, ""); a.status != 405 || a.header.Get("Allow") == "" {
			t.Errorf("%s: %d %v", method, a.status, a.header)
		}
	}
	for _, media := range []string{"text/plain", "", "application/json-patch+json"} {
		if a := h.post("/mcp/rooms", with("Content-Type", media), body); a.status != 415 {
			t.Errorf("Content-Type %q: %d", media, a.status)
		}
	}
	for _, method := range []string{"initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"} {
		header, body := modern(method, "", "{}")
		h.wantError(header, body, 404, -32601)
	}
}

// TestDuplicateIDs: a second request cannot take the ID of one that runs in the same session.
func TestDuplicateIDs(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, finish := make(chan struct{}), make(chan struct{})
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-finish
		return response(200, "text/plain", "done"), nil
	})
	session := h.session("/mcp/rooms")
	first := make(chan answer)
	go func() { first <- h.sessionCall("/mcp/rooms", session, "get-room", `{"id":"7"}`, "") }()
	<-started
	if a := h.sessionCall("/mcp/rooms", session, "get-room", `{"id":"8"}`, ""); a.status != 400 {
		t.Errorf("the same ID: %d %s", a.status, a.body)
	}
	close(finish)
	if a := <-first; !strings.Contains(a.body, "done") {
		t.Errorf("the first: %s", a.body)
	}
	go func() { <-started }()
	if a := h.sessionCall("/mcp/rooms", session, "get-room", `{"id":"8"}`, ""); !strings.Contains(a.body, "done") {
		t.Errorf("the same ID afterwards: %s", a.body)
	}
}

// TestEveryVersion is negotiated, answers pings where the version has them, and lists.
func TestEveryVersion(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	for _, version := range eras[1:] {
		a := h.post("/mcp/rooms", nil, strings.Replace(initialize, "2025-03-26", version, 1))
		if !strings.Contains(a.body, `"protocolVersion":"`+version+`"`) {
			t.Errorf("%s: %s", version, a.body)
		}
		header := map[string]string{"Mcp-Session-Id": a.header.Get("Mcp-Session-Id"), "Mcp-Protocol-Version": version}
		h.post("/mcp/rooms", header, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		if a := h.post("/mcp/rooms", header, `{"jsonrpc":"2.0","id":3,"method":"ping"}`); len(a.messages) != 1 || string(a.messages[0].Result) != "{}" {
			t.Errorf("%s: ping: %s", version, a.body)
		}
		if a := h.post("/mcp/rooms", header, `{"jsonrpc":"2.0","id":4,"method":"tools/list"}`); !strings.Contains(a.body, "get-room") {
			t.Errorf("%s: tools/list: %s", version, a.body)
		}
		if a := h.post("/mcp/rooms", header, `{"jsonrpc":"2.0","id":5,"method":"server/discover","params":{}}`); len(a.messages) != 1 || a.messages[0].Error == nil || a.messages[0].Error.Code != -32601 {
			t.Errorf("%s: server/discover: %d %s", version, a.status, a.body)
		}
	}
	a := h.post("/mcp/rooms", nil, strings.Replace(initialize, "2025-03-26", "1999-01-01", 1))
	if !strings.Contains(a.body, `"protocolVersion":"20`) {
		t.Errorf("an unknown version: %s", a.body)
	}
}

// TestPagesOverHTTP hold each tool once, and end.
func TestPagesOverHTTP(t *testing.T) {
	t.Parallel()
	const many = 2_345
	var doc strings.Builder
	doc.WriteString("naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: mcp\n    namespace: many\n    port: 9090\n    tools:\n")
	for i := range many {
		fmt.Fprintf(&doc, "    - { name: tool-%04d, description: D, outputParameters: [{ name: x, type: string, value: y }] }\n", i)
	}
	h := open(t, map[string]string{"many": doc.String()}, mcp.Options{SearchAbove: -1})
	for _, era := range eras[:2] {
		s := h.connect("/mcp/many", era, nil)
		seen, pages, cursor := map[string]bool{}, 0, ""
		for {
			page, err := s.ListTools(context.Background(), &sdk.ListToolsParams{Cursor: cursor})
			if err != nil {
				t.Fatal(err)
			}
			for _, tool := range page.Tools {
				if seen[tool.Name] {
					t.Fatalf("%s: %s twice", era, tool.Name)
				}
				seen[tool.Name] = true
			}
			if pages++; page.NextCursor == "" || pages > many {
				break
			}
			if page.NextCursor == cursor {
				t.Fatalf("%s: the cursor stands still", era)
			}
			cursor = page.NextCursor
		}
		if len(seen) != many || pages != 3 {
			t.Errorf("%s: %d tools on %d pages", era, len(seen), pages)
		}
	}
	for _, cursor := range []string{"%", "AAAA", strings.Repeat("x", 10_000), "\\u0000"} {
		header, body := modern("tools/list", "", `{"cursor":"`+cursor+`"}`)
		if a := h.post("/mcp/many", header, body); a.status != 400 || a.messages[0].Error == nil || a.messages[0].Error.Code != -32602 {
			t.Errorf("cursor %.20q: %d %.200s", cursor, a.status, a.body)
		}
	}
}

// heap gives the bytes in use, when nothing more can be given back.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// goroutines waits until there are at most so many of them, and gives how many there are in the end.
// Without a number it waits until they do not seem to get fewer any more.
func goroutines(most int) int {
	end := time.Now().Add(patience)
	for n := 0; n < 10_000_000 || most > 0 && time.Now().Before(end); n++ {
		if runtime.NumGoroutine() <= most {
			break
		}
		runtime.Gosched()
	}
	return runtime.NumGoroutine()
}

// TestGarbage: ten thousand requests of nonsense leave nothing behind. It runs alone, since it
// counts what the process has.
func TestGarbage(t *testing.T) {
	h := open(t, map[string]string{"rooms": rooms, "library": library}, mcp.Options{MaxSessions: 10})
	session := h.session("/mcp/rooms")
	random := rand.New(rand.NewPCG(1, 2))
	send := func(n int) {
		for range n {
			method, path, header, body := garbage(random, session)
			if a := h.do(method, path, header, body); a.status >= 500 && a.status != http.StatusServiceUnavailable {
				t.Fatalf("%s %s %v %.300q: %d %.300s", method, path, header, body, a.status, a.body)
			}
		}
		h.CloseClientConnections()
		h.Client().CloseIdleConnections()
	}
	send(1_000) // what is made once is there now
	calm, before := goroutines(0), heap()
	send(9_000)
	if n := goroutines(calm + 20); n > calm+20 {
		t.Errorf("%d goroutines, %d before", n, calm)
	}
	if after := heap(); after > before+16<<20 {
		t.Errorf("%d bytes in use, %d before", after, before)
	}
	if n := h.log.count("panic in an MCP request", "", ""); n > 0 {
		t.Errorf("%d panics", n)
	}
}

// garbage gives a request that is wrong in a few places.
func garbage(r *rand.Rand, session string) (method, path string, header map[string]string, body string) {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	method = pick("POST", "POST", "POST", "POST", "DELETE", "PUT")
	path = pick("/mcp/rooms", "/mcp/library", "/mcp", "/mcp/nowhere", "/mcp/%2e%2e/rooms")
	what := pick("tools/call", "tools/list", "resources/read", "initialize", "ping", "prompts/get", "logging/setLevel", "server/discover",
		"notifications/cancelled", "completion/complete", "resources/subscribe", "", "x")
	header = map[string]string{
		"Mcp-Protocol-Version": pick("", "", "2026-07-28", "2026-07-28", "2025-11-25", "2025-03-26", "x", "9999-99-99"),
		"Mcp-Method":           pick("", what, what, "x"),
		"Mcp-Name":             pick("", "get-room", "=?base64?Z2V0LXJvb20=?=", "=?base64?%?="),
		"Mcp-Session-Id":       pick("", "", "x", session),
		"Content-Type":         pick("application/json", "application/json", "application/json", "text/plain"),
	}
	if method == "DELETE" {
		header["Mcp-Session-Id"] = "x"
	}
	value := func() string {
		return pick(`1`, `"x"`, `null`, `{}`, `[]`, `true`, `-1e400`, `"\ud800"`, `{"a":{"b":[1,2,{}]}}`, `"get-room"`, `{"id":"7"}`, `"data://users"`)
	}
	body = `{"jsonrpc":` + pick(`"2.0"`, `"2.0"`, `"2.0"`, value()) + `,"id":` + value() + `,"method":"` + what + `","params":{` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":` + pick(`"2026-07-28"`, value()) + `,"io.modelcontextprotocol/clientCapabilities":` + pick(`{}`, value()) +
		`,"progressToken":` + value() + `},"name":` + value() + `,"uri":` + value() + `,"arguments":` + value() + `,"cursor":` + value() + `,"level":` + value() +
		`,"requestId":` + value() + `,"protocolVersion":` + pick(`"2025-03-26"`, value()) + `,"capabilities":` + pick(`{}`, value()) + `,"clientInfo":` + value() + `}}`
	switch r.IntN(4) {
	case 0: // some bytes are others
		b := []byte(body)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
		body = string(b)
	case 1: // the end is missing
		body = body[:r.IntN(len(body))]
	case 2:
		body = "[" + body + "," + body + "]"
	}
	return method, path, header, body
}

// TestAThousandSessions: each costs little, and all of it is given back when they end.
func TestAThousandSessions(t *testing.T) {
	const many = 1_000
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{MaxSessions: many})
	h.sessionCall("/mcp/rooms", h.session("/mcp/rooms"), "get-room", `{"id":"1"}`, "")
	h.Client().CloseIdleConnections()
	calm, before := goroutines(0), heap()
	ids := make([]string, many)
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := c; i < many; i += 8 {
				ids[i] = h.session("/mcp/rooms")
				if a := h.sessionCall("/mcp/rooms", ids[i], "get-room", `{"id":"1"}`, ""); a.status != http.StatusOK {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	clients.Wait()
	h.Client().CloseIdleConnections()
	per := (int64(heap()) - int64(before)) / many
	t.Logf("%d bytes for each session", per)
	if per > 100<<10 {
		t.Errorf("%d bytes for each session", per)
	}
	alive := 0
	for _, id := range ids {
		if h.alive(id) {
			alive++
		}
	}
	if alive < many-1 { // the one of the beginning made room
		t.Errorf("%d of %d sessions are there", alive, many)
	}
	for _, id := range ids {
		h.do(http.MethodDelete, "/mcp/rooms", map[string]string{"Mcp-Session-Id": id}, "")
	}
	h.Client().CloseIdleConnections()
	if n := goroutines(calm + 20); n > calm+20 {
		t.Errorf("%d goroutines, %d before", n, calm)
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("%d bytes in use, %d before", after, before)
	}
}
