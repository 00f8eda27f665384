package plan_test

import (
	"strings"
	"testing"
)

// posting gives a consumed POST with these keys.
func posting(keys string) string {
	return `{path: /x, operations: [{name: get, method: POST, ` + keys + `}]}`
}

const (
	anyTool  = `{name: t, call: api.get}`
	anyRoute = `{path: /r, operations: [{name: r, method: POST, call: api.get}]}`
)

// B1: data decides the body.
func TestB1(t *testing.T) {
	testClauses(t, "B1", []clause{
		{name: "mapping", api: posting(`body: {type: json, data: {kind: room, n: 1.50, on: true, none: null, deep: {list: [a, 2]}}}`), rest: anyRoute, call: viaREST("", `{"other":1}`), sends: post("/x", `{"kind":"room","n":1.50,"on":true,"none":null,"deep":{"list":["a",2]}}`)},
		{name: "list", api: posting(`body: {type: json, data: [{ip: "{{tools.ip}}"}]}`), tool: anyTool, call: viaTool(`{"ip":"::1"}`), sends: post("/x", `[{"ip":"::1"}]`)},
		{name: "string", api: posting(`body: {type: json, data: '{"q": {{tools.q}}, "s": "a {{tools.s}}"}'}`), tool: anyTool, call: viaTool(`{"q":[1],"s":"\"b\""}`), sends: post("/x", `{"q":[1],"s":"a \"b\""}`)},
		{name: "body that is a string", api: posting(`body: "hello {{tools.who}}"`), tool: anyTool, call: viaTool(`{"who":"world"}`), sends: "POST https://api.test/x\nContent-Type: text/plain; charset=utf-8\n\nhello world"},
		{name: "body that is a JSON string", api: posting(`body: '{"who": "{{tools.who}}"}'`), tool: anyTool, call: viaTool(`{"who":"world"}`), sends: post("/x", `{"who":"world"}`)},
		{name: "GET", api: `{path: /x, operations: [{name: get, method: GET, body: {type: json, data: {a: "{{tools.a}}"}}}]}`, tool: anyTool, call: viaTool(`{"a":1}`), sends: "GET https://api.test/x\nContent-Type: application/json\n\n" + `{"a":1}`},
		{name: "DELETE", api: `{path: /x, operations: [{name: get, method: DELETE, body: {type: json, data: {id: "{{tools.id}}"}}}]}`, tool: anyTool, call: viaTool(`{"id":1}`), sends: "DELETE https://api.test/x\nContent-Type: application/json\n\n" + `{"id":1}`},
		{name: "zero is data", api: posting(`body: {type: json, data: 0}`), tool: anyTool, call: viaTool(`{"body":1}`), sends: post("/x", `0`)},
		{name: "null is no data", api: posting(`body: {type: json, data: null}`), tool: anyTool, call: viaTool(`{"body":1}`), sends: post("/x", `1`)},
		{name: "empty mapping is no data", api: posting(`body: {type: json, data: {}}`), tool: anyTool, call: viaTool(`{"body":1}`), sends: post("/x", `1`)},
		{name: "empty list is no data", api: posting(`body: {type: json, data: []}`), tool: anyTool, call: viaTool(`{"body":1}`), sends: post("/x", `1`)},
		{name: "empty text is no data", api: posting(`body: {type: json, data: ''}`), tool: anyTool, call: viaTool(`{"body":1}`), sends: post("/x", `1`)},
	})
}

