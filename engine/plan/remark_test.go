package plan_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"capd/engine/plan"
)

// hearing is an observer that keeps what steps say and which of them run.
type hearing struct {
	mu  sync.Mutex
	all []string
}

func (h *hearing) note(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, s)
}

func (h *hearing) Step(ctx context.Context, s plan.Step) (context.Context, func(error)) {
	return ctx, func(error) { h.note("ran " + s.Name) }
}
func (h *hearing) Sent(context.Context, *plan.Request)                            {}
func (h *hearing) Received(context.Context, *plan.Request, *plan.Response, error) {}
func (h *hearing) Remarked(_ context.Context, r plan.Remark)                      { h.note(r.Level + ": " + r.Text) }

// heard calls a tool and gives its answer and what was heard before.
func (d *document) heard(name, arguments string) (string, []string) {
	d.t.Helper()
	var op *plan.Operation
	for _, t := range d.unit.Exposures[0].Tools {
		if t.Name == name {
			op = t.Operation
		}
	}
	if op == nil {
		d.t.Fatalf("no tool %s: %v", name, d.list)
	}
	args, err := op.Bind(&plan.Source{Arguments: []byte(arguments)})
	if err != nil {
		d.t.Fatal(err)
	}
	h := &hearing{}
	res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: d.bound, Observe: h})
	if err != nil {
		return err.Error(), h.all
	}
	defer func() { _ = res.Body.Close() }()
	return fmt.Sprintf("%d %s", res.Status, res.Body.Bytes), h.all
}

// TestStepsSay: the key log is a template that is said when its step begins; a step that has
// nothing else only says something, and its answer is not the tool's.
func TestStepsSay(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
ship:
  description: One ship
  inputParameters: { imo: { type: string } }
  steps:
    begin: { log: "Looking for {{imo}}" }
    ship: { type: call, call: registry.get-ship, with: { imo: "{{imo}}" }, log: { message: now, level: Debug } }
    found: { log: "Found {{ship.name}} of {{ship.size.length}}, {{ship.nothing}}." }
  outputParameters:
  - { name: name, type: string, mapping: $.name }
fixed:
  description: Nothing is called
  steps:
    one: { log: first }
    two: { type: log, log: { message: second, level: warning } }
    three: { log: 3 }
  outputParameters:
  - { name: text, type: string, value: done }
mute:
  description: Nothing is answered
  steps:
    one: { log: first }
`, "")
	if c := d.codes(); c != "" {
		t.Fatalf("diagnostics: %v", d.list)
	}
	for _, x := range []struct {
		tool, args, want string
		said             []string
	}{
		{"ship", `{"imo":"I1"}`, `200 "Star"`, []string{"info: Looking for I1", "ran begin", "debug: now", "ran ship", "info: Found Star of 120.5, .", "ran found"}},
		{"fixed", `{}`, `200 {"text":"done"}`, []string{"info: first", "ran one", "warning: second", "ran two", "info: 3", "ran three"}},
		{"mute", `{}`, `200 `, []string{"info: first", "ran one"}},
	} {
		got, said := d.heard(x.tool, x.args)
		if got != x.want || !slices.Equal(said, x.said) {
			t.Errorf("%s: %s, want %s\nheard %q\nwant  %q", x.tool, got, x.want, said, x.said)
		}
	}
	// The same tools run where nobody listens.
	if got, err := d.tool("fixed", `{}`); err != nil || got != `200 {"text":"done"}` {
		t.Errorf("without a listener: %s (%v)", got, err)
	}
}

// TestRemarksHideSecrets, which a template may name.
func TestRemarksHideSecrets(t *testing.T) {
	t.Parallel()
	d := load(t, `ikanos: 1.0.0-beta5
binds:
- { namespace: env, keys: { token: TOKEN } }
capability:
  consumes:
  - namespace: api
    type: http
    baseUri: https://api.test
    authentication: { type: bearer, token: "{{token}}" }
    resources: { a: { path: /a, operations: { get: { method: GET } } } }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
      t:
        description: T
        steps:
          say: { log: "with {{token}}" }
          get: { type: call, call: api.get }
`, "TOKEN=s3cret-value")
	_, said := d.heard("t", `{}`)
	if len(said) == 0 || !strings.HasPrefix(said[0], "info: with ") || strings.Contains(fmt.Sprint(said), "s3cret") {
		t.Errorf("heard %q", said)
	}
}

func TestBadRemarks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ step, want string }{
		"level":        {`{ log: { message: x, level: informal } }`, `error step the level of a log line is "informal"; `},
		"near level":   {`{ log: { message: x, level: warnin } }`, `error step the level of a log line is "warnin"; did you mean warning?`},
		"no text":      {`{ log: { level: info } }`, `error step the log line of step a has no text; write log: a text, or log: {message: a text, level: info}`},
		"a list":       {`{ log: [x] }`, `error `},
		"nothing":      {`{ type: log }`, `error step step a says nothing; write log: a text`},
		"a later step": {`{ log: "{{b.x}}" }`, `error unknown-step step b has not run when step a reads it; move it in front`},
	} {
		d := fleet(t, `t: { description: d, steps: { a: `+tc.step+`, b: { type: call, call: registry.list-crew } } }`, "")
		var all []string
		for _, x := range d.list {
			all = append(all, fmt.Sprintf("%s %s %s; %s", x.Severity, x.Code, x.Message, x.Hint))
		}
		if len(all) == 0 || !strings.HasPrefix(all[0], tc.want) {
			t.Errorf("%s: got %q\nwant %q", name, all, tc.want)
		}
	}
}
