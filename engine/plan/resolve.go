package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// callee is what something of an exposed operation says that it calls.
type callee struct {
	x    *exposed
	step string      // of x; empty: x itself calls
	call *spec.Value // as written
	form *spec.Value // "calls" or "operation", which only look like a call
	at   diag.Span   // what calls
}

// title is how messages call what calls.
func (by *callee) title() string {
	if by.step != "" {
		return "step " + by.step
	}
	return by.x.title()
}

// resolve finds the consumed operation that is called (contract K).
func (c *compiler) resolve(by *callee) (*consumed, *fault) {
	call := by.call
	if call == nil || call.Kind == spec.Null {
		if by.form != nil {
			return nil, faultf(diag.CodeUnsupportedCallForm, "K5", by.form.Span(), "%s says what it calls in a form nobody defines", by.title()).
				hintf("write call: namespace.operation")
		}
		return nil, faultf(diag.CodeNoCall, "K5", by.at, "%s does not say what it calls", by.title()).
			hintf("write call: namespace.operation")
	}
	if call.Kind != spec.String {
		return nil, faultf(diag.CodeUnsupportedCallForm, "K5", call.Span(), "the call of %s is not a string", by.title()).
			hintf("write call: namespace.operation")
	}
	text := call.AsText()
	ns, name := c.splitCall(text.Value)
	if ns == nil {
		return c.resolveElsewhere(by.x, text)
	}
	return c.pick(ns, name, text, by.x)
}

// splitCall finds the longest consumed namespace in front of the call (K1).
func (c *compiler) splitCall(call string) (*namespace, string) {
	for i := len(call) - 1; i >= 0; i-- {
		if call[i] != '.' {
			continue
		}
		if ns := c.namespaces[call[:i]]; ns != nil {
			return ns, call[i+1:]
		}
	}
	return nil, ""
}

// pick finds the operation in its namespace: by name, by id, by letters and digits.
func (c *compiler) pick(ns *namespace, name string, at spec.Text, x *exposed) (*consumed, *fault) {
	found := ns.find(func(op *consumed) bool { return op.name == name && name != "" })
	how := ""
	if len(found) == 0 {
		found = ns.find(func(op *consumed) bool { return op.name == "" && op.id == name && name != "" })
		how = "the operation has only an id"
	}
	if len(found) == 0 {
		fold := expr.Fold(name)
		found = ns.find(func(op *consumed) bool { return fold != "" && expr.Fold(op.key()) == fold })
		how = "the spelling differs"
		if len(distinctNames(found)) > 1 {
			found = nil
		}
	}
	if len(found) == 0 {
		f := faultf(diag.CodeUnresolvedOperation, "K3", at.Sub(len(at.Value)-len(name), len(at.Value)), "%s has no operation %q", ns.name, name)
		names := ns.names()
		if near, ok := diag.Nearest(name, names); ok {
			return nil, f.hintf("did you mean %s.%s?", ns.name, near)
		}
		return nil, f.hintf("it has %s", someOf(names))
	}
	if how != "" {
		c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeApproximateName, "K3", at.Span(), "call %s is read as %s, since %s", at.Value, found[0].label(), how).
			hintf("write call: %s", found[0].label()).mendedBy(func() []diag.Edit { return renameCall(at, found) }))
	}
	return c.single(found, at, x)
}

func (ns *namespace) find(match func(*consumed) bool) []*consumed {
	var out []*consumed
	for _, op := range ns.ops {
		if match(op) {
			out = append(out, op)
		}
	}
	return out
}

func (ns *namespace) names() []string { return distinctNames(ns.ops) }

// single chooses among operations of one name (K6).
func (c *compiler) single(found []*consumed, at spec.Text, x *exposed) (*consumed, *fault) {
	if len(found) == 1 || allSame(found) {
		return found[0], nil
	}
	if x.kind == REST {
		want := x.method + " " + anonymousPath(x.path)
		var match []*consumed
		for _, op := range found {
			if op.method+" "+anonymousPath(op.wire) == want {
				match = append(match, op)
			}
		}
		if len(match) > 0 && allSame(match) {
			c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeApproximateName, "K6", at.Span(),
				"%s names %d operations; the one with the exposed method and path is called", at.Value, len(found)))
			return match[0], nil
		}
	}
	f := faultf(diag.CodeAmbiguousOperation, "K6", at.Span(), "%s names %d different operations", at.Value, len(found)).
		hintf("give each a name of its own")
	for _, op := range found {
		if len(f.related) < 5 {
			f.related = append(f.related, diag.Related{Span: op.decl.Span, Message: op.method + " " + op.wire})
		}
	}
	return nil, f
}

