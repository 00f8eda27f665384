package spec

import (
	"regexp"
	"strings"

	"capd/engine/diag"
)

// Migration says what takes a document to another version of the language: the edits, and
// the places that no edit can take there.
type Migration struct {
	Edits []diag.Edit
	Left  diag.List
}

func (m *Migration) leave(v *Value, format string, args ...any) {
	d := problem(diag.CodeVersion, diag.Warning, v, "", format, args...)
	m.Left.Add(d)
}

// ToVersion gives what names the version and writes its keywords (language reference 1.5).
// The version must be one whose root key is ikanos. optional reports whether a tool of the
// adapter with that number takes an input that does not say whether it is required: under
// the new root key it would be.
func (d *Document) ToVersion(version string, optional func(adapter int, tool, input string) bool) Migration {
	m := &migrator{doc: d, optional: optional}
	m.root(version)
	for i := range d.Exposes {
		m.exposed(i, &d.Exposes[i])
	}
	for i := range d.Consumes {
		m.consumed(&d.Consumes[i])
	}
	for i := range d.Imports {
		if n := d.Imports[i].Node; n.Kind == Map && n.Get("import") != nil && n.Get("location") != nil {
			m.edit(n, n.RenameKey("location", "from"), "location of an import is called from")
		}
	}
	m.aggregates(d.Aggregates)
	if refs := d.tree.Get("externalRefs"); refs.given() {
		m.leave(refs, "externalRefs became binds: write namespace, location and keys")
	}
	return m.Migration
}

// migrator collects what a migration takes.
type migrator struct {
	Migration
	doc      *Document
	optional func(adapter int, tool, input string) bool
}

// edit keeps edits, or reports that there are none.
func (m *migrator) edit(v *Value, edits []diag.Edit, format string, args ...any) {
	if len(edits) == 0 {
		m.leave(v, format, args...)
		return
	}
	m.Edits = append(m.Edits, edits...)
}

func (m *migrator) root(version string) {
	d := m.doc
	if d.Root.Value != "ikanos" {
		m.edit(d.Root.node, d.tree.RenameKey(d.Root.Value, "ikanos"), "the root key is called ikanos")
	}
	if d.Version.Value != version {
		m.edit(d.Version.node, d.Version.Rewrite(version), "the version is %s", version)
	}
}

func (m *migrator) exposed(i int, x *Exposed) {
	if t := x.Node.Get("type").AsText(); strings.EqualFold(t.Value, "api") {
		m.edit(t.node, t.Rewrite("rest"), "type api is called rest")
	}
	for r := range x.Resources {
		for o := range x.Resources[r].Operations {
			m.operation(x, &x.Resources[r].Operations[o])
		}
	}
	for t := range x.Tools {
		tool := &x.Tools[t]
		m.operation(x, tool)
		for p := range tool.Parameters {
			m.input(&tool.Parameters[p], []bool{m.optional(i, tool.Name.Value, tool.Parameters[p].Name.Value)})
		}
	}
	for r := range x.MCPResources {
		m.operation(x, &x.MCPResources[r].Operation)
	}
	for p := range x.Parameters {
		var optional []bool
		for t := range x.Tools {
			optional = append(optional, m.optional(i, x.Tools[t].Name.Value, x.Parameters[p].Name.Value))
		}
		m.input(&x.Parameters[p], optional)
	}
}

// input says of an optional input of tools that it is.
func (m *migrator) input(p *Parameter, optional []bool) {
	yes, no := 0, 0
	for _, o := range optional {
		if o {
			yes++
		} else {
			no++
		}
	}
	switch {
	case m.doc.Root.Value == "ikanos" || yes == 0 || p.Node.Get("required").given():
	case no > 0:
		m.leave(p.Node, "%s is required by some tools and not by others: declare it in each tool", quote(p.Name.Value))
	default:
		m.edit(p.Node, p.Node.SetMember("required", NewBool(false), "name", "in", "type"), "%s is optional: write required: false", quote(p.Name.Value))
	}
}

func (m *migrator) operation(x *Exposed, o *ExposedOperation) {
	m.with(x.Namespace.Value, o.With)
	m.targets(o.Mappings)
	m.steps(x.Namespace.Value, o.Steps)
}

func (m *migrator) steps(namespace string, steps []Step) {
	for i := range steps {
		m.with(namespace, steps[i].With)
	}
}

