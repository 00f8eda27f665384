package spec

import (
	"slices"
	"strings"

	"capd/engine/diag"
)

// Spellings gives the places where a document writes what the language has another word for:
// keys of other versions and of dialects, which are read silently. Each has the edits that
// write it in the words of the document's own version. Nothing of it is a problem, so no
// check of a document reports it.
func (d *Document) Spellings() diag.List {
	s := &speller{maps: d.Root.Value == "ikanos", early: strings.HasPrefix(d.Version.Value, "0.")}
	s.label = "label"
	if s.maps {
		s.label = "display"
	}
	s.document(d)
	s.found.Sort()
	return s.found
}

// speller collects spellings.
type speller struct {
	maps  bool   // the version writes collections as mappings
	early bool   // before 1.0
	label string // what the version calls the name for people
	found diag.List
}

// rename proposes a key for another, the first of several that is there.
func (s *speller) rename(v *Value, to string, from ...string) {
	if v == nil || v.Kind != Map || v.Get(to) != nil {
		return
	}
	for _, key := range from {
		if m := v.member(key); m != nil && m.Value.given() {
			s.add(m.Key.node, v.RenameKey(key, to), "key %s means %s", quote(key), quote(to))
			return
		}
	}
}

func (s *speller) add(v *Value, edits []diag.Edit, format string, args ...any) {
	at := v.Span()
	if len(edits) == 0 || slices.ContainsFunc(s.found, func(d diag.Diagnostic) bool { return d.Span == at }) {
		return
	}
	d := problem(diag.CodeSpelling, diag.Info, v, "", format, args...)
	d.Fixes = edits
	s.found.Add(d)
}

func (s *speller) document(d *Document) {
	if info := d.tree.Get("info"); info != nil {
		s.rename(info, s.label, "label", "display", "title", "name")
	}
	for i := range d.Consumes {
		s.consumed(&d.Consumes[i])
	}
	for i := range d.Exposes {
		s.exposed(&d.Exposes[i])
	}
	if s.maps {
		s.labels(d.tree)
		s.labels(d.tree.Get("capability"))
	}
}

// labels renames label wherever an element of a collection has it, in versions that call it
// display.
func (s *speller) labels(v *Value) {
	const collections = "exposes aggregates flows functions resources tools prompts arguments operations consumes"
	if v == nil {
		return
	}
	for _, m := range v.Members {
		if !listed(collections, m.Key.Value) {
			continue
		}
		elements := m.Value.Items
		for _, e := range m.Value.Members {
			elements = append(elements, e.Value)
		}
		for _, e := range elements {
			s.rename(e, s.label, "label")
			s.labels(e)
		}
	}
}

func (s *speller) consumed(c *Consumed) {
	s.rename(c.Node, "baseUri", "targetUri")
	s.namespace(c.Node)
	s.authentication(c.Node)
	for i := range c.Resources {
		for j := range c.Resources[i].Operations {
			o := &c.Resources[i].Operations[j]
			s.rename(o.Node, "description", "summary")
			s.bodyType(o.Body)
		}
	}
}

func (s *speller) exposed(x *Exposed) {
	s.namespace(x.Node)
	s.authentication(x.Node)
	if t := x.Node.Get("type").AsText(); strings.EqualFold(t.Value, "api") && !s.early {
		s.add(t.node, t.Rewrite("rest"), "type %s is called rest", quote(t.Value))
	}
	for i := range x.Resources {
		for j := range x.Resources[i].Operations {
			s.operation(&x.Resources[i].Operations[j])
		}
	}
	for i := range x.Tools {
		s.operation(&x.Tools[i])
	}
	for i := range x.MCPResources {
		s.operation(&x.MCPResources[i].Operation)
	}
	for i := range x.Prompts {
		s.named(x.Prompts[i].Node)
		for j := range x.Prompts[i].Arguments {
			s.named(x.Prompts[i].Arguments[j].Node)
		}
	}
}

func (s *speller) operation(o *ExposedOperation) { s.named(o.Node) }

// named renames the keys under which something is shown to people.
func (s *speller) named(v *Value) {
	from := []string{"label", "display", "title"}
	s.rename(v, s.label, from...)
	s.rename(v, "description", "summary")
}

// namespace renames the name of an entry that has no other.
func (s *speller) namespace(v *Value) {
	s.rename(v, "namespace", "name")
}

func (s *speller) bodyType(body *Value) {
	if body == nil || body.Kind != Map {
		return
	}
	t := body.Get("type").AsText()
	want := ""
	switch strings.ToLower(t.Value) {
	case "form", "x-www-form-urlencoded", "application/x-www-form-urlencoded":
		want = "formUrlEncoded"
	case "application/json":
		want = "json"
	}
	if want != "" {
		s.add(t.node, t.Rewrite(want), "body type %s is called %s", quote(t.Value), want)
	}
}
