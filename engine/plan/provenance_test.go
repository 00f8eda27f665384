package plan

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"capd/engine/spec"
)

// TestEveryPartIsExplained compiles every document at hand twice: the explanation must
// change nothing, and say something of every part of every call.
func TestEveryPartIsExplained(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../capabilities/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no capabilities found: %v", err)
	}
	more, err := filepath.Glob("../../../shared/corpus/specs/*.yaml") // where examples lie beside the checkout
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, more...) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := spec.Parse(filepath.Base(file), text, spec.DefaultLimits)
		if doc == nil {
			continue
		}
		plain, list := Compile(doc, nil)
		explained, same := CompileExplained(doc, nil)
		if !reflect.DeepEqual(list, same) {
			t.Errorf("%s: the explanation changes the diagnostics", file)
		}
		if plain == nil {
			continue
		}
		if plain.Consumed() != nil {
			t.Errorf("%s: explained without being asked to", file)
		}
		ops, again := plain.operations(), explained.operations()
		if len(ops) != len(again) {
			t.Fatalf("%s: %d operations, %d when explained", file, len(ops), len(again))
		}
		for i, op := range ops {
			if op.why != nil || op.Inputs() != nil || len(op.Calls()) > 0 && op.Calls()[0].Origins() != nil {
				t.Errorf("%s: %s is explained without being asked to", file, op.called)
			}
			if string(op.intake) != string(again[i].intake) || len(op.inputs) != len(again[i].inputs) {
				t.Errorf("%s: %s takes other inputs when explained", file, op.called)
			}
			if len(again[i].Calls()) > 0 {
				explainsAll(t, file, again[i])
			}
		}
	}
}

func explainsAll(t *testing.T, file string, op *Operation) {
	t.Helper()
	c, found := op.Calls()[0], map[PartName]int{}
	for _, o := range c.Origins() {
		found[PartName{o.Part, strings.ToLower(o.Name)}]++
		if o.Rule == "" || !o.Span.Start.IsValid() {
			t.Errorf("%s: %s: %s %q has rule %q and place %s", file, op.called, o.Part, o.Name, o.Rule, o.Span)
		}
		for _, s := range o.Sources {
			if s.Kind == "" || s.Kind != SourceLiteral && (s.Name == "" || s.Rule == "" || !s.Span.Start.IsValid()) {
				t.Errorf("%s: %s: %s %q has source %+v", file, op.called, o.Part, o.Name, s)
			}
			if s.Kind == SourceInput && len(s.Places) == 0 {
				t.Errorf("%s: %s: input %s is looked for nowhere", file, op.called, s.Name)
			}
		}
	}
	need := func(part Part, name string) {
		if found[PartName{part, strings.ToLower(name)}] == 0 {
			t.Errorf("%s: %s: nothing explains %s %q", file, op.called, part, name)
		}
	}
	need(PartMethod, "")
	need(PartBase, "")
	need(PartPath, "")
	values := 0
	for _, p := range c.path {
		if p.value != nil {
			values++
		}
	}
	named := 0
	for p, n := range found {
		if p.Part == PartPath && p.Name != "" {
			named += n
		}
	}
	if named != values {
		t.Errorf("%s: %s: %d path values, %d explained", file, op.called, values, named)
	}
	for _, q := range c.query {
		need(PartQuery, q.name)
	}
	for _, h := range c.headers {
		need(PartHeader, h.name)
	}
	for _, k := range c.cookies {
		need(PartCookie, k.name)
	}
	if c.basic != nil {
		need(PartHeader, "Authorization")
	}
	if c.body == nil {
		return
	}
	for _, m := range append(c.body.members[:len(c.body.members):len(c.body.members)], c.body.auth...) {
		need(PartBody, m.name)
	}
	if c.body.whole != nil || c.body.inbound {
		need(PartBody, "")
	}
	if c.body.template != nil {
		bodies := 0
		for p := range found {
			if p.Part == PartBody {
				bodies++
			}
		}
		if bodies == 0 {
			t.Errorf("%s: %s: nothing explains the body", file, op.called)
		}
	}
}
