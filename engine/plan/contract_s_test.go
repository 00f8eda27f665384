package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
)

// S1: what wants a value.
func TestS1(t *testing.T) {
	t.Parallel()
	for name, ops := range map[string]string{
		"not declared":                  "{name: get}",
		"declared":                      "{name: get, inputParameters: [{name: id, in: path}]}",
		"declared as not required":      "{name: get, inputParameters: [{name: id, in: path, required: false}]}",
		"declared for the wrong method": "{name: get, method: DELETE, inputParameters: [{name: id, in: path}]}",
	} {
		t.Run("a placeholder, "+name, func(t *testing.T) {
			t.Parallel()
			d := sample{path: "/x/{id}", ops: ops}.load(t)
			_, err := d.rest("op", nil, "", "")
			d.fails(err, `input "id" is required`)
			_, err = d.tool("op", "{}")
			d.fails(err, `input "id" is required`)
			if got := schemaOf(t, d); !strings.Contains(got, `"required":["id"]`) {
				t.Errorf("schema %s", got)
			}
			if _, err := d.tool("op", `{"id":7}`); err != nil || !strings.HasSuffix(d.sent[0].URL(), "/x/7") {
				t.Errorf("got %v, %s", err, d.wire())
			}
		})
	}
	t.Run("entry, resource and operation; the inner one wins", func(t *testing.T) {
		t.Parallel()
		s := sample{
			api: "inputParameters: [{name: a, in: query, value: entry}, {name: b, in: query, value: entry}, {name: c, in: query, value: entry}, {name: X-H, in: header, value: entry}]",
			ops: "{name: get, inputParameters: [{name: c, in: query, value: operation}, {name: x-h, in: header, value: operation}, {name: c, in: cookie, value: operation}]}",
		}
		text := strings.Replace(s.text(), "operations: [", "inputParameters: [{name: b, in: query, value: resource}, {name: c, in: query, value: resource}], operations: [", 1)
		d := load(t, text)
		d.quiet()
		const want = "GET https://api.test/x?a=entry&b=resource&c=operation\nCookie: c=operation\nx-h: operation"
		d.sends("", want)
		d.calls("{}", want)
	})
	t.Run("an input of each", func(t *testing.T) {
		t.Parallel()
		s := sample{
			api: "inputParameters: [{name: a, in: query, required: true}]",
			ops: "{name: get, inputParameters: [{name: a, in: query, required: false}, {name: b, in: header}]}",
		}
		d := s.load(t)
		d.calls("{}", "GET https://api.test/x")
		d.calls(`{"a":"1","b":"2"}`, "GET https://api.test/x?a=1\nb: 2")
	})
	t.Run("one name in two places", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/x/{name}", ops: "{name: get, inputParameters: [{name: name, in: path}, {name: name, in: query}]}"}.load(t)
		d.calls(`{"name":"n"}`, "GET https://api.test/x/n?name=n")
	})
	t.Run("names with marks stay as they are", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: "{name: get, inputParameters: [{name: $top, in: query}, {name: 'filter[state]', in: query}, {name: tweet.fields, in: query}, {name: 'params__{{KEY}}', in: query}]}"}.load(t)
		d.calls(`{"$top":1,"filter[state]":"a","tweet.fields":"b","params__{{KEY}}":"c"}`,
			"GET https://api.test/x?%24top=1&filter%5Bstate%5D=a&tweet.fields=b&params__%7B%7BKEY%7D%7D=c")
	})
}

// S2: parameters without a name are ignored.
func TestS2(t *testing.T) {
	t.Parallel()
	d := sample{ops: "{name: get, inputParameters: [{name: '', in: query, required: true, value: v}, {in: header, value: v}, {name: a, in: query}]}"}.load(t)
	if d.list.HasErrors() {
		t.Errorf("got %v", d.list)
	}
	d.sends("a=1&=2", "GET https://api.test/x?a=1")
	d.calls(`{"a":"1","":"2"}`, "GET https://api.test/x?a=1")
}

