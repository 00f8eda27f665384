package mcp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// twins are two adapters that serve the same: one as it is, and one that sends every request through
// the SDK. What they answer must be the same.
type twins struct {
	direct, sdk *twin
}

type twin struct {
	*house
	mu   sync.Mutex
	sent []string          // upstream
	made map[string]string // sessions by document
}

const shapedOut = "      outputParameters: [{ type: object, properties: { a: { type: string, mapping: $.a }, l: { type: array, mapping: $.l, items: { type: string, mapping: $. } } } }]\n"

func twinDocs() map[string]string {
	return map[string]string{
		"rooms":    rooms,
		"short":    short(""),
		"list":     short("[{ type: array, mapping: $.all, items: { type: object, properties: { id: { type: string, mapping: $.id } } } }]"),
		"shaped":   strings.Replace(rooms, "      call: api.list\n", "      call: api.list\n"+shapedOut, 1),
		"mirrored": mirroring,
		"pictures": pictures,
		"spoken":   spoken,
		"trips":    trips,
	}
}

func newTwins(t testing.TB, o mcp.Options) *twins {
	twin := func(o mcp.Options) *twin {
		w := &twin{house: open(t, twinDocs(), o), made: map[string]string{}}
		for doc := range twinDocs() {
			if !o.WithoutSessions {
				w.made[doc] = w.session("/mcp/" + doc)
			}
		}
		return w
	}
	return &twins{twin(o), twin(mcp.ViaSDK(o))}
}

// asked is a request, and what the upstream answers to it.
type asked struct {
	doc, body string
	header    map[string]string
	status    int
	media     string
	answer    string
}

// what changes from one time to the next
var random = regexp.MustCompile(`capd://result/[A-Z2-7]+|\{\\?"id\\?":\\?"[A-Z2-7]{26}\\?"`)

// serve gives all that a twin does with a request, as text.
func (w *twin) serve(t testing.TB, a asked) string {
	t.Helper()
	w.upstream.set(func(ctx context.Context, r *plan.Request) (*plan.Response, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sent = append(w.sent, r.Method+" "+r.URL())
		switch a.status {
		case 0:
			return echo(ctx, r)
		case 1:
			return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "it <failed>"}
		case 2:
			panic("boom")
		}
		return response(a.status, a.media, a.answer), nil
	})
	w.log.mu.Lock()
	w.log.all = nil
	w.log.mu.Unlock()
	w.sent = nil
	rec := httptest.NewRecorder()
	(*w.handler.Load()).ServeHTTP(rec, w.incoming(t, a))
	slices.Sort(w.sent) // steps may run at once
	h := rec.Header().Clone()
	for _, name := range []string{"Connection", "X-Accel-Buffering", "Content-Length", "X-Content-Type-Options"} {
		h.Del(name) // how it is sent
	}
	var logged strings.Builder
	for line := range strings.Lines(w.log.text("")) {
		if strings.Contains(line, " MCP ") || strings.Contains(line, "panic") {
			line, _, _ = strings.Cut(line, " stack=")
			logged.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return random.ReplaceAllString(fmt.Sprintf("%d %v\n%s\nsent: %q\nlogged: %s", rec.Code, h, rec.Body.String(), w.sent, logged.String()), "random")
}

func (w *twin) incoming(t testing.TB, a asked) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/mcp/"+a.doc, strings.NewReader(a.body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for k, v := range a.header {
		switch {
		case k == "Mcp-Session-Id" && v == "mine":
			if id := w.made[a.doc]; id != "" {
				r.Header.Set(k, id)
			}
		case v == "":
			r.Header.Del(k)
		case v == empty:
			r.Header.Set(k, "")
		default:
			r.Header.Set(k, v)
		}
	}
	return r.WithContext(plan.WithRequestID(r.Context(), "r-1"))
}

// empty is a header that is there and says nothing.
const empty = "(empty)"

