package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
)

// C1: where operations come from.
func TestC1(t *testing.T) {
	t.Parallel()
	t.Run("root and capability, one namespace in several entries", func(t *testing.T) {
		t.Parallel()
		s := sample{
			root: "consumes:\n- {namespace: api, baseUri: 'https://two.test', resources: [{path: /y, operations: [{name: two}]}]}\n" +
				"- {namespace: third, baseUri: 'https://three.test', resources: [{path: /z, operations: [{name: three}]}]}\n",
			rest:  "{name: op, call: api.get}",
			tools: "{name: op, call: api.two}, {name: three, call: third.three}",
		}
		d := s.load(t)
		d.quiet()
		d.sends("", "GET https://api.test/x")
		d.calls("{}", "GET https://two.test/y")
		if _, err := d.tool("three", "{}"); err != nil {
			t.Fatal(err)
		}
		d.wired("GET https://three.test/z")
	})
	t.Run("an entry without a base URI serves nothing", func(t *testing.T) {
		t.Parallel()
		s := sample{
			root: "consumes:\n- {namespace: bare, resources: [{path: /y, operations: [{name: get}]}]}\n",
			rest: "{name: op, call: " + caret + "bare.get}, {name: other, method: POST, call: api.get}", tools: "-",
		}
		s.load(t).refused(s.text(), diag.CodeUnresolvedNamespace, "bare", "api")
	})
	for method, want := range map[string]string{"": "GET", "method: delete, ": "DELETE", "method: HEAD, ": "HEAD", "method: Options, ": "OPTIONS", "method: PURGE, ": "PURGE"} {
		t.Run("method "+method, func(t *testing.T) {
			t.Parallel()
			d := sample{ops: "{" + method + "name: get}"}.load(t)
			d.quiet()
			d.sends("", want+" https://api.test/x")
			d.calls("{}", want+" https://api.test/x")
		})
	}
	t.Run("refused: no method", func(t *testing.T) {
		t.Parallel()
		s := sample{ops: "{name: get, method: " + caret + "GET it}"}
		s.load(t).refused(s.text(), diag.CodeMethod, "GET it")
	})
}

// C2: how resource and operation path make one path.
func TestC2(t *testing.T) {
	t.Parallel()
	const other = ", {name: other, method: POST, path: /x/y}" // makes the namespace replacing
	for _, x := range []struct{ name, resource, operation, others, want string }{
		{"no operation path", "/x", "", "", "/x"},
		{"appending", "/2", "path: /tweets", "", "/2/tweets"},
		{"appending a placeholder", "/sobjects", `path: "/{id}"`, "", "/sobjects/1"},
		{"appending without a slash", "/v1/processes", `path: ":list"`, "", "/v1/processes:list"},
		{"appending to a trailing slash", "/x/", "path: /y", "", "/x/y"},
		{"appending /", "/x", "path: /", "", "/x"},
		{"appending / keeps a trailing slash", "/x/", "path: /", "", "/x/"},
		{"appending nothing", "/x", "path: ''", "", "/x"},
		{"replacing: equal", "/x", "path: /x", "", "/x"},
		{"replacing: continued", "/x", "path: /x/z", "", "/x/z"},
		{"replacing by another operation of the namespace", "/x", "path: /z", other, "/z"},
		{"replacing /", "/x", "path: /", other, "/"},
		{"replacing, no operation path", "/x", "", other, "/x"},
		{"not replacing: a longer word", "/x", "path: /xy", "", "/x/xy"},
		{"resource /", "/", "path: /x", "", "/x"},
		{"resource / does not make a namespace replacing", "/", "path: /x", "", "/x"},
		{"resource empty", "", "path: /x", "", "/x"},
		{"resource absent", "-", "path: /x", "", "/x"},
		{"operation path without a slash", "-", "path: x", "", "/x"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			text := sample{path: x.resource, ops: "{name: get, " + x.operation + "}" + x.others}.text()
			if x.resource == "" {
				text = strings.Replace(text, `path: "/x", operations`, `path: "", operations`, 1)
			}
			d := load(t, text)
			d.quiet()
			d.sends("id=1", "GET https://api.test"+x.want)
			d.calls(`{"id":"1"}`, "GET https://api.test"+x.want)
		})
	}
	t.Run("decided by namespace", func(t *testing.T) {
		t.Parallel()
		// The resource / of one entry and the operation path / of another do not count.
		d := sample{
			root: "consumes:\n- {namespace: two, baseUri: 'https://two.test', resources: [{path: /a, operations: [{name: a, path: /a/b}, {name: get, path: /c}]}]}\n" +
				"- {namespace: three, baseUri: 'https://three.test', resources: [{path: /, operations: [{name: a, path: /x}]}, {path: /b, operations: [{name: b, path: /}, {name: get, path: /c}]}]}\n",
			rest: "{name: op, call: two.get}", tools: "{name: op, call: three.get}",
		}.load(t)
		d.sends("", "GET https://two.test/c")
		d.calls("{}", "GET https://three.test/b/c")
	})
	t.Run("refused: no path", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "-", ops: caret + "{name: get}"}
		s.load(t).refused(s.text(), diag.CodeNoPath, "api.get", "path")
	})
	t.Run("refused: alternatives", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/v1/s-(a" + caret + "|b)"}
		s.load(t).refused(s.text(), diag.CodePathAlternatives, "alternatives", "one operation for each")
	})
}