// S3: parameters that do not say where they go.
func TestS3(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", ", in: ''", ", in: que", ", in: formData"} {
		for method, want := range map[string]string{
			"GET": "?a=1", "HEAD": "?a=1", "DELETE": "?a=1", "get": "?a=1",
			"POST": "\nContent-Type: application/json\n\n" + `{"a":"1"}`, "PUT": "\nContent-Type: application/json\n\n" + `{"a":"1"}`, "patch": "\nContent-Type: application/json\n\n" + `{"a":"1"}`,
		} {
			t.Run(method+in, func(t *testing.T) {
				t.Parallel()
				d := sample{path: "/x/{id}", ops: "{name: get, method: " + method + ", inputParameters: [{name: id" + in + "}, {name: a" + in + "}]}"}.load(t)
				if d.list.HasErrors() {
					t.Errorf("got %v", d.list)
				}
				want := strings.ToUpper(method) + " https://api.test/x/7" + want
				d.sends("id=7&a=1", want)
				d.calls(`{"id":"7","a":"1"}`, want)
			})
		}
	}
	t.Run("a placeholder of the operation path, of any form", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, method: POST, path: "/y/{{id}}", inputParameters: [{name: id}]}`}.load(t)
		d.calls(`{"id":"7"}`, "POST https://api.test/x/y/7")
	})
	t.Run("any case", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: "{name: get, method: POST, inputParameters: [{name: a, in: Query}, {name: b, in: HEADER}]}"}.load(t)
		d.calls(`{"a":"1","b":"2"}`, "POST https://api.test/x?a=1\nb: 2")
	})
}

// S4: headers that belong to the HTTP stack.
func TestS4(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Content-Length", "accept-encoding", "Host", "Connection", "Transfer-Encoding"} {
		t.Run("dropped: "+name, func(t *testing.T) {
			t.Parallel()
			s := sample{
				ops:   "{name: get, inputParameters: [{name: " + name + ", in: header, required: true}, {name: a, in: query}]}",
				tools: "{name: op, call: api.get}, {name: fed, call: api.get, with: {" + name + ": evil.test, a: '1'}}",
			}
			d := s.load(t)
			d.calls(`{"`+name+`":"evil.test","a":"1"}`, "GET https://api.test/x?a=1")
			if _, err := d.rest("op", nil, "a=1", "", name+": evil.test"); err != nil {
				t.Fatal(err)
			}
			d.wired("GET https://api.test/x?a=1")
			if _, err := d.tool("fed", `{}`); err != nil {
				t.Fatal(err)
			}
			d.wired("GET https://api.test/x?a=1")
			if got := schemaOf(t, d); strings.Contains(got, name) {
				t.Errorf("schema %s", got)
			}
			d.found(strings.Replace(s.text(), "with: {", "with: {"+caret, 1), diag.Warning, diag.CodeAssumed, name, "ignored")
		})
	}
	for _, name := range []string{"Accept", "user-agent"} {
		t.Run("may be supplied: "+name, func(t *testing.T) {
			t.Parallel()
			d := sample{ops: "{name: get, inputParameters: [{name: " + name + ", in: header, required: true}]}"}.load(t)
			d.calls(`{}`, "GET https://api.test/x")
			d.calls(`{"`+name+`":"v"}`, "GET https://api.test/x\n"+name+": v")
			if got := schemaOf(t, d); strings.Contains(got, "required") {
				t.Errorf("schema %s", got)
			}
		})
	}
	t.Run("may be supplied: Content-Type", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: "{name: get, method: POST, inputParameters: [{name: content-type, in: header, required: true}, {name: a, in: body}]}"}.load(t)
		d.calls(`{"a":1}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"a":1}`)
		d.calls(`{"a":1,"content-type":"application/x+json"}`, "POST https://api.test/x\ncontent-type: application/x+json\n\n"+`{"a":1}`)
		d.calls(`{"content-type":"application/x+json"}`, "POST https://api.test/x")
	})
	t.Run("only headers", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: "{name: get, inputParameters: [{name: Host, in: query, required: true}]}"}.load(t)
		d.calls(`{"Host":"h"}`, "GET https://api.test/x?Host=h")
		d.sent = nil
		_, err := d.tool("op", "{}")
		d.fails(err, "Host")
	})
}
