package plan_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

// mapping gives a tool with these outputParameters.
func mapping(outputs string) string {
	return `{name: t, call: api.get, outputParameters: [` + outputs + `]}`
}

const reading = `{path: /x, operations: [{name: get}]}`

// R1: one output.
func TestR1(t *testing.T) {
	const body = "{ \"a\" : {\"b\": [1.00, 12345678901234567890]}, \"n\": null, \"s\": \"h\\u00e9llo\" }\n"
	one := func(name, output, want string) clause {
		return clause{name: name, api: reading, tool: mapping(output), answer: "200 application/json " + body, call: viaTool(`{}`), sends: get("/x"), gives: "200 " + want}
	}
	clauses := []clause{
		one("no mapping", `{type: object}`, body),
		one("$", `{type: object, mapping: $}`, body),
		one("$.", `{type: object, mapping: $.}`, body),
		one("whole body, whatever its type", `{type: array, mapping: $.}`, body),
		one("whole body, named", `{name: result, type: string, mapping: $.}`, body),
		one("whole body, items that say nothing", `{type: array, mapping: $., items: {type: object}}`, body),
		one("whole body, no properties", `{type: object, mapping: $., properties: {}}`, body),
		one("path keeps every digit", `{type: array, mapping: $.a.b}`, `[1.00, 12345678901234567890]`),
		one("path of a named output", `{name: x, type: array, mapping: $.a.b}`, `[1.00, 12345678901234567890]`),
		one("absent path", `{mapping: $.a.c.d}`, `null`),
		one("explicit null", `{mapping: $.n}`, `null`),
		one("index", `{mapping: "$.a.b[1]"}`, `12345678901234567890`),
		one("wildcard", `{mapping: "$.a.b[1:]"}`, `[12345678901234567890]`),
		one("text", `{type: string, mapping: $.s}`, `"h\u00e9llo"`),
		one("constant", `{value: fixed}`, `"fixed"`),
		one("constant number", `{type: integer, value: "7"}`, `7`),
		one("constant list", `{value: [1, {a: b}]}`, `[1,{"a":"b"}]`),
		one("properties", `{type: object, mapping: $., properties: {x: {mapping: $.a.b}, s: {type: string}}}`, `{"x":[1.00, 12345678901234567890],"s":"h\u00e9llo"}`),
		one("properties of a path", `{type: object, mapping: $.a, properties: {x: {mapping: "$.b[0]"}}}`, `{"x":1.00}`),
		one("properties of an absent path", `{type: object, mapping: $.n, properties: {x: {mapping: $.b}}}`, `null`),
		one("items", `{type: array, mapping: $.a.b, items: {type: object, properties: {v: {mapping: $}}}}`, `[{"v":1.00},{"v":12345678901234567890}]`),
		one("maxLength counts characters", `{type: string, mapping: $.s, maxLength: 2}`, `"hé"`),
	}
	failed := one("not on a failure", `{mapping: $.a.b}`, body)
	failed.answer, failed.gives = "404 application/json "+body, "404 "+body
	empty := one("not without a body", `{mapping: $.a.b}`, "")
	empty.answer, empty.gives = "204 application/json ", "204 "
	other := one("an answer that is no JSON", `{mapping: $.a.b}`, "")
	other.answer, other.gives, other.fails, other.code = "200 text/html <html>", "", "not valid JSON", plan.CodeBadOutput
	moved := one("not on a redirect", `{mapping: $.a.b}`, body)
	moved.answer, moved.gives = "302 text/html gone", "302 gone"
	testClauses(t, "R1", append(clauses, failed, empty, other, moved,
		clause{name: "a path that is none", api: reading, tool: mapping(`{mapping: ⟦"$.a["⟧}`), skips: "output", says: []string{"$.a[", "is not a JSONPath"}},
		clause{name: "a value that is a path", api: reading, tool: mapping(`{value: ⟦$.a.b⟧}`), answer: `200 application/json {"a":{"b":1}}`, call: viaTool(`{}`), sends: get("/x"), gives: "200 1", warns: "assumed", says: []string{"mapping: $.a.b"}},
	))
}

