package plan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"capd/engine/plan"
)

// fleet is a document of one API with ships, crew and voyages, whose exposed operations are
// what a test writes.
func fleet(t *testing.T, tools, aggregates string) *document {
	t.Helper()
	text := `ikanos: 1.0.0-beta5
capability:
  consumes:
  - namespace: registry
    type: http
    baseUri: https://api.test
    resources:
      ships:
        path: /ships
        operations:
          list-ships:
            method: GET
            inputParameters: { status: { in: query } }
            outputParameters: { imo-number: { type: string, value: $.imo } }
      ship:
        path: /ships/{{imo}}
        operations:
          get-ship: { method: GET, inputParameters: { imo: { in: path } } }
      crew:
        path: /crew
        operations:
          list-crew: { method: GET }
      voyages:
        path: /voyages
        operations:
          create-voyage:
            method: POST
            body: '{"ship": "{{ship}}", "crew": {{crew}}}'
          ping: { method: POST }
`
	if aggregates != "" {
		text += "  aggregates:\n" + indented(aggregates, "  ")
	}
	text += "  exposes:\n  - type: mcp\n    namespace: fleet\n    port: 9090\n    tools:\n" + indented(tools, "      ")
	d := load(t, text)
	d.answer = shipyard
	return d
}

func indented(text, by string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	return by + strings.Join(lines, "\n"+by) + "\n"
}

// shipyard answers what the upstream of fleet holds.
func shipyard(r *plan.Request) (*plan.Response, error) {
	answers := map[string]string{
		"GET /ships":            `[{"imo":"I1","name":"Star"},{"imo":"I2","name":"Moon"}]`,
		"GET /ships?status=old": `[]`,
		"GET /ships/I1":         `{"imo":"I1","name":"Star","crew":["c2","c1","c9"],"size":{"length":120.50},"captain":"c1"}`,
		"GET /crew":             `[{"id":"c1","name":"Ann","role":"captain"},{"id":"c2","name":"Bob"}]`,
		"POST /voyages":         `{"id":"v1"}`,
	}
	body, ok := answers[r.Method+" "+r.Target]
	status := 200
	if !ok {
		status, body = 404, `{"error":"no such ship"}`
	}
	return &plan.Response{Status: status, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(body))}, nil
}

const manifest = `
manifest:
  description: A ship with its crew
  inputParameters:
    imo: { type: string, description: The ship }
  steps:
    get-ship: { type: call, call: registry.get-ship, with: { imo: fleet.imo } }
    list-crew: { type: call, call: registry.list-crew }
    crew: { type: lookup, index: list-crew, match: id, lookupValue: $.get-ship.crew, outputParameters: [name, role] }
    captain: { type: lookup, index: list-crew, match: id, lookupValue: "{{get-ship.captain}}", outputParameters: [name] }
  mappings:
  - { target: name, value: $.get-ship.name }
  - { target: size.length, value: $.get-ship.size.length }
  - { target: size.width, value: $.get-ship.size.width }
  - { target: crew, value: $.crew }
  - { target: captain, value: "{{captain.name}}" }
  - { target: first, value: "$.crew[0].name" }
  - { target: names, value: "$.crew[*].name" }
  - { target: asked, value: "ship {{imo}}" }
`

func TestStepsLookUpAndMap(t *testing.T) {
	t.Parallel()
	d := fleet(t, manifest, "")
	got, err := d.tool("manifest", `{"imo":"I1"}`)
	want := `200 {"name":"Star","size":{"length":120.50},"crew":[{"name":"Bob","role":null},{"name":"Ann","role":"captain"}],` +
		`"captain":"Ann","first":"Bob","names":["Bob","Ann"],"asked":"ship I1"}`
	if err != nil || got != want {
		t.Errorf("got  %s (%v)\nwant %s\n%v", got, err, want, d.list)
	}
	if c := d.codes(); c != "" {
		t.Errorf("diagnostics: %v", d.list)
	}
}

