package plan_test

import (
	"testing"

	"capd/engine/plan"
)

// U1: values in a path.
func TestU1(t *testing.T) {
	const api = `{path: "/x/{id}.json", operations: [{name: get}]}`
	testClauses(t, "U1", []clause{
		{name: "unreserved stay", api: api, tool: anyTool, call: viaTool(`{"id":"AZaz09-._~"}`), sends: get("/x/AZaz09-._~.json")},
		{name: "all else is encoded", api: api, tool: anyTool, call: viaTool(`{"id":"a/b?c#d%e f+g&h=i:j@k!$'()*,;[]|\\\"<>"}`), sends: get("/x/a%2Fb%3Fc%23d%25e%20f%2Bg%26h%3Di%3Aj%40k%21%24%27%28%29%2A%2C%3B%5B%5D%7C%5C%22%3C%3E.json")},
		{name: "UTF-8", api: api, tool: anyTool, call: viaTool(`{"id":"ü€"}`), sends: get("/x/%C3%BC%E2%82%AC.json")},
		{name: "escapes are not trusted", api: api, tool: anyTool, call: viaTool(`{"id":"%2e%2e%2f"}`), sends: get("/x/%252e%252e%252f.json")},
		{name: "control characters", api: api, tool: anyTool, call: viaTool(`{"id":"a\r\nb\u0000"}`), sends: get("/x/a%0D%0Ab%00.json")},
	})
}

// U2: literal text of a path.
func TestU2(t *testing.T) {
	path := func(p string) string { return `{path: "` + p + `", operations: [{name: get}]}` }
	testClauses(t, "U2", []clause{
		{name: "what RFC 3986 allows stays", api: path(`/a-._~!$&'()*+,;=:@/B`), tool: anyTool, call: viaTool(`{}`), sends: get(`/a-._~!$&'()*+,;=:@/B`)},
		{name: "what it forbids is encoded", api: path(`/a b\"<>^[]é`), tool: anyTool, call: viaTool(`{}`), sends: get(`/a%20b%22%3C%3E%5E%5B%5D%C3%A9`)},
		{name: "escapes stay", api: path(`/a%2Fb%c3`), tool: anyTool, call: viaTool(`{}`), sends: get(`/a%2Fb%c3`)},
		{name: "a percent sign alone is encoded", api: path(`/100%`), tool: anyTool, call: viaTool(`{}`), sends: get(`/100%25`)},
		{name: "a function call", api: path(`/range(address='{a}')`), tool: anyTool, call: viaTool(`{"a":"A1:B2"}`), sends: get(`/range(address='A1%3AB2')`)},
	})
}

// U3: the text form of a value.
func TestU3(t *testing.T) {
	const api = `{path: "/x/{p}", operations: [{name: get, inputParameters: [{name: h, in: header}, {name: k, in: cookie}, {name: q, in: query}]}]}`
	const text = `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query, value: "<{{tools.v}}>"}]}]}`
	in := func(value string) call { return viaTool(`{"v":` + value + `}`) }
	q := func(value string) string { return get("/x?q=%3C" + value + "%3E") }
	testClauses(t, "U3", []clause{
		{name: "string", api: text, tool: anyTool, call: in(`" 01.0 "`), sends: q("+01.0+")},
		{name: "true", api: text, tool: anyTool, call: in(`true`), sends: q("true")},
		{name: "false", api: text, tool: anyTool, call: in(`false`), sends: q("false")},
		{name: "integer", api: text, tool: anyTool, call: in(`12`), sends: q("12")},
		{name: "integer written with a point", api: text, tool: anyTool, call: in(`12.0`), sends: q("12")},
		{name: "trailing zeros", api: text, tool: anyTool, call: in(`1.50`), sends: q("1.5")},
		{name: "negative", api: text, tool: anyTool, call: in(`-0.10`), sends: q("-0.1")},
		{name: "exponent", api: text, tool: anyTool, call: in(`1.5e3`), sends: q("1500")},
		{name: "no digit of an integer is lost", api: text, tool: anyTool, call: in(`12345678901234567890123`), sends: q("12345678901234567890123")},
		{name: "no digit of a fraction is lost", api: text, tool: anyTool, call: in(`12345678901234567890.12345678901234567890`), sends: q("12345678901234567890.1234567890123456789")},
		{name: "object", api: text, tool: anyTool, call: in(`{ "b": 1.0, "a": [ 1, "x y" ] }`), sends: q("%7B%22b%22%3A1.0%2C%22a%22%3A%5B1%2C%22x+y%22%5D%7D")},
		{name: "list", api: text, tool: anyTool, call: in(`[ 1, 2 ]`), sends: q("%5B1%2C2%5D")},
		{name: "null", api: text, tool: anyTool, call: in(`null`), sends: q("")},
		{name: "absent", api: text, tool: anyTool, call: viaTool(`{}`), sends: q("")},
		{name: "list in a path", api: api, tool: anyTool, call: viaTool(`{"p":["a",2]}`), sends: get("/x/a%2C2")},
		{name: "list in a header", api: api, tool: anyTool, call: viaTool(`{"p":1,"h":["a",2]}`), sends: get("/x/1\nh: a,2")},
		{name: "list in a cookie", api: api, tool: anyTool, call: viaTool(`{"p":1,"k":["a",2]}`), sends: get("/x/1\nCookie: k=a,2")},
		{name: "object in a path", api: api, tool: anyTool, call: viaTool(`{"p":{"a":1}}`), sends: get("/x/%7B%22a%22%3A1%7D")},
		{name: "number in a path", api: api, tool: anyTool, call: viaTool(`{"p":7.0}`), sends: get("/x/7")},
		{name: "text from a YAML number", api: `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}]}]}`, tool: `{name: t, call: api.get, with: {q: 1.0}}`, call: viaTool(`{}`), sends: get("/x?q=1")},
	})
}