// R2: several outputs.
func TestR2(t *testing.T) {
	const list = `[{"id":1},{"id":2}]`
	const object = `{"data":[{"id":1}],"b":2,"length":9}`
	of := func(name, outputs, body, want string) clause {
		return clause{name: name, api: reading, tool: mapping(outputs), answer: "200 application/json " + body, call: viaTool(`{}`), sends: get("/x"), gives: "200 " + want}
	}
	testClauses(t, "R2", []clause{
		of("all named", `{name: rooms, mapping: "$[*]"}, {name: count, mapping: $.length}`, list, `{"rooms":[{"id":1},{"id":2}],"count":2}`),
		of("all named, one of them whole", `{name: all, mapping: $.}, {name: none, mapping: $.x}`, `{"b": 2}`, `{"all":{"b": 2},"none":null}`),
		of("length of a nested list", `{name: a, mapping: $.data.length}, {name: b, mapping: $.b}`, object, `{"a":1,"b":2}`),
		of("length of an object is its member", `{mapping: $.length}`, object, `9`),
		of("length of the only output", `{mapping: $.length}`, list, `2`),
		of("unnamed: the first that is not null", `{mapping: $.x}, {mapping: $.b}, {mapping: $.data}`, object, `2`),
		of("one unnamed is enough", `{name: a, mapping: $.x}, {mapping: $.b}`, object, `2`),
		of("unnamed: all null", `{mapping: $.x}, {mapping: $.y}`, object, `null`),
	})
}

// R3: no outputs.
func TestR3(t *testing.T) {
	const body = "{\"a\":\n 1.0}  "
	testClauses(t, "R3", []clause{
		{name: "none", api: reading, tool: anyTool, answer: "200 application/json " + body, call: viaTool(`{}`), sends: get("/x"), gives: "200 " + body},
		{name: "an empty list", api: reading, tool: `{name: t, call: api.get, outputParameters: []}`, answer: "200 application/json " + body, call: viaTool(`{}`), sends: get("/x"), gives: "200 " + body},
		{name: "route", api: reading, rest: `{path: /r, operations: [{name: r, call: api.get}]}`, answer: "200 application/json " + body, call: viaREST("", ""), sends: get("/x"), gives: "200 " + body},
	})
}

// R4: answers that are no JSON.
func TestR4(t *testing.T) {
	const xml = `{path: /x, operations: [{name: get, outputRawFormat: xml}]}`
	testClauses(t, "R4", []clause{
		{name: "bytes unchanged", api: reading, rest: `{path: /r, operations: [{name: r, call: api.get, outputParameters: [{type: object, mapping: $.}]}]}`, answer: "200 application/octet-stream \x00\xff<", call: viaREST("", ""), sends: get("/x"), gives: "200 \x00\xff<"},
		{name: "another raw format", api: xml, tool: mapping(`{type: object, mapping: $.}`), answer: "201 application/xml <a/>", call: viaTool(`{}`), sends: get("/x"), gives: "201 <a/>"},
		{name: "another raw format can be mapped", api: `{path: /x, operations: [{name: get, outputRawFormat: csv}]}`, tool: mapping(`{mapping: "$[1].a"}`), answer: "200 text/csv a,b\n1,2\n3,4\n", call: viaTool(`{}`), sends: get("/x"), gives: `200 "3"`},
		{name: "a path may name the root of XML", api: xml, tool: mapping(`{mapping: $.a.b}`), answer: "200 application/xml <a><b>1</b></a>", call: viaTool(`{}`), sends: get("/x"), gives: `200 "1"`},
		{name: "or leave it out", api: xml, tool: mapping(`{mapping: $.b}`), answer: "200 application/xml <a><b>1</b></a>", call: viaTool(`{}`), sends: get("/x"), gives: `200 "1"`},
		{name: "a binary answer cannot be mapped", api: `{path: /x, operations: [{name: get, outputRawFormat: ⟦binary⟧}]}`, tool: mapping(`{mapping: $.a}`), skips: "format", says: []string{"binary", "$."}},
		{name: "an unknown format cannot be mapped", api: `{path: /x, operations: [{name: get, outputRawFormat: ⟦ini⟧}]}`, tool: mapping(`{mapping: $.a}`), skips: "format", says: []string{"ini", "$."}},
		{name: "JSON can", api: `{path: /x, operations: [{name: get, outputRawFormat: JSON}]}`, tool: mapping(`{mapping: $.a}`), answer: `200 application/json {"a":1}`, call: viaTool(`{}`), sends: get("/x"), gives: "200 1"},
	})
	t.Run("status, type and headers", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: xml, tool: anyTool}).text())
		header := []plan.Field{{Name: "Content-Type", Value: "application/xml; charset=latin1"}, {Name: "ETag", Value: `"1"`}, {Name: "X-Any", Value: "1"}}
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 206, Header: header, Body: plan.BytesBody([]byte("\xe9"))}, nil
		}
		res := d.result(d.find("t").Operation, &plan.Source{})
		if res.Kind != plan.Passthrough || !res.FromUpstream || res.Status != 206 || res.MediaType != "application/xml; charset=latin1" || fmt.Sprint(res.Header) != fmt.Sprint(header) || res.Method != "GET" {
			t.Errorf("got %+v", res)
		}
	})
	t.Run("a mapped answer loses what spoke of the upstream's bytes", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, tool: mapping(`{mapping: $.a}`)}).text())
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 201, Header: []plan.Field{{Name: "content-type", Value: "application/hal+json"}, {Name: "ETag", Value: `"1"`}, {Name: "Content-Encoding", Value: "identity"}, {Name: "Link", Value: "<x>"}}, Body: plan.BytesBody([]byte(`{"a":1}`))}, nil
		}
		res := d.result(d.find("t").Operation, &plan.Source{})
		if res.Kind != plan.Value || res.Status != 201 || res.MediaType != "application/json" || fmt.Sprint(res.Header) != fmt.Sprint([]plan.Field{{Name: "Link", Value: "<x>"}}) || string(res.Body.Bytes) != "1" {
			t.Errorf("got %+v", res)
		}
	})
}

