package spec

import (
	"slices"

	"capd/engine/diag"
)

// Entry is a named element that is to be added to a collection such as inputParameters.
type Entry struct {
	Name   string
	Fields []FreshMember
}

// AddEntries gives the edits that add named elements to a collection of the mapping v, in the
// form the collection has; one that does not exist is made in the form of the document's
// version, behind the last of the members named in after.
func (v *Value) AddEntries(section string, entries []Entry, after ...string) []diag.Edit {
	if v == nil || v.Kind != Map || len(entries) == 0 {
		return nil
	}
	have := v.Get(section)
	switch {
	case !have.given():
		return v.SetMember(section, freshCollection(entries, v.usesMaps()), after...)
	case have.Kind == List:
		return have.insertItems(listItems(entries))
	case have.Kind == Map && !isEntry(have):
		return have.addMembers(entries)
	}
	return nil
}

// usesMaps reports whether the version of the document writes collections as mappings, as
// the language does since its root key is ikanos.
func (v *Value) usesMaps() bool {
	for v.parent != nil {
		v = v.parent
	}
	m := versionKey(v)
	return m != nil && m.Key.node.Text == "ikanos"
}

func freshCollection(entries []Entry, maps bool) Fresh {
	if !maps {
		return NewList(listItems(entries)...)
	}
	members := make([]FreshMember, len(entries))
	for i, e := range entries {
		members[i] = FreshMember{e.Name, NewMap(e.Fields...)}
	}
	return NewMap(members...)
}

func listItems(entries []Entry) []Fresh {
	items := make([]Fresh, len(entries))
	for i, e := range entries {
		items[i] = NewMap(append([]FreshMember{{"name", NewText(e.Name)}}, e.Fields...)...)
	}
	return items
}

// addMembers adds entries to a collection that is a mapping.
func (v *Value) addMembers(entries []Entry) []diag.Edit {
	var out []diag.Edit
	own := v.own()
	for _, e := range entries {
		value := NewMap(e.Fields...)
		if len(own) > 0 && own[len(own)-1].Value.isFlow() {
			text := value.inline()
			value = Fresh{kind: String, text: text, flow: text}
		}
		edits := v.InsertMember(e.Name, value)
		if edits == nil {
			return nil
		}
		// All insertions stand at one place; one edit keeps them together.
		if len(out) == 1 && len(edits) == 1 && out[0].Span == edits[0].Span {
			out[0].New += edits[0].New
			continue
		}
		out = append(out, edits...)
	}
	return out
}

// AddVariables gives the edits that declare variables of the environment in binds: in the
// entry of the namespace if it is given, else in the entry named env or the first one that
// reads the environment, else in a new one.
func (d *Document) AddVariables(namespace string, names []string) []diag.Edit {
	bind := d.bindFor(namespace)
	switch {
	case bind != nil:
		return addKeys(bind.Node, names)
	case namespace != "" && namespace != "env":
		return nil
	}
	entry := NewMap(FreshMember{"namespace", NewText("env")}, FreshMember{"keys", freshKeys(names)})
	if list := d.tree.Get("binds"); list.given() {
		return list.InsertItem(entry)
	}
	return d.tree.SetMember("binds", NewList(entry), d.Root.Value, "info")
}

func (d *Document) bindFor(namespace string) *Bind {
	first := -1
	for i := range d.Binds {
		b := &d.Binds[i]
		switch {
		case b.Location.IsSet() || b.Node.Kind != Map || b.Node.src != d.tree.src:
		case b.Namespace.Value == namespace, namespace == "" && b.Namespace.Value == "env":
			return b
		case first < 0:
			first = i
		}
	}
	if first < 0 || namespace != "" && namespace != "env" {
		return nil
	}
	return &d.Binds[first]
}

func freshKeys(names []string) Fresh {
	members := make([]FreshMember, len(names))
	for i, name := range names {
		members[i] = FreshMember{name, NewText(name)}
	}
	return NewMap(members...)
}

// addKeys adds variables to an entry of binds, whatever form its keys have.
func addKeys(bind *Value, names []string) []diag.Edit {
	keys := bind.Get("keys")
	switch {
	case !keys.given():
		return bind.SetMember("keys", freshKeys(names))
	case keys.Kind == List:
		items := make([]Fresh, len(names))
		for i, name := range names {
			items[i] = NewText(name)
		}
		return keys.insertItems(items)
	case keys.Kind != Map:
		return nil
	}
	var out []diag.Edit
	for _, name := range names {
		edits := keys.InsertMember(name, NewText(name))
		if len(edits) != 1 {
			return nil
		}
		out = append(out, edits...)
	}
	for i := range out[1:] {
		out[0].New += out[i+1].New
	}
	return slices.Clip(out[:1])
}
