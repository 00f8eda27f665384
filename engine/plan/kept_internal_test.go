package plan

import (
	"slices"
	"strconv"
	"testing"

	"capd/schema"
)

// TestSharedIsNotChanged: what operations of a document share stays as it was when the first of them
// got it.
func TestSharedIsNotChanged(t *testing.T) {
	t.Parallel()
	with, c := Compiler{Schemas: schema.Compile}, new(compiler)
	expressions, shared := 0, 0
	for _, doc := range documents(t) {
		c.begin(with, doc, nil)
		unit, _ := c.compile()
		for key, x := range c.kept.expressions {
			expressions++
			if (simple{x.kind, x.typ, x.index, x.variable, x.literal}) != key || x.parts != nil || x.detail != nil {
				t.Errorf("%s: %+v was made for %+v", doc.File, *x, key)
			}
		}
		if !isEmpty(c.kept.call) || !isEmpty(c.kept.operation) {
			t.Errorf("%s: something was written where there is nothing for all", doc.File)
		}
		if unit == nil {
			continue
		}
		inputs := map[*input]bool{}
		for _, op := range unit.operations() {
			if len(op.inputs) == 0 {
				continue
			}
			if inputs[&op.inputs[0]] {
				shared++
			}
			inputs[&op.inputs[0]] = true
			if !slices.ContainsFunc(c.kept.inputs[op.inputs[0].name], func(list []input) bool { return &list[0] == &op.inputs[0] }) {
				t.Errorf("%s: the inputs of %s are its own", doc.File, op.called)
			}
		}
	}
	if expressions < 20 || shared == 0 {
		t.Errorf("%d expressions, %d operations with the inputs of others", expressions, shared)
	}
}

func isEmpty[T any](v *T) bool { return settled(v, nil) == nil }

// TestRecentAreShared: equal values are held once, but a document with thousands that are all different
// does not have each compared with all the others.
func TestRecentAreShared(t *testing.T) {
	t.Parallel()
	var k kept
	k.begin()
	for what, hold := range map[string]func(name string) any{
		"texts":   func(name string) any { return &once(&k.texts, []byte(name))[0] },
		"lookups": func(name string) any { return &k.lookupsOf(&input{name: "a", lookups: []lookup{{name: name}}})[0] },
		"inputs":  func(name string) any { return &k.inputsOf([]input{{name: "a"}, {name: name}})[0] },
	} {
		first := hold("first")
		for i := range maxRecent - 1 {
			hold(strconv.Itoa(i))
		}
		if hold("first") != first {
			t.Errorf("equal %s are not shared", what)
		}
		hold("another")
		if hold("first") == first {
			t.Errorf("of %s more than the recent ones are looked through", what)
		}
	}
}
