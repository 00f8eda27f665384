package plan_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/plan"
)

// clause is one clause of a rule of the contract: a small document, what a caller does and
// what must come of it. What a row leaves out must not happen: no warning, no refusal.
type clause struct {
	name string
	// A resource of the consumed API "api" at https://api.test, a resource of the REST
	// adapter, a tool, and the entries of binds. ⟦ and ⟧ mark the place at which the
	// diagnostic of the row must stand.
	api, rest, tool, binds string
	answer                 string // of the upstream: "status media/type body"

	call  call
	sends string         // the upstream request as [document.wire] writes it; empty: nothing is sent
	gives string         // the result, "status body"; empty: not looked at
	fails string         // words of the call's error
	code  plan.Code      // of that error; [plan.CodeInvalidInput] when left out
	rule  string         // of the diagnostic, when it is not the one under test
	warns diag.Code      // a warning that is served with
	says  []string       // words of the warning's or refusal's message and hint
	skips diag.Code      // why the operation is refused
	extra map[string]int // warnings of other rules, by code
}

// call is what a caller does with a document.
type call func(*document) (string, error)

// viaREST calls the route named r.
func viaREST(query, body string, path ...string) call {
	return func(d *document) (string, error) { return d.rest("r", path, query, body) }
}

// viaHeaders calls the route named r with header lines and no body.
func viaHeaders(header ...string) call {
	return func(d *document) (string, error) { return d.rest("r", nil, "", "", header...) }
}

// viaBoth calls the route named r with a query, a body and header lines.
func viaBoth(query, body string, header ...string) call {
	return func(d *document) (string, error) { return d.rest("r", nil, query, body, header...) }
}

// viaBody calls the route named r with a body of that type.
func viaBody(mediaType, body string) call {
	return func(d *document) (string, error) { return d.rest("r", nil, "", body, "Content-Type: "+mediaType) }
}

// viaTool calls the tool named t.
func viaTool(arguments string) call {
	return func(d *document) (string, error) { return d.tool("t", arguments) }
}

// post is the wire form of a POST of JSON.
func post(path, body string) string {
	return "POST https://api.test" + path + "\nContent-Type: application/json\n\n" + body
}

// get is the wire form of a GET without headers.
func get(target string) string { return "GET https://api.test" + target }

// text writes the document of a clause.
func (c *clause) text() string {
	var b strings.Builder
	list := func(head, items string) {
		if items == "" {
			return
		}
		b.WriteString(head)
		for i, line := range strings.Split(strings.Trim(items, "\n"), "\n") {
			switch {
			case i == 0:
				b.WriteString("    - " + line + "\n")
			case strings.HasPrefix(line, "- "):
				b.WriteString("    " + line + "\n")
			default:
				b.WriteString("      " + line + "\n")
			}
		}
	}
	b.WriteString("naftiko: 1.0.0-alpha2\n")
	list("binds:\n", c.binds)
	b.WriteString("capability:\n")
	list("  consumes:\n  - type: http\n    namespace: api\n    baseUri: https://api.test\n    resources:\n", c.api)
	b.WriteString("  exposes:\n")
	list("  - type: rest\n    port: 8080\n    namespace: rr\n    resources:\n", c.rest)
	list("  - type: mcp\n    port: 9090\n    namespace: mm\n    tools:\n", c.tool)
	return b.String()
}

// unmark takes the marks out of a text and gives the place between them. Without a closing
// mark the end is not known.
func unmark(text string) (string, diag.Span) {
	var span diag.Span
	for _, m := range []struct {
		mark string
		pos  *diag.Pos
	}{{"⟦", &span.Start}, {"⟧", &span.End}} {
		before, after, found := strings.Cut(text, m.mark)
		if found {
			m.pos.Line = strings.Count(before, "\n") + 1
			m.pos.Col = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
			text = before + after
		}
	}
	return text, span
}

// testClauses runs the clauses of a rule.
func testClauses(t *testing.T, id string, clauses []clause) {
	t.Parallel()
	for i := range clauses {
		c := &clauses[i]
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text, mark := unmark(c.text())
			d := load(t, text)
			if d.unit == nil {
				t.Fatalf("the document is refused: %v\n%s", d.list, text)
			}
			if c.answer != "" {
				d.answer = answering(c.answer)
			}
			c.checkDiagnostics(t, d, id, mark)
			if c.skips != "" {
				checkRefused(t, d, c.skips)
			}
			if c.call != nil {
				c.checkCall(t, d)
			}
			if t.Failed() {
				t.Logf("%s\ndiagnostics: %v", text, d.list)
			}
		})
	}
}