// C3: whether a reference of the path is an input or a variable.
func TestC3(t *testing.T) {
	t.Parallel()
	const param = "{name: get, inputParameters: [{name: %s, in: path}]}"
	for _, x := range []struct{ name, binds, path, ops, want string }{
		{"{x}", "", "/x/{id}", "", "in"},
		{"{{x}}", "", "/x/{{id}}", "", "in"},
		{"{{ x }}", "", "/x/{{ id }}", "", "in"},
		{"{{tools.x}}", "", "/x/{{tools.id}}", "", "in"},
		{"{x} declared", "", "/x/{id}", fmt.Sprintf(param, "id"), "in"},
		{"{x} and a bind key", "id: KEY", "/x/{id}", "", "val-KEY"},
		{"{X} in capitals", "", "/x/{ID}", "", "in"},
		{"{{X}} in capitals and a bind key", "ID: KEY", "/x/{{ID}}", "", "val-KEY"},
		{"{{env.X}}", "ID: KEY", "/x/{{env.ID}}", "", "val-KEY"},
		{"<<env.X>>", "ID: KEY", "/x/<<env.ID>>", "", "val-KEY"},
		{"${X}", "ID: KEY", "/x/${ID}", "", "val-KEY"},
		{"{x} declared and a bind key", "id: KEY", "/x/{id}", fmt.Sprintf(param, "id"), "in"},
		{"{{X}} declared and a bind key", "ID: KEY", "/x/{{ID}}", fmt.Sprintf(param, "ID"), "in"},
		{"{{X}} declared in capitals", "", "/x/{{ID}}", fmt.Sprintf(param, "ID"), "in"},
		{"a name with a hyphen", "", "/x/{item-id}", "", "in"},
		{"a name with a dot", "", "/x/{id.project}", fmt.Sprintf(param, "id.project"), "in"},
		{"a declared name that begins with a prefix", "", "/x/{params.id}", fmt.Sprintf(param, "params.id"), "in"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			d := sample{binds: x.binds, path: x.path, ops: x.ops}.load(t)
			d.quiet()
			all := `{"id":"in","ID":"in","item-id":"in","id.project":"in","params.id":"in"}`
			if strings.Contains(x.name, "tools") { // the others must not reach it by letters and digits
				all = `{"id":"in"}`
			}
			if x.want != "in" {
				all = "{}"
			}
			d.calls(all, "GET https://api.test/x/"+x.want)
		})
	}
	t.Run("two in one segment", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/x/geo:{lat};{lng}/range(address='{a}').json"}.load(t)
		d.quiet()
		d.sends("lat=1.5&lng=-2&a=A1:B2", "GET https://api.test/x/geo:1.5;-2/range(address='A1%3AB2').json")
	})
	t.Run("one placeholder twice", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/x/{id}/y/{id}"}.load(t)
		d.quiet()
		d.sends("id=1", "GET https://api.test/x/1/y/1")
	})
	t.Run("refused: a variable without a declaration", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/x/" + caret + "{{ID}}"}
		s.load(t).refused(s.text(), diag.CodeUndeclaredVariable, "ID")
	})
}