// R5: status and failures.
func TestR5(t *testing.T) {
	var clauses []clause
	for _, status := range []string{"200", "201", "202", "301", "304", "400", "401", "404", "409", "429", "500", "503"} {
		clauses = append(clauses, clause{
			name: status, api: reading, tool: anyTool, answer: status + " text/plain as it came \n", call: viaTool(`{}`), sends: get("/x"), gives: status + " as it came \n",
		})
	}
	testClauses(t, "R5", clauses)
	for _, c := range []struct {
		name    string
		err     error
		want    plan.Code
		message string
	}{
		{"network", plan.Errorf(plan.CodeUpstreamFailed, "no answer"), plan.CodeUpstreamFailed, "no answer"},
		{"timeout", plan.Errorf(plan.CodeUpstreamTimeout, "too slow"), plan.CodeUpstreamTimeout, "too slow"},
		{"wrapped", fmt.Errorf("dialling 10.0.0.1: %w", plan.Errorf(plan.CodeUpstreamFailed, "no answer")), plan.CodeUpstreamFailed, "no answer"},
		{"deadline", fmt.Errorf("get: %w", context.DeadlineExceeded), plan.CodeUpstreamTimeout, "took too long"},
		{"canceled", fmt.Errorf("get: %w", context.Canceled), plan.CodeCanceled, "went away"},
		{"unknown", errors.New("secret internals"), plan.CodeInternal, "internal error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, (&clause{api: reading, tool: mapping(`{mapping: $.a}`)}).text())
			d.answer = func(*plan.Request) (*plan.Response, error) { return nil, c.err }
			_, err := d.tool("t", `{}`)
			var e *plan.Error
			if !errors.As(err, &e) || e.Code != c.want || !strings.Contains(e.Message, c.message) {
				t.Errorf("got %v, want %s %q", err, c.want, c.message)
			}
			if len(d.sent) != 1 {
				t.Errorf("sent %d requests", len(d.sent))
			}
		})
	}
}