func TestFailedStepSaysWhich(t *testing.T) {
	t.Parallel()
	d := fleet(t, manifest, "")
	_, err := d.tool("manifest", `{"imo":"I9"}`)
	var e *plan.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	want := `step get-ship failed: registry.get-ship answered 404: {"error":"no such ship"}`
	if e.Code != plan.CodeStepFailed || e.Step != "get-ship" || e.UpstreamStatus != 404 || e.Message != want {
		t.Errorf("got %s %q %q %d", e.Code, e.Message, e.Step, e.UpstreamStatus)
	}
}

// TestIndependentStepsRunTogether: two GETs wait for each other, which they can only do when
// both run; what has effects runs alone.
func TestIndependentStepsRunTogether(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
all:
  description: Everything
  steps:
    ships: { type: call, call: registry.list-ships }
    crew: { type: call, call: registry.list-crew }
    voyage: { type: call, call: registry.create-voyage, with: { ship: "$.ships[0].imo", crew: "$.crew[*].id" } }
    again: { type: call, call: registry.list-ships }
  mappings: [{ target: voyage, value: $.voyage.id }, { target: again, value: "{{again}}" }]
`, "")
	var both sync.WaitGroup
	both.Add(2)
	var mu sync.Mutex
	var order []string
	inner := d.answer
	together := true
	d.bound = rebound(t, d, func(_ context.Context, r *plan.Request) (*plan.Response, error) {
		mu.Lock()
		order = append(order, r.Method+" "+r.Target)
		first := together && r.Method == "GET"
		if r.Method == "POST" {
			together = false
		}
		mu.Unlock()
		if first {
			both.Done()
			both.Wait()
		}
		return inner(r)
	})
	got, err := d.tool("all", `{}`)
	want := `200 {"voyage":"v1","again":[{"imo":"I1","name":"Star","imo-number":"I1"},{"imo":"I2","name":"Moon","imo-number":"I2"}]}`
	if err != nil || got != want {
		t.Errorf("got  %s (%v)\nwant %s\n%v", got, err, want, d.list)
	}
	if tail := fmt.Sprint(order[2:]); tail != "[POST /voyages GET /ships]" {
		t.Errorf("order %v", order)
	}
}

func TestLastStepIsTheResult(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
plain:
  description: The last answer as it is
  steps:
    get-ship: { type: call, call: registry.get-ship, with: { imo: I1 } }
    list-crew: { type: call, call: registry.list-crew }
shaped:
  description: The last answer, shaped
  inputParameters: { imo: { type: string } }
  steps:
    get-ship: { type: call, call: registry.get-ship, with: { imo: "{{imo}}" } }
  outputParameters:
  - { type: object, properties: { n: { type: string, mapping: $.name } } }
found:
  description: What was found
  steps:
    list-crew: { type: call, call: registry.list-crew }
    ann: { type: lookup, index: list-crew, match: id, lookupValue: c1 }
nothing:
  description: What was not found
  steps:
    list-crew: { type: call, call: registry.list-crew }
    bob: { type: lookup, index: list-crew, match: id, lookupValue: c7 }
`, "")
	for tool, want := range map[string]string{
		"plain":   `200 [{"id":"c1","name":"Ann","role":"captain"},{"id":"c2","name":"Bob"}]`,
		"shaped":  `200 {"n":"Star"}`,
		"found":   `200 {"id":"c1","name":"Ann","role":"captain"}`,
		"nothing": `200 null`,
	} {
		if got, err := d.tool(tool, `{"imo":"I1"}`); err != nil || got != want {
			t.Errorf("%s: got %s (%v)\nwant %s\n%v", tool, got, err, want, d.list)
		}
	}
}

