package plan

import (
	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// binding is a name that with of an operation or a flow gives a value, for what the
// operation or the flow is made of.
type binding struct {
	name  string
	value expression
	at    diag.Span
	used  bool
}

// bind compiles with where it feeds no call by itself: beside steps, and beside ref.
func (d *draft) bind(with *spec.Value) *fault {
	var added []binding
	f := d.newBuilder(nil, with).eachOf(with, func(key spec.Text, x expression) {
		added = append(added, binding{name: key.Value, value: x, at: key.Span()})
	})
	d.bindings = append(d.bindings, added...)
	return f
}

// eachOf compiles the values of a with that names no parameters of a call.
func (b *builder) eachOf(with *spec.Value, each func(key spec.Text, x expression)) *fault {
	switch {
	case with == nil || with.Kind == spec.Null:
		return nil
	case with.Kind != spec.Map:
		return faultf(diag.CodeWithNotAMapping, "W3", with.Span(), "with of %s is not a mapping", b.x.title()).
			hintf("write with: {parameter: %s.input}", b.x.kind.prefix())
	}
	for i := range with.Members {
		m := &with.Members[i]
		if m.Value == nil || m.Value.Kind == spec.Null {
			continue
		}
		x, f := b.value(m.Value, false)
		if f != nil {
			return f
		}
		b.noteInputs(x, nil)
		each(m.Key, x)
	}
	return nil
}

// bound gives the value that with gives a name: exact, else by letters and digits (contract
// N1); the inner with wins.
func (d *draft) bound(name string) (expression, bool) {
	for i := len(d.bindings) - 1; i >= 0; i-- {
		if b := &d.bindings[i]; b.name == name {
			b.used = true
			return b.value, true
		}
	}
	fold := expr.Fold(name)
	found := -1
	for i := range d.bindings {
		if fold != "" && expr.Fold(d.bindings[i].name) == fold {
			if found >= 0 && d.bindings[found].name != d.bindings[i].name {
				return expression{}, false
			}
			found = i
		}
	}
	if found < 0 {
		return expression{}, false
	}
	d.bindings[found].used = true
	return d.bindings[found].value, true
}

// isBound reports whether with gives the name a value.
func (d *draft) isBound(name string) bool {
	for i := range d.bindings {
		if d.bindings[i].name == name || expr.Fold(d.bindings[i].name) == expr.Fold(name) {
			return true
		}
	}
	return false
}

// noteUnusedBindings reports keys of with that nothing reads.
func (d *draft) noteUnusedBindings() {
	for i := range d.bindings {
		if b := &d.bindings[i]; !b.used {
			d.c.note(diag.Warning, d.x.unit, faultf(diag.CodeUnboundWithKey, "W5", b.at, "with.%s is ignored: nothing that %s runs reads it", b.name, d.x.title()))
		}
	}
}