// B2: what the templates of a body take.
func TestB2(t *testing.T) {
	api := posting(`body: {type: json, data: {v: "{{tools.a}}", w: "{{rest.b}}", x: "{{c}}"}}`)
	testClauses(t, "B2", []clause{
		{name: "inputs of their names", api: api, tool: anyTool, call: viaTool(`{"a":1,"b":true,"c":{"d":1.0}}`), sends: post("/x", `{"v":1,"w":true,"x":{"d":1.0}}`)},
		{name: "the same template serves a route", api: api, rest: anyRoute, call: viaREST("c=q", `{"a":1,"b":true}`), sends: post("/x", `{"v":1,"w":true,"x":"q"}`)},
		{name: "with first", api: api, tool: `{name: t, call: api.get, with: {a: tools.z}}`, call: viaTool(`{"a":1,"z":9}`), sends: post("/x", `{"v":9}`)},
		{name: "with by letters and digits", api: posting(`body: {type: json, data: {v: "{{tools.dst_address}}"}}`), tool: `{name: t, call: api.get, with: {⟦dst-address⟧: tools.z}}`, call: viaTool(`{"z":9}`), sends: post("/x", `{"v":9}`), warns: "approximate-name", rule: "W4"},
		{name: "nothing remains of a mapping", api: api, tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{}`)},
		{name: "nothing remains of a mapping of a route", api: api, rest: anyRoute, call: viaREST("", ""), sends: post("/x", `{}`)},
		{name: "nothing remains of a list", api: posting(`body: {type: json, data: ["{{tools.a}}"]}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `[]`)},
		{name: "nothing remains of a form", api: posting(`body: {type: form, data: {v: "{{tools.a}}"}}`), tool: anyTool, call: viaTool(`{}`), sends: "POST https://api.test/x"},
		{name: "a value is not expanded again", api: api, tool: anyTool, call: viaTool(`{"a":"{{tools.b}}","b":1}`), sends: post("/x", `{"v":"{{tools.b}}","w":1}`)},
	})
}

// B2b: body parameters that the template forgets.
func TestB2b(t *testing.T) {
	testClauses(t, "B2b", []clause{
		{name: "added as a member", api: posting(`inputParameters: [{name: a, in: body}, {name: b, in: body, type: integer}], body: {type: json, data: {v: "{{tools.a}}"}}`), tool: anyTool, call: viaTool(`{"a":1,"b":"2"}`), sends: post("/x", `{"v":1,"b":2}`)},
		{name: "absent ones are not", api: posting(`inputParameters: [{name: b, in: body}], body: {type: json, data: {v: 1}}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{"v":1}`)},
		{name: "a top-level key mentions it", api: posting(`inputParameters: [{name: b, in: body}], body: {type: json, data: {b: fixed}}`), tool: anyTool, call: viaTool(`{"b":1}`), sends: post("/x", `{"b":"fixed"}`)},
		{name: "a nested key does not", api: posting(`inputParameters: [{name: b, in: body}], body: {type: json, data: {v: {b: fixed}}}`), tool: anyTool, call: viaTool(`{"b":1}`), sends: post("/x", `{"v":{"b":"fixed"},"b":1}`)},
		{name: "of a form", api: posting(`inputParameters: [{name: b, in: body}], body: {type: form, data: {v: 1}}`), tool: anyTool, call: viaTool(`{"b":2}`), sends: "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\nv=1&b=2"},
		{name: "over JSON text", api: posting(`inputParameters: [{name: b, in: body}], body: {type: json, data: '{"v": {{tools.v}}}'}`), tool: anyTool, call: viaTool(`{"v":1,"b":2}`), sends: post("/x", `{"v":1,"b":2}`)},
		{name: "the one key of a text", api: posting(`inputParameters: [{name: content, in: body}], body: {type: text, data: {content: "{{tools.c}}"}}`), tool: anyTool, call: viaTool(`{"c":"hello","content":"other"}`), sends: "POST https://api.test/x\nContent-Type: text/plain; charset=utf-8\n\nhello"},
		{name: "a list has no members", api: posting(`inputParameters: [⟦{name: b, in: body}], body: {type: json, data: ["{{tools.a}}"]}`), tool: anyTool, skips: "parameter", says: []string{"b", "no place"}},
		{name: "a text has no members", api: posting(`inputParameters: [⟦{name: b, in: body}], body: {type: text, data: "{{tools.a}}"}`), tool: anyTool, skips: "parameter", says: []string{"b", "no place"}},
		{name: "a value that is no object has none", api: posting(`inputParameters: [{name: b, in: body}], body: {type: json, data: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":[1],"b":2}`), fails: "must be a JSON object"},
	})
}

