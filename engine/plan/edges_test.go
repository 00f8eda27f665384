package plan_test

import (
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

const edges = `naftiko: 1.0.0-alpha2
binds: [{namespace: env, keys: {KEY: KEY}}]
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    authentication: AUTH
    resources:
    - path: /things
      operations:
      - {name: list, inputParameters: [{name: q, in: query}, {name: X-H, in: header}]}
      - {name: make, method: POST}
      - {name: name, method: POST, body: {type: json, data: {n: "{{tools.n}}"}}}
  exposes:
  - type: rest
    namespace: web
    port: 8080
    resources:
    - path: /things
      operations:
      - {name: list, call: api.list, with: {X-H: rest.query.h}}
      - {name: make, method: POST, call: api.make}
      - {name: name, method: PUT, call: api.name}
`

// TestNothingIsLostOnTheWay: what a caller sends either reaches the upstream or is refused;
// it never disappears.
func TestNothingIsLostOnTheWay(t *testing.T) {
	t.Parallel()
	text := strings.Replace(edges, "AUTH", "{type: bearer, token: '{{KEY}}'}", 1)
	for _, c := range []struct{ name, route, query, body, header, sent, err string }{
		{"semicolon in a query", "list", "q=a;b", "", "", "GET https://api.test/things?q=a%3Bb\n", ""},
		{"broken escape in a query", "list", "q=50%", "", "", "", "the query holds a % that is no escape: write %25"},
		{"packed body that is only passed on", "make", "", "\x1f\x8b", "Content-Encoding: gzip", "Content-Encoding: gzip\n", ""},
		{"plain body", "make", "", "{}", "Content-Encoding: identity", "POST https://api.test/things\nAuthorization: Bearer val-KEY\nContent-Type: application/json\n", ""},
		{"packed body that must be read", "name", "", "\x1f\x8b", "Content-Encoding: gzip", "", "the request body is packed (Content-Encoding: gzip); send it plain"},
		{"body that is no UTF-8", "name", "", "{\"n\":\"\xe9\"}", "", "", `the request body is not JSON, but input "n" is read from it`},
		{"the caller's name of a header's input", "list", "h=a%0Ab", "", "", "", `input "h" must not hold control characters, since it is sent as a header`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, text)
			var header []string
			if c.header != "" {
				header = []string{c.header, "Content-Type: application/json"}
			}
			_, err := d.rest(c.route, nil, c.query, c.body, header...)
			switch {
			case c.err == "" && (err != nil || !strings.Contains(d.wire(), c.sent)):
				t.Errorf("sent %q, %v", d.wire(), err)
			case c.err != "" && (err == nil || err.Error() != c.err || len(d.sent) > 0):
				t.Errorf("got %v, sent %s", err, d.wire())
			}
		})
	}
}

// TestEmptyCredential: a variable that is set to nothing is no credential.
func TestEmptyCredential(t *testing.T) {
	t.Parallel()
	for place, auth := range map[string]string{
		"Authorization": "{type: bearer, token: '{{KEY}}'}",
		"X-Key":         "{type: apikey, key: X-Key, value: '{{KEY}}'}",
		"key":           "{type: apikey, key: key, value: '{{KEY}}', placement: query}",
		"session":       "{type: apikey, key: session, value: '{{KEY}}', placement: cookie}",
	} {
		d := load(t, strings.Replace(edges, "AUTH", auth, 1), "KEY=")
		_, err := d.rest("list", nil, "", "")
		want := `the credential for "` + place + `" is empty: the variable it comes from is set to nothing`
		if err == nil || err.Error() != want || len(d.sent) > 0 {
			t.Errorf("%s: got %v", auth, err)
		}
	}
	d := load(t, strings.Replace(edges, "AUTH", "{type: basic, username: me, password: '{{KEY}}'}", 1), "KEY=")
	if _, err := d.rest("list", nil, "", ""); err != nil || !strings.Contains(d.wire(), "Basic bWU6\n") && !strings.HasSuffix(d.wire(), "Basic bWU6") {
		t.Errorf("a password may be empty (A2): %v, %s", err, d.wire())
	}
}

