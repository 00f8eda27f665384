package spec

import (
	"strings"

	"gopkg.in/yaml.v3"

	"capd/engine/diag"
)

// grow turns yaml.v3's nodes into the tree, in which aliases are expanded and keys merged.
// It gives nil when the document is too large for that.
func (p *parser) grow(n *yaml.Node) *Value {
	m := measurer{lim: p.lim, known: map[*yaml.Node]size{}}
	total := m.measure(n)
	switch {
	case m.cycle != nil:
		p.refuse(diag.CodeTooLarge, p.at(m.cycle), "an anchor cannot be used inside of what it names",
			"alias *%s contains itself", m.cycle.Value)
		return nil
	case total.depth > p.lim.Depth:
		p.refuse(diag.CodeTooLarge, p.src.whole(), "write it flatter, or raise the limit",
			"the document is nested %d levels deep, more than the %d allowed", total.depth, p.lim.Depth)
		return nil
	case total.nodes > p.lim.Nodes:
		p.refuse(diag.CodeTooLarge, p.src.whole(), "split the document, use fewer aliases, or raise the limit",
			"the document has more than %d values, aliases expanded", p.lim.Nodes)
		return nil
	}
	return p.value(n, nil, -1, "")
}

// plant gives the value of a node below parent: item index of a list, or key of a mapping.
func (p *parser) plant(n *yaml.Node, parent *Value, index int, key string, shared bool) *Value {
	v := &p.mem.values.take(1)[0]
	v.src, v.parent, v.index, v.key = p.src, parent, int32(index), key
	v.shared = shared || n.Anchor != ""
	v.start = int32(p.contentStart(n))
	return v
}

func (p *parser) at(n *yaml.Node) diag.Span {
	off := p.src.offset(n.Line, n.Column)
	return p.src.span(off, off)
}

// size is what a node takes after its aliases are expanded.
type size struct{ nodes, depth int }

// measurer finds the size of a tree without expanding it: each anchor is counted once.
type measurer struct {
	lim    Limits
	known  map[*yaml.Node]size // of anchored nodes; nodes 0 while they are being counted
	cycle  *yaml.Node
	levels int
}

func (m *measurer) measure(n *yaml.Node) size {
	if n.Kind == yaml.AliasNode {
		s, ok := m.known[n.Alias]
		if ok && s.nodes == 0 {
			m.cycle = n
		}
		return s
	}
	if n.Anchor != "" {
		m.known[n] = size{}
	}
	total := size{nodes: 1, depth: 1}
	m.levels++
	for _, c := range n.Content {
		if m.cycle != nil || m.levels > m.lim.Depth {
			break
		}
		s := m.measure(c)
		// Saturation keeps the sum of a bomb from overflowing.
		total.nodes = min(total.nodes+s.nodes, m.lim.Nodes+1)
		total.depth = max(total.depth, s.depth+1)
	}
	m.levels--
	if n.Anchor != "" {
		m.known[n] = total
	}
	return total
}

// value turns a node into a value below parent: item index of a list, or key of a mapping.
func (p *parser) value(n *yaml.Node, parent *Value, index int, key string) *Value {
	alias := n.Kind == yaml.AliasNode
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	v := p.plant(n, parent, index, key, alias)
	if n.Kind == yaml.MappingNode && p.bareTemplate(n, v) {
		return v
	}
	switch n.Kind {
	case yaml.SequenceNode:
		v.Kind = List
		v.Items = p.mem.items.take(len(n.Content))
		for i, c := range n.Content {
			v.Items[i] = p.value(c, v, i, "")
		}
	case yaml.MappingNode:
		v.Kind = Map
		p.members(n, v)
	default:
		p.scalar(n, v)
	}
	return v
}

// contentStart gives the offset of a node behind its anchor and tag.
func (p *parser) contentStart(n *yaml.Node) int {
	off := p.src.offset(n.Line, n.Column)
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return off
	}
	text := p.src.text
	for off < len(text) {
		switch c := text[off]; {
		case c == '&' || c == '!':
			off += len(text[off:]) - len(strings.TrimLeftFunc(text[off:], func(r rune) bool { return !strings.ContainsRune(" \t\r\n,[]{}", r) }))
		case blankAt(text, off) > 0:
			off++
		case breakAt(text, off) > 0:
			off += breakAt(text, off)
		case c == '#':
			_, off = p.src.lineAt(off)
		default:
			return off
		}
	}
	return off
}