// B3: body parameters only.
func TestB3(t *testing.T) {
	two := posting(`inputParameters: [{name: a, in: body, type: integer}, {name: b, in: body, type: boolean}]`)
	one := func(name, more string) string {
		return posting(`inputParameters: [{name: ` + name + `, in: body` + more + `}]`)
	}
	typed := posting(`inputParameters: [{name: i, in: body, type: integer}, {name: n, in: body, type: number}, {name: b, in: body, type: boolean}, {name: l, in: body, type: array}, {name: o, in: body, type: object}, {name: s, in: body, type: string}]`)
	testClauses(t, "B3", []clause{
		{name: "JSON object", api: two, tool: anyTool, call: viaTool(`{"a":1,"b":true}`), sends: post("/x", `{"a":1,"b":true}`)},
		{name: "JSON object of a route", api: two, rest: anyRoute, call: viaREST("b=true", `{"a":1}`), sends: post("/x", `{"a":1,"b":true}`)},
		{name: "no value at all", api: two, tool: anyTool, call: viaTool(`{}`), sends: "POST https://api.test/x"},
		{name: "form", api: posting(`inputParameters: [{name: a, in: body}, {name: b, in: body}], body: {type: form}`), tool: anyTool, call: viaTool(`{"a":"1 2","b":[3,4]}`), sends: "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\na=1+2&b=3&b=4"},
		{name: "text of a single parameter", api: posting(`inputParameters: [{name: a, in: body}], body: {type: text}`), tool: anyTool, call: viaTool(`{"a":"hello"}`), sends: "POST https://api.test/x\nContent-Type: text/plain; charset=utf-8\n\nhello"},
		{name: "DELETE", api: `{path: /x, operations: [{name: get, method: DELETE, inputParameters: [{name: a, in: body}]}]}`, tool: anyTool, call: viaTool(`{"a":1}`), sends: "DELETE https://api.test/x\nContent-Type: application/json\n\n" + `{"a":1}`},
		{name: "one parameter is a member", api: one("payload", ""), tool: anyTool, call: viaTool(`{"payload":{"a":1}}`), sends: post("/x", `{"payload":{"a":1}}`)},
		{name: "one named body of a tool", api: one("body", ""), tool: anyTool, call: viaTool(`{"body":{"a":1.0}}`), sends: post("/x", `{"a":1.0}`)},
		{name: "one named body of a route", api: one("body", ""), rest: anyRoute, call: viaREST("", `{"a": 1.0}`), sends: post("/x", `{"a": 1.0}`)},
		{name: "one named body, fed by with", api: one("body", ""), tool: `{name: t, call: api.get, with: {body: {k: tools.a}}}`, call: viaTool(`{"a":1}`), sends: post("/x", `{"k":1}`)},
		{name: "one fed by tools.body", api: one("payload", ""), tool: `{name: t, call: api.get, with: {payload: tools.body}}`, call: viaTool(`{"body":[1]}`), sends: post("/x", `[1]`)},
		{name: "one fed by a part of tools.body", api: one("payload", ""), tool: `{name: t, call: api.get, with: {payload: tools.body.a}}`, call: viaTool(`{"body":{"a":1}}`), sends: post("/x", `{"payload":1}`)},
		{name: "body among several is a member", api: posting(`inputParameters: [{name: body, in: body}, {name: title, in: body}]`), rest: anyRoute, call: viaREST("", `{"body":"B","title":"T"}`), sends: post("/x", `{"body":"B","title":"T"}`)},
		{name: "one named body with a null value of its own", api: one("body", ", value: null"), tool: anyTool, call: viaTool(`{"body":[1]}`), sends: post("/x", `[1]`)},
		{
			name: "text becomes what is declared", api: typed, rest: anyRoute, call: viaREST("i=1&n=1.50&b=true&l=[1,2]&o=%7B%22a%22:1%7D&s=1", ""),
			sends: post("/x", `{"i":1,"n":1.50,"b":true,"l":[1,2],"o":{"a":1},"s":"1"}`),
		},
		{
			name: "text that spells nothing of the kind stays text", api: typed, rest: anyRoute, call: viaREST("i=1.5&n=x&b=yes&l=1&o=[1]&s=true", ""),
			sends: post("/x", `{"i":"1.5","n":"x","b":"yes","l":"1","o":"[1]","s":"true"}`),
		},
		{
			name: "also where a template uses the parameter", api: posting(`inputParameters: [{name: i, in: body, type: integer}], body: {type: json, data: {v: "{{tools.i}}", t: "n{{tools.i}}"}}`),
			rest: anyRoute, call: viaREST("i=7", ""), sends: post("/x", `{"v":7,"t":"n7"}`),
		},
		{
			name: "also through with", api: two, rest: `{path: /r, operations: [{name: r, method: POST, call: api.get, with: {a: rest.query.n}}]}`,
			call: viaREST("n=7", ""), sends: post("/x", `{"a":7}`),
		},
	})
}

