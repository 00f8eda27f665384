package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
)

// calling is a sample whose operation and tool op call what is given. The other operations let
// several namespaces and names exist.
func calling(target string) sample {
	return sample{rest: "{name: op, call: " + target + "}", tools: "{name: op, call: " + target + "}"}
}

// reads checks that the call is understood as another one, with a warning at its place, and
// what it sends.
func (s sample) reads(t *testing.T, target, as, want string) {
	t.Helper()
	d := s.load(t)
	text := strings.Replace(s.text(), "call: "+target, "call: "+caret+target, 1)
	d.found(text, diag.Warning, diag.CodeApproximateName, target, as)
	if d.list.HasErrors() {
		t.Errorf("refused: %v", d.list)
	}
	d.sends("", want)
	d.calls("{}", want)
}

// K1: the longest consumed namespace, and the operation of that very name.
func TestK1(t *testing.T) {
	t.Parallel()
	const entry = "- {namespace: %, baseUri: 'https://%.test', resources: [{path: /y, operations: [{name: get}, {name: list.all}]}]}\n"
	several := "consumes:\n" + strings.ReplaceAll(entry, "%", "openapi.yml") + strings.ReplaceAll(entry, "%", "openapi")
	for _, x := range []struct{ target, want string }{
		{"api.get", "https://api.test/x"},
		{"openapi.yml.get", "https://openapi.yml.test/y"},
		{"openapi.yml.list.all", "https://openapi.yml.test/y"},
		{"openapi.list.all", "https://openapi.test/y"},
	} {
		t.Run(x.target, func(t *testing.T) {
			t.Parallel()
			s := calling(x.target)
			s.root = strings.ReplaceAll(several, "{name: get}, {name: list.all}", "{name: get}, {name: list.all, method: POST}")
			d := s.load(t)
			d.quiet()
			method := "GET "
			if strings.HasSuffix(x.target, "list.all") {
				method = "POST "
			}
			d.sends("", method+x.want)
			d.calls("{}", method+x.want)
		})
	}
	t.Run("exact before similar", func(t *testing.T) {
		t.Parallel()
		s := calling("api.getItem")
		s.ops = "{name: get-item, path: /a}, {name: getItem, path: /b}, {name: getitem, path: /c}"
		d := s.load(t)
		d.quiet()
		d.calls("{}", "GET https://api.test/x/b")
	})
	t.Run("any name", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"get-plans-{plan-id}", "Product_Get", "#X-Amz-Target=a.b", "get--v1", "löschen"} {
			s := calling(`"api.` + name + `"`)
			s.ops = `{name: "` + name + `"}`
			d := s.load(t)
			d.quiet()
			d.calls("{}", "GET https://api.test/x")
		}
	})
	t.Run("refused: not there", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret + "list-notes")
		s.ops = "{name: get-notes}, {name: list-note, path: /y}"
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation, "api", "list-notes", "did you mean api.list-note?")
	})
	t.Run("refused: nothing near", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret + "quite-another")
		s.ops = "{name: a}, {name: b, path: /b}, {name: c, path: /c}, {name: d, path: /d}, {name: e, path: /e}"
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation, "it has a, b, c, d and 1 more")
	})
	t.Run("refused: no operation in the call", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret)
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation, "api has no operation")
	})
}

// K2: an operation that has only an id.
func TestK2(t *testing.T) {
	t.Parallel()
	s := calling("api.list-theatres")
	s.ops = "{id: list-theatres}"
	s.reads(t, "api.list-theatres", "only an id", "GET https://api.test/x")
	t.Run("a name before an id", func(t *testing.T) {
		t.Parallel()
		s := calling("api.a")
		s.ops = "{id: a, path: /id}, {name: a, path: /name}"
		d := s.load(t)
		d.quiet()
		d.calls("{}", "GET https://api.test/x/name")
	})
	t.Run("the id of an operation with a name does not count", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret + "theatres")
		s.ops = "{id: theatres, name: other}"
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation, "it has other")
	})
	t.Run("an id before a similar name", func(t *testing.T) {
		t.Parallel()
		s := calling("api.list-a")
		s.ops = "{name: listA, path: /name}, {id: list-a, path: /id}"
		s.reads(t, "api.list-a", "only an id", "GET https://api.test/x/id")
	})
}