// targets renames the targets of mappings.
func (m *migrator) targets(mappings []StepMapping) {
	for i := range mappings {
		if n := mappings[i].Node; n.Get("targetName") != nil {
			m.edit(n, n.RenameKey("targetName", "target"), "targetName is called target")
		}
	}
}

func (m *migrator) aggregates(list []Aggregate) {
	for i := range list {
		a := &list[i]
		if a.Node.Get("functions") != nil {
			m.edit(a.Node, a.Node.RenameKey("functions", "flows"), "functions are called flows")
		}
		for j := range a.Flows {
			f := &a.Flows[j]
			m.with(a.Namespace.Value, f.With)
			m.steps(a.Namespace.Value, f.Steps)
			m.targets(f.Mappings)
		}
	}
}

func (m *migrator) consumed(c *Consumed) {
	for i := range c.Parameters {
		m.templates(c.Parameters[i].Value)
	}
	for i := range c.Resources {
		r := &c.Resources[i]
		for j := range r.Parameters {
			m.templates(r.Parameters[j].Value)
		}
		for j := range r.Operations {
			o := &r.Operations[j]
			for k := range o.Parameters {
				m.templates(o.Parameters[k].Value)
			}
			m.templates(o.Body)
		}
	}
}

// inputWords are the words in front of an input's name, in references of all dialects.
const inputWords = "rest|tools|tool|inputs|input|args|params"

var (
	inputReference = regexp.MustCompile(`^(?:` + inputWords + `)\.[^\r\n{}<>]+$`)
	thisReference  = regexp.MustCompile(`^\$this\.([^.\r\n{}<>]+)\.[^\r\n{}<>]+$`)
	inputTemplate  = regexp.MustCompile(`\{\{\s*(?:` + inputWords + `)\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}`)
	screaming      = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// with writes references to inputs the way the language does: the namespace of the exposing
// adapter in front of the name.
func (m *migrator) with(namespace string, v *Value) {
	v.strings(func(s *Value) {
		cut := 0
		if inputReference.MatchString(s.Text) {
			cut = strings.IndexByte(s.Text, '.')
		} else if this := thisReference.FindStringSubmatch(s.Text); this != nil && this[1] == namespace {
			cut = len("$this.") + len(namespace)
		}
		switch {
		case cut == 0:
			m.template(s)
		case namespace == "" || !plainKey.MatchString(namespace):
			m.leave(s, "%s: the adapter has no namespace to write in its place", quote(s.Text))
		default:
			m.edit(s, s.AsText().Splice(0, cut, namespace), "%s is written %s", quote(s.Text), namespace+s.Text[cut:])
		}
	})
}

func (m *migrator) templates(v *Value) { v.strings(m.template) }

// template takes the word off references to inputs that need none.
func (m *migrator) template(s *Value) {
	t := s.AsText()
	whole, last := "", 0
	var edits []diag.Edit
	for _, at := range inputTemplate.FindAllStringSubmatchIndex(s.Text, -1) {
		name := s.Text[at[2]:at[3]]
		if screaming.MatchString(name) || m.doc.isBindKey(name) || at[0] > 0 && s.Text[at[0]-1] == '\\' {
			continue
		}
		edits = append(edits, t.Splice(at[0], at[1], "{{"+name+"}}")...)
		whole += s.Text[last:at[0]] + "{{" + name + "}}"
		last = at[1]
	}
	if len(edits) > 1 && edits[0].Span == t.Span() {
		edits = t.Rewrite(whole + s.Text[last:])
	}
	m.Edits = append(m.Edits, edits...)
}

func (d *Document) isBindKey(name string) bool {
	for _, b := range d.Binds {
		for _, k := range b.Keys {
			if k.Key.Value == name {
				return true
			}
		}
	}
	return false
}

// strings visits every string inside a value.
func (v *Value) strings(visit func(*Value)) {
	if v == nil {
		return
	}
	if v.Kind == String {
		visit(v)
	}
	for _, e := range v.elements() {
		e.strings(visit)
	}
}

// elements gives the elements of a collection in either form.
func (v *Value) elements() []*Value {
	if v == nil {
		return nil
	}
	out := append([]*Value(nil), v.Items...)
	for _, m := range v.Members {
		out = append(out, m.Value)
	}
	return out
}
