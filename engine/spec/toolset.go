package spec

import "capd/engine/diag"

// Toolset is a named choice of an MCP adapter's tools.
type Toolset struct {
	Span        diag.Span
	Name        Text
	Description Text
	Tools       []Text
}

const toolsetKeys = "name description tools"

// toolsets reads the toolsets of an MCP adapter: a mapping from names, or a list of entries
// with a name. Where it is a mapping, a list of tools stands for an entry that has only these.
func (p *parser) toolsets(v *Value) []Toolset {
	var out []Toolset
	list := some(v, "toolsets")
	if list == nil || list.Kind != Map {
		for _, e := range p.collection(list, "toolsets", "toolset", diag.Warning) {
			out = append(out, p.toolset(e))
		}
		return out
	}
	for _, m := range list.Members {
		switch m.Value.Kind {
		case Map:
			span := m.Key.Span()
			span.End = m.Value.Span().End
			out = append(out, p.toolset(entry{name: m.Key, value: m.Value, span: span}))
		case List, Null:
			out = append(out, Toolset{Span: m.Key.Span(), Name: m.Key, Tools: m.Value.textItems()})
		default:
			p.dropped(m.Value, "toolset", diag.Warning)
		}
	}
	return out
}

func (p *parser) toolset(e entry) Toolset {
	p.keys(e.value, toolsetKeys, "")
	return Toolset{
		Span: e.span, Name: e.name, Description: p.text(e.value, "description"), Tools: p.texts(e.value, "tools"),
	}
}

// textItems gives the texts of a list.
func (v *Value) textItems() []Text {
	var out []Text
	for _, item := range v.Items {
		if t := item.AsText(); t.IsSet() {
			out = append(out, t)
		}
	}
	return out
}