// C4: fragments.
func TestC4(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, path, want, says string }{
		{"header", "/#X-Amz-Target=Route53.Get+It", "/\nX-Amz-Target: Route53.Get+It", "constant header"},
		{"header, lower case", "/y#x-op=%41", "/y\nx-op: %41", "constant header"},
		{"query pair", "/#Action=AttachInstances", "/?Action=AttachInstances", "constant query"},
		{"query pair beside others", "/?a=1#Action=B", "/?Action=B&a=1", "constant query"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			s := sample{path: strings.Replace(x.path, "#", caret+"#", 1)}
			d := s.load(t)
			d.found(s.text(), diag.Warning, diag.CodePathFragment, x.says)
			if d.list.HasErrors() {
				t.Errorf("refused: %v", d.list)
			}
			d.sends("", "GET https://api.test"+x.want)
			d.calls("{}", "GET https://api.test"+x.want)
		})
	}
	t.Run("a parameter of the same name is dropped", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/#X-Op=v", ops: "{name: get, inputParameters: [{name: x-op, in: header, required: true}, {name: X-Op, in: query}]}"}.load(t)
		d.calls(`{"x-op":"evil"}`, "GET https://api.test/?X-Op=evil\nX-Op: v")
		d = sample{path: "/#Action=v", ops: "{name: get, inputParameters: [{name: Action, in: query, required: true}]}"}.load(t)
		d.calls(`{"Action":"evil"}`, "GET https://api.test/?Action=v")
		if got := schemaOf(t, d); strings.Contains(got, "Action") {
			t.Errorf("schema %s", got)
		}
	})
	for _, path := range []string{"/#DeleteDBCluster", "/{Bucket}#cors", "/#clone+json", "/#", "/#=x"} {
		t.Run("refused: "+path, func(t *testing.T) {
			t.Parallel()
			s := sample{path: strings.Replace(path, "#", caret+"#", 1)}
			s.load(t).refused(s.text(), diag.CodePathFragment, "fragment", "never sent")
		})
	}
}

func schemaOf(t *testing.T, d *document) string {
	t.Helper()
	for _, e := range d.unit.Exposures {
		for _, x := range e.Tools {
			if x.Name == "op" {
				return string(x.InputSchema)
			}
		}
	}
	t.Fatal("no tool op")
	return ""
}