func TestFlowsAreShared(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
by-ref: { ref: yard.ship }
overridden:
  ref: yard.ship
  description: My own
  with: { imo: I1 }
  outputParameters: [{ type: string, mapping: $.name }]
  hints: { openWorld: false }
crew-of: { ref: yard.crew-of }
hello: { ref: yard.hello }
`, `
- namespace: yard
  display: The yard
  flows:
    ship:
      description: One ship
      semantics: { safe: true, idempotent: true }
      inputParameters: { imo: { type: string, description: The ship } }
      call: registry.get-ship
      with: { imo: yard.imo }
      outputParameters: [{ type: object, properties: { imo: { type: string, mapping: $.imo } } }]
    crew-of:
      description: The crew of a ship
      inputParameters: { imo: { type: string } }
      steps:
        ship: { type: call, call: registry.get-ship, with: { imo: yard.imo } }
      mappings: [{ target: crew, value: $.ship.crew }]
    hello:
      description: A greeting
      inputParameters: { name: { type: string } }
      outputParameters:
        message: { type: string, value: "Hello, {{name}}!" }
        count: { type: number, value: "3" }
`)
	for tool, want := range map[string]string{
		"by-ref":     `200 {"imo":"I1"}`,
		"overridden": `200 "Star"`,
		"crew-of":    `200 {"crew":["c2","c1","c9"]}`,
		"hello":      `200 {"message":"Hello, X!","count":3}`,
	} {
		if got, err := d.tool(tool, `{"imo":"I1","name":"X"}`); err != nil || got != want {
			t.Errorf("%s: got %s (%v)\nwant %s\n%v", tool, got, err, want, d.list)
		}
	}
	var shown []string
	for _, x := range d.unit.Exposures[0].Tools {
		shown = append(shown, fmt.Sprintf("%s %q %v %s", x.Name, x.Description, x.Annotations, x.InputSchema))
	}
	want := `by-ref "One ship" {true false true true} {"type":"object","properties":{"imo":{"type":"string","description":"The ship"}},"required":["imo"]}
overridden "My own" {true false true false} {"type":"object","properties":{}}
crew-of "The crew of a ship" {true false true true} {"type":"object","properties":{"imo":{"type":"string"}},"required":["imo"]}
hello "A greeting" {true false true false} {"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`
	if got := strings.Join(shown, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if c := d.codes(); c != "" {
		t.Errorf("diagnostics: %v", d.list)
	}
}

// TestBadSteps: what cannot run is refused with the nearest fix.
func TestBadSteps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ tool, want string }{
		"unknown step":   {`t: { description: d, steps: { ships: { type: call, call: registry.list-ships } }, mappings: [{ target: x, value: $.shipz.y }] }`, `error unknown-step there is no step "shipz"; did you mean $.ships?`},
		"later step":     {`t: { description: d, steps: { a: { type: call, call: registry.get-ship, with: { imo: "{{b.imo}}" } }, b: { type: call, call: registry.list-ships } } }`, `error unknown-step step b has not run when step a reads it; move it in front`},
		"misspelled":     {`t: { description: d, steps: { ships: { type: call, call: registry.list-ships }, b: { type: call, call: registry.get-ship, with: { imo: "{{shps.imo}}" } } } }`, `error unknown-step there is no step "shps"; did you mean ships?`},
		"unknown type":   {`t: { description: d, steps: { a: { type: cal, call: registry.list-ships } } }`, `error step step type "cal" is not defined; did you mean call?`},
		"no index":       {`t: { description: d, steps: { a: { type: lookup, match: x, lookupValue: y } } }`, `error step lookup a has no index`},
		"unknown call":   {`t: { description: d, steps: { a: { type: call, call: registry.list-shipz } } }`, `error call-unresolved-operation registry has no operation "list-shipz"; did you mean registry.list-ships?`},
		"unknown flow":   {`t: { ref: yard.nothing }`, `error unknown-flow tool t refers to the flow "yard.nothing", which is not declared; declare it`},
		"unused input":   {`t: { description: d, inputParameters: { x: { type: string } }, steps: { a: { type: call, call: registry.list-crew } } }`, `error unbound-input input "x" of tool t is read by no step`},
		"empty target":   {`t: { description: d, steps: { a: { type: call, call: registry.list-crew } }, mappings: [{ target: a..b, value: $.a }] }`, `error step a mapping of tool t has no usable target`},
		"without a name": {`t: { description: d, steps: [{ type: call, call: registry.list-crew }] }`, `error step a step of tool t has no name`},
	} {
		d := fleet(t, tc.tool, "")
		var all []string
		for _, x := range d.list {
			all = append(all, fmt.Sprintf("%s %s %s; %s", x.Severity, x.Code, x.Message, x.Hint))
		}
		if len(all) == 0 || !strings.HasPrefix(all[0], tc.want) {
			t.Errorf("%s: got %q\nwant %q", name, all, tc.want)
		}
	}
}