// K3: the only name that is equal by letters and digits.
func TestK3(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ target, name string }{{"api.listnotes", "list-notes"}, {"api.get--v1-activity", "get-v1-activity"}, {"api.ListNotes", "list_notes"}} {
		t.Run(x.target, func(t *testing.T) {
			t.Parallel()
			s := calling(x.target)
			s.ops = "{name: " + x.name + "}"
			s.reads(t, x.target, x.name, "GET https://api.test/x")
		})
	}
	t.Run("an id", func(t *testing.T) {
		t.Parallel()
		s := calling("api.listnotes")
		s.ops = "{id: list-notes}"
		s.reads(t, "api.listnotes", "list-notes", "GET https://api.test/x")
	})
	t.Run("refused: several", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret + "listnotes")
		s.ops = "{name: list-notes, path: /a}, {name: list_notes, path: /b}"
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation, "listnotes")
	})
	t.Run("refused: nothing but marks", func(t *testing.T) {
		t.Parallel()
		s := calling("api." + caret + "--")
		s.ops = "{name: __}"
		s.load(t).refused(s.text(), diag.CodeUnresolvedOperation)
	})
}

const second = "consumes:\n- {namespace: two, baseUri: 'https://two.test', resources: [{path: /y, operations: [{name: get}, {name: only, path: /o}]}]}\n"

// K4: the adapter's own namespace, and the operation in exactly one.
func TestK4(t *testing.T) {
	t.Parallel()
	s := sample{root: second, rest: "{name: op, call: web.only}", tools: "{name: op, call: api.get}"}
	d := s.load(t)
	d.found(strings.Replace(s.text(), "call: ", "call: "+caret, 1), diag.Warning, diag.CodeApproximateName, "web.only", "two.only", "write call: two.only")
	d.sends("", "GET https://two.test/y/o")
	t.Run("a tool", func(t *testing.T) {
		t.Parallel()
		s := sample{root: second, tools: "{name: op, call: agent.only}"}
		s.load(t).calls("{}", "GET https://two.test/y/o")
	})
	t.Run("a namespace with a dot", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(sample{root: second, rest: "{name: op, call: my.web.only}"}.text(), "namespace: web", "namespace: my.web", 1)
		load(t, text).sends("", "GET https://two.test/y/o")
	})
	t.Run("consumed namespaces go first", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(sample{root: second, rest: "{name: op, call: two.get}"}.text(), "namespace: web", "namespace: two", 1)
		d := load(t, text)
		d.quiet()
		d.sends("", "GET https://two.test/y")
	})
	for name, s := range map[string]sample{
		"in several":                      {root: second, rest: "{name: op, call: " + caret + "web.get}"},
		"in none":                         {root: second, rest: "{name: op, call: " + caret + "web.other}"},
		"another adapter's own":           {root: second, rest: "{name: op, call: " + caret + "agent.only}"},
		"similar is not enough":           {root: second, rest: "{name: op, call: " + caret + "web.Only}"},
		"a namespace that only begins so": {root: second, rest: "{name: op, call: " + caret + "webs.only}"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			s.tools = "-"
			s.load(t).refused(s.text(), diag.CodeUnresolvedNamespace, "is not consumed in this document", "api, two")
		})
	}
}