func (p *parser) scalar(n *yaml.Node, v *Value) {
	v.Text = n.Value
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		v.style = singleQuoted
	case n.Style&yaml.DoubleQuotedStyle != 0:
		v.style = doubleQuoted
	case n.Style&yaml.LiteralStyle != 0:
		v.style = literal
	case n.Style&yaml.FoldedStyle != 0:
		v.style = folded
	}
	if n.Style&yaml.TaggedStyle != 0 {
		p.tagged(n, v)
		return
	}
	v.Kind = String
	if v.style == plain {
		v.Kind = coreKind(n.Value)
	}
}

// tagged gives a scalar the kind its tag asks for, if its text allows it.
func (p *parser) tagged(n *yaml.Node, v *Value) {
	v.Kind = String
	want := map[string]Kind{"!!null": Null, "!!bool": Bool, "!!int": Number, "!!float": Number}[n.Tag]
	switch {
	case want != 0 && coreKind(n.Value) == want:
		v.Kind = want
	case want != 0:
		p.report(diag.CodeWrongType, diag.Warning, v, "", "%q does not fit its tag %s, it is read as a string", n.Value, n.Tag)
	case n.Tag != "!!str" && n.Tag != "!!binary" && n.Tag != "!!timestamp":
		p.report(diag.CodeWrongType, diag.Warning, v, "remove the tag", "tag %s means nothing in a capability, the value is read as text", n.Tag)
	}
}

// members reads the keys of a mapping. Explicit keys win over merged ones, and of merged
// ones the first.
func (p *parser) members(n *yaml.Node, v *Value) {
	v.Members = p.mem.members.take(len(n.Content) / 2)[:0]
	seen := &keySet{of: v}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		p.member(key, n.Content[i+1], v, seen)
	}
	for _, m := range merges {
		p.merge(m, v, seen)
	}
}

// keySet gives a mapping that is being read its members, and finds them again.
type keySet struct {
	of    *Value
	byKey map[string]*Value // nil while the keys are so few that they are found as fast without it
}

func (s *keySet) add(m Member) {
	const few = 16
	s.of.Members = append(s.of.Members, m)
	switch {
	case s.byKey != nil:
		s.byKey[m.Key.Value] = m.Key.node
	case len(s.of.Members) > few:
		s.byKey = make(map[string]*Value, cap(s.of.Members))
		for _, m := range s.of.Members {
			s.byKey[m.Key.Value] = m.Key.node
		}
	}
}

// find gives the key as it was first written; nil when it was not.
func (s *keySet) find(key string) *Value {
	if s.byKey != nil {
		return s.byKey[key]
	}
	if m := s.of.member(key); m != nil {
		return m.Key.node
	}
	return nil
}

func (p *parser) member(key, value *yaml.Node, v *Value, seen *keySet) {
	alias := key.Kind == yaml.AliasNode
	for key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	if key.Kind != yaml.ScalarNode {
		p.refuse(diag.CodeWrongType, p.at(key), "put the key in quotes if it is meant as text",
			"a key is a %s, expected text", kindOf(key))
		return
	}
	k := p.plant(key, v, -1, key.Value, alias)
	p.scalar(key, k)
	if first := seen.find(k.Text); first != nil {
		p.fatal = true
		p.add(diag.Diagnostic{
			Code: diag.CodeDuplicateKey, Severity: diag.Error, Span: k.Span(), Path: k.Path(),
			Message: "key " + quote(k.Text) + " is given twice",
			Hint:    "remove or rename one of them",
			Related: []diag.Related{{Span: first.Span(), Message: "first given here"}},
		})
		return
	}
	seen.add(Member{
		Key:   Text{Value: k.Text, node: k},
		Value: p.value(value, v, -1, k.Text),
	})
}

// merge adds the keys of a merge key's value (the YAML 1.1 type "merge", still in wide use).
func (p *parser) merge(n *yaml.Node, v *Value, seen *keySet) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			p.merge(c, v, seen)
		}
	case yaml.MappingNode:
		merged := &Value{src: p.src, parent: v.parent, index: v.index, key: v.key}
		p.members(n, merged)
		for _, m := range merged.Members {
			if seen.find(m.Key.Value) == nil {
				m.Value.parent = v
				m.Key.node.shared, m.Value.shared = true, true
				seen.add(m)
			}
		}
	default:
		p.refuse(diag.CodeWrongType, p.at(n), "write an alias of a mapping", "a merge key (<<) has %s, expected a mapping", kindOf(n))
	}
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "list"
	case yaml.MappingNode:
		return "mapping"
	}
	return "text"
}