// B4: nothing says what the body is.
func TestB4(t *testing.T) {
	implicit := posting(`description: x`)
	method := func(m string) string { return `{path: /x, operations: [{name: get, method: ` + m + `}]}` }
	declares := `{name: t, call: api.get, inputParameters: [⟦{name: note, type: integer}]}`
	testClauses(t, "B4", []clause{
		{name: "route: bytes and type unchanged", api: implicit, rest: anyRoute, call: viaBody("application/vnd.x+json; charset=utf-8", "{ \"a\" : 1.00 }\n"), sends: "POST https://api.test/x\nContent-Type: application/vnd.x+json; charset=utf-8\n\n{ \"a\" : 1.00 }\n"},
		{name: "route: no JSON at all", api: implicit, rest: anyRoute, call: viaBody("application/octet-stream", "\x00\xff{"), sends: "POST https://api.test/x\nContent-Type: application/octet-stream\n\n\x00\xff{"},
		{name: "route: a form", api: implicit, rest: anyRoute, call: viaBody("application/x-www-form-urlencoded", "a=1&a=2"), sends: "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\na=1&a=2"},
		{name: "route: PUT", api: method("PUT"), rest: anyRoute, call: viaREST("", `1`), sends: "PUT https://api.test/x\nContent-Type: application/json\n\n1"},
		{name: "route: PATCH", api: method("patch"), rest: anyRoute, call: viaREST("", `1`), sends: "PATCH https://api.test/x\nContent-Type: application/json\n\n1"},
		{name: "route: never for GET", api: method("GET"), rest: anyRoute, call: viaREST("", `{"a":1}`), sends: get("/x")},
		{name: "route: never for DELETE", api: method("DELETE"), rest: anyRoute, call: viaREST("", `{"a":1}`), sends: "DELETE https://api.test/x"},
		{name: "route: never for HEAD", api: method("HEAD"), rest: anyRoute, call: viaREST("", `{"a":1}`), sends: "HEAD https://api.test/x"},
		{name: "route: nothing given", api: implicit, rest: anyRoute, call: viaREST("", ""), sends: "POST https://api.test/x"},
		{name: "tool: argument body", api: implicit, tool: anyTool, call: viaTool(`{"body":{"a":1.0}}`), sends: post("/x", `{"a":1.0}`)},
		{name: "tool: nothing given", api: implicit, tool: anyTool, call: viaTool(`{}`), sends: "POST https://api.test/x"},
		{name: "tool: never for DELETE", api: method("DELETE"), tool: anyTool, call: viaTool(`{"body":{"a":1}}`), sends: "DELETE https://api.test/x"},
		{name: "tool: declared inputs that fit nowhere", api: implicit, tool: declares, call: viaTool(`{"note":1,"body":{"a":2}}`), sends: post("/x", `{"a":2,"note":1}`), warns: "assumed", says: []string{"note", "member of the JSON body"}},
		{name: "tool: they win", api: implicit, tool: declares, call: viaTool(`{"note":1,"body":{"note":2}}`), sends: post("/x", `{"note":1}`), warns: "assumed"},
		{name: "tool: they take their type", api: implicit, tool: declares, call: viaTool(`{"note":"1"}`), sends: post("/x", `{"note":1}`), warns: "assumed"},
		{name: "tool: declared ones that fit stay where they are", api: `{path: "/x/{id}", operations: [{name: get, method: POST}]}`, tool: `{name: t, call: api.get, inputParameters: [{name: id}, ⟦{name: note}]}`, call: viaTool(`{"id":7,"note":1}`), sends: post("/x/7", `{"note":1}`), warns: "assumed"},
		{name: "form", api: posting(`body: {type: form}`), tool: anyTool, call: viaTool(`{"body":{"a":"1 2"}}`), sends: "POST https://api.test/x\nContent-Type: application/x-www-form-urlencoded\n\na=1+2"},
	})
}