// K5: one consumed namespace, and one other in all calls.
func TestK5(t *testing.T) {
	t.Parallel()
	s := sample{
		ops: "{name: get}, {name: put, path: /p}", rest: "{name: op, call: other.get}, {name: b, method: POST, call: other.put}", tools: "{name: op, call: other.get}",
	}
	s.reads(t, "other.get", "api.get", "GET https://api.test/x")
	for name, x := range map[string]struct {
		s    sample
		code diag.Code
		word string
	}{
		"several consumed":  {sample{root: second, rest: "{name: op, call: " + caret + "other.get}", tools: "-"}, diag.CodeUnresolvedNamespace, "it consumes api, two"},
		"several called":    {sample{rest: "{name: op, call: " + caret + "other.get}", tools: "{name: t, call: third.get}"}, diag.CodeUnresolvedNamespace, "api"},
		"one call is right": {sample{rest: "{name: op, call: " + caret + "other.get}", tools: "{name: t, call: api.get}"}, diag.CodeUnresolvedNamespace, "api"},
		"not there":         {sample{rest: "{name: op, call: " + caret + "other.quite}", tools: "-"}, diag.CodeUnresolvedNamespace, "other"},
		"a near miss":       {sample{root: second, rest: "{name: op, call: " + caret + "apis.get}", tools: "-"}, diag.CodeUnresolvedNamespace, "did you mean api?"},
		"no namespace":      {sample{ops: "{id: get}", rest: "{name: op, call: " + caret + "get}", tools: "-"}, diag.CodeUnresolvedNamespace, "get"},
		"imported": {sample{root: "imports: [{from: ./other.yml, namespace: other}]\n", rest: "{name: op, call: " + caret + "other.quite}", tools: "-"},
			diag.CodeUnresolvedImport, "./other.yml"},
		"with imports": {sample{root: "imports: [./some.yml]\n", rest: "{name: op, call: " + caret + "other.quite}", tools: "-"}, diag.CodeUnresolvedImport, "imported"},
		"no call":      {sample{rest: caret + "{name: op}", tools: "-"}, diag.CodeNoCall, "write call: namespace.operation"},
		"null":         {sample{rest: caret + "{name: op, call: null}", tools: "-"}, diag.CodeNoCall, "does not say what it calls"},
		"operation":    {sample{rest: "-", tools: "{name: op, operation: " + caret + "api.get}"}, diag.CodeUnsupportedCallForm, "write call: namespace.operation"},
		"calls":        {sample{rest: "-", tools: "{name: op, calls: " + caret + "[{capability: api.x.get}]}"}, diag.CodeUnsupportedCallForm, "form nobody defines"},
		"a mapping":    {sample{rest: "{name: op, call: " + caret + "{operation: api.get}}", tools: "-"}, diag.CodeUnsupportedCallForm, "not a string"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			d := x.s.load(t)
			d.found(x.s.text(), diag.Error, x.code, x.word)
			var err error
			if x.s.rest == "-" {
				_, err = d.tool("op", "{}")
			} else {
				_, err = d.rest("op", nil, "", "")
			}
			d.fails(err, string(x.code))
		})
	}
	t.Run("nothing consumed", func(t *testing.T) {
		t.Parallel()
		text := "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - {type: mcp, port: 1, namespace: agent, tools: [{name: op, call: " + caret + "api.get}]}\n"
		load(t, strings.Replace(text, caret, "", 1)).refused(text, diag.CodeUnresolvedNamespace, "consumes nothing")
	})
	t.Run("a rejected operation does not block the rest", func(t *testing.T) {
		t.Parallel()
		d := sample{rest: "{name: bad}, {name: op, method: POST, call: api.get}"}.load(t)
		d.sends("", "GET https://api.test/x")
	})
}

// K6: several operations of one name.
func TestK6(t *testing.T) {
	t.Parallel()
	t.Run("identical", func(t *testing.T) {
		t.Parallel()
		d := sample{ops: `{name: get, path: "/{a}"}, {name: get, path: "/{{A}}"}`}.load(t)
		if d.list.HasErrors() {
			t.Errorf("got %v", d.list)
		}
		d.calls(`{"a":"1"}`, "GET https://api.test/x/1")
	})
	several := sample{path: "-", ops: `{name: get, path: "/x/{id}"}, {name: get, path: "/x/{id}/y"}, {name: get, method: POST, path: "/x/{id}"}`}
	for _, x := range []struct{ name, route, method, want string }{
		{"path", "/x/{it}/y", "GET", "GET https://api.test/x/7/y"},
		{"path, other placeholders", "/x/{{itemId}}", "GET", "GET https://api.test/x/7"},
		{"method", "/x/{id}", "POST", "POST https://api.test/x/7"},
	} {
		t.Run("REST, "+x.name, func(t *testing.T) {
			t.Parallel()
			s := several
			s.route, s.rest, s.tools = x.route, "{name: op, method: "+x.method+", call: api.get}", "-"
			d := s.load(t)
			d.found(strings.Replace(s.text(), "call: ", "call: "+caret, 1), diag.Warning, diag.CodeApproximateName, "3 operations", "exposed method and path")
			if _, err := d.rest("op", []string{"7"}, "", ""); err != nil {
				t.Fatal(err, d.list)
			}
			d.wired(x.want)
		})
	}
	t.Run("refused: REST with another path", func(t *testing.T) {
		t.Parallel()
		s := several
		s.route, s.rest, s.tools = "/z/{id}", "{name: op, call: "+caret+"api.get}", "-"
		s.load(t).refused(s.text(), diag.CodeAmbiguousOperation, "3 different operations", "a name of its own")
	})
	t.Run("refused: REST with another method", func(t *testing.T) {
		t.Parallel()
		s := several
		s.route, s.rest, s.tools = "/x/{id}", "{name: op, method: PUT, call: "+caret+"api.get}", "-"
		s.load(t).refused(s.text(), diag.CodeAmbiguousOperation, "3 different operations")
	})
	t.Run("refused: a tool", func(t *testing.T) {
		t.Parallel()
		s := several
		s.rest, s.tools = "-", "{name: op, call: "+caret+"api.get}"
		d := s.load(t)
		d.refused(s.text(), diag.CodeAmbiguousOperation, "api.get names 3 different operations")
		if r := d.list[len(d.list)-1].Related; len(r) != 4 {
			t.Errorf("related places: %v", r)
		}
	})
}
