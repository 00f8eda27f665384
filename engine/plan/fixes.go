package plan

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// The functions of this file say how a problem is mended in the text. A repair never
// guesses: it writes what was understood anyway, or the one sub-path that is all but certain
// (contract C6b).

// mendedBy keeps how the problem is mended. It is asked once, when the problem is reported.
func (f *fault) mendedBy(repair func() []diag.Edit) *fault {
	f.repair = repair
	return f
}

func (f *fault) fixes() []diag.Edit {
	if f.repair == nil {
		return nil
	}
	return f.repair()
}

func (f *fault) key() string { return string(f.code) + "\x00" + f.span.String() + "\x00" + f.message }

// openVariable is a variable that is used and not declared.
type openVariable struct {
	namespace, name string
	fault           *fault
}

// fixVariables adds to what is said of undeclared variables how they are declared. Those of
// one namespace are declared together, since a key that is declared alone can change what
// another name in a base URI stands for.
func (c *compiler) fixVariables() {
	open := map[string][]openVariable{}
	fresh := map[string]bool{}
	for _, o := range c.vars.open {
		if _, reported := c.faults[o.fault.key()]; !reported || !expr.IsScreaming(o.name) || ReservedVariable(o.name) {
			continue
		}
		if o.namespace == "env" && !c.vars.namespaces["env"] {
			o.namespace = ""
		}
		open[o.namespace] = append(open[o.namespace], o)
		fresh[o.name] = true
	}
	if !c.keepsMeaning(fresh) {
		return
	}
	for namespace, all := range open {
		var names []string
		for _, o := range all {
			names = append(names, o.name)
		}
		slices.Sort(names)
		edits := c.doc.AddVariables(namespace, slices.Compact(names))
		for _, o := range all {
			c.list[c.faults[o.fault.key()]].Fixes = edits
		}
	}
}

// keepsMeaning reports whether everything means what it meant when more keys are declared:
// names in base URIs (contract V4) and placeholders of paths (C3).
func (c *compiler) keepsMeaning(more map[string]bool) bool {
	for _, s := range c.vars.servers {
		if key, _ := c.vars.serverKey(s, more); key != s.key {
			return false
		}
	}
	for _, ns := range c.order {
		for _, op := range ns.ops {
			for _, p := range op.path {
				if p.slot != nil && p.slot.decl == nil && p.ref.Form == expr.Brace && more[p.ref.Name] {
					return false
				}
			}
		}
	}
	return true
}

// noteAdded reports the inputs that a tool does not declare and needs (contract M1).
func (b *draft) noteAdded(added []*property) {
	by := "its steps need"
	if call := b.out.onlyCall(); b.steps == nil && call != nil {
		by = call.name + " needs"
	}
	for _, p := range added {
		by, hint := by, "add it to inputParameters"
		if !p.required && b.isShown(p.name) {
			by = "its questions show"
			if near, ok := diag.Nearest(p.name, b.declaredNames()); ok {
				hint = "did you mean {{" + near + "}}? Otherwise " + hint
			}
		}
		b.c.note(diag.Warning, b.x.unit, faultf(diag.CodeAssumed, "M1", b.x.decl.Span, "%s does not declare the input %s, which %s; it is added", b.x.title(), p.name, by).
			hintf("%s", hint).
			mendedBy(func() []diag.Edit { return b.x.declareInputs(added) }))
	}
}

// declareInputs writes all inputs a tool lacks: two edits would begin one list each.
func (x *exposed) declareInputs(missing []*property) []diag.Edit {
	entries := make([]spec.Entry, len(missing))
	for i, p := range missing {
		e := spec.Entry{Name: p.name}
		if p.typ != "" {
			e.Fields = append(e.Fields, spec.FreshMember{Key: "type", Value: spec.NewText(p.typ)})
		}
		e.Fields = append(e.Fields, spec.FreshMember{Key: "required", Value: spec.NewBool(p.required)})
		if text := strings.Join(strings.Fields(p.description), " "); text != "" {
			e.Fields = append(e.Fields, spec.FreshMember{Key: "description", Value: spec.NewText(text)})
		}
		entries[i] = e
	}
	return x.decl.Node.AddEntries("inputParameters", entries, "name", "label", "display", "title", "description", "tags", "hints")
}

