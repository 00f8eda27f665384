package plan_test

import "testing"

// W1: what a key of with feeds, and what it beats.
func TestW1(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: a, in: query}, {name: b, in: query}]}]}`
	const own = `{path: /x, operations: [{name: get, inputParameters: [{name: a, in: query, value: "own-{{tools.b}}"}]}]}`
	const tpl = `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {v: "{{tools.a}}", w: "{{tools.b}}"}}}]}`
	const twice = `{path: "/x/{a}", operations: [{name: get, method: POST, inputParameters: [{name: a, in: query}, {name: a, in: body}]}]}`
	testClauses(t, "W1", []clause{
		{name: "beats the input of the name", api: api, tool: `{name: t, call: api.get, with: {a: tools.b}}`, call: viaTool(`{"a":1,"b":2}`), sends: get("/x?a=2&b=2")},
		{name: "absent stays absent", api: api, tool: `{name: t, call: api.get, with: {a: tools.c}}`, call: viaTool(`{"a":1,"b":2}`), sends: get("/x?b=2")},
		{name: "absent stays absent for a route", api: api, rest: `{path: /r, operations: [{name: r, call: api.get, with: {a: rest.c}}]}`, call: viaREST("a=1&b=2", ""), sends: get("/x?b=2")},
		{name: "feeds a template variable", api: tpl, tool: `{name: t, call: api.get, with: {a: tools.c}}`, call: viaTool(`{"a":1,"b":2,"c":3}`), sends: post("/x", `{"v":3,"w":2}`)},
		{name: "feeds every slot of the name", api: twice, tool: `{name: t, call: api.get, with: {a: tools.c}}`, call: viaTool(`{"a":1,"c":3}`), sends: post("/x/3?a=3", `{"a":3}`)},
		{name: "own value beats the input of the name", api: own, tool: `{name: t, call: api.get}`, call: viaTool(`{"a":1,"b":2}`), sends: get("/x?a=own-2")},
		{name: "with beats the own value", api: own, tool: `{name: t, call: api.get, with: {a: tools.c}}`, call: viaTool(`{"a":1,"b":2,"c":3}`), sends: get("/x?a=3")},
		{name: "absent with beats the own value too", api: own, tool: `{name: t, call: api.get, with: {a: tools.c}}`, call: viaTool(`{"a":1,"b":2}`), sends: get("/x")},
	})
}

// W2: what rest.NAME and tools.NAME mean.
func TestW2(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: v, in: query}, {name: h, in: header}]}]}`
	const none = `{path: /x, operations: [{name: get, inputParameters: [{name: v, in: query}]}]}`
	route := func(value string) string {
		return `{path: "/r/{p}", operations: [{name: r, method: POST, call: api.get, with: {v: "` + value + `", h: rest.p}}]}`
	}
	plain := func(value string) string {
		return `{path: "/r", operations: [{name: r, method: POST, call: api.get, with: {v: "` + value + `"}}]}`
	}
	tool := func(value string) string { return `{name: t, call: api.get, with: {v: "` + value + `"}}` }
	with := func(line string) string { return "POST https://api.test/x" + line + "\nh: P" }
	const several = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: body, in: body}, {name: title, in: body}]}]}`
	const payload = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: payload, in: body}]}]}`
	both := func(query, body string, header ...string) call {
		return func(d *document) (string, error) { return d.rest("r", []string{"P"}, query, body, header...) }
	}
	testClauses(t, "W2", []clause{
		{name: "placeholder first", api: none, rest: `{path: "/r/{p}", operations: [{name: r, method: POST, call: api.get, with: {v: rest.p}}]}`, call: both("p=Q", `{"p":"B"}`, "p: H"), sends: get("/x?v=P")},
		{name: "then query", api: none, rest: plain("rest.q"), call: viaBoth("q=Q", `{"q":"B"}`, "q: H"), sends: get("/x?v=Q")},
		{name: "then body", api: none, rest: plain("rest.q"), call: viaBoth("", `{"q":"B"}`, "q: H"), sends: get("/x?v=B")},
		{name: "then header", api: none, rest: plain("rest.q"), call: viaBoth("", `{}`, "q: H"), sends: get("/x?v=H")},
		{name: "path only", api: none, rest: `{path: "/r/{p}", operations: [{name: r, method: POST, call: api.get, with: {v: rest.path.p}}]}`, call: both("p=Q", `{"p":"B"}`, "p: H"), sends: get("/x?v=P")},
		{name: "query only", api: api, rest: route("rest.query.p"), call: both("p=Q", "", "p: H"), sends: with("?v=Q")},
		{name: "query only, absent", api: api, rest: route("rest.query.p"), call: both("", "", "p: H"), sends: with("")},
		{name: "header only", api: none, rest: plain("rest.header.x-q"), call: viaBoth("x-q=Q", `{"x-q":"B"}`, "X-Q: H"), sends: get("/x?v=H")},
		{name: "headers only", api: none, rest: plain("rest.headers.x-q"), call: viaBoth("x-q=Q", `{"x-q":"B"}`, "X-Q: H"), sends: get("/x?v=H")},
		{name: "body only", api: none, rest: plain("rest.body.q"), call: viaBoth("q=Q", `{"q":"B"}`, "q: H"), sends: get("/x?v=B")},
		{name: "body only, nested", api: none, rest: plain("rest.body.q.r"), call: viaBoth("", `{"q":{"r":"B"}}`), sends: get("/x?v=B")},
		{name: "body only, absent", api: none, rest: plain("rest.body.q"), call: viaBoth("q=Q", `{}`, "q: H"), sends: get("/x")},
		{name: "a query parameter of the full name wins", api: none, rest: plain("rest.body.q"), call: viaBoth("body.q=F&q=Q", `{"q":"B"}`), sends: get("/x?v=F")},
		{name: "a placeholder of the full name wins", api: none, rest: `{path: "/r/{header.q}", operations: [{name: r, call: api.get, with: {v: rest.header.q}}]}`, call: func(d *document) (string, error) { return d.rest("r", []string{"F"}, "", "", "q: H") }, sends: get("/x?v=F")},
		{name: "the whole body", api: none, rest: plain("rest.body"), call: viaBoth("body=Q", `{"body": 1}`), sends: get("/x?v=%7B%22body%22%3A1%7D")},
		{name: "the whole body as the only parameter", api: payload, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {payload: rest.body}}]}`, call: viaREST("", `{"body": 1}`), sends: post("/x", `{"body": 1}`)},
		{name: "a member named body is not the whole body", api: payload, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {payload: rest.body.body}}]}`, call: viaREST("", `{"body":1}`), sends: post("/x", `{"payload":1}`)},
		{name: "a query named body is not the whole body", api: payload, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {payload: rest.query.body}}]}`, call: viaREST("body=1", `{"body":2}`), sends: post("/x", `{"payload":"1"}`)},
		{
			name: "key body among several: the member", api: several, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {body: rest.body, title: rest.title}}]}`,
			call: viaREST("body=Q", `{"body":"B","title":"T"}`), sends: post("/x", `{"body":"B","title":"T"}`),
		},
		{
			name: "key body among several template variables: the member", rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {body: rest.body, title: rest.title}}]}`,
			api:  `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {b: "{{tools.body}}", t: "{{tools.title}}"}}}]}`,
			call: viaREST("", `{"body":"B","title":"T"}`), sends: post("/x", `{"b":"B","t":"T"}`),
		},
		{name: "tool: exact", api: none, tool: tool("tools.q"), call: viaTool(`{"q":"A"}`), sends: get("/x?v=A")},
		{name: "tool: letters and digits", api: none, tool: tool("tools.page_size"), call: viaTool(`{"pageSize":"A"}`), sends: get("/x?v=A")},
		{name: "tool: dotted", api: none, tool: tool("tools.f.q"), call: viaTool(`{"f":{"q":"A"}}`), sends: get("/x?v=A")},
		{name: "tool: body is the argument body", api: payload, tool: `{name: t, call: api.get, with: {payload: tools.body}}`, call: viaTool(`{"body":{"a":1.0}}`), sends: post("/x", `{"a":1.0}`)},
		{name: "tool: body.x is a part of the argument body", api: none, tool: tool("tools.body.q"), call: viaTool(`{"body":{"q":"A"}}`), sends: get("/x?v=A")},
		{name: "tool: query.x is argument x", api: none, tool: tool("rest.query.q"), call: viaTool(`{"q":"A"}`), sends: get("/x?v=A")},
		{name: "body feeds a slot beside the body", api: `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: body, in: body}, {name: sig, in: query}]}]}`, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {body: rest.body, sig: rest.body}}]}`, call: viaREST("", `{"a":1}`), sends: post("/x?sig=%7B%22a%22%3A1%7D", `{"a":1}`)},
	})
}