// R6: what a consumed operation says of its output.
func TestR6(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, outputParameters: [{name: id, type: integer, value: $.data.id}, {name: n, mapping: $.n, value: 5}]}]}`
	testClauses(t, "R6", []clause{
		{name: "tool", api: api, tool: anyTool, answer: `200 application/json {"data":{"id":7}}`, call: viaTool(`{}`), sends: get("/x"), gives: `200 {"data":{"id":7}}`},
		{name: "route", api: api, rest: anyRoute, answer: `200 text/plain no JSON`, call: viaREST("", ""), sends: get("/x"), gives: `200 no JSON`},
	})
}

// D9: a whole body is handed on unread, broken or not.
func TestD9(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{anyTool, mapping(`{type: object, mapping: $.}`)} {
		d := load(t, (&clause{api: reading, tool: tool}).text())
		stream := &watched{Reader: io.MultiReader(strings.NewReader(`{"a":`), &broken{})}
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.Body{Stream: stream, Len: -1}}, nil
		}
		res := d.result(d.find("t").Operation, &plan.Source{})
		if stream.read > 0 || res.Kind != plan.Passthrough {
			t.Errorf("%d bytes were read before anyone asked", stream.read)
		}
		if !d.sent[0].Accept.Stream {
			t.Errorf("the upstream is not told that the answer may be streamed")
		}
		got, err := io.ReadAll(res.Body.Reader())
		if string(got) != `{"a":` || err == nil {
			t.Errorf("read %q, %v", got, err)
		}
		if err := res.Body.Close(); err != nil || !stream.closed {
			t.Errorf("the stream is not closed: %v", err)
		}
	}
	t.Run("a mapped body that breaks off", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, tool: mapping(`{mapping: $.a}`)}).text())
		stream := &watched{Reader: io.MultiReader(strings.NewReader(`{"a":1}`), &broken{})}
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.Body{Stream: stream, Len: -1}}, nil
		}
		_, err := d.tool("t", `{}`)
		if e := plan.AsError(err); e.Code != plan.CodeUpstreamFailed || !stream.closed || d.sent[0].Accept.Stream {
			t.Errorf("got %v, closed %v", err, stream.closed)
		}
	})
	t.Run("a constant needs no upstream", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, tool: `{name: t, outputParameters: [{name: a, value: 1.50}, {name: b, type: string, value: x}]}`}).text())
		got, err := d.tool("t", `{}`)
		if got != `200 {"a":1.50,"b":"x"}` || err != nil || len(d.sent) > 0 {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("encodings", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, rest: anyRoute}).text())
		d.result(d.route("r").Operation, &plan.Source{AcceptEncoding: "br, gzip;q=0.5, zstd"})
		if got := d.sent[0].Accept.Encoding; got != "gzip;q=0.5" {
			t.Errorf("Accept-Encoding of a whole body is %q", got)
		}
		d = load(t, (&clause{api: reading, rest: `{path: /r, operations: [{name: r, call: api.get, outputParameters: [{mapping: $.ok}]}]}`}).text())
		d.result(d.route("r").Operation, &plan.Source{AcceptEncoding: "gzip"})
		if got := d.sent[0].Accept; got != (plan.Accept{}) {
			t.Errorf("Accept of a mapped body is %+v", got)
		}
	})
}

// watched counts what is read of it.
type watched struct {
	io.Reader
	read   int
	closed bool
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.read += n
	return n, err
}

func (w *watched) Close() error {
	w.closed = true
	return nil
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("connection reset by 10.1.2.3") }

// secretive is a document whose call uses secrets everywhere.
const secretive = `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {USER: API_USER, PASS: API_PASS, KEY: API_KEY, TENANT: TENANT, HOST: API_HOST}}
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: "https://{{HOST}}/v1"
    authentication: {type: basic, username: "{{USER}}", password: "{{PASS}}"}
    inputParameters: [{name: X-Key, in: header, value: "{{KEY}}"}]
    resources:
    - {path: "/t-{{TENANT}}/x", operations: [{name: get}]}
  exposes:
  - {type: rest, port: 8080, resources: [{path: /r, operations: [{name: r, call: api.get}]}]}
`

// secretive gives the echo of an upstream: status, encoding and body.
func echo(t *testing.T, status int, encoding string, body io.Reader, length int64) *plan.Result {
	t.Helper()
	d := load(t, secretive, "API_USER=robot:1", `API_PASS=p"/ ss&=word`, "API_KEY=key-1234", "TENANT=ten ant:42", "API_HOST=api.test")
	d.answer = func(*plan.Request) (*plan.Response, error) {
		h := []plan.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "Content-Length", Value: fmt.Sprint(length)}}
		if encoding != "" {
			h = append(h, plan.Field{Name: "Content-Encoding", Value: encoding})
		}
		return &plan.Response{Status: status, Header: h, Body: plan.Body{Stream: io.NopCloser(body), Len: length}}, nil
	}
	return d.result(d.route("r").Operation, &plan.Source{})
}

