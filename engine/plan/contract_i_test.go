package plan_test

import "testing"

// I1: what a REST request offers.
func TestI1(t *testing.T) {
	const query = `{path: /q, operations: [{name: get, inputParameters: [{name: a, in: query}]}]}`
	const head = `{path: /h, operations: [{name: get, inputParameters: [{name: X-Trace, in: header}]}]}`
	const body = `{path: /b, operations: [{name: get, method: POST, inputParameters: [{name: a.b, in: body}, {name: c, in: body}]}]}`
	const plain = `{path: /r, operations: [{name: r, call: api.get}]}`
	const write = `{path: /r, operations: [{name: r, method: POST, call: api.get}]}`
	testClauses(t, "I1", []clause{
		{
			name: "placeholder, decoded", api: `{path: "/x/{id}", operations: [{name: get}]}`,
			rest: `{path: "/r/{id}", operations: [{name: r, call: api.get}]}`,
			call: viaREST("", "", "a/ü b"), sends: get("/x/a%2F%C3%BC%20b"),
		},
		{
			name: "placeholder by letters and digits", api: `{path: "/x/{room_id}", operations: [{name: get}]}`,
			rest: `{path: "/r/{Room-ID}", operations: [{name: r, call: api.get}]}`,
			call: viaREST("", "", "7"), sends: get("/x/7"),
		},
		{
			name: "placeholder inside a segment", api: `{path: "/x/{id}", operations: [{name: get}]}`,
			rest: `{path: "/r/act_{id}.json", operations: [{name: r, call: api.get}]}`,
			call: viaREST("", "", "7"), sends: get("/x/7"),
		},
		{name: "query", api: query, rest: plain, call: viaREST("a=1%262&b=3", ""), sends: get("/q?a=1%262")},
		{name: "query name is exact", api: query, rest: plain, call: viaREST("A=1", ""), sends: get("/q")},
		{name: "empty query value", api: query, rest: plain, call: viaREST("a=", ""), sends: get("/q?a=")},
		{name: "repeated query is a list", api: query, rest: plain, call: viaREST("a=1&a=2", ""), sends: get("/q?a=1&a=2")},
		{name: "header in any case", api: head, rest: plain, call: viaHeaders("x-TRACE: 7"), sends: get("/h\nX-Trace: 7")},
		{name: "member", api: body, rest: write, call: viaREST("", `{"c":1.50}`), sends: post("/b", `{"c":1.50}`)},
		{name: "member of the exact name before the dotted path", api: body, rest: write, call: viaREST("", `{"a.b":1,"a":{"b":2}}`), sends: post("/b", `{"a.b":1}`)},
		{name: "dotted path", api: body, rest: write, call: viaREST("", `{"a":{"b":2}}`), sends: post("/b", `{"a.b":2}`)},
		{name: "field of a form", api: body, rest: write, call: viaBody("application/x-www-form-urlencoded", "c=1+2&c=3"), sends: post("/b", `{"c":["1 2","3"]}`)},
		{name: "a body that is no JSON cannot have the member", api: body, rest: write, call: viaREST("", `{"c":`), fails: "not JSON"},
		{name: "a list has no members", api: body, rest: write, call: viaREST("", `["c"]`), sends: "POST https://api.test/b"},
	})
}