// C5: a query in the path.
func TestC5(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, path, want string }{
		{"pairs and a flag", "/x?a=b&flag&c=", "/x?a=b&flag=&c="},
		{"a flag alone", "/?PutRule", "/?PutRule="},
		{"a name twice", "/x?a=1&a=2", "/x?a=1&a=2"},
		{"encoded once", "/x?a=b%26c&d=1+2", "/x?a=b%26c&d=1+2"},
		{"empty pairs", "/x?&a=b&&", "/x?a=b"},
		{"a placeholder", "/x?comp=copy&copyid={id}", "/x?comp=copy&copyid=a%26b+c"},
		{"text around a placeholder", "/x?filter=id%3D{id}!", "/x?filter=id%3Da%26b+c%21"},
		{"a variable", "/x?key={{KEY}}", "/x?key=val-KEY"},
		{"a question mark in a value", "/x?a=b?c", "/x?a=b%3Fc"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			d := sample{binds: "KEY: KEY", path: x.path}.load(t)
			d.quiet()
			d.sends("id=a%26b+c", "GET https://api.test"+x.want)
			d.calls(`{"id":"a&b c"}`, "GET https://api.test"+x.want)
		})
	}
	t.Run("a parameter of the same name is dropped", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/x?a=b", ops: "{name: get, inputParameters: [{name: a, in: query, required: true}, {name: c, in: query}]}"}
		d := s.load(t)
		d.sends("a=evil&c=d", "GET https://api.test/x?a=b&c=d")
		d.calls(`{"a":"evil","c":"d"}`, "GET https://api.test/x?a=b&c=d")
		if got := schemaOf(t, d); strings.Contains(got, `"a"`) {
			t.Errorf("schema %s", got)
		}
	})
	t.Run("a placeholder needs a value", func(t *testing.T) {
		t.Parallel()
		d := sample{path: "/x?id={id}"}.load(t)
		_, err := d.tool("op", "{}")
		d.fails(err, `"id" is required`)
	})
	t.Run("in the base URI", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "KEY: KEY", base: "https://api.test/v1?format=json&key={{KEY}}"}.load(t)
		d.sends("", "GET https://api.test/v1/x?format=json&key=val-KEY")
	})
}

// C6: an in:path parameter that has no place.
func TestC6(t *testing.T) {
	t.Parallel()
	s := sample{path: "/webhooks", ops: "{name: suspend, method: POST, inputParameters: [" + caret + "{name: id, in: path}]}, {name: get, method: PUT}", rest: "{name: op, call: api.suspend}", tools: "{name: op, call: api.suspend}, {name: good, call: api.get}"}
	d := s.load(t)
	d.refused(s.text(), diag.CodePathParamWithoutSlot, "id", "POST /webhooks", "put {id}")
	if _, err := d.tool("good", "{}"); err != nil {
		t.Errorf("its neighbour is refused: %v", err)
	}
	t.Run("of the resource", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/webhooks", ops: "{name: get}"}
		text := strings.Replace(s.text(), "operations: [", "inputParameters: ["+caret+"{name: id, in: path}], operations: [", 1)
		load(t, strings.Replace(text, caret, "", 1)).refused(text, diag.CodePathParamWithoutSlot, "id", "GET /webhooks")
	})
	for name, s := range map[string]sample{
		"a placeholder of the path":     {path: "/x/{id}"},
		"another spelling":              {path: "/x/{ID}"},
		"inside a segment":              {path: "/x/{id}.json"},
		"in the query of the path":      {path: "/x?i={id}"},
		"a placeholder of the base URI": {base: "https://api.test/{id}"},
		"filled by authentication":      {path: "/x/{id}", api: "authentication: {type: apikey, in: path, key: id, value: v}"},
	} {
		t.Run("served: "+name, func(t *testing.T) {
			t.Parallel()
			s.ops = "{name: get, inputParameters: [{name: id, in: path}]}"
			s.load(t).quiet()
		})
	}
}

// C6b: the sub-path that a generator lost is suggested.
func TestC6b(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, method, path, suggest string }{
		{"get-webhook", "GET", "/v1/webhooks", "/v1/webhooks/{id}"},
		{"update_webhook", "PUT", "/v1/webhooks/", "/v1/webhooks/{id}"},
		{"patch-category", "PATCH", "/categories", "/categories/{id}"},
		{"delete-team-member", "DELETE", "/team_members", "/team_members/{id}"},
		{"get-address", "GET", "/addresses", "/addresses/{id}"},
		{"getWebhook", "GET", "/webhooks", "/webhooks/{id}"},
		{"get-webhook", "POST", "/webhooks", ""},
		{"list-webhooks", "GET", "/webhooks", ""},
		{"suspend-service", "GET", "/webhooks", ""},
		{"webhook", "GET", "/webhooks", ""},
	} {
		t.Run(x.method+" "+x.name+" "+x.path, func(t *testing.T) {
			t.Parallel()
			s := sample{
				path: x.path, ops: "{name: " + x.name + ", method: " + x.method + ", inputParameters: [" + caret + "{name: id, in: path}]}",
				rest: "{name: op, call: api." + x.name + "}", tools: "-",
			}
			d := s.load(t)
			d.refused(s.text(), diag.CodePathParamWithoutSlot)
			f := d.list[0]
			if x.suggest != "" && (f.Rule != "C6b" || !strings.HasPrefix(f.Hint, "write path: "+x.suggest+" into operation ")) || x.suggest == "" && (f.Rule != "C6" || strings.Contains(f.Hint, "write path")) {
				t.Errorf("rule %s, hint %q", f.Rule, f.Hint)
			}
		})
	}
}

