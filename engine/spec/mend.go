package spec

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"capd/engine/diag"
)

// bareTemplate recognises {{name}} without quotes, which YAML reads as a mapping in a
// mapping, and makes v the text that was meant.
func (p *parser) bareTemplate(n *yaml.Node, v *Value) bool {
	inner := onlyKey(n)
	if inner == nil || inner.Kind != yaml.MappingNode {
		return false
	}
	if name := onlyKey(inner); name == nil || name.Kind != yaml.ScalarNode {
		return false
	}
	text := p.src.text[v.start:]
	end := strings.Index(text, "}}")
	if !strings.HasPrefix(text, "{{") || end < 0 || strings.ContainsAny(text[:end], "\r\n") {
		return false
	}
	v.Kind, v.Text = String, text[:end+2]
	p.unquoted(v)
	return true
}

// bareBraces recognises {name} without quotes where text is expected, which YAML reads as a
// mapping, and gives the text that was meant; or nil.
func (p *parser) bareBraces(v *Value) *Value {
	meant := bracedText(v)
	if meant != nil {
		p.unquoted(meant)
	}
	return meant
}

// bracedText does so too, and reports nothing.
func bracedText(v *Value) *Value {
	if v.Kind != Map || len(v.Members) != 1 || v.Members[0].Value.Kind != Null {
		return nil
	}
	text := v.src.text[v.start:]
	end := strings.IndexByte(text, '}')
	if !strings.HasPrefix(text, "{") || end < 0 || strings.TrimSpace(text[1:end]) != v.Members[0].Key.Value {
		return nil
	}
	meant := *v
	meant.Kind, meant.Members, meant.Text = String, nil, text[:end+1]
	return &meant
}

// unquoted reports a text that only quotes would have kept one.
func (p *parser) unquoted(v *Value) {
	d := problem(diag.CodeWrongType, diag.Warning, v, "put it in quotes",
		"braces without quotes are a mapping to YAML, it is read as the text %s", quote(v.Text))
	if v.isEditable(int(v.start)) {
		d.Fixes = []diag.Edit{{Span: d.Span, New: quotedText(v.Text)}}
	}
	p.add(d)
}

// onlyKey gives the key of a flow mapping that holds one key without a value, or nil.
func onlyKey(n *yaml.Node) *yaml.Node {
	if n.Style&yaml.FlowStyle == 0 || len(n.Content) != 2 {
		return nil
	}
	if value := n.Content[1]; value.Kind != yaml.ScalarNode || value.Style != 0 || value.Value != "" {
		return nil
	}
	return n.Content[0]
}

// booleanNames gives the names that YAML 1.1 reads as the boolean that text says.
func booleanNames(text string) []string {
	if isTrue(text) {
		return []string{"on", "yes", "y", "On", "ON", "Yes", "YES", "Y"}
	}
	return []string{"off", "no", "n", "Off", "OFF", "No", "NO", "N"}
}

// named gives boolean keys the names back that they had before a YAML 1.1 program wrote the
// file: key true with the value tools.on was the key on (contract Y2).
func (p *parser) named(v *Value) *Value {
	if v == nil {
		return nil
	}
	for _, item := range v.Items {
		p.named(item)
	}
	for i := range v.Members {
		m := &v.Members[i]
		p.named(m.Value)
		k := m.Key.node
		if k.Kind != Bool || m.Value.Kind != String {
			continue
		}
		name := referredName(m.Value.Text)
		if slices.Contains(booleanNames(k.Text), name) && v.Get(name) == nil {
			d := problem(diag.CodeAssumed, diag.Warning, k, "write the key as '"+name+"', in quotes",
				"key %s is a boolean, it is read as the name %s that its value refers to", quote(k.Text), quote(name))
			d.Rule, d.Fixes = "Y2", m.Key.Rewrite(name)
			p.add(d)
			m.Key.Value = name
		}
	}
	return v
}

// referredName gives the last name of a reference such as tools.on or {{tools.on}}.
func referredName(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "{{"); ok {
		text = strings.TrimSpace(strings.TrimSuffix(inner, "}}"))
	}
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		return text[i+1:]
	}
	return ""
}