// I2: in which order a name is looked up.
func TestI2(t *testing.T) {
	const rest = `{path: /r, operations: [{name: r, method: POST, call: api.get}]}`
	const both = `{path: "/r/{a}", operations: [{name: r, method: POST, call: api.get}]}`
	const path = `{path: "/x/{a}", operations: [{name: get}]}`
	const query = `{path: /x, operations: [{name: get, inputParameters: [{name: a, in: query}]}]}`
	const head = `{path: /x, operations: [{name: get, inputParameters: [{name: a, in: header}]}]}`
	const body = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: a, in: body}, {name: b, in: body}]}]}`
	const tpl = `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {v: "{{tools.a}}"}}}]}`
	testClauses(t, "I2", []clause{
		{name: "path slot: placeholder first", api: path, rest: both, call: viaREST("a=q", `{"a":"b"}`, "p"), sends: get("/x/p")},
		{name: "path slot: then query", api: path, rest: rest, call: viaREST("a=q", `{"a":"b"}`), sends: get("/x/q")},
		{name: "path slot: then body", api: path, rest: rest, call: viaREST("", `{"a":"b"}`), sends: get("/x/b")},
		{name: "query slot: query first", api: query, rest: both, call: viaREST("a=q", `{"a":"b"}`, "p"), sends: get("/x?a=q")},
		{name: "query slot: then placeholder", api: query, rest: both, call: viaREST("", `{"a":"b"}`, "p"), sends: get("/x?a=p")},
		{name: "query slot: never the body", api: query, rest: rest, call: viaREST("", `{"a":"b"}`), sends: get("/x")},
		{name: "header slot: header only", api: head, rest: rest, call: viaREST("a=q", `{"a":"b"}`), sends: get("/x")},
		{name: "header slot: header", api: head, rest: rest, call: viaHeaders("A: h"), sends: get("/x\na: h")},
		{name: "body slot: body first", api: body, rest: both, call: viaREST("a=q", `{"a":"b"}`, "p"), sends: post("/x", `{"a":"b"}`)},
		{name: "body slot: then query", api: body, rest: both, call: viaREST("a=q", `{"b":1}`, "p"), sends: post("/x", `{"a":"q","b":1}`)},
		{name: "body slot: then placeholder", api: body, rest: both, call: viaREST("", `{"b":1}`, "p"), sends: post("/x", `{"a":"p","b":1}`)},
		{name: "template variable: body first", api: tpl, rest: both, call: viaREST("a=q", `{"a":"b"}`, "p"), sends: post("/x", `{"v":"b"}`)},
		{name: "template variable: then query", api: tpl, rest: both, call: viaREST("a=q", `{}`, "p"), sends: post("/x", `{"v":"q"}`)},
		{name: "template variable: then placeholder", api: tpl, rest: both, call: viaREST("", "", "p"), sends: post("/x", `{"v":"p"}`)},
		{name: "a member that is null decides", api: body, rest: rest, call: viaREST("a=q", `{"a":null}`), sends: post("/x", `{"a":null}`)},
		{
			name: "a declared input is read where it says", api: tpl,
			rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, inputParameters: [{name: a, in: query}]}]}`,
			call: viaREST("a=q", `{"a":"b"}`), sends: post("/x", `{"v":"q"}`),
		},
	})
}