// C7: operations of different names that would send the same request.
func TestC7(t *testing.T) {
	t.Parallel()
	both := func(a, b string) sample {
		return sample{path: "-", ops: a + ", " + b, rest: "{name: op, call: api.a}", tools: "{name: op, call: api.b}"}
	}
	for name, s := range map[string]sample{
		"the same":                        both(caret+"{name: a, method: POST, path: /x}", "{name: b, method: POST, path: /x}"),
		"spelling of placeholders":        both(caret+`{name: a, path: "/x/{userId}"}`, `{name: b, path: "/x/{{user_id}}"}`),
		"default method":                  both(caret+"{name: a, path: /x}", "{name: b, method: get, path: /x}"),
		"order of parameters":             both(caret+"{name: a, path: /x, inputParameters: [{name: p, in: query}, {name: q, in: query}]}", "{name: b, path: /x, inputParameters: [{name: q, in: query}, {name: p, in: query}]}"),
		"declared placeholders":           both(caret+`{name: a, path: "/x/{p}"}`, `{name: b, path: "/x/{p}", inputParameters: [{name: p, in: path}]}`),
		"two readers of a GET":            both(caret+"{name: listA, path: /x}", "{name: searchA, path: /x}"),
		"readers that do not read by GET": both(caret+"{name: a, method: POST, path: /x}", "{name: list-a, method: POST, path: /x}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(s.ops, "listA") {
				s.rest, s.tools = "{name: op, call: api.listA}", "{name: op, call: api.searchA}"
			}
			if strings.Contains(s.ops, "list-a") {
				s.tools = "{name: op, call: api.list-a}"
			}
			d := s.load(t)
			d.refused(s.text(), diag.CodeIndistinguishable, "sends the same request as", "its own path, parameters or body")
		})
	}
	for name, s := range map[string]sample{
		"method":         both("{name: a, path: /x}", "{name: b, method: HEAD, path: /x}"),
		"path":           both("{name: a, path: /x}", "{name: b, path: /y}"),
		"trailing slash": both("{name: a, path: /x}", "{name: b, path: /x/}"),
		"a parameter":    both("{name: a, path: /x}", "{name: b, path: /x, inputParameters: [{name: p, in: query}]}"),
		"its place":      both("{name: a, path: /x, inputParameters: [{name: p, in: header}]}", "{name: b, path: /x, inputParameters: [{name: p, in: query}]}"),
		"its value":      both("{name: a, path: /x, inputParameters: [{name: p, in: query, value: 1}]}", "{name: b, path: /x, inputParameters: [{name: p, in: query, value: 2}]}"),
		"constant query": both("{name: a, path: '/x?o=1'}", "{name: b, path: '/x?o=2'}"),
		"constant head":  both("{name: a, path: '/x#X-O=1'}", "{name: b, path: '/x#X-O=2'}"),
		"body template":  both("{name: a, method: POST, path: /x, body: {data: {o: 1}}}", "{name: b, method: POST, path: /x, body: {data: {o: 2}}}"),
		"the same name":  both("{name: a, path: /x}", "{name: a, path: /x}, {name: b, path: /y}"),
	} {
		t.Run("told apart by "+name, func(t *testing.T) {
			t.Parallel()
			d := s.load(t)
			if d.list.HasErrors() {
				t.Errorf("got %v", d.list)
			}
		})
	}
	t.Run("told apart by base URI", func(t *testing.T) {
		t.Parallel()
		s := both("{name: a, path: /x}", "{name: other, path: /y}")
		s.root = "consumes:\n- {namespace: api, baseUri: 'https://two.test', resources: [{operations: [{name: b, path: /x}]}]}\n"
		d := s.load(t)
		d.quiet()
		d.sends("", "GET https://api.test/x")
		d.calls("{}", "GET https://two.test/x")
	})
	for _, reader := range []string{"listA", "search-a", "Browse_a", "queryA"} {
		t.Run("the only reader of a GET is served: "+reader, func(t *testing.T) {
			t.Parallel()
			s := both("{name: exportA, path: /x}", "{name: "+reader+", path: /x}, {name: getA, path: /x}")
			s.rest, s.tools = "{name: op, call: api.exportA}", "{name: op, call: api."+reader+"}"
			d := s.load(t)
			d.found(strings.Replace(s.text(), "{name: "+reader, caret+"{name: "+reader, 1), diag.Warning, diag.CodeSharedWireForm, reader)
			d.calls("{}", "GET https://api.test/x")
			d.sent = nil
			_, err := d.rest("op", nil, "", "")
			d.fails(err, string(diag.CodeIndistinguishable))
		})
	}
	t.Run("every one of them is refused", func(t *testing.T) {
		t.Parallel()
		s := both("{name: a, method: POST, path: /x}", "{name: b, method: POST, path: /x}, {name: c, method: POST, path: /x}, {name: d, method: POST, path: /y}")
		s.tools = "{name: op, call: api.b}, {name: c, call: api.c}, {name: d, call: api.d}"
		d := s.load(t)
		for _, name := range []string{"op", "c"} {
			_, err := d.tool(name, "{}")
			d.fails(err, string(diag.CodeIndistinguishable))
		}
		if _, err := d.tool("d", "{}"); err != nil {
			t.Error(err)
		}
		if r := d.list[0].Related; len(r) < 2 || !r[0].Span.Start.IsValid() {
			t.Errorf("the others are not named: %v", r)
		}
	})
}