// compare wants one behaviour of both, and reports whether it was without the SDK.
func (tw *twins) compare(t testing.TB, a asked) (direct bool) {
	t.Helper()
	got, want := tw.direct.serve(t, a), tw.sdk.serve(t, a)
	if got != want {
		t.Errorf("%s %v\n%s\ngot  %s\nwant %s", a.doc, a.header, a.body, got, want)
	}
	return tw.direct.adapter.ServesDirect(a.doc, httptest.NewRecorder(), tw.direct.incoming(t, a))
}

func olderHeader(version string) map[string]string {
	return map[string]string{"Mcp-Session-Id": "mine", "Mcp-Protocol-Version": version}
}

func toolCall(name, args string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + name + `","arguments":` + args + `}}`
}

// TestDirectCallsAreAsThroughTheSDK: what a call answers does not depend on which way it took.
func TestDirectCallsAreAsThroughTheSDK(t *testing.T) {
	t.Parallel()
	tw, alone := newTwins(t, mcp.Options{}), newTwins(t, mcp.Options{WithoutSessions: true})
	lines := strings.Repeat("a line of text\n", 200)
	list := `{"all":[` + strings.TrimSuffix(strings.Repeat(`{"id":"0123456789"},`, 200), ",") + `]}`
	every := make([]byte, 0, 256)
	for c := range 256 {
		every = append(every, byte(c))
	}
	type reply struct {
		status        int
		media, answer string
	}
	replies := []reply{
		{0, "", ""}, {1, "", ""}, {2, "", ""},
		{200, "application/json", `{"a":"x","l":["1",2]}`}, {200, "application/json", " \n{ \"a\" : \"\\u00e9<&>\\\"\\\\\" ,\t\"b\":[ 1 , {} ,\"\u2028 \u2029 é\" ] }\r\n"},
		{200, "application/json", `[1,2,3]`}, {200, "application/json", `"text"`}, {200, "application/json", `12345678901234567890.10`},
		{200, "application/json", `null`}, {200, "application/json", `{"a":1,"a":2}`}, {200, "application/json", `{"a":`}, {200, "application/json", ``},
		{200, "text/plain", "<b>&amp;</b> \x01\x1f\x7f\b\f\n\r\t\"\\ \u2028\u2029 é 😀"}, {200, "text/plain", lines}, {200, "application/json", list},
		{200, "text/plain; charset=iso-8859-1", "caf\xe9"}, {200, "text/plain", "caf\xe9"}, {200, "", "nul\x00"}, {200, "", string(every)},
		{200, "image/png", png}, {200, "audio/mpeg", "sound"}, {200, "application/pdf", "%PDF-1.7"}, {200, "application/octet-stream", `{"a":1}`},
		{200, "text/html", "<html></html>"}, {204, "", ""}, {201, "application/json", `{}`},
		{302, "text/html", "moved"}, {304, "", ""}, {400, "application/json", `{"error":"bad"}`}, {404, "", ""}, {404, "image/png", png}, {500, "text/plain", "oops"}, {503, "", ""},
	}
	calls := []struct{ doc, tool, args string }{
		{"rooms", "get-room", `{"id":"7"}`}, {"rooms", "list.rooms", `{}`}, {"rooms", "list_rooms", `{"filter":"a b"}`}, {"rooms", "create-room", `{"x":1}`},
		{"rooms", "get-room", `{}`}, {"rooms", "get-room", `{"id":7,"more":true}`}, {"rooms", "get-room", `{"id":["a"]}`}, {"rooms", "get-room", ` { "id" : "\u00e9\n" } `},
		{"rooms", "get-room", `{"id":"a","id":"b"}`}, {"rooms", "broken", `{}`},
		{"short", "list.rooms", `{}`}, {"list", "list.rooms", `{}`}, {"shaped", "list.rooms", `{}`},
		{"pictures", "declared", `{}`}, {"pictures", "bytes", `{}`}, {"pictures", "small", `{}`}, {"pictures", "plain", `{}`},
		{"spoken", "say", `{"name":"<you>"}`}, {"spoken", "fail", `{}`}, {"short", "read_result", `{"id":"x","offset":1}`},
	}
	for _, c := range calls {
		header, body := modern("tools/call", c.tool, `{"name":"`+c.tool+`","arguments":`+c.args+`}`)
		for _, r := range replies {
			a := asked{doc: c.doc, header: header, body: body, status: r.status, media: r.media, answer: r.answer}
			if !tw.compare(t, a) {
				t.Errorf("%s %s went through the SDK", c.doc, body)
			}
			a.body = toolCall(c.tool, c.args)
			for _, version := range []string{"", "2025-06-18"} {
				a.header = olderHeader(version)
				if !tw.compare(t, a) || !alone.compare(t, a) {
					t.Errorf("%s %s went through the SDK", c.doc, a.body)
				}
			}
		}
	}
	for _, tool := range []string{"plan-trip", "book-trip"} {
		header, body := modern("tools/call", tool, `{"name":"`+tool+`","arguments":{}}`)
		for _, r := range replies {
			if tool == "plan-trip" && r.status != 200 {
				continue // its steps run at once, and any of them may be the first that fails
			}
			a := asked{doc: "trips", header: header, body: body, status: r.status, media: r.media, answer: r.answer}
			if !tw.compare(t, a) {
				t.Errorf("%s went through the SDK", body)
			}
			a.header, a.body = olderHeader(""), toolCall(tool, "{}")
			if !tw.compare(t, a) {
				t.Errorf("%s went through the SDK", a.body)
			}
			if alone.direct.adapter.ServesDirect(a.doc, httptest.NewRecorder(), alone.direct.incoming(t, a)) {
				t.Error("a client that is told of steps by default was not")
			}
		}
	}
	searched := newTwins(t, mcp.Options{SearchAbove: 1})
	for _, pair := range []*twins{tw, alone, searched} {
		for doc := range twinDocs() {
			header, body := modern("tools/list", "", "{}")
			if !pair.compare(t, asked{doc: doc, header: header, body: body}) ||
				!pair.compare(t, asked{doc: doc, header: olderHeader("2025-11-25"), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}) {
				t.Errorf("%s was listed by the SDK", doc)
			}
		}
	}
	for _, c := range []struct{ tool, args string }{
		{"call_tool", `{"name":"get-room","arguments":{"id":"7"}}`}, {"call_tool", `{"name":"get-room","arguments":"{\"id\":\"7\"}"}`}, {"call_tool", `{"name":"nothing"}`},
		{"call_tool", `{"name":"call_tool"}`}, {"call_tool", `{}`}, {"search_tools", `{"query":"room"}`}, {"search_tools", `{"limit":0}`}, {"search_tools", `{"query":7}`},
		{"describe_tool", `{"name":"get-room"}`}, {"describe_tool", `{"names":["nothing"]}`}, {"get-room", `{"id":"7"}`},
	} {
		header, body := modern("tools/call", c.tool, `{"name":"`+c.tool+`","arguments":`+c.args+`}`)
		if !searched.compare(t, asked{doc: "rooms", header: header, body: body}) ||
			!searched.compare(t, asked{doc: "rooms", header: olderHeader(""), body: toolCall(c.tool, c.args)}) {
			t.Errorf("%s %s went through the SDK", c.tool, c.args)
		}
	}
}