// writeWith writes what rule I6 supplies.
func (b *builder) writeWith(slot, input string) []diag.Edit {
	if strings.ContainsAny(input, "\n{}<>") {
		return nil // it would be read as a template
	}
	value := spec.NewText(b.prefix() + "." + input)
	if b.with != nil {
		return b.with.InsertMember(slot, value)
	}
	return b.x.decl.Node.SetMember("with", spec.NewMap(spec.FreshMember{Key: slot, Value: value}), "call")
}

var namespacePattern = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// prefix is the word in front of an input's name: that of the version, if it has one.
func (b *builder) prefix() string {
	if own := b.x.own; b.c.doc.Root.Value == "ikanos" && own != "env" && namespacePattern.MatchString(own) {
		return own
	}
	return b.x.kind.prefix()
}

// renameCall writes the name that a call was taken for. An operation that has only an id
// gets its name from it.
func renameCall(at spec.Text, found []*consumed) []diag.Edit {
	op := found[0]
	if op.name != "" {
		return rewriteCall(at, op)
	}
	if len(found) > 1 || op.decl.Name.IsSet() {
		return nil
	}
	return op.decl.Node.RenameKey("id", "name")
}

// rewriteCall writes which operation a call was taken for, unless that is half a name.
func rewriteCall(at spec.Text, op *consumed) []diag.Edit {
	if op.namespace == "" || op.name == "" {
		return nil
	}
	return at.Rewrite(op.label())
}

// rewriteAssumed writes the namespace that a call was taken to mean. By rule K5 that depends
// on all calls of the document naming one namespace, so all of them are written together.
func (c *compiler) rewriteAssumed(rule string, at spec.Text, ns *namespace, op *consumed) []diag.Edit {
	if rule != "K5" {
		return rewriteCall(at, op)
	}
	if ns.name == "" {
		return nil
	}
	var out []diag.Edit
	for call := range c.calls() {
		_, name, _ := strings.Cut(call.Value, ".")
		if len(ns.find(func(op *consumed) bool { return op.name == name && name != "" })) > 0 {
			out = append(out, call.Rewrite(ns.name+"."+name)...)
		}
	}
	return out
}

// calls gives the calls of all exposed operations and tools.
func (c *compiler) calls() iter.Seq[spec.Text] {
	return func(yield func(spec.Text) bool) {
		each := func(ops []spec.ExposedOperation) bool {
			for i := range ops {
				if !yield(ops[i].Call.AsText()) {
					return false
				}
			}
			return true
		}
		for i := range c.doc.Exposes {
			e := &c.doc.Exposes[i]
			if !each(e.Tools) {
				return
			}
			for j := range e.Resources {
				if !each(e.Resources[j].Operations) {
					return
				}
			}
			for j := range e.MCPResources {
				if !yield(e.MCPResources[j].Operation.Call.AsText()) {
					return
				}
			}
		}
	}
}

// declareQuery declares a query parameter that with feeds. An operation that others look
// like is left alone: a parameter more would make them differ.
func (op *consumed) declareQuery(name string) []diag.Edit {
	if slices.ContainsFunc(op.warnings, func(f *fault) bool { return f.code == diag.CodeSharedWireForm }) {
		return nil
	}
	e := spec.Entry{Name: name, Fields: []spec.FreshMember{{Key: "in", Value: spec.NewText("query")}}}
	return op.decl.Node.AddEntries("inputParameters", []spec.Entry{e}, "name", "method", "path", "label", "display", "title", "description", "tags")
}

// isAppending reports whether an operation of the namespace relies on its path being put
// behind its resource's (contract C2), so that no path may begin with its resource's.
func (ns *namespace) isAppending() bool {
	if ns.isReplacing() {
		return false
	}
	return slices.ContainsFunc(ns.ops, func(op *consumed) bool {
		res := op.resource.URI.Value
		return op.decl.URI.Value != "" && op.decl.HasURI && res != "" && res != "/"
	})
}

// dollarToBraces writes ${X} as {{X}}.
func dollarToBraces(t spec.Text, ref expr.Ref) []diag.Edit {
	written := "${" + ref.Name + "}"
	// References of a base URI are counted without the blanks around it.
	if start := ref.Start + strings.Index(t.Value, strings.TrimSpace(t.Value)); start+len(written) <= len(t.Value) && t.Value[start:start+len(written)] == written {
		return t.Splice(start, start+len(written), "{{"+ref.Name+"}}")
	}
	return nil
}