// TestSemanticsAgainstHints: what a flow says of its effects is not contradicted silently.
func TestSemanticsAgainstHints(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
- { ref: yard.ship, hints: { readOnly: false, destructive: true } }
- { ref: yard.ping, name: other, hints: { idempotent: true } }
`, `
- namespace: yard
  display: The yard
  flows:
    ship: { description: One ship, semantics: { safe: true }, call: registry.get-ship, with: { imo: I1 } }
    ping: { description: A ping, semantics: { safe: false, idempotent: false }, call: registry.ping }
`)
	var got []string
	for _, x := range d.list {
		got = append(got, x.Message)
	}
	want := []string{
		"readOnly: false of tool ship contradicts safe of flow yard.ship",
		"destructive: true of tool ship contradicts safe of flow yard.ship",
		"idempotent: true of tool other contradicts idempotent of flow yard.ping",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// scripts is a Files that holds a few texts.
type scripts map[string]string

func (s scripts) Read(_, location string) ([]byte, error) {
	if text, ok := s[location]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (s scripts) Folder(string, string) (fs.FS, error) { return fstest.MapFS{}, nil }
func (s scripts) Place(_, location string) (plan.FilePlace, error) {
	return plan.FilePlace{Path: location}, nil
}

// TestScriptStep: a script sees the inputs, the steps before it and its own with, and its
// result is that of a step.
func TestScriptStep(t *testing.T) {
	t.Parallel()
	const text = `ikanos: 1.0.0-beta5
capability:
  consumes:
  - namespace: registry
    type: http
    baseUri: https://api.test
    resources:
      crew: { path: /crew, operations: { list-crew: { method: GET } } }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
      crew:
        path: /crew/{role}
        operations:
          count:
            method: GET
            inputParameters: { least: { in: query, type: integer } }
            steps:
              crew: { type: call, call: registry.list-crew }
              some: { type: script, file: %s, dependencies: [lib.js], with: { factor: 2, first: "$.crew[0].name" } }
            mappings:
            - { target: out, value: $.some }
            - { target: names, value: "{{some.names}}" }
`
	files := scripts{
		"count.js": `const c = context; var result = {names: pick(c.crew, c.role), least: c.least, twice: c.factor * 21, first: c.first};`,
		"lib.js":   `function pick(list, role) { return list.filter(e => e.role === role).map(e => e.name) }`,
		"bad.js":   "var x = ;",
		"loop.js":  "for (;;) {}",
		"leak.js":  `throw new Error("bad token " + context.factor)`,
		"throw.js": `throw new Error("no crew")`,
	}
	d := loadWith(t, fmt.Sprintf(text, "count.js"), files)
	d.answer = shipyard
	got, err := d.rest("count", []string{"captain"}, "least=3", "")
	want := `200 {"out":{"names":["Ann"],"least":3,"twice":42,"first":"Ann"},"names":["Ann"]}`
	if err != nil || got != want {
		t.Errorf("got  %s (%v)\nwant %s\n%v", got, err, want, d.list)
	}
	d = loadWith(t, fmt.Sprintf(text, "throw.js"), files)
	d.answer = shipyard
	var e *plan.Error
	if _, err := d.rest("count", []string{"captain"}, "", ""); !errors.As(err, &e) || e.Step != "some" || !strings.Contains(e.Message, "no crew") {
		t.Errorf("got %v", err)
	}
	// What an exception says of a secret does not reach a caller.
	d = loadWith(t, "binds: [{namespace: e, keys: {TOKEN: TOKEN}}]\n"+strings.Replace(fmt.Sprintf(text, "leak.js"), "factor: 2", `factor: "{{TOKEN}}"`, 1), files)
	d.answer = shipyard
	if _, err := d.rest("count", []string{"captain"}, "", ""); !errors.As(err, &e) || strings.Contains(e.Message, "val-TOKEN") || !strings.Contains(e.Message, plan.Masked) {
		t.Errorf("got %v %v", err, d.list)
	}
	for file, want := range map[string]string{"bad.js": "does not compile", "none.js": "does not exist", "a/../b.js": "no name of a script file", "x.groovy": "groovy"} {
		d := loadWith(t, fmt.Sprintf(text, file), files)
		if len(d.list) == 0 || d.list[0].Code != "script" && file != "x.groovy" || !strings.Contains(strings.ToLower(d.list[0].Message), want) {
			t.Errorf("%s: got %v", file, d.list)
		}
	}
}

// TestStepsMayBeCalledLikeInputs: a word means the input until the step of its name has run,
// and an input wherever the document says that it is one.
func TestStepsMayBeCalledLikeInputs(t *testing.T) {
	t.Parallel()
	const steps = `
t:
  description: d
  inputParameters: { ship: { type: string }, imo: { type: string } }
  steps:
    ship: { type: call, call: registry.get-ship, with: { imo: "%s" } }
    fleet: { type: call, call: registry.get-ship, with: { imo: "%s" } }
  mappings: [{ target: ship, value: "%s" }, { target: fleet, value: "%s" }]
`
	for _, tc := range []struct{ first, second, ship, fleet, want string }{
		{"{{ship}}", "{{fleet.imo}}", "{{ship.name}}", "{{fleet.name}}", `/ships/I1 /ships/I2 {"ship":"Star","fleet":"Moon"}`},
		{"fleet.ship", "fleet.imo", "$.ship.name", "{{fleet.name}}", `/ships/I1 /ships/I2 {"ship":"Star","fleet":"Moon"}`},
		{"{{fleet.ship}}", "{{imo}}", "{{fleet.ship}}", "{{inputs.imo}}", `/ships/I1 /ships/I2 {"ship":"I1","fleet":"I2"}`},
		{"ship", "{{ship.next}}", "{{tools.imo}}", "fleet.name", `/ships/I1 /ships/I2 {"ship":"I2","fleet":"Moon"}`},
	} {
		d := fleet(t, fmt.Sprintf(steps, tc.first, tc.second, tc.ship, tc.fleet), "")
		d.answer = func(r *plan.Request) (*plan.Response, error) {
			body := `{"name":"Star","next":"I2"}`
			if r.Target == "/ships/I2" {
				body = `{"name":"Moon"}`
			}
			return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(body))}, nil
		}
		body, err := d.tool("t", `{"ship":"I1","imo":"I2"}`)
		if err != nil || len(d.sent) != 2 {
			t.Errorf("%+v: %s (%v) %d\n%v", tc, body, err, len(d.sent), d.list)
			continue
		}
		targets := []string{d.sent[0].Target, d.sent[1].Target}
		slices.Sort(targets) // steps that need nothing of each other run together
		if got := strings.Join(targets, " ") + " " + strings.TrimPrefix(body, "200 "); got != tc.want {
			t.Errorf("%+v\ngot  %s\nwant %s\n%v", tc, got, tc.want, d.list)
		}
	}
}

// TestLookupsFindNothingByNothing: an element whose member is null is not found by an empty
// text, and a number is found however it is written.
func TestLookupsFindNothingByNothing(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
t:
  description: d
  inputParameters: { id: { type: string } }
  steps:
    crew: { type: call, call: registry.list-crew }
    one: { type: lookup, index: crew, match: id, lookupValue: "{{id}}", outputParameters: [name] }
  mappings: [{ target: one, value: $.one }]
`, "")
	d.answer = func(*plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`[{"id":null,"name":"Nobody"},{"name":"None"},{"id":1.50,"name":"Ann"},{"id":12345678901234567890,"name":"Bob"}]`))}, nil
	}
	for id, want := range map[string]string{
		"":                     `200 {}`,
		"1.5":                  `200 {"one":{"name":"Ann"}}`,
		"12345678901234567890": `200 {"one":{"name":"Bob"}}`,
	} {
		if got, err := d.tool("t", `{"id":"`+id+`"}`); err != nil || got != want {
			t.Errorf("%q: got %s (%v), want %s", id, got, err, want)
		}
	}
}