// I3: how an argument of a tool is found.
func TestI3(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: a.b, in: query}, {name: user_id, in: query}]}]}`
	const tool = `{name: t, call: api.get}`
	testClauses(t, "I3", []clause{
		{name: "exact name", api: api, tool: tool, call: viaTool(`{"a.b":1,"a":{"b":2}}`), sends: get("/x?a.b=1")},
		{name: "dotted path", api: api, tool: tool, call: viaTool(`{"a":{"b":2}}`), sends: get("/x?a.b=2")},
		{name: "dotted path before letters and digits", api: api, tool: tool, call: viaTool(`{"ab":1,"a":{"b":2}}`), sends: get("/x?a.b=2")},
		{name: "letters and digits", api: api, tool: tool, call: viaTool(`{"userId":3}`), sends: get("/x?user_id=3")},
		{name: "exact name before letters and digits", api: api, tool: tool, call: viaTool(`{"userId":3,"user_id":4}`), sends: get("/x?user_id=4")},
		{name: "letters and digits only if unique", api: api, tool: tool, call: viaTool(`{"userId":3,"UserID":4}`), sends: get("/x")},
		{name: "no arguments at all", api: api, tool: tool, call: viaTool(``), sends: get("/x")},
		{name: "null arguments", api: api, tool: tool, call: viaTool(`null`), sends: get("/x")},
		{name: "arguments that are no object", api: api, tool: tool, call: viaTool(`[1]`), fails: "must be a JSON object"},
		{name: "arguments that are no JSON", api: api, tool: tool, call: viaTool(`{"a":`), fails: "must be a JSON object"},
		{name: "unknown arguments go nowhere", api: api, tool: tool, call: viaTool(`{"other":1}`), sends: get("/x")},
	})
}

// I4: what with leaves out takes the input of its name.
func TestI4(t *testing.T) {
	const api = `{path: "/x/{id}", operations: [{name: get, inputParameters: [{name: a, in: query}, {name: b, in: query}, {name: c, in: query, value: fixed}]}]}`
	testClauses(t, "I4", []clause{
		{
			name: "tool", api: api, tool: `{name: t, call: api.get, with: {a: tools.z}}`,
			call: viaTool(`{"id":1,"a":2,"b":3,"c":4,"z":5}`), sends: get("/x/1?a=5&b=3&c=fixed"),
		},
		{
			name: "route", api: api, rest: `{path: "/r/{id}", operations: [{name: r, call: api.get, with: {a: rest.z}}]}`,
			call: viaREST("a=2&b=3&c=4&z=5", "", "1"), sends: get("/x/1?a=5&b=3&c=fixed"),
		},
	})
}

// I5: no input may be dropped on the way.
func TestI5(t *testing.T) {
	const query = `{path: /x, operations: [{name: get, inputParameters: [{name: limit, in: query}]}]}`
	const implicit = `{path: /x, operations: [{name: get, method: POST}]}`
	const template = `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {v: "{{tools.a}}"}}}]}`
	testClauses(t, "I5", []clause{
		{
			name: "placeholder", api: query, rest: `{path: "/r/⟦{id}⟧", operations: [{name: r, call: api.get}]}`,
			skips: "unused-path-input", says: []string{"{id}", "GET /x", "rest.id"},
		},
		{
			name: "placeholder beside an implicit body", api: implicit, rest: `{path: "/r/⟦{id}⟧", operations: [{name: r, method: POST, call: api.get}]}`,
			skips: "unused-path-input", says: []string{"{id}"},
		},
		{
			name: "placeholder that reaches a with value", api: query, rest: `{path: "/r/{id}", operations: [{name: r, call: api.get, with: {limit: "rest.id"}}]}`,
			call: viaREST("", "", "5"), sends: get("/x?limit=5"),
		},
		{
			name: "placeholder that reaches a template variable", api: template, rest: `{path: "/r/{a}", operations: [{name: r, method: POST, call: api.get}]}`,
			call: viaREST("", "", "5"), sends: post("/x", `{"v":"5"}`),
		},
		{
			name: "declared input of a route", api: query,
			rest:  `{path: /r, operations: [{name: r, call: api.get, inputParameters: [⟦{name: limits, in: query}]}]}`,
			skips: "unbound-input", says: []string{`"limits"`, "api.get", "did you mean limit?"},
		},
		{
			name: "declared header of a route", api: query,
			rest:  `{path: /r, operations: [{name: r, call: api.get, inputParameters: [⟦{name: X-Trace, in: header}]}]}`,
			skips: "unbound-input", says: []string{`"X-Trace"`},
		},
		{
			name: "declared body input of a route", api: query,
			rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, inputParameters: [{name: note, in: body}]}]}`,
			call: viaREST("limit=1", `{"note":1}`), sends: get("/x?limit=1"),
		},
		{
			name: "declared input of a tool", api: query,
			tool:  `{name: t, call: api.get, inputParameters: [⟦{name: carrier}]}`,
			skips: "unbound-input", says: []string{`"carrier"`, "api.get"},
		},
		{
			name: "declared input of a tool beside a template", api: template,
			tool:  `{name: t, call: api.get, inputParameters: [{name: a}, ⟦{name: carrier}]}`,
			skips: "unbound-input", says: []string{`"carrier"`},
		},
		{
			name: "declared input of a tool with an implicit body", api: implicit,
			tool: `{name: t, call: api.get, inputParameters: [⟦{name: note}]}`,
			call: viaTool(`{"note":1}`), sends: post("/x", `{"note":1}`),
			warns: "assumed", rule: "B4",
		},
		{
			name: "declared input that with uses", api: query,
			tool: `{name: t, call: api.get, inputParameters: [{name: size}], with: {limit: "{{tools.size}}"}}`,
			call: viaTool(`{"size":3}`), sends: get("/x?limit=3"),
		},
	})
}