// answering makes an upstream of "status media/type body".
func answering(s string) func(*plan.Request) (*plan.Response, error) {
	status, rest, _ := strings.Cut(s, " ")
	mediaType, body, _ := strings.Cut(rest, " ")
	code := 0
	for _, r := range status {
		code = code*10 + int(r-'0')
	}
	return func(*plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: code, Header: []plan.Field{{Name: "Content-Type", Value: mediaType}}, Body: plan.BytesBody([]byte(body))}, nil
	}
}

func (c *clause) checkDiagnostics(t *testing.T, d *document, id string, mark diag.Span) {
	t.Helper()
	if c.rule != "" {
		id = c.rule
	}
	wanted := c.skips
	severity := diag.Error
	if wanted == "" {
		wanted, severity = c.warns, diag.Warning
	}
	others := map[string]int{}
	found := false
	for _, x := range d.list {
		switch {
		case x.Severity == diag.Info:
		case !found && wanted != "" && x.Code == wanted && x.Severity == severity && x.Rule == id:
			found = true
			if x.Span.Start != mark.Start || mark.End.IsValid() && x.Span.End != mark.End {
				t.Errorf("%s stands at %v to %v, want %v to %v", x.Code, x.Span.Start, x.Span.End, mark.Start, mark.End)
			}
			for _, words := range c.says {
				if !strings.Contains(x.Message+"; "+x.Hint, words) {
					t.Errorf("%q does not say %q", x.Message+"; "+x.Hint, words)
				}
			}
		default:
			others[string(x.Code)]++
			if c.extra[string(x.Code)] == 0 || x.Severity == diag.Error {
				t.Errorf("unexpected: %v (rule %s)", x, x.Rule)
			}
		}
	}
	if wanted != "" && !found {
		t.Errorf("no %s %s of rule %s", severity, wanted, id)
	}
	for code, n := range c.extra {
		if others[code] != n {
			t.Errorf("%d times %s, want %d", others[code], code, n)
		}
	}
}

// checkRefused calls everything that is refused: it must say why and send nothing.
func checkRefused(t *testing.T, d *document, want diag.Code) {
	t.Helper()
	refused := 0
	check := func(name string, r *plan.Refusal, op *plan.Operation) {
		if r == nil {
			return
		}
		refused++
		if op != nil {
			t.Errorf("%s is refused and served", name)
		}
		if r.Code != want {
			t.Errorf("%s is refused with %s, want %s", name, r.Code, want)
		}
		if e := r.Error(); e.Code != plan.CodeRefused || !strings.HasPrefix(e.Message, string(want)+": ") || strings.Contains(e.Message, "test.yaml") {
			t.Errorf("calling %s gives %s %q", name, e.Code, e.Message)
		}
	}
	for _, e := range d.unit.Exposures {
		for _, r := range e.Routes {
			check(r.Name, r.Refusal, r.Operation)
		}
		for _, x := range e.Tools {
			check(x.Name, x.Refusal, x.Operation)
		}
	}
	if refused == 0 {
		t.Errorf("nothing is refused")
	}
}

func (c *clause) checkCall(t *testing.T, d *document) {
	t.Helper()
	got, err := c.call(d)
	want := c.sends
	if want == "" {
		want = "nothing sent"
	}
	if wire := d.wire(); wire != want {
		t.Errorf("sent\n%s\nwant\n%s", wire, want)
	}
	if len(d.sent) > 1 {
		t.Errorf("sent %d requests", len(d.sent))
	}
	if c.gives != "" && got != c.gives {
		t.Errorf("result %q, want %q", got, c.gives)
	}
	if c.fails == "" {
		if err != nil {
			t.Errorf("failed: %v", err)
		}
		return
	}
	code := c.code
	if code == 0 {
		code = plan.CodeInvalidInput
	}
	var e *plan.Error
	switch {
	case err == nil:
		t.Errorf("gave %q, want an error with %q", got, c.fails)
	case !errors.As(err, &e) || e.Code != code:
		t.Errorf("failed with %v, want code %s", err, code)
	case !strings.Contains(e.Message, c.fails):
		t.Errorf("failed with %q, want %q in it", e.Message, c.fails)
	}
}

// result binds and invokes an operation and gives the result as it is.
func (d *document) result(op *plan.Operation, src *plan.Source) *plan.Result {
	d.t.Helper()
	args, err := op.Bind(src)
	if err != nil {
		d.t.Fatal(err)
	}
	res, err := op.Invoke(d.t.Context(), &plan.Invocation{Args: args, Bound: d.bound})
	if err != nil {
		d.t.Fatal(err)
	}
	return res
}
