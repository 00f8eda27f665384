package plan_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
)

// sample is a small document: one consumed API and what is exposed of it, on a REST
// adapter "web" and an MCP adapter "agent". Each field is YAML in flow style; an empty one
// takes a default that says nothing of its own.
type sample struct {
	binds string // keys of the bind namespace env
	root  string // further root keys, in block style, each line complete
	base  string // base URI, quoted here; https://api.test when empty
	api   string // further keys of the consumed entry, such as authentication
	path  string // resource path, quoted here; "-" leaves the key out
	ops   string // consumed operations; one operation get when empty
	route string // exposed path; /r when empty
	rest  string // REST operations; one that calls api.get when empty, "-" for none
	tools string // tools; one that calls api.get when empty, "-" for none
}

// caret marks the place of a diagnostic in a sample. It is taken out before compiling.
const caret = "‸"

func (s sample) text() string {
	path := fmt.Sprintf("path: %q, ", cmp.Or(s.path, "/x"))
	if s.path == "-" {
		path = ""
	}
	api := ""
	if s.api != "" {
		api = ", " + s.api
	}
	lines := []string{
		"naftiko: 1.0.0-alpha2",
		"binds: [{namespace: env, keys: {" + s.binds + "}}]",
		strings.TrimSuffix(s.root, "\n"),
		"capability:",
		"  consumes:",
		fmt.Sprintf("  - {type: http, namespace: api, baseUri: %q%s, resources: [{%soperations: [", cmp.Or(s.base, "https://api.test"), api, path),
		"      " + cmp.Or(s.ops, "{name: get}"),
		"    ]}]}",
		"  exposes:",
	}
	if s.rest != "-" {
		lines = append(lines, fmt.Sprintf("  - {type: rest, port: 8080, namespace: web, resources: [{path: %q, operations: [", cmp.Or(s.route, "/r")),
			"      "+cmp.Or(s.rest, "{name: op, call: api.get}"), "    ]}]}")
	}
	if s.tools != "-" {
		lines = append(lines, "  - {type: mcp, port: 8081, namespace: agent, tools: [", "      "+cmp.Or(s.tools, "{name: op, call: api.get}"), "    ]}")
	}
	return strings.Join(lines, "\n") + "\n"
}

// load compiles the sample. The first caret is the place that found looks at.
func (s sample) load(t *testing.T, env ...string) *document {
	t.Helper()
	return load(t, strings.ReplaceAll(s.text(), caret, ""), env...)
}

// found checks that there is a diagnostic of that severity and code at the caret of text, and
// that what it says holds every word.
func (d *document) found(text string, sev diag.Severity, code diag.Code, words ...string) {
	d.t.Helper()
	before, _, marked := strings.Cut(text, caret)
	line := strings.Count(before, "\n") + 1
	col := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	want := fmt.Sprintf("test.yaml:%d:%d", line, col)
	for _, x := range d.list {
		if x.Code != code || x.Severity != sev || marked && x.Span.String() != want {
			continue
		}
		for _, w := range words {
			if !strings.Contains(x.Message+"; "+x.Hint, w) {
				d.t.Errorf("%s does not say %q", x, w)
			}
		}
		return
	}
	d.t.Errorf("no %s %s at %s: %v", sev, code, want, d.list)
}

// quiet checks that nothing at all is reported.
func (d *document) quiet() {
	d.t.Helper()
	for _, x := range d.list {
		if x.Severity != diag.Info {
			d.t.Errorf("unexpected: %s", x)
		}
	}
}

// sends calls the REST operation op with a query and checks the request that goes upstream.
func (d *document) sends(query, want string) {
	d.t.Helper()
	d.sent = nil
	if _, err := d.rest("op", nil, query, ""); err != nil {
		d.t.Errorf("rest: %v; diagnostics: %v", err, d.list)
	}
	d.wired(want)
}

// calls calls the tool op with JSON arguments and checks the request that goes upstream.
func (d *document) calls(arguments, want string) {
	d.t.Helper()
	d.sent = nil
	if _, err := d.tool("op", arguments); err != nil {
		d.t.Errorf("tool: %v; diagnostics: %v", err, d.list)
	}
	d.wired(want)
}

func (d *document) wired(want string) {
	d.t.Helper()
	if got := d.wire(); got != want {
		d.t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

// fails checks that err holds every word and that nothing went upstream.
func (d *document) fails(err error, words ...string) {
	d.t.Helper()
	if err == nil {
		d.t.Fatalf("no error; sent\n%s", d.wire())
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			d.t.Errorf("error %q does not say %q", err, w)
		}
	}
	if len(d.sent) > 0 {
		d.t.Errorf("sent\n%s", d.wire())
	}
}

// refused checks that both doors refuse to run op with that code, that the reason stands at
// the caret, and that nothing goes upstream.
func (d *document) refused(text string, code diag.Code, words ...string) {
	d.t.Helper()
	d.found(text, diag.Error, code, words...)
	for _, e := range d.unit.Exposures {
		var err error
		if len(e.Routes) > 0 {
			_, err = d.rest("op", nil, "", "")
		} else {
			_, err = d.tool("op", "{}")
		}
		d.fails(err, string(code))
	}
}
