package plan_test

import "testing"

// Q1: what a query is made of.
func TestQ1(t *testing.T) {
	text := `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {KEY: KEY}}
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    authentication: {type: apikey, key: k, value: "{{KEY}}", placement: query}
    inputParameters: [{name: every, in: query, value: e}]
    resources:
    - path: /x?fixed=a%20b&flag
      operations:
      - {name: get, inputParameters: [{name: q, in: query}, {name: gone, in: query}]}
  exposes:
  - type: mcp
    port: 9090
    tools:
    - {name: t, call: api.get, with: {more: tools.more}}
`
	t.Parallel()
	d := load(t, text)
	if _, err := d.tool("t", `{"q":"a&b=c d+é%","more":1}`); err != nil {
		t.Fatal(err)
	}
	want := get("/x?fixed=a+b&flag=&every=e&q=a%26b%3Dc+d%2B%C3%A9%25&more=1&k=val-KEY")
	if d.wire() != want {
		t.Errorf("sent\n%s\nwant\n%s", d.wire(), want)
	}
}

// Q2: lists in a query.
func TestQ2(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}, {name: "f[a]", in: query}]}]}`
	testClauses(t, "Q2", []clause{
		{name: "list of a tool", api: api, tool: anyTool, call: viaTool(`{"q":["a",2,true]}`), sends: get("/x?q=a&q=2&q=true")},
		{name: "repeated parameter of a route", api: api, rest: anyRoute, call: viaREST("q=b&q=a", ""), sends: get("/x?q=b&q=a")},
		{name: "list of objects", api: api, tool: anyTool, call: viaTool(`{"q":[{"a": 1},[2]]}`), sends: get("/x?q=%7B%22a%22%3A1%7D&q=%5B2%5D")},
		{name: "list in with", api: api, tool: `{name: t, call: api.get, with: {q: [a, tools.x]}}`, call: viaTool(`{"x":"b"}`), sends: get("/x?q=a&q=b")},
		{name: "empty list", api: api, tool: anyTool, call: viaTool(`{"q":[]}`), sends: get("/x")},
		{name: "null in a list counts as absent", api: api, tool: anyTool, call: viaTool(`{"q":[1,null]}`), sends: get("/x?q=1")},
		{name: "null counts as absent", api: api, tool: anyTool, call: viaTool(`{"q":null}`), sends: get("/x")},
		{name: "empty text does not", api: api, tool: anyTool, call: viaTool(`{"q":""}`), sends: get("/x?q=")},
		{name: "object", api: api, tool: anyTool, call: viaTool(`{"q":{"a": [1, 2]}}`), sends: get("/x?q=%7B%22a%22%3A%5B1%2C2%5D%7D")},
		{name: "name with brackets", api: api, tool: anyTool, call: viaTool(`{"f[a]":1}`), sends: get("/x?f%5Ba%5D=1")},
	})
}