// U4: values that would change the meaning of a path or a header.
func TestU4(t *testing.T) {
	const path = `{path: "/x/{id}/y", operations: [{name: get}]}`
	const head = `{path: /x, operations: [{name: get, inputParameters: [{name: h, in: header}]}]}`
	const cookie = `{path: /x, operations: [{name: get, inputParameters: [{name: k, in: cookie}]}]}`
	const route = `{path: "/r/{id}", operations: [{name: r, call: api.get}]}`
	testClauses(t, "U4", []clause{
		{name: "empty", api: path, tool: anyTool, call: viaTool(`{"id":""}`), fails: `"id" must not be empty`},
		{name: "empty list", api: path, tool: anyTool, call: viaTool(`{"id":[]}`), fails: `"id"`},
		{name: "dot", api: path, tool: anyTool, call: viaTool(`{"id":"."}`), fails: `"id"`},
		{name: "two dots", api: path, tool: anyTool, call: viaTool(`{"id":".."}`), fails: `"id"`},
		{name: "two dots of a route", api: path, rest: route, call: viaREST("", "", ".."), fails: `"id"`},
		{name: "two dots in a list", api: path, tool: anyTool, call: viaTool(`{"id":[".."]}`), fails: `"id"`},
		{name: "by the caller's name", api: path, tool: `{name: t, call: api.get, with: {id: tools.room}}`, call: viaTool(`{"room":".."}`), fails: `"room"`},
		{name: "three dots are a name", api: path, tool: anyTool, call: viaTool(`{"id":"..."}`), sends: get("/x/.../y")},
		{name: "two dots made of two values", api: `{path: "/x/{a}{b}/y", operations: [{name: get}]}`, tool: anyTool, call: viaTool(`{"a":".","b":"."}`), fails: `"a"`},
		{name: "two dots made with literal text", api: `{path: "/x/.{a}/y", operations: [{name: get}]}`, tool: anyTool, call: viaTool(`{"a":"."}`), fails: `"a"`},
		{name: "line end in a header", api: head, tool: anyTool, call: viaTool(`{"h":"a\r\nB: c"}`), fails: `"h" must not hold control characters`},
		{name: "null byte in a header", api: head, tool: anyTool, call: viaTool(`{"h":"a\u0000"}`), fails: `"h"`},
		{name: "delete in a header", api: head, tool: anyTool, call: viaTool(`{"h":"a\u007f"}`), fails: `"h"`},
		{name: "tab in a header is text", api: head, tool: anyTool, call: viaTool(`{"h":"a\tb"}`), sends: get("/x\nh: a\tb")},
		{name: "line end in a cookie", api: cookie, tool: anyTool, call: viaTool(`{"k":"a\nb"}`), fails: `"k"`},
		{name: "second pair in a cookie", api: cookie, tool: anyTool, call: viaTool(`{"k":"a; admin=1"}`), fails: `"k" must not hold a semicolon`},
		{name: "line end in a query is only text", api: `{path: /x, operations: [{name: get, inputParameters: [{name: q, in: query}]}]}`, tool: anyTool, call: viaTool(`{"q":"a\r\nb"}`), sends: get("/x?q=a%0D%0Ab")},
	})
}

// A configured value that fits nowhere is not the caller's fault.
func TestU4Variables(t *testing.T) {
	t.Parallel()
	const text = `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {TENANT: TENANT, TOKEN: TOKEN}}
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    authentication: {type: bearer, token: "{{TOKEN}}"}
    resources:
    - {path: "/{{TENANT}}/x", operations: [{name: get}]}
  exposes:
  - {type: mcp, port: 9090, tools: [{name: t, call: api.get}]}
`
	for name, env := range map[string][]string{
		"empty path value":                  {"TENANT="},
		"control character in a credential": {"TOKEN=abc\r\nX: y"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := load(t, text, env...)
			_, err := d.tool("t", `{}`)
			if e := plan.AsError(err); err == nil || e.Code != plan.CodeNotConfigured {
				t.Errorf("got %v, want not-configured", err)
			}
			if len(d.sent) > 0 {
				t.Errorf("sent %s", d.wire())
			}
		})
	}
}