// TestNoCallerChoosesTheHost: what is given for a parameter in the base URI's host would be
// dropped, so the operation is refused (V4, I5).
func TestNoCallerChoosesTheHost(t *testing.T) {
	t.Parallel()
	const text = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://{tenant}.api.test
    resources:
    - {path: /x, operations: [{name: get, inputParameters: [{name: tenant, in: path}]}]}
  exposes:
  - type: rest
    namespace: web
    port: 8080
    resources:
    - {path: "/t/{tenant}", operations: [{name: r, call: api.get WITH}]}
`
	for with, want := range map[string]string{
		"":                              "unused-path-input: {tenant} of operation r is not passed to GET /x",
		", with: {tenant: rest.tenant}": "unbound-with-key: tenant stands in the host of the base URI of api, which callers cannot choose",
	} {
		d := load(t, strings.Replace(text, " WITH", with, 1))
		if _, err := d.rest("r", []string{"evil.test/"}, "", ""); err == nil || err.Error() != want || len(d.sent) > 0 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestRefusedRouteTakesNoPath: a refused operation of one document does not take the bare
// path from another document's operation that is served (D3).
func TestRefusedRouteTakesNoPath(t *testing.T) {
	t.Parallel()
	unit := func(id, call string) *plan.Unit {
		doc, _ := spec.Parse(id+".yaml", []byte(strings.Replace(strings.Replace(edges, "AUTH", "{type: bearer, token: '{{KEY}}'}", 1), "call: api.make", "call: "+call, 1)), spec.Limits{})
		doc.ID = id
		u, _ := plan.Compile(doc, nil)
		return u
	}
	p, list := plan.Link(nil, []*plan.Unit{unit("a", "api.nothing"), unit("b", "api.make")}, plan.LinkOptions{})
	for _, b := range p.Listeners[0].Bare {
		if want := map[string]string{"list": "a", "make": "b", "name": "a"}[b.Route.Name]; b.Exposure.Unit.ID != want {
			t.Errorf("%s belongs to %s, want %s", b.Route.Name, b.Exposure.Unit.ID, want)
		}
	}
	conflicts := 0
	for _, d := range list {
		if d.Code == diag.CodeRouteConflict {
			conflicts++
		}
	}
	if conflicts != 2 {
		t.Errorf("%d conflicts, want those of list and name: %v", conflicts, list)
	}
}

// TestAbsentInJSONText: an absent value takes its member with it in a JSON text as it does in
// a mapping (E4); a null that was given stays.
func TestAbsentInJSONText(t *testing.T) {
	t.Parallel()
	text := strings.Replace(strings.Replace(edges, "AUTH", "{type: bearer, token: '{{KEY}}'}", 1),
		`data: {n: "{{tools.n}}"}`, `data: '{"n": {{n}}, "in": {"o": {{o}}}, "l": [1, {{p}}], "t": "x {{q}}"}'`, 1)
	for body, want := range map[string]string{
		`{}`:                                `{"l":[1],"t":"x "}`,
		`{"n":null,"q":"\"y"}`:              `{"n":null,"l":[1],"t":"x \"y"}`,
		`{"n":1.0,"o":[],"p":"z","q":true}`: `{"n":1.0,"in":{"o":[]},"l":[1,"z"],"t":"x true"}`,
	} {
		d := load(t, text)
		if _, err := d.rest("name", nil, "", body); err != nil || d.body != want {
			t.Errorf("%s sends %s, %v; want %s", body, d.body, err, want)
		}
	}
}

// TestVariableStaysInItsPlace: what a variable holds cannot move the host it is a piece of,
// nor lose a query.
func TestVariableStaysInItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ base, value, want string }{
		{"https://{{KEY}}.api.test/v1", "eu", "https://eu.api.test/v1/things"},
		{"https://{{KEY}}.api.test/v1", "evil.test/", "has a character in its host that no host has"},
		{"https://{{KEY}}.api.test/v1", "evil.test#", "has a character in its host that no host has"},
		{"https://api.{{KEY}}/v1", "x@evil.test", "has a character in its host that no host has"},
		{"https://api.test:{{KEY}}/v1", "80/x", "has a character in its host that no host has"},
		{"https://{{KEY}}/v1", "api.test/base", "https://api.test/base/v1/things"},
		{"{{KEY}}/v1", "http://api.test:8080/base", "http://api.test:8080/base/v1/things"},
		{"{{KEY}}", "https://api.test/x?y=1", "holds a query or a fragment"},
	} {
		text := strings.Replace(strings.Replace(edges, "AUTH", "{type: bearer, token: x}", 1), "https://api.test", c.base, 1)
		text = strings.Replace(text, "baseUri: "+c.base, `baseUri: "`+c.base+`"`, 1)
		d := load(t, text, "KEY="+c.value)
		_, err := d.rest("list", nil, "", "")
		switch {
		case strings.HasPrefix(c.want, "http"):
			if err != nil || !strings.HasPrefix(d.wire(), "GET "+c.want+"\n") {
				t.Errorf("%s with %s: %v, %s", c.base, c.value, err, d.wire())
			}
		case err == nil || !strings.HasSuffix(err.Error(), c.want) || len(d.sent) > 0:
			t.Errorf("%s with %s: %v, %s", c.base, c.value, err, d.wire())
		}
	}
}

// TestSpeltWrong: names of places and methods that are nearly right are told.
func TestSpeltWrong(t *testing.T) {
	t.Parallel()
	text := strings.Replace(strings.Replace(edges, "AUTH", "{type: bearer, token: '{{KEY}}'}", 1), "in: query}", "in: qeury}", 1)
	d := load(t, strings.Replace(text, "{name: make, method: POST}", "{name: make, method: PSOT}", 1))
	if got := d.codes(); got != "warning parameter, warning method" && got != "warning method, warning parameter" {
		t.Errorf("got %v", d.list)
	}
	for _, x := range d.list {
		if x.Hint != "did you mean query?" && x.Hint != "did you mean POST?" {
			t.Errorf("hint %s", x.Hint)
		}
	}
	d = load(t, strings.Replace(text, "call: api.list,", "call: api,", 1))
	if r := d.route("list"); r.Refusal == nil || r.Refusal.Reason != "call api names a namespace and no operation of it" {
		t.Errorf("got %+v", r.Refusal)
	}
}
