package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/plan"
)

// pattern writes a route's segments: literals as they are, placeholders as {n}.
func pattern(r *plan.Route) string {
	var b strings.Builder
	for _, s := range r.Segments {
		b.WriteByte('|')
		for _, p := range s {
			if p.Param < 0 {
				b.WriteString(p.Literal)
			} else {
				fmt.Fprintf(&b, "{%d}", p.Param)
			}
		}
	}
	return b.String()
}

// X1: what a route is made of.
func TestX1(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, resource, operation, method, path, segments, params string }{
		{"resource path", "/v1/rooms", "", "GET", "/v1/rooms", "|v1|rooms", "[]"},
		{"both paths", "/v1/rooms", "/{id}", "GET", "/v1/rooms/{id}", "|v1|rooms|{0}", "[id]"},
		{"both paths, one slash at the joint", "/v1/", "/rooms", "GET", "/v1/rooms", "|v1|rooms", "[]"},
		{"operation path alone", "", "/rooms", "GET", "/rooms", "|rooms", "[]"},
		{"slash in front", "token", "", "GET", "/token", "|token", "[]"},
		{"nothing", "", "", "GET", "/", "|", "[]"},
		{"trailing slash", "/custom_policy/", "", "GET", "/custom_policy/", "|custom_policy|", "[]"},
		{"double braces", "/invoices/{{invoice_id}}", "", "GET", "/invoices/{{invoice_id}}", "|invoices|{0}", "[invoice_id]"},
		{"placeholders in a part of a segment", "/{id}.json/act_{n}:run/range(address='{a}')", "", "GET", "/{id}.json/act_{n}:run/range(address='{a}')", "|{0}.json|act_{1}:run|range(address='{2}')", "[id n a]"},
		{"two placeholders in a segment", "/{a}-{b}", "", "GET", "/{a}-{b}", "|{0}-{1}", "[a b]"},
		{"escapes stand for their character", "/a%20b/c%2Fd", "", "GET", "/a%20b/c%2Fd", "|a b|c/d", "[]"},
		{"a fragment is literal", "/v1/#DeleteCluster", "", "GET", "/v1/#DeleteCluster", "|v1|#DeleteCluster", "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			params := ""
			for _, p := range []string{"id", "n", "a", "b", "invoice_id"} {
				params += "{name: " + p + ", in: query}, "
			}
			d := load(t, (&clause{
				api:  `{path: /x, operations: [{name: get, inputParameters: [` + strings.TrimSuffix(params, ", ") + `]}]}`,
				rest: fmt.Sprintf(`{path: %q, operations: [{name: r, path: %q, call: api.get}]}`, c.resource, c.operation),
			}).text())
			r := d.route("r")
			if r.Method != c.method || r.Path != c.path || pattern(r) != c.segments || fmt.Sprint(r.Params) != c.params || len(r.Conditions) > 0 {
				t.Errorf("got %s %s, %s, %v, %v", r.Method, r.Path, pattern(r), r.Params, r.Conditions)
			}
			if len(d.list) > 0 || r.Operation == nil {
				t.Errorf("diagnostics: %v", d.list)
			}
		})
	}
	t.Run("method, port and name", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: `{path: /x, operations: [{name: get}]}`, rest: `{path: /r, operations: [{method: head, call: api.get}, {method: Post, name: r, description: D, call: api.get}]}`}).text())
		e := d.unit.Exposures[0]
		if e.Kind != plan.REST || e.Port != 8080 || e.Namespace != "rr" || len(e.Routes) != 2 {
			t.Fatalf("got %+v", e)
		}
		if a, b := e.Routes[0], e.Routes[1]; a.Method != "HEAD" || a.Name != "HEAD /r" || b.Method != "POST" || b.Name != "r" || b.Description != "D" {
			t.Errorf("got %+v and %+v", a, b)
		}
	})
}