// TestScriptsKeepSecrets: what a script was given is not told when it fails, and what it made
// of a secret is masked where it is sent on.
func TestScriptsKeepSecrets(t *testing.T) {
	t.Parallel()
	files := scripts{"fail.js": `throw new Error("no access with " + context.key)`, "fail.py": `fail("no access with " + context["key"])`, "sign.js": `var result = { sig: "v1=" + context.key }`}
	text := `ikanos: 1.0.0-beta5
binds: [{ namespace: vault, keys: { API_KEY: k } }]
capability:
  consumes:
  - namespace: registry
    type: http
    baseUri: https://api.test
    resources: { r: { path: /r, operations: { get: { method: GET, inputParameters: { Sig: { in: header } } } } } }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
      js: { description: d, steps: { s: { type: script, file: fail.js, with: { key: "{{API_KEY}}" } } } }
      py: { description: d, steps: { s: { type: script, file: fail.py, with: { key: "{{API_KEY}}" } } } }
      sign: { description: d, steps: { s: { type: script, file: sign.js, with: { key: "{{API_KEY}}" } }, r: { type: call, call: registry.get, with: { Sig: "{{s.sig}}" } } } }
`
	d := loadWith(t, text, files, "k=s3cret/&key")
	for tool, want := range map[string]string{
		"js": `step s: script "fail.js" failed: Error: no access with <secret>`,
		"py": `step s: script "fail.py" failed: fail: no access with <secret>`,
	} {
		_, err := d.tool(tool, `{}`)
		var e *plan.Error
		if !errors.As(err, &e) || e.Message != want || strings.Contains(fmt.Sprint(e.Cause), "s3cret") {
			t.Errorf("%s: got %v because of %v\n%v", tool, err, errors.Unwrap(err), d.list)
		}
	}
	d.answer = func(r *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 401, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(`{"sent":"v1=s3cret\/\u0026key"}`))}, nil
	}
	_, err := d.tool("sign", `{}`)
	if want := `step r failed: registry.get answered 401: {"sent":"v1=<secret>"}`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	if sent := d.wire(); !strings.Contains(sent, "Sig: v1=s3cret/&key") || strings.Contains(fmt.Sprint(d.sent[0]), "s3cret") {
		t.Errorf("%s\n%v", sent, d.sent[0])
	}
}