// B5: data that was given empty is sent when nothing else is.
func TestB5(t *testing.T) {
	empty, list := posting(`body: {type: json, data: {}}`), posting(`body: {type: json, data: []}`)
	testClauses(t, "B5", []clause{
		{name: "mapping, tool", api: empty, tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{}`)},
		{name: "mapping, route", api: empty, rest: anyRoute, call: viaREST("", ""), sends: post("/x", `{}`)},
		{name: "list, tool", api: list, tool: anyTool, call: viaTool(`{}`), sends: post("/x", `[]`)},
		{name: "list, route", api: list, rest: anyRoute, call: viaREST("", ""), sends: post("/x", `[]`)},
		{name: "the caller's body comes first", api: empty, rest: anyRoute, call: viaREST("", `{"a": 1}`), sends: post("/x", `{"a": 1}`)},
		{name: "members come first", api: empty, tool: `{name: t, call: api.get, with: {⟦a⟧: 1}}`, call: viaTool(`{}`), sends: post("/x", `{"a":1}`), warns: "assumed", rule: "W5"},
		{name: "not for null", api: posting(`body: {type: json, data: null}`), tool: anyTool, call: viaTool(`{}`), sends: "POST https://api.test/x"},
		{name: "not for GET", api: `{path: /x, operations: [{name: get, body: {type: json, data: {}}}]}`, tool: anyTool, call: viaTool(`{}`), sends: get("/x")},
	})
}

// B6: how a body is written.
func TestB6(t *testing.T) {
	data := func(typ, data string) string { return posting(`body: {type: ` + typ + `, data: ` + data + `}`) }
	as := func(mediaType, body string) string {
		return "POST https://api.test/x\nContent-Type: " + mediaType + "\n\n" + body
	}
	const form, plain = "application/x-www-form-urlencoded", "text/plain; charset=utf-8"
	clauses := []clause{
		{name: "json", api: data("json", `{a: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":"é\u2028\"\\\n<"}`), sends: post("/x", "{\"a\":\"é\u2028\\\"\\\\\\n<\"}")},
		{name: "JSON in capitals", api: data("JSON", `{a: 1}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{"a":1}`)},
		{name: "no type", api: posting(`body: {data: {a: 1}}`), tool: anyTool, call: viaTool(`{}`), sends: post("/x", `{"a":1}`)},
		{name: "form: a list repeats the field", api: data("form", `{a: "{{tools.a}}", b: "x&y"}`), tool: anyTool, call: viaTool(`{"a":[1,true,"z é"]}`), sends: as(form, "a=1&a=true&a=z+%C3%A9&b=x%26y")},
		{name: "form: an object is JSON", api: data("form", `{a: {b: 1}}`), tool: anyTool, call: viaTool(`{}`), sends: as(form, "a=%7B%22b%22%3A1%7D")},
		{name: "form: null counts as absent", api: data("form", `{a: "{{tools.a}}", b: 1}`), tool: anyTool, call: viaTool(`{"a":null}`), sends: as(form, "b=1")},
		{name: "form: null in a list counts as absent", api: data("form", `{a: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":[1,null,2]}`), sends: as(form, "a=1&a=2")},
		{name: "formUrlEncoded", api: data("formUrlEncoded", `{a: 1}`), tool: anyTool, call: viaTool(`{}`), sends: as(form, "a=1")},
		{name: "x-www-form-urlencoded", api: data("x-www-form-urlencoded", `{a: 1}`), tool: anyTool, call: viaTool(`{}`), sends: as(form, "a=1")},
		{name: "form that is no object", api: data("form", `"{{tools.a}}"`), tool: anyTool, call: viaTool(`{"a":[1]}`), fails: "sent as a form"},
		{name: "text", api: data("text", `"{{tools.a}}"`), tool: anyTool, call: viaTool(`{"a":"<b> & c"}`), sends: as(plain, "<b> & c")},
		{name: "text: a one-member mapping stands for its value", api: data("text", `{content: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":"hello"}`), sends: as(plain, "hello")},
		{name: "text: absent is no body", api: data("text", `{content: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{}`), sends: "POST https://api.test/x"},
		{name: "xml", api: data("xml", `'<a b="{{tools.a}}"/>'`), tool: anyTool, call: viaTool(`{"a":"<&\">"}`), sends: as("application/xml", `<a b="&lt;&amp;&#34;&gt;"/>`)},
		{name: "xml: a value that is the whole is not escaped", api: data("xml", `"{{tools.a}}"`), tool: anyTool, call: viaTool(`{"a":"<a/>"}`), sends: as("application/xml", `<a/>`)},
		{name: "yaml", api: data("yaml", `{spec: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":"x: 1\n"}`), sends: as("application/yaml", "x: 1\n")},
		{name: "sparql", api: data("sparql", `"SELECT {{tools.a}}"`), tool: anyTool, call: viaTool(`{"a":"?s"}`), sends: as("application/sparql-query", "SELECT ?s")},
		{name: "graphql", api: data("graphql", `"query Q { room(id: 7) { name } }"`), tool: anyTool, call: viaTool(`{}`), sends: as("application/graphql", "query Q { room(id: 7) { name } }")},
		{name: "graphql: values in and out of strings", api: data("graphql", `'query { room(name: "{{tools.a}}", at: {{tools.b}}, n: {{tools.n}}, by: {{tools.c}}) { id } }'`), tool: anyTool, call: viaTool(`{"a":"x\") { secret } #","b":"FLOOR_1","n":3,"c":"a) { b"}`),
			sends: as("application/graphql", `query { room(name: "x\") { secret } #", at: FLOOR_1, n: 3, by: "a) { b") { id } }`)},
		{name: "sparql: values in strings and IRIs", api: data("sparql", `'SELECT * { <https://x.test/{{tools.a}}> ?p "{{tools.b}}" . ?s ?p {{tools.c}} }'`), tool: anyTool, call: viaTool(`{"a":"a> b","b":"c\" } #","c":"d } #"}`),
			sends: as("application/sparql-query", `SELECT * { <https://x.test/a%3E%20b> ?p "c\" } #" . ?s ?p "d } #" }`)},
		{name: "yaml: values in and out of quotes", api: data("yaml", `"a: {{tools.a}}\nb: '{{tools.b}}'\nc: {{tools.c}}\n"`), tool: anyTool, call: viaTool(`{"a":"x\ny: 1","b":"it's","c":[1]}`),
			sends: as("application/yaml", "a: \"x\\ny: 1\"\nb: 'it''s'\nc: [1]\n")},
		{name: "form: a text with values", api: data("form", `"a=1&b={{tools.b}}&c={{tools.c}}"`), tool: anyTool, call: viaTool(`{"b":"x&y=z","c":"é"}`), sends: as(form, "a=1&b=x%26y%3Dz&c=%C3%A9")},
		{name: "a raw form by its header", api: posting(`inputParameters: [{name: Content-Type, in: header, value: application/x-www-form-urlencoded}], body: "b={{tools.b}}"`), tool: anyTool, call: viaTool(`{"b":"x&y"}`), sends: as(form, "b=x%26y")},
		{name: "raw XML", api: posting(`body: "<a>{{tools.b}}</a>"`), tool: anyTool, call: viaTool(`{"b":"<&"}`), sends: as("application/xml", "<a>&lt;&amp;</a>")},
		{name: "binary is base64 in JSON", api: data("binary", `{content: "{{tools.a}}"}`), tool: anyTool, call: viaTool(`{"a":"AP8="}`), sends: as("application/octet-stream", "\x00\xff")},
		{name: "binary that is no base64", api: data("octet-stream", `"{{tools.a}}"`), tool: anyTool, call: viaTool(`{"a":"it's not"}`), fails: "base64"},
	}
	for _, typ := range []string{"application/cbor", "protobuf"} {
		clauses = append(clauses, clause{
			name: typ, api: data("⟦"+typ+"⟧", `{a: 1}`), tool: anyTool, skips: "body-unsupported", says: []string{typ, "multipart"},
		})
	}
	testClauses(t, "B6", clauses)
	for _, typ := range []string{"multipart", "multipartForm", "multipart/form-data"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			c := clause{api: data(typ, `{a: "{{tools.a}}", "b\"c": {d: 1}}`), tool: anyTool}
			d := load(t, c.text())
			if _, err := d.tool("t", `{"a":["x\r\ny","z"]}`); err != nil {
				t.Fatal(err)
			}
			head, body, _ := strings.Cut(d.wire(), "\n\n")
			_, boundary, ok := strings.Cut(head, "Content-Type: multipart/form-data; boundary=")
			if !ok {
				t.Fatalf("sent %s", head)
			}
			part := func(name, value string) string {
				return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
			}
			if want := part("a", "x\r\ny") + part("a", "z") + part("b%22c", `{"d":1}`) + "--" + boundary + "--\r\n"; body != want {
				t.Errorf("sent\n%q\nwant\n%q", body, want)
			}
		})
	}
}

// TestMultipartFiles: the list form gives every part its file name and type, and bytes that
// JSON cannot hold are given as base64.
func TestMultipartFiles(t *testing.T) {
	t.Parallel()
	d := load(t, (&clause{
		api: posting(`inputParameters: [{name: photo, in: body, contentEncoding: base64}], body: {type: multipartForm, data: [` +
			`{name: title, value: "{{title}}"}, {name: photo, value: "{{photo}}", filename: "{{title}}.png", contentType: image/png}, {name: note, value: "{{note}}"}]}`),
		tool: anyTool,
	}).text())
	if _, err := d.tool("t", `{"title":"a\"b","photo":"AP8="}`); err != nil {
		t.Fatal(err, d.list)
	}
	_, body, _ := strings.Cut(d.wire(), "\n\n")
	boundary, _, _ := strings.Cut(body, "\r\n")
	want := boundary + "\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\na\"b\r\n" +
		boundary + "\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a%22b.png\"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n" +
		boundary + "--\r\n"
	if body != want {
		t.Errorf("sent\n%q\nwant\n%q", body, want)
	}
	if _, err := d.tool("t", `{"title":"a","photo":"~"}`); err == nil || !strings.Contains(err.Error(), "photo must be base64") {
		t.Errorf("got %v", err)
	}
}
