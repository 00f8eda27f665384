package spec

import "capd/engine/diag"

// entry is one element of a named collection.
type entry struct {
	name  Text
	value *Value // a Map
	span  diag.Span
}

// entries reads a named collection in either of its forms: a list whose items have a name,
// or a mapping from names. What is no mapping is reported and left out; severity says
// whether that refuses something.
func (p *parser) entries(v *Value, key, what string, s diag.Severity) []entry {
	return p.collection(some(v, key), key, what, s)
}

// each reads every entry into memory of the document.
func each[T any](s *slab[T], entries []entry, read func(entry) T) []T {
	if len(entries) == 0 {
		return nil
	}
	out := s.take(len(entries))
	for i, e := range entries {
		out[i] = read(e)
	}
	return out
}

// collection reads the value of a named collection's key.
func (p *parser) collection(list *Value, key, what string, s diag.Severity) []entry {
	switch {
	case list == nil:
		return nil
	case list.Kind == List:
		return p.listForm(list, what, s)
	case list.Kind == Map && isEntry(list):
		d := problem(diag.CodeWrongType, diag.Warning, list, "put a dash in front of it",
			"%s is one %s entry, expected a list; it is read as a list of one", key, what)
		d.Fixes = list.asList()
		p.add(d)
		return []entry{{name: p.text(list, "name"), value: list, span: list.Span()}}
	case list.Kind == Map:
		return p.mapForm(list, what, s)
	}
	p.refuseEntry(s, list, "%s is %s, expected a list of %s entries", key, list.Kind, what)
	return nil
}

// isEntry reports whether a mapping is an element of a collection where the collection
// should be: it has scalars for keys that elements have, where a collection has elements.
func isEntry(v *Value) bool {
	const keys = "name namespace type baseUri path uri method call in mapping value"
	for _, m := range v.Members {
		if k := m.Value.Kind; listed(keys, m.Key.Value) && k != Map && k != List && k != Null {
			return true
		}
	}
	return false
}

// listForm reads the list form.
func (p *parser) listForm(list *Value, what string, s diag.Severity) []entry {
	out := p.mem.entries.take(len(list.Items))[:0]
	for _, item := range list.Items {
		if item.Kind == Map {
			out = append(out, entry{name: p.text(item, "name"), value: item, span: item.Span()})
		} else {
			p.dropped(item, what, s)
		}
	}
	return out
}

// mapForm reads the map form. A name without anything is an entry without keys.
func (p *parser) mapForm(list *Value, what string, s diag.Severity) []entry {
	out := p.mem.entries.take(len(list.Members))[:0]
	for _, m := range list.Members {
		value := m.Value
		if value.Kind == Null {
			hollow := *value
			hollow.Kind, value = Map, &hollow
		}
		if value.Kind != Map {
			p.dropped(value, what, s)
			continue
		}
		span := m.Key.Span()
		span.End = value.Span().End
		out = append(out, entry{name: m.Key, value: value, span: span})
	}
	return out
}

// dropped reports an element of a collection that cannot be read as one.
func (p *parser) dropped(v *Value, what string, s diag.Severity) {
	if v.Kind == Null {
		s = diag.Warning // nothing is lost
	}
	p.refuseEntry(s, v, "%s entry is %s, expected a mapping", what, v.Kind)
}

// refuseEntry reports that v is left out of the tree. An error refuses the adapter, or the
// part of the current adapter, that stands there; it has no name but its path.
func (p *parser) refuseEntry(s diag.Severity, v *Value, format string, args ...any) {
	d := problem(diag.CodeWrongType, s, v, "", format, args...)
	if v == p.last {
		d.Code, d.Rule, d.Hint, d.Message = diag.CodeTruncated, "L3", p.cut.fullText(), "the text was cut off in this entry"
	}
	switch {
	case s != diag.Error:
	case p.adapter == "":
		d.Unit.Adapter = v.Path()
	default:
		d.Unit = diag.Unit{Adapter: p.adapter, Name: v.Path()}
	}
	p.add(d)
}