func readResult(t *testing.T, res *plan.Result) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// D10: an upstream's error body does not show this call's secrets.
func TestD10(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"as it is", `bad key key-1234 for robot:1`, `bad key <secret> for <secret>`},
		{"in a query", `?p=p%22%2F+ss%26%3Dword`, `?p=<secret>`},
		{"in a path", `GET /v1/t-ten%20ant%3A42/x`, `GET /v1/t-<secret>/x`},
		{"in JSON", `{"p":"p\"/ ss&=word"}`, `{"p":"<secret>"}`},
		{"in JSON of other writers", `{"p":"p\"\/ ss&=word","q":"p\"/ ss\u0026=word"}`, `{"p":"<secret>","q":"<secret>"}`},
		{"in HTML", `<b>p&#34;/ ss&amp;=word</b>`, `<b><secret></b>`},
		{"in basic authentication", `Authorization: Basic cm9ib3Q6MTpwIi8gc3MmPXdvcmQ=`, `Authorization: Basic <secret>`},
		{"settings are no secrets", `api.test is down`, `api.test is down`},
		{"nothing to hide", "as it\r\ncame \x00\xff", "as it\r\ncame \x00\xff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, length := range []int64{int64(len(c.body)), -1} {
				res := echo(t, 401, "", strings.NewReader(c.body), length)
				if got := readResult(t, res); got != c.want || res.Status != 401 {
					t.Errorf("got %d %q, want %q", res.Status, got, c.want)
				}
				for _, f := range res.Header {
					if f.Name == "Content-Length" && c.want != c.body {
						t.Errorf("a length that is no longer true is kept: %s", f.Value)
					}
				}
			}
		})
	}
	pad := func(n int) string { return strings.Repeat("x", n-8) + "key-1234" }
	for _, size := range []int{9, 16 << 10, 16<<10 + 3, 64 << 10, 64<<10 + 1, 64<<10 + 9, 1 << 20} {
		t.Run(fmt.Sprintf("of %d bytes", size), func(t *testing.T) {
			t.Parallel()
			want := strings.TrimSuffix(pad(size), "key-1234") + "<secret>"
			for _, length := range []int64{-1, int64(size)} {
				if got := readResult(t, echo(t, 500, "", strings.NewReader(pad(size)), length)); got != want {
					t.Errorf("%d bytes, the end is %q", len(got), got[max(0, len(got)-20):])
				}
			}
		})
	}
	t.Run("in a header, whatever the status", func(t *testing.T) {
		t.Parallel()
		for _, status := range []int{200, 302, 403} {
			d := load(t, secretive, "API_HOST=api.test")
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return &plan.Response{Status: status, Header: []plan.Field{{Name: "ETag", Value: `"1"`}, {Name: "Link", Value: "</x?k=val-API_KEY&page=2>; rel=next"}}}, nil
			}
			res := d.result(d.route("r").Operation, &plan.Source{})
			if got := res.Header[1].Value; got != "</x?k=<secret>&page=2>; rel=next" || res.Header[0].Value != `"1"` {
				t.Errorf("%d: got %s", status, got)
			}
		}
	})
	t.Run("in a redirect", func(t *testing.T) {
		t.Parallel()
		if got := readResult(t, echo(t, 301, "", strings.NewReader(`moved to /x?k=key-1234`), -1)); got != `moved to /x?k=<secret>` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("only failures", func(t *testing.T) {
		t.Parallel()
		if got := readResult(t, echo(t, 200, "", strings.NewReader(`{"key":"key-1234"}`), -1)); got != `{"key":"key-1234"}` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("gzip", func(t *testing.T) {
		t.Parallel()
		for _, encoding := range []string{"gzip", "GZIP", "x-gzip"} {
			zipped := gzipped(`denied: key-1234`)
			res := echo(t, 403, encoding, bytes.NewReader(zipped), int64(len(zipped)))
			if got := readResult(t, res); got != `denied: <secret>` {
				t.Errorf("%s gives %q", encoding, got)
			}
			for _, f := range res.Header {
				if f.Name == "Content-Encoding" || f.Name == "Content-Length" {
					t.Errorf("%s keeps %s: %s", encoding, f.Name, f.Value)
				}
			}
		}
	})
	t.Run("called gzip, but is none", func(t *testing.T) {
		t.Parallel()
		if got := readResult(t, echo(t, 403, "gzip", strings.NewReader(`denied: key-1234`), -1)); got != `denied: <secret>` {
			t.Errorf("got %q", got)
		}
	})
	t.Run("what cannot be searched is not shown", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct{ encoding, body string }{{"br", "key-1234"}, {"zstd", "key-1234"}, {"gzip", "\x1f\x8bkey-1234"}} {
			res := echo(t, 403, c.encoding, strings.NewReader(c.body), int64(len(c.body)))
			if got := readResult(t, res); got != "" || res.Status != 403 || res.MediaType != "" {
				t.Errorf("%s: got %d %q", c.encoding, res.Status, got)
			}
		}
	})
	t.Run("a secret inside another", func(t *testing.T) {
		t.Parallel()
		d := load(t, secretive, "API_USER=abcd", "API_PASS=abcdefgh", "API_KEY=efgh-abcd", "API_HOST=api.test")
		d.answer = answering("400 text/plain abcdefgh efgh-abcd")
		if got, err := d.rest("r", nil, "", ""); err != nil || got != "400 <secret> <secret>" {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("a secret written into the document", func(t *testing.T) {
		t.Parallel()
		d := load(t, strings.Replace(secretive, `type: basic, username: "{{USER}}", password: "{{PASS}}"`, `type: bearer, token: literal-token`, 1), "API_HOST=api.test")
		d.answer = answering("400 text/plain bad literal-token")
		if got, err := d.rest("r", nil, "", ""); err != nil || got != "400 bad <secret>" {
			t.Errorf("got %s, %v", got, err)
		}
	})
	t.Run("a broken error body", func(t *testing.T) {
		t.Parallel()
		d := load(t, secretive, "API_HOST=api.test")
		d.answer = func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 500, Body: plan.Body{Stream: io.NopCloser(io.MultiReader(strings.NewReader("val-API_KEY"), &broken{})), Len: -1}}, nil
		}
		got, err := d.rest("r", nil, "", "")
		if err == nil || strings.Contains(got+err.Error(), "val-API_KEY") || strings.Contains(err.Error(), "10.1.2.3") {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s))
	_ = w.Close()
	return b.Bytes()
}

// D11: one call is one request, whatever comes of it.
func TestD11(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		for _, answer := range []string{"429 text/plain x", "500 text/plain x", "502 text/plain x", "503 text/plain x", "504 text/plain x", ""} {
			d := load(t, (&clause{api: `{path: /x, operations: [{name: get, method: ` + method + `}]}`, tool: `{name: t, call: api.get, hints: {idempotent: true}, outputParameters: [{mapping: $.a}]}`}).text())
			d.answer = func(*plan.Request) (*plan.Response, error) {
				return nil, plan.Errorf(plan.CodeUpstreamFailed, "no answer")
			}
			if answer != "" {
				d.answer = answering(answer)
			}
			_, err := d.tool("t", `{}`)
			if len(d.sent) != 1 || (err != nil) != (answer == "") {
				t.Errorf("%s and %q: %d requests, %v", method, answer, len(d.sent), err)
			}
			for _, f := range d.sent[0].Header {
				if strings.Contains(strings.ToLower(f.Name), "idempotency") {
					t.Errorf("%s carries %s, which makes Go's client send it again", method, f.Name)
				}
			}
		}
	}
}

// D18: limits of a call.
func TestD18(t *testing.T) {
	t.Parallel()
	const limit = 20
	answer := func(body string, known bool) (*watched, func(*plan.Request) (*plan.Response, error)) {
		w := &watched{Reader: strings.NewReader(body)}
		length := int64(-1)
		if known {
			length = int64(len(body))
		}
		return w, func(*plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.Body{Stream: w, Len: length}}, nil
		}
	}
	mapped := mapping(`{mapping: $.a}`)
	at, over := `{"a":1,"b":"123456"}`, `{"a":1,"b":"1234567"}`
	if len(at) != limit || len(over) != limit+1 {
		t.Fatalf("the bodies have %d and %d bytes", len(at), len(over))
	}
	for _, c := range []struct {
		name, tool, body string
		known            bool
		want             string
		code             plan.Code
		read             int
	}{
		{"at the limit", mapped, at, true, "200 1", 0, limit},
		{"at the limit, length not known", mapped, at, false, "200 1", 0, limit},
		{"known to be over it", mapped, over, true, "", plan.CodeUpstreamTooLarge, 0},
		{"over it after reading", mapped, over, false, "", plan.CodeUpstreamTooLarge, limit + 1},
		{"a whole body has none", anyTool, over, true, "200 " + over, 0, limit + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, (&clause{api: reading, tool: c.tool}).text())
			d.bound = d.rebind(func(o *plan.BindOptions) { o.MaxUpstreamBody = limit })
			var w *watched
			w, d.answer = answer(c.body, c.known)
			got, err := d.tool("t", `{}`)
			if got != c.want || !w.closed || w.read != c.read {
				t.Errorf("got %q, %d bytes read, closed %v", got, w.read, w.closed)
			}
			if c.code == 0 && err != nil || c.code != 0 && plan.AsError(err).Code != c.code {
				t.Errorf("failed with %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "20 bytes") {
				t.Errorf("%q does not name the limit", err)
			}
		})
	}
	t.Run("call timeout", func(t *testing.T) {
		t.Parallel()
		for _, tool := range []string{anyTool, mapped} {
			d := load(t, (&clause{api: reading, tool: tool}).text())
			var ctx context.Context
			d.bound = d.rebind(func(o *plan.BindOptions) {
				o.CallTimeout = time.Hour
				o.Upstream = plan.UpstreamFunc(func(c context.Context, _ *plan.Request) (*plan.Response, error) {
					ctx = c
					return &plan.Response{Status: 200, Body: plan.Body{Stream: io.NopCloser(strings.NewReader(`{"a":1}`)), Len: -1}}, nil
				})
			})
			res := d.result(d.find("t").Operation, &plan.Source{})
			if end, ok := ctx.Deadline(); !ok || time.Until(end) > time.Hour || time.Until(end) < 50*time.Minute {
				t.Errorf("the deadline is %v", end)
			}
			if res.Kind == plan.Passthrough && ctx.Err() != nil {
				t.Errorf("the call ended before its body was read")
			}
			_ = res.Body.Close()
			if ctx.Err() == nil {
				t.Errorf("the call's context outlives its body")
			}
		}
	})
	t.Run("call timeout that passes", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, tool: anyTool}).text())
		d.bound = d.rebind(func(o *plan.BindOptions) {
			o.CallTimeout = time.Nanosecond
			o.Upstream = plan.UpstreamFunc(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
		})
		if _, err := d.tool("t", `{}`); plan.AsError(err).Code != plan.CodeUpstreamTimeout {
			t.Errorf("got %v, want upstream-timeout", err)
		}
	})
	t.Run("no timeout asked for", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: reading, tool: anyTool}).text())
		d.bound = d.rebind(func(o *plan.BindOptions) {
			o.Upstream = plan.UpstreamFunc(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
				if _, ok := ctx.Deadline(); ok {
					t.Errorf("there is a deadline")
				}
				return &plan.Response{Status: 204}, nil
			})
		})
		if _, err := d.tool("t", `{}`); err != nil {
			t.Error(err)
		}
	})
}

// rebind binds the document's plan once more, with other options.
func (d *document) rebind(change func(*plan.BindOptions)) *plan.Bound {
	d.t.Helper()
	o := plan.BindOptions{
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) { return plan.NewSecret("val-" + v.Name), nil },
		Upstream: plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
			d.sent = append(d.sent, r)
			return d.answer(r)
		}),
	}
	change(&o)
	b, list := plan.Bind(d.bound.Plan(), o)
	if len(list) > 0 {
		d.t.Fatal(list)
	}
	return b
}