// TestWhatIsNoPlainCall goes through the SDK, and nothing of it is lost.
func TestWhatIsNoPlainCall(t *testing.T) {
	t.Parallel()
	tw := newTwins(t, mcp.Options{})
	const plain = `{"name":"get-room","arguments":{"id":"7"}}`
	header, body := modern("tools/call", "get-room", plain)
	older := toolCall("get-room", `{"id":"7"}`)
	tripHeader, trip := modern("tools/call", "book-trip", `{"name":"book-trip","arguments":{}}`)
	trip = strings.Replace(trip, `"_meta":{`, `"_meta":{"io.modelcontextprotocol/logLevel":"error",`, 1)
	listHeader, list := modern("tools/list", "", "{}")
	regional, region := modern("tools/call", "route", `{"name":"route","arguments":{"region":"eu"}}`)
	with := func(h map[string]string, name, value string) map[string]string {
		out := map[string]string{name: value}
		for k, v := range h {
			if k != name {
				out[k] = v
			}
		}
		return out
	}
	meta := func(more string) string { return strings.Replace(body, `"_meta":{`, `"_meta":{`+more+`,`, 1) }
	base := asked{doc: "rooms", header: header, body: body}
	old := asked{doc: "rooms", header: olderHeader("2025-11-25"), body: older}
	for name, tt := range map[string]struct {
		asked
		direct bool
	}{
		"modern":                    {base, true},
		"older":                     {old, true},
		"JSON alone is accepted":    {asked{doc: "rooms", header: with(header, "Accept", "application/json"), body: body}, true},
		"a charset":                 {asked{doc: "rooms", header: with(header, "Content-Type", "Application/JSON; charset=utf-8"), body: body}, true},
		"a name in base64":          {asked{doc: "rooms", header: with(header, "Mcp-Name", "=?base64?Z2V0LXJvb20=?="), body: body}, true},
		"a progress token":          {asked{doc: "rooms", header: header, body: meta(`"progressToken":"p"`)}, true},
		"a client's name":           {asked{doc: "rooms", header: header, body: meta(`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","x":"y"}`)}, true},
		"what a client can do":      {asked{doc: "rooms", header: header, body: strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":{"roots":{"listChanged":true},"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"extensions":{"a/b":{"mimeTypes":["x"],"n":1}},"tasks":{"list":{}}}`, 1)}, true},
		"members of _meta":          {asked{doc: "rooms", header: header, body: meta(`"a":"é","b":{"c":[1,true,{}]},"traceparent":"00-1-2-01"`)}, true},
		"no arguments":              {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"name":"list.rooms"}}`}, true},
		"space":                     {asked{doc: "rooms", header: olderHeader(""), body: "\n{ \"jsonrpc\" : \"2.0\" ,\t\"id\" : 0 , \"method\" : \"tools/call\" , \"params\" : { \"_meta\" : { } , \"name\" : \"get-room\" , \"arguments\" : { \"id\" : \"7\" } } }\r\n"}, true},
		"steps":                     {asked{doc: "trips", header: olderHeader(""), body: strings.Replace(toolCall("book-trip", "{}"), `"name"`, `"_meta":{"progressToken":7},"name"`, 1)}, false},
		"steps and a level":         {asked{doc: "trips", header: tripHeader, body: trip}, false},
		"an argument in a header":   {asked{doc: "mirrored", header: with(regional, "Mcp-Param-Region", "eu"), body: region}, false},
		"another in the header":     {asked{doc: "mirrored", header: with(regional, "Mcp-Param-Region", "us"), body: region}, false},
		"another tool":              {asked{doc: "rooms", header: olderHeader(""), body: toolCall("get-rooms", "{}")}, false},
		"no tool":                   {asked{doc: "rooms", header: olderHeader(""), body: toolCall("", "{}")}, false},
		"the dispatcher":            {asked{doc: "rooms", header: olderHeader(""), body: toolCall("__capd_call", "{}")}, false},
		"a list":                    {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, true},
		"a list of today":           {asked{doc: "rooms", header: listHeader, body: list}, true},
		"a list with nothing said":  {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":"x","method":"tools/list","params":{}}`}, true},
		"a list of null":            {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":null}`}, false},
		"a list by name":            {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"name":"get-room"}}`}, false},
		"the rest of a list":        {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"Z2V0LXJvb20"}}`}, false},
		"a list in a call's header": {asked{doc: "rooms", header: header, body: list}, false},
		"a list in no session":      {asked{doc: "rooms", body: `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`}, false},
		"a list that names it":      {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"tools/call"}}`}, false},
		"an unknown method":         {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/calls","params":` + plain + `}`}, false},
		"a batch":                   {asked{doc: "rooms", header: olderHeader("2025-03-26"), body: "[" + older + "]"}, false},
		"a batch today":             {asked{doc: "rooms", header: header, body: "[" + body + "]"}, false},
		"a notification":            {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1,`, "", 1)}, false},
		"more behind":               {asked{doc: "rooms", header: header, body: body + "{}"}, false},
		"cut off":                   {asked{doc: "rooms", header: header, body: body[:len(body)-1]}, false},
		"empty":                     {asked{doc: "rooms", header: header}, false},
		"invalid UTF-8":             {asked{doc: "rooms", header: header, body: strings.Replace(body, `"7"`, "\"\xff\"", 1)}, false},
		"another JSON-RPC":          {asked{doc: "rooms", header: header, body: strings.Replace(body, `"2.0"`, `"1.0"`, 1)}, false},
		"a member of another era":   {asked{doc: "rooms", header: header, body: strings.Replace(body, `"name":"get-room"`, `"name":"get-room","task":{}`, 1)}, false},
		"requestState":              {asked{doc: "rooms", header: header, body: strings.Replace(body, `"name":"get-room"`, `"name":"get-room","requestState":"x"`, 1)}, false},
		"another member":            {asked{doc: "rooms", header: header, body: strings.Replace(body, `"id":1`, `"id":1,"x":2`, 1)}, false},
		"an error too":              {asked{doc: "rooms", header: header, body: strings.Replace(body, `"id":1`, `"id":1,"error":{"code":1,"message":""}`, 1)}, false},
		"a capital":                 {asked{doc: "rooms", header: header, body: strings.Replace(body, `"method"`, `"Method"`, 1)}, false},
		"a name twice":              {asked{doc: "rooms", header: header, body: strings.Replace(body, `"name":"get-room"`, `"name":"broken","name":"get-room"`, 1)}, false},
		"a method twice":            {asked{doc: "rooms", header: header, body: strings.Replace(body, `"id":1`, `"id":1,"method":"ping"`, 1)}, false},
		"an escape in a key":        {asked{doc: "rooms", header: header, body: strings.Replace(body, `"name"`, `"n\u0061me"`, 1)}, false},
		"an escape in a name":       {asked{doc: "rooms", header: header, body: strings.Replace(body, `"get-room"`, `"get\u002droom"`, 1)}, false},
		"arguments of a list":       {asked{doc: "rooms", header: header, body: strings.Replace(body, `{"id":"7"}`, `["7"]`, 1)}, false},
		"arguments of null":         {asked{doc: "rooms", header: header, body: strings.Replace(body, `{"id":"7"}`, `null`, 1)}, false},
		"a text for params":         {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"x"}`}, false},
		"no params":                 {asked{doc: "rooms", header: olderHeader(""), body: `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`}, false},
		"an ID of null":             {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":null`, 1)}, false},
		"a fraction as ID":          {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":1.5`, 1)}, false},
		"a negative ID":             {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":-1`, 1)}, false},
		"a large ID":                {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":9007199254740993`, 1)}, false},
		"an odd text as ID":         {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":"é\u00e9"`, 1)}, false},
		"an object as ID":           {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"id":1`, `"id":{}`, 1)}, false},
		"no version in _meta":       {asked{doc: "rooms", header: header, body: older}, false},
		"another in _meta":          {asked{doc: "rooms", header: header, body: strings.Replace(body, "2026-07-28", "2026-07-29", 1)}, false},
		"a version in older _meta":  {asked{doc: "rooms", header: olderHeader("2025-11-25"), body: body}, false},
		"an older one in _meta":     {asked{doc: "rooms", header: olderHeader("2025-11-25"), body: strings.Replace(body, "2026-07-28", "2025-06-18", 1)}, false},
		"no capabilities":           {asked{doc: "rooms", header: header, body: strings.Replace(body, `,"io.modelcontextprotocol/clientCapabilities":{}`, "", 1)}, false},
		"capabilities of null":      {asked{doc: "rooms", header: header, body: strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":null`, 1)}, false},
		"odd capabilities":          {asked{doc: "rooms", header: header, body: strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":{"roots":{"listChanged":1}}`, 1)}, false},
		"odder capabilities":        {asked{doc: "rooms", header: header, body: strings.Replace(body, `clientCapabilities":{}`, `clientCapabilities":{"sampling":true}`, 1)}, false},
		"an odd client":             {asked{doc: "rooms", header: header, body: meta(`"io.modelcontextprotocol/clientInfo":{"name":1}`)}, false},
		"a client of null":          {asked{doc: "rooms", header: header, body: meta(`"io.modelcontextprotocol/clientInfo":null`)}, false},
		"a client with icons":       {asked{doc: "rooms", header: header, body: meta(`"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1","icons":[]}`)}, false},
		"a number out of range":     {asked{doc: "rooms", header: header, body: meta(`"n":1e999`)}, false},
		"no object as _meta":        {asked{doc: "rooms", header: olderHeader(""), body: strings.Replace(older, `"name"`, `"_meta":[],"name"`, 1)}, false},
		"no session":                {asked{doc: "rooms", body: older}, false},
		"an unknown session":        {asked{doc: "rooms", header: map[string]string{"Mcp-Session-Id": "x"}, body: older}, false},
		"an unknown version":        {asked{doc: "rooms", header: olderHeader("2025-01-01"), body: older}, false},
		"a version to come":         {asked{doc: "rooms", header: with(header, "Mcp-Protocol-Version", "2027-01-01"), body: body}, false},
		"no method in a header":     {asked{doc: "rooms", header: with(header, "Mcp-Method", ""), body: body}, false},
		"another in a header":       {asked{doc: "rooms", header: with(header, "Mcp-Method", "tools/list"), body: body}, false},
		"no name in a header":       {asked{doc: "rooms", header: with(header, "Mcp-Name", ""), body: body}, false},
		"another name there":        {asked{doc: "rooms", header: with(header, "Mcp-Name", "broken"), body: body}, false},
		"a broken name there":       {asked{doc: "rooms", header: with(header, "Mcp-Name", "=?base64?!?="), body: body}, false},
		"no Accept":                 {asked{doc: "rooms", header: with(header, "Accept", ""), body: body}, false},
		"event streams alone":       {asked{doc: "rooms", header: with(header, "Accept", "text/event-stream"), body: body}, false},
		"older, JSON alone":         {asked{doc: "rooms", header: with(olderHeader(""), "Accept", "application/json"), body: older}, false},
		"another Content-Type":      {asked{doc: "rooms", header: with(header, "Content-Type", "text/plain"), body: body}, false},
		"no Content-Type":           {asked{doc: "rooms", header: with(header, "Content-Type", ""), body: body}, false},
		"no stream that is lost":    {asked{doc: "rooms", header: with(header, "Last-Event-Id", empty), body: body}, false},
		"a lost stream":             {asked{doc: "rooms", header: with(olderHeader(""), "Last-Event-Id", "1"), body: older}, false},
		"a listening header":        {asked{doc: "rooms", header: with(olderHeader(""), "Mcp-Method", "subscriptions/listen"), body: older}, false},
		"deep arguments":            {asked{doc: "rooms", header: header, body: strings.Replace(body, `"7"`, strings.Repeat("[", 1200)+strings.Repeat("]", 1200), 1)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if direct := tw.compare(t, tt.asked); direct != tt.direct {
				t.Errorf("without the SDK: %t", direct)
			}
		})
	}
}

// FuzzDirectCalls: no message is answered in another way than through the SDK.
func FuzzDirectCalls(f *testing.F) {
	_, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"7"}}`)
	_, list := modern("tools/list", "", "{}")
	for i, m := range []string{body, list, toolCall("get-room", `{"id":"7"}`), toolCall("list.rooms", `{}`)} {
		f.Add(m, uint8(i), uint16(200), "application/json", `{"a": "<é>", "l":[1]}`)
		f.Add(m, uint8(i), uint16(404), "text/plain", "no\x00ne")
	}
	tw := newTwins(f, mcp.Options{})
	headers := []map[string]string{
		{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "get-room"},
		olderHeader("2025-11-25"), olderHeader(""), {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"},
	}
	docs := []string{"rooms", "shaped", "short"}
	f.Fuzz(func(t *testing.T, message string, kind uint8, status uint16, media, answer string) {
		if strings.Contains(message, "initialize") || strings.Contains(message, "listen") || strings.ContainsAny(media, "\r\n") {
			t.Skip("it opens something")
		}
		tw.compare(t, asked{
			doc: docs[int(kind/8)%len(docs)], body: message, header: headers[int(kind)%len(headers)],
			status: 200 + int(status)%400, media: media, answer: answer,
		})
	})
}

// TestDirectCallsAtOnce: answers are put together in buffers that are used again, and none gets a
// byte of another.
func TestDirectCallsAtOnce(t *testing.T) {
	t.Parallel()
	h := open(t, map[string]string{"rooms": rooms}, mcp.Options{})
	h.upstream.set(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		id := r.URL()[strings.LastIndexByte(r.URL(), '/')+1:]
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, err
		}
		return response(200, "application/json", `{"id":"`+strings.Repeat(id+".", n*n+1)+`"}`), nil
	})
	session := h.session("/mcp/rooms")
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			for round := range 5 {
				id := strconv.Itoa(n)
				header, body := modern("tools/call", "get-room", `{"name":"get-room","arguments":{"id":"`+id+`"}}`)
				if round%2 == 1 {
					header, body = map[string]string{"Mcp-Session-Id": session}, strings.Replace(toolCall("get-room", `{"id":"`+id+`"}`), `"id":1`, `"id":`+id, 1)
				}
				a := h.post("/mcp/rooms", header, body)
				want := `"structuredContent":{"id":"` + strings.Repeat(id+".", n*n+1) + `"}`
				if !strings.Contains(a.body, want) {
					t.Errorf("call %d got %d %.200s", n, a.status, a.body)
				}
			}
		})
	}
	all.Wait()
}

// deaf is a client that went away, of which somebody still reads what was written to it.
type deaf struct {
	*httptest.ResponseRecorder
	reading []byte
}

func (d *deaf) Write(b []byte) (int, error) {
	d.reading = b
	return 0, errors.New("the stream was reset")
}

// TestBuffersOfFailedWrites: a server of HTTP/2 may still read an answer when its write has failed, so
// that its memory is not used for another.
func TestBuffersOfFailedWrites(t *testing.T) {
	t.Parallel()
	w := &twin{house: open(t, map[string]string{"rooms": rooms}, mcp.Options{})}
	header, body := modern("tools/call", "list.rooms", `{"name":"list.rooms"}`)
	a := asked{doc: "rooms", header: header, body: body}
	for range 20 { // a pool may give any of its buffers
		gone := &deaf{ResponseRecorder: httptest.NewRecorder()}
		w.upstream.answer(http.StatusOK, "text/plain", "mine")
		if !w.adapter.ServesDirect(a.doc, gone, w.incoming(t, a)) {
			t.Fatal("it went through the SDK")
		}
		was := string(gone.reading)
		w.upstream.answer(http.StatusOK, "text/plain", "yours")
		w.adapter.ServesDirect(a.doc, httptest.NewRecorder(), w.incoming(t, a))
		if string(gone.reading) != was {
			t.Fatalf("it became %s", gone.reading)
		}
	}
}