func allSame(ops []*consumed) bool {
	return !slices.ContainsFunc(ops, func(op *consumed) bool { return op.wireKey() != ops[0].wireKey() })
}

// anonymousPath is a path without the names of its placeholders.
func anonymousPath(path string) string {
	var b strings.Builder
	for _, p := range expr.ParsePath("/" + strings.TrimPrefix(path, "/")).Parts {
		if p.IsRef() {
			b.WriteString("{}")
		} else {
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// resolveElsewhere handles calls whose namespace is not consumed here (K4, K5).
func (c *compiler) resolveElsewhere(x *exposed, at spec.Text) (*consumed, *fault) {
	written, name, _ := strings.Cut(at.Value, ".")
	if own := x.own; own != "" && strings.HasPrefix(at.Value, own+".") {
		written, name = own, at.Value[len(own)+1:]
		var homes []*namespace
		for _, ns := range c.order {
			if len(ns.find(func(op *consumed) bool { return op.name == name })) > 0 {
				homes = append(homes, ns)
			}
		}
		if len(homes) == 1 {
			return c.assumeNamespace("K4", homes[0], name, at, x)
		}
	}
	if ns, ok := c.onlyNamespace(); ok && name != "" && len(ns.find(func(op *consumed) bool { return op.name == name })) > 0 {
		return c.assumeNamespace("K5", ns, name, at, x)
	}
	if imp, ok := c.imports[written]; ok || len(c.imports) > 0 {
		f := faultf(diag.CodeUnresolvedImport, "K5", at.Span(), "namespace %q is imported, and the import could not be resolved", written)
		if ok && imp.Location.Value != "" {
			return nil, f.hintf("see what is said of the import of %s", imp.Location.Value) // a caller does not see hints
		}
		return nil, f.hintf("see what is said of the imports, or write the consumed operations into this document")
	}
	if ns := c.namespaces[at.Value]; ns != nil {
		return nil, faultf(diag.CodeUnresolvedOperation, "K1", at.Span(), "call %s names a namespace and no operation of it", at.Value).
			hintf("write %s.operation; it has %s", at.Value, someOf(ns.names()))
	}
	names := sortedKeys(c.namespaces)
	f := faultf(diag.CodeUnresolvedNamespace, "K5", at.Sub(0, len(written)), "namespace %q is not consumed in this document", written)
	if near, ok := diag.Nearest(written, names); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	if len(names) == 0 {
		return nil, f.hintf("the document consumes nothing")
	}
	return nil, f.hintf("it consumes %s", someOf(names))
}

func (c *compiler) assumeNamespace(rule string, ns *namespace, name string, at spec.Text, x *exposed) (*consumed, *fault) {
	op, f := c.pick(ns, name, at, x)
	if f == nil {
		c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeApproximateName, rule, at.Span(), "call %s is read as %s", at.Value, op.label()).
			hintf("write call: %s", op.label()).mendedBy(func() []diag.Edit { return c.rewriteAssumed(rule, at, ns, op) }))
	}
	return op, f
}

// onlyNamespace gives the one consumed namespace when all calls of the document use one
// other name (K5).
func (c *compiler) onlyNamespace() (*namespace, bool) {
	if len(c.order) != 1 {
		return nil, false
	}
	used := map[string]bool{}
	note := func(ops []spec.ExposedOperation) {
		for i := range ops {
			used[callNamespace(ops[i].Call)] = true
			for j := range ops[i].Steps {
				used[callNamespace(ops[i].Steps[j].Call)] = true
			}
		}
	}
	for i := range c.doc.Exposes {
		e := &c.doc.Exposes[i]
		note(e.Tools)
		for j := range e.MCPResources {
			note([]spec.ExposedOperation{e.MCPResources[j].Operation})
		}
		for j := range e.Resources {
			note(e.Resources[j].Operations)
		}
	}
	for i := range c.doc.Aggregates {
		note(c.doc.Aggregates[i].Flows)
	}
	delete(used, "")
	return c.order[0], len(used) == 1
}

func callNamespace(call *spec.Value) string {
	ns, _, _ := strings.Cut(call.AsText().Value, ".")
	return ns
}