// I6: the one lost input and the one path slot without a source belong together.
func TestI6(t *testing.T) {
	const api = `{path: "/x/{networkId}", operations: [{name: get, inputParameters: [{name: q, in: query}]}]}`
	const two = `{path: "/x/{networkId}/{siteId}", operations: [{name: get}]}`
	testClauses(t, "I6", []clause{
		{
			name: "route", api: api, rest: `{path: "/r/{id}", operations: [⟦{name: r, call: api.get}]}`,
			call: viaREST("", "", "7"), sends: get("/x/7"), warns: "assumed", says: []string{"id", "networkId", "with: {networkId: rest.id}"},
		},
		{
			name: "tool", api: api, tool: `⟦{name: t, call: api.get, inputParameters: [{name: id}]}`,
			call: viaTool(`{"id":7}`), sends: get("/x/7"), warns: "assumed", says: []string{"with: {networkId: tools.id}"},
		},
		{
			name: "not beside a with", api: api, rest: `{path: "/r/⟦{id}⟧", operations: [{name: r, call: api.get, with: {q: rest.q}}]}`,
			skips: "unused-path-input", rule: "I5",
		},
		{
			name: "not for two path slots", api: two, rest: `{path: "/r/⟦{id}⟧", operations: [{name: r, call: api.get}]}`,
			skips: "unused-path-input", rule: "I5",
		},
		{
			name: "not for two lost inputs", api: api, rest: `{path: "/r/⟦{id}⟧/{other}", operations: [{name: r, call: api.get}]}`,
			skips: "unused-path-input", rule: "I5",
		},
		{
			name: "the other slot has its source", api: two, rest: `{path: "/r/{site-id}/{id}", operations: [⟦{name: r, call: api.get}]}`,
			call: viaREST("", "", "s", "n"), sends: get("/x/n/s"), warns: "assumed",
		},
		{
			name: "a slot with a declared input has its source", api: api,
			rest:  `{path: "/r/⟦{id}⟧", operations: [{name: r, call: api.get, inputParameters: [{name: networkId, in: query}]}]}`,
			skips: "unused-path-input", rule: "I5",
		},
		{
			name: "a slot with its own value needs none", api: `{path: "/x/{networkId}", operations: [{name: get, inputParameters: [{name: networkId, in: path, value: n1}]}]}`,
			rest:  `{path: "/r/⟦{id}⟧", operations: [{name: r, call: api.get}]}`,
			skips: "unused-path-input", rule: "I5",
		},
	})
}

// I7: what is required and not given.
func TestI7(t *testing.T) {
	const api = `
path: "/x/{id}"
operations:
  - name: get
    method: POST
    inputParameters:
      - {name: q, in: query, required: true}
      - {name: o, in: query}
      - {name: X-Req, in: header, required: true}
      - {name: b, in: body, required: true}
      - {name: c, in: body}`
	const tool = `{name: t, call: api.get}`
	const rest = `{path: "/r", operations: [{name: r, method: POST, call: api.get}]}`
	whole := func(required string) string {
		return `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: body, in: body, required: ` + required + `}]}]}`
	}
	testClauses(t, "I7", []clause{
		{name: "path slot of a tool", api: api, tool: tool, call: viaTool(`{"q":1,"X-Req":1,"b":1}`), fails: `"id"`},
		{name: "path slot of a route", api: api, rest: rest, call: viaBoth("q=1", `{"b":1}`, "X-Req: 1"), fails: `"id"`},
		{name: "query slot", api: api, tool: tool, call: viaTool(`{"id":1,"X-Req":1,"b":1}`), fails: `"q"`},
		{name: "null is no value for a query slot", api: api, tool: tool, call: viaTool(`{"id":1,"q":null,"X-Req":1,"b":1}`), fails: `"q"`},
		{name: "header slot", api: api, tool: tool, call: viaTool(`{"id":1,"q":1,"b":1}`), fails: `"X-Req"`},
		{name: "body slot", api: api, tool: tool, call: viaTool(`{"id":1,"q":1,"X-Req":1,"c":1}`), fails: `"b"`},
		{
			name: "optional ones are left out", api: api, tool: tool, call: viaTool(`{"id":1,"q":1,"X-Req":1,"b":1}`),
			sends: "POST https://api.test/x/1?q=1\nContent-Type: application/json\nX-Req: 1\n\n" + `{"b":1}`,
		},
		{
			name: "null is a value of a JSON member", api: api, tool: tool, call: viaTool(`{"id":1,"q":1,"X-Req":1,"b":null}`),
			sends: "POST https://api.test/x/1?q=1\nContent-Type: application/json\nX-Req: 1\n\n" + `{"b":null}`,
		},
		{
			name: "the caller's name is named", api: api, tool: `{name: t, call: api.get, with: {id: tools.roomId}}`,
			call: viaTool(`{"q":1,"X-Req":1,"b":1}`), fails: `"roomId"`,
		},
		{name: "whole body of a tool", api: whole("true"), tool: tool, call: viaTool(`{}`), fails: `"body"`},
		{name: "whole body of a route", api: whole("true"), rest: rest, call: viaREST("", ""), fails: `"body"`},
		{name: "optional whole body", api: whole("false"), rest: rest, call: viaREST("", ""), sends: "POST https://api.test/x"},
		{
			name: "parameter of a template", api: `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: a, in: body, required: true}], body: {type: json, data: {v: "{{tools.a}}"}}}]}`,
			tool: tool, call: viaTool(`{}`), fails: `"a"`,
		},
	})
}