// C8: the joint of base path and path.
func TestC8(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ base, path, want string }{
		{"https://api.test", "/x", "/x"},
		{"https://api.test/", "/x", "/x"},
		{"https://api.test/v1", "/x", "/v1/x"},
		{"https://api.test/v1/", "/x", "/v1/x"},
		{"https://api.test/v1/", "x", "/v1/x"},
		{"https://api.test/v1", "x", "/v1/x"},
		{"https://api.test/v1", "/v1/x", "/v1/v1/x"},
		{"https://api.test/v1", "/x/", "/v1/x/"},
		{"https://api.test/v1", "/a//b/../c/./d", "/v1/a//b/../c/./d"},
		{"https://api.test/v1", "/a%2Fb%zz c", "/v1/a%2Fb%25zz%20c"},
		{"https://api.test/v 1/é", "/x", "/v%201/%C3%A9/x"},
		{"https://api.test", "/", "/"},
		{"https://api.test/", "", "/"},
		{"https://api.test", "", "/"},
		{"https://api.test/v1", "", "/v1"},
		{"https://api.test/v1/", "", "/v1/"},
		{"https://api.test/v1", "/", "/v1/"},
		{"https://api.test", "?a=b", "/?a=b"},
	} {
		t.Run(x.base+" + "+x.path, func(t *testing.T) {
			t.Parallel()
			text := sample{base: x.base, path: x.path}.text()
			if x.path == "" {
				text = strings.Replace(text, `path: "/x", operations`, `path: "", operations`, 1)
			}
			d := load(t, text)
			d.quiet()
			d.sends("", "GET https://api.test"+x.want)
			d.calls("{}", "GET https://api.test"+x.want)
		})
	}
}