// W3: literals.
func TestW3(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: a, in: body}, {name: b, in: body}, {name: q, in: query}]}]}`
	tool := func(with string) string { return `{name: t, call: api.get, with: ` + with + `}` }
	testClauses(t, "W3", []clause{
		{name: "number", api: api, tool: tool(`{a: 16863, q: 1.50}`), call: viaTool(`{}`), sends: post("/x?q=1.5", `{"a":16863}`)},
		{name: "boolean", api: api, tool: tool(`{a: true, q: false}`), call: viaTool(`{}`), sends: post("/x?q=false", `{"a":true}`)},
		{name: "text", api: api, tool: tool(`{a: log, q: "2024-10-15"}`), call: viaTool(`{}`), sends: post("/x?q=2024-10-15", `{"a":"log"}`)},
		{name: "list with expressions", api: api, tool: tool(`{a: [1, tools.x, {v: "{{tools.y}}", w: "<{{tools.y}}>"}]}`), call: viaTool(`{"x":"X","y":2}`), sends: post("/x", `{"a":[1,"X",{"v":2,"w":"<2>"}]}`)},
		{name: "mapping with expressions", api: api, tool: tool(`{a: {n: 1, x: tools.x, gone: tools.z}}`), call: viaTool(`{"x":"X"}`), sends: post("/x", `{"a":{"n":1,"x":"X"}}`)},
		{name: "null is a key that is not given", api: api, tool: tool(`{a: null, q: ~}`), call: viaTool(`{"a":1,"q":2}`), sends: post("/x?q=2", `{"a":1}`)},
		{name: "null with", api: api, tool: tool(`null`), call: viaTool(`{"a":1}`), sends: post("/x", `{"a":1}`)},
		{name: "text instead of a mapping", api: api, tool: tool(`⟦project⟧`), skips: "with-not-a-mapping", says: []string{"with of tool t", "write with: {"}},
		{name: "list instead of a mapping", api: api, tool: tool(`⟦[a, b]`), skips: "with-not-a-mapping"},
	})
}

// W4: a key that is spelled differently.
func TestW4(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: "page[size]", in: query}, {name: dst_a, in: query}, {name: DstA, in: query}]}]}`
	const tpl = `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {v: "{{tools.dst_address}}"}}}]}`
	testClauses(t, "W4", []clause{
		{name: "slot", api: api, tool: `{name: t, call: api.get, with: {⟦page_size⟧: tools.n}}`, call: viaTool(`{"n":3}`), sends: get("/x?page%5Bsize%5D=3"), warns: "approximate-name", says: []string{"page_size", "write page[size]"}},
		{name: "template variable", api: tpl, tool: `{name: t, call: api.get, with: {⟦dst-address⟧: tools.n}}`, call: viaTool(`{"n":3}`), sends: post("/x", `{"v":3}`), warns: "approximate-name"},
		{name: "not when several are near", api: api, tool: `{name: t, call: api.get, with: {⟦dst-a⟧: tools.n}}`, call: viaTool(`{"n":3}`), sends: get("/x?dst-a=3"), warns: "assumed", rule: "W5"},
		{name: "header in another case", api: `{path: /x, operations: [{name: get, inputParameters: [{name: X-Version, in: header}]}]}`, tool: `{name: t, call: api.get, with: {⟦x-version⟧: tools.n}}`, call: viaTool(`{"n":3}`), sends: get("/x\nX-Version: 3"), warns: "approximate-name"},
	})
}