// X2: the first declaration of a route wins.
func TestX2(t *testing.T) {
	t.Parallel()
	const api = `{path: "/x/{id}", operations: [{name: get}]}
- {path: /y, operations: [{name: list}]}`
	for _, c := range []struct{ name, rest, marks string }{
		{"same path", `{path: "/r/{id}", operations: [{name: r, call: api.get}, ⟦{name: again, call: api.get}]}`, "again"},
		{"names of placeholders do not count", "{path: \"/r/{id}\", operations: [{name: r, call: api.get}]}\n- {path: \"/r/{{other}}\", operations: [⟦{name: again, call: api.get}]}", "again"},
		{"a refused operation counts", `{path: "/r/{id}", operations: [{name: r, call: api.nope}, ⟦{name: again, call: api.get}]}`, "again"},
		{"the default method counts", `{path: "/r/{id}", operations: [{name: r, call: api.get}, ⟦{name: again, method: get, call: api.get}]}`, "again"},
		{"conditions in another order", "{path: \"/r?a=1&b=2\", operations: [{name: r, call: api.list}]}\n- {path: \"/r?b=2&a=1\", operations: [⟦{name: again, call: api.list}]}", "again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, mark := unmark((&clause{api: api, rest: c.rest}).text())
			d := load(t, text)
			found := false
			for _, x := range d.list {
				if x.Code != "duplicate-route" {
					continue
				}
				found = true
				if x.Rule != "X2" || x.Span.Start != mark.Start || x.Unit.Name != c.marks || len(x.Related) != 1 || x.Related[0].Span != d.route("r").Span {
					t.Errorf("got %+v, want it at %v", x, mark.Start)
				}
			}
			if !found || len(d.unit.Exposures[0].Routes) != 1 {
				t.Errorf("%d routes, diagnostics %v", len(d.unit.Exposures[0].Routes), d.list)
			}
		})
	}
	for _, c := range []struct{ name, rest string }{
		{"another method", `{path: "/r", operations: [{name: r, call: api.list}, {name: other, method: POST, call: api.list}]}`},
		{"another literal", "{path: \"/r/a\", operations: [{name: r, call: api.list}]}\n- {path: \"/r/b\", operations: [{name: other, call: api.list}]}"},
		{"another condition", "{path: \"/r?a=1\", operations: [{name: r, call: api.list}]}\n- {path: \"/r?a=2\", operations: [{name: other, call: api.list}]}"},
		{"a condition and none", "{path: \"/r?a=1\", operations: [{name: r, call: api.list}]}\n- {path: \"/r\", operations: [{name: other, call: api.list}]}"},
		{"a trailing slash", "{path: /r, operations: [{name: r, call: api.list}]}\n- {path: /r/, operations: [{name: other, call: api.list}]}"},
		{"an escaped slash", "{path: /r/a, operations: [{name: r, call: api.list}]}\n- {path: /r%2Fa, operations: [{name: other, call: api.list}]}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, (&clause{api: api, rest: c.rest}).text())
			if len(d.list) > 0 || d.route("r").Operation == nil || d.route("other").Operation == nil {
				t.Errorf("diagnostics: %v", d.list)
			}
		})
	}
}

// X3: a query in a route is a condition and is not passed on.
func TestX3(t *testing.T) {
	const api = `{path: /x, operations: [{name: get, inputParameters: [{name: Action, in: query}, {name: q, in: query}]}]}`
	const rest = `{path: "/v1/?Action=Run&flag", operations: [{name: r, call: api.get}]}`
	testClauses(t, "X3", []clause{
		{name: "the pair is taken out", api: api, rest: rest, call: viaREST("Action=Run&flag&q=1", ""), sends: get("/x?q=1")},
		{name: "only that pair", api: api, rest: rest, call: viaREST("Action=Run&Action=Stop&flag=&q=1", ""), sends: get("/x?Action=Stop&q=1")},
	})
	t.Run("pairs", func(t *testing.T) {
		t.Parallel()
		d := load(t, (&clause{api: api, rest: `{path: "/v1/?Action=Run%20It&flag", operations: [{name: r, call: api.get}]}`}).text())
		r := d.route("r")
		if r.Path != "/v1/" || fmt.Sprint(r.Conditions) != "[{Action Run It} {flag }]" {
			t.Errorf("got %s %v", r.Path, r.Conditions)
		}
	})
}

// X6: a refused operation keeps its route and says why.
func TestX6(t *testing.T) {
	t.Parallel()
	d := load(t, (&clause{
		api:  reading,
		rest: `{path: "/r/{id}", operations: [{name: r, call: api.nope}]}` + "\n" + `- {path: /s, operations: [{name: s, call: api.get}]}`,
	}).text())
	r := d.route("r")
	if r.Operation != nil || r.Refusal == nil || r.Method != "GET" || r.Path != "/r/{id}" || pattern(r) != "|r|{0}" {
		t.Fatalf("got %+v", r)
	}
	if e := r.Refusal.Error(); e.Code != plan.CodeRefused || e.Message != `call-unresolved-operation: api has no operation "nope"` {
		t.Errorf("got %s %q", e.Code, e.Message)
	}
	if _, err := d.rest("s", nil, "", ""); err != nil || d.wire() != get("/x") {
		t.Errorf("its neighbour is not served: %s, %v", d.wire(), err)
	}
}

// No reason names a file or a line.
func TestX6Reasons(t *testing.T) {
	t.Parallel()
	d := load(t, `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - {import: far, location: ./shared/far.yaml}
  exposes:
  - {type: rest, port: 8080, resources: [{path: /r, operations: [{name: r, call: far.get}]}]}
`)
	r := d.route("r")
	if r.Refusal == nil || r.Refusal.Code != "call-unresolved-import" || strings.Contains(r.Refusal.Reason, ".yaml") {
		t.Errorf("got %+v; %v", r.Refusal, d.list)
	}
}