// TestValuesOfStepsThatFitNowhere: the caller is not blamed for what an upstream answered.
func TestValuesOfStepsThatFitNowhere(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
path: { description: d, steps: { crew: { type: call, call: registry.list-crew }, b: { type: call, call: registry.get-ship, with: { imo: $.crew.dots } } } }
none: { description: d, steps: { crew: { type: call, call: registry.list-crew }, b: { type: call, call: registry.get-ship, with: { imo: $.crew.none } } } }
slashes: { description: d, steps: { crew: { type: call, call: registry.list-crew }, b: { type: call, call: registry.get-ship, with: { imo: $.crew.up } } } }
`, "")
	d.answer = func(r *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`{"dots":"..","none":null,"up":"../../x?y#z"}`))}, nil
	}
	for tool, want := range map[string]string{
		"path": `step b (registry.get-ship): crew.dots is empty, "." or "..", but it is part of a path`,
		"none": `step b (registry.get-ship): crew.none has no value, which parameter "imo" needs`,
	} {
		if _, err := d.tool(tool, `{}`); err == nil || err.Error() != want {
			t.Errorf("%s: got %v", tool, err)
		}
	}
	if _, err := d.tool("slashes", `{}`); err != nil || !strings.HasPrefix(d.wire(), "GET https://api.test/ships/..%2F..%2Fx%3Fy%23z") {
		t.Errorf("got %s (%v)", d.wire(), err)
	}
}

// TestTextsOfAPathNeedTheirValues: a text with a hole in it would be the path of another
// resource.
func TestTextsOfAPathNeedTheirValues(t *testing.T) {
	t.Parallel()
	d := fleet(t, `
call: { description: d, inputParameters: { imo: { type: string } }, call: registry.get-ship, with: { imo: "I-{{imo}}" } }
step: { description: d, inputParameters: { imo: { type: string } }, steps: { s: { type: call, call: registry.get-ship, with: { imo: "I-{{imo}}" } } } }
bound: { description: d, inputParameters: { imo: { type: string } }, with: { key: "{{imo}}!" }, steps: { s: { type: call, call: registry.get-ship, with: { imo: "{{key}}" } } } }
optional: { description: d, inputParameters: { imo: { type: string, required: false } }, call: registry.get-ship, with: { imo: "I1{{imo}}" } }
of-step: { description: d, steps: { c: { type: call, call: registry.list-crew }, s: { type: call, call: registry.get-ship, with: { imo: "I-{{c.none}}" } } } }
`, "")
	for tool, want := range map[string]string{
		"call":    `input "imo" is required`,
		"step":    `input "imo" is required`,
		"bound":   `input "imo" is required`,
		"of-step": `step s (registry.get-ship): c.none has no value, which parameter "imo" needs`,
	} {
		if got, err := d.tool(tool, `{}`); err == nil || err.Error() != want {
			t.Errorf("%s: got %s (%v)", tool, got, err)
		}
	}
	if _, err := d.tool("optional", `{}`); err != nil {
		t.Error(err)
	}
}

// untilDone is an answer that goes on as long as its call does.
type untilDone struct {
	ctx  context.Context
	from io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, u.ctx.Err()
	}
	return u.from.Read(p)
}
func (*untilDone) Close() error { return nil }

// TestAnswerOfTheLastStepStreams: steps that ran together have ended, and the answer of the
// last one can still be read.
func TestAnswerOfTheLastStepStreams(t *testing.T) {
	t.Parallel()
	d := fleet(t, `t: { description: d, steps: { ships: { type: call, call: registry.list-ships }, crew: { type: call, call: registry.list-crew } } }`, "")
	up := plan.UpstreamFunc(func(ctx context.Context, r *plan.Request) (*plan.Response, error) {
		return &plan.Response{Status: 200, Body: plan.Body{Stream: &untilDone{ctx, strings.NewReader(r.Target)}, Len: -1}}, nil
	})
	bound, _ := plan.Bind(d.bound.Plan(), plan.BindOptions{Upstream: up})
	op := d.unit.Exposures[0].Tools[0].Operation
	args, err := op.Bind(&plan.Source{Arguments: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	res, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: bound})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body.Stream); err != nil || string(body) != "/crew" {
		t.Errorf("got %q (%v)", body, err)
	}
	_ = res.Body.Stream.Close()
}