// W5: a key that names nothing.
func TestW5(t *testing.T) {
	const implicit = `{path: /x, operations: [{name: get, method: POST}]}`
	const template = `{path: /x, operations: [{name: get, method: POST, body: {type: json, data: {v: "{{tools.a}}"}}}]}`
	const params = `{path: /x, operations: [{name: get, method: POST, inputParameters: [{name: title, in: body}]}]}`
	read := func(method string) string {
		return `{path: /x, operations: [{name: get, method: ` + method + `, inputParameters: [{name: q, in: query}]}]}`
	}
	tool := func(with string) string { return `{name: t, call: api.get, with: ` + with + `}` }
	testClauses(t, "W5", []clause{
		{name: "body of an implicit body", api: implicit, tool: tool(`{body: tools.payload}`), call: viaTool(`{"payload":{"a":1}}`), sends: post("/x", `{"a":1}`)},
		{name: "body of an implicit body, made here", api: implicit, tool: tool(`{body: {k: tools.a}}`), call: viaTool(`{"a":1}`), sends: post("/x", `{"k":1}`)},
		{name: "body of an implicit body of a route", api: implicit, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {body: rest.body}}]}`, call: viaREST("", `{"a": 1}`), sends: post("/x", `{"a": 1}`)},
		{name: "its input is a template variable", api: template, tool: tool(`{⟦other⟧: tools.a}`), call: viaTool(`{"a":1}`), sends: post("/x", `{"v":1}`), warns: "assumed", says: []string{"with.other is ignored"}},
		{name: "not all its inputs are template variables", api: template, tool: tool(`{⟦other⟧: "{{tools.a}}{{tools.b}}"}`), skips: "unbound-with-key", says: []string{`"other"`, "it has a"}},
		{name: "GET", api: read("GET"), tool: tool(`{⟦page_size⟧: tools.n, q: tools.q}`), call: viaTool(`{"n":3,"q":1}`), sends: get("/x?q=1&page_size=3"), warns: "assumed", says: []string{"query parameter", "in: query"}},
		{name: "HEAD", api: read("HEAD"), tool: tool(`{⟦page_size⟧: 5}`), call: viaTool(`{}`), sends: "HEAD https://api.test/x?page_size=5", warns: "assumed"},
		{name: "DELETE", api: read("DELETE"), rest: `{path: /r, operations: [{name: r, method: DELETE, call: api.get, with: {⟦hard⟧: rest.hard}}]}`, call: viaREST("hard=1", ""), sends: "DELETE https://api.test/x?hard=1", warns: "assumed"},
		{name: "GET, a list repeats", api: read("GET"), tool: tool(`{⟦id⟧: tools.n}`), call: viaTool(`{"n":[1,2]}`), sends: get("/x?id=1&id=2"), warns: "assumed"},
		{name: "GET, absent", api: read("GET"), tool: tool(`{⟦id⟧: tools.n}`), call: viaTool(`{}`), sends: get("/x"), warns: "assumed"},
		{name: "GET, from the path", api: read("GET"), rest: `{path: "/r/{id}", operations: [{name: r, call: api.get, with: {⟦item⟧: rest.id}}]}`, skips: "lost-path-input", says: []string{"with.item", "GET /x", "{item}"}},
		{name: "DELETE, from the path", api: read("DELETE"), rest: `{path: "/r/{id}", operations: [{name: r, method: DELETE, call: api.get, with: {⟦item⟧: "x-{{rest.path.id}}"}}]}`, skips: "lost-path-input"},
		{name: "DELETE with a declared body", api: `{path: /x, operations: [{name: get, method: DELETE, body: {type: json, data: {v: "{{tools.a}}"}}}]}`, tool: tool(`{⟦hard⟧: tools.b}`), skips: "unbound-with-key"},
		{name: "implicit body of a tool", api: implicit, tool: tool(`{⟦note⟧: tools.n}`), call: viaTool(`{"n":1,"body":{"a":2,"note":3}}`), sends: post("/x", `{"a":2,"note":1}`), warns: "assumed", says: []string{"member of the JSON body", "in: body"}},
		{name: "implicit body of a tool, nothing else", api: implicit, tool: tool(`{⟦note⟧: tools.n}`), call: viaTool(`{"n":1}`), sends: post("/x", `{"note":1}`), warns: "assumed"},
		{name: "implicit body of a tool that is no object", api: implicit, tool: tool(`{⟦note⟧: tools.n}`), call: viaTool(`{"n":1,"body":[1]}`), fails: "must be a JSON object", warns: "assumed"},
		{name: "implicit body of a route", api: implicit, rest: `{path: "/r/{id}", operations: [{name: r, method: POST, call: api.get, with: {⟦note⟧: rest.id}}]}`, call: viaREST("", `{"a":2.0,"note":3}`, "7"), sends: post("/x", `{"a":2.0,"note":"7"}`), warns: "assumed"},
		{name: "implicit body of a route, nothing else", api: implicit, rest: `{path: "/r/{id}", operations: [{name: r, method: POST, call: api.get, with: {⟦note⟧: rest.id}}]}`, call: viaREST("", "", "7"), sends: post("/x", `{"note":"7"}`), warns: "assumed"},
		{name: "implicit body of a route that is no object", api: implicit, rest: `{path: "/r/{id}", operations: [{name: r, method: POST, call: api.get, with: {⟦note⟧: rest.id}}]}`, call: viaREST("", `[1]`, "7"), fails: "must be a JSON object", warns: "assumed"},
		{name: "beside a template", api: template, tool: tool(`{⟦chanel⟧: tools.x}`), skips: "unbound-with-key", says: []string{`"chanel"`, "api.get"}},
		{name: "beside body parameters", api: params, tool: tool(`{⟦titel⟧: tools.x}`), skips: "unbound-with-key", says: []string{"did you mean title?"}},
		{name: "body beside a template", api: template, tool: tool(`{⟦body⟧: tools.x}`), skips: "unbound-with-key"},
	})
}
