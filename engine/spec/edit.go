package spec

import (
	"strings"

	"capd/engine/diag"
)

// The functions of this file give edits that change a piece of the document and nothing
// around it. They give none where a change would reach further than it seems: in what
// an anchor, an alias or a merge key shares, and behind the place where a text was cut off.

// edit replaces the bytes from i to j.
func (s *source) edit(i, j int, text string) diag.Edit {
	return diag.Edit{Span: s.span(i, j), New: text}
}

// isShared reports whether the value is written in one place and stands in several.
func (v *Value) isShared() bool {
	for ; v != nil; v = v.parent {
		if v.shared {
			return true
		}
	}
	return false
}

// isEditable reports whether an edit at offset off is safe.
func (v *Value) isEditable(off int) bool {
	return v != nil && v.src != nil && !v.isShared() && (v.src.tail == 0 || off < v.src.tail)
}

// isFlow reports whether a list or mapping is written with brackets.
func (v *Value) isFlow() bool {
	open := byte('{')
	if v.Kind == List {
		open = '['
	}
	return (v.Kind == List || v.Kind == Map) && int(v.start) < len(v.src.text) && v.src.text[v.start] == open
}

// inFlow reports whether the value stands between brackets.
func (v *Value) inFlow() bool {
	for p := v.parent; p != nil; p = p.parent {
		if p.isFlow() {
			return true
		}
	}
	return false
}

// isHollow reports whether nothing is written where the value should be.
func (v *Value) isHollow() bool {
	return v.Text == "" && v.style == plain && len(v.Items)+len(v.Members) == 0 && !v.isFlow() && (v.Kind == Null || v.Kind == Map)
}

// own gives the members that are written in the mapping itself, in the order of the file.
func (v *Value) own() []*Member {
	out := make([]*Member, 0, len(v.Members))
	for i := range v.Members {
		if m := &v.Members[i]; !m.Key.node.shared {
			out = append(out, m)
		}
	}
	return out
}

// extent gives the offset behind the value, closing brackets included. It is not ok where
// the source does not say it plainly.
func (v *Value) extent() (int, bool) {
	switch {
	case v.shared:
		return 0, false
	case v.isFlow():
		return v.flowExtent()
	case v.Kind == List && len(v.Items) > 0:
		return v.Items[len(v.Items)-1].extent()
	case v.Kind == Map && len(v.Members) > 0:
		own := v.own()
		if len(own) == 0 {
			return 0, false
		}
		return own[len(own)-1].extent()
	case v.isHollow():
		return 0, false
	}
	s, ok := scanScalar(v, false)
	if !ok || v.style >= literal && keepsBreaks(v) {
		return 0, false
	}
	return s.end, true
}

// keepsBreaks reports whether the line breaks behind a block scalar belong to it.
func keepsBreaks(v *Value) bool {
	header, _ := cutLine(v.src.text[v.start:])
	header, _, _ = strings.Cut(header, "#")
	return strings.Contains(header, "+")
}

// extent gives the offset behind a member: behind its value, or its colon when it has none.
func (m *Member) extent() (int, bool) {
	if !m.Value.isHollow() {
		return m.Value.extent()
	}
	return m.colon()
}

// colon gives the offset behind the colon of a key.
func (m *Member) colon() (int, bool) {
	k := m.Key.node
	end, ok := k.extent()
	if !ok {
		return 0, false
	}
	for end < len(k.src.text) && blankAt(k.src.text, end) > 0 {
		end++
	}
	if end < len(k.src.text) && k.src.text[end] == ':' {
		return end + 1, true
	}
	return end, k.inFlow() || k.parent != nil && k.parent.isFlow()
}

// flowExtent finds the closing bracket.
func (v *Value) flowExtent() (int, bool) {
	text, i, ok := v.src.text, int(v.start)+1, true
	switch {
	case len(v.Items) > 0:
		i, ok = v.Items[len(v.Items)-1].extent()
	case len(v.Members) > 0:
		own := v.own()
		if len(own) < len(v.Members) {
			return 0, false
		}
		i, ok = own[len(own)-1].extent()
	}
	for ok && i < len(text) {
		switch c := text[i]; {
		case c == '}' || c == ']':
			return i + 1, true
		case c == '#' && i > 0 && strings.IndexByte(" \t\r\n", text[i-1]) >= 0:
			_, i = v.src.lineAt(i)
		case c == ',':
			i++
		case blankAt(text, i)+breakAt(text, i) > 0:
			i += blankAt(text, i) + breakAt(text, i)
		default:
			return 0, false
		}
	}
	return 0, false
}

// lineRest gives the end of the line that holds offset off, when nothing but a comment
// stands between.
func (s *source) lineRest(off int) (int, bool) {
	_, end := s.lineAt(off)
	if end < off {
		end = off
	}
	rest := strings.TrimLeft(s.text[off:end], " \t")
	if rest != "" && (rest[0] != '#' || s.text[off] == '#') {
		return 0, false
	}
	return end, true
}

// indentAt gives the column, from 0, of a key or dash that stands at offset off behind nothing
// but blanks and dashes.
func (s *source) indentAt(off int) (int, bool) {
	start, _ := s.lineAt(off)
	return off - start, strings.Trim(s.text[start:off], " -") == ""
}

// layout gives how the lines around the value are written.
func (v *Value) layout() layout {
	return layout{br: v.src.lineBreak(int(v.start)), dash: v.dashIndent()}
}

// lineBreak gives the break of the line that holds offset off, or of the one before.
func (s *source) lineBreak(off int) string {
	start, end := s.lineAt(off)
	br := s.text[end : end+breakAt(s.text, end)]
	if br == "" && start > 0 {
		_, before := s.lineAt(start - 1)
		br = s.text[before:start]
	}
	if br != "\r\n" && br != "\r" {
		return "\n"
	}
	return br
}

// dashIndent gives how much deeper than their keys the lists around the value stand.
func (v *Value) dashIndent() int {
	root := v
	for p := v; p != nil; root, p = p, p.parent {
		if d, ok := p.listStyle(); ok {
			return d
		}
	}
	for i := range root.Members {
		if d, ok := root.Members[i].Value.listStyle(); ok {
			return d
		}
	}
	return 0
}

func (v *Value) listStyle() (int, bool) {
	for i := range v.Members {
		if d, ok := v.Members[i].dashIndent(); ok {
			return d, true
		}
	}
	return 0, false
}

func (m *Member) dashIndent() (int, bool) {
	v := m.Value
	if v.Kind != List || len(v.Items) == 0 || v.isFlow() || v.isShared() || m.Key.node.inFlow() {
		return 0, false
	}
	key, ok := v.src.indentAt(int(m.Key.node.start))
	dash, also := v.src.indentAt(int(v.start))
	return dash - key, ok && also && dash >= key
}

// InsertMember gives the edits that add a key to a mapping: behind the last of the members
// named in after, or behind all when there is none of them. There are none when the key is
// there already or when the place cannot be told.
func (v *Value) InsertMember(key string, value Fresh, after ...string) []diag.Edit {
	if v == nil || v.Kind != Map || v.Get(key) != nil {
		return nil
	}
	m := FreshMember{key, value}
	own := v.own()
	switch {
	case v.isFlow() || v.inFlow():
		return v.insertFlow(m.inline(), own)
	case len(own) == 0:
		return nil
	}
	indent, ok := v.src.indentAt(int(own[0].Key.node.start))
	end, also := behind(own, after).extent()
	if !ok || !also {
		return nil
	}
	if end, ok = v.src.lineRest(end); !ok || !v.isEditable(end) {
		return nil
	}
	l := v.layout()
	return []diag.Edit{v.src.edit(end, end, l.br+strings.Repeat(" ", indent)+m.block(indent, l))}
}

// behind gives the last member that has one of the names, or the last of all.
func behind(own []*Member, names []string) *Member {
	for i := len(own) - 1; i >= 0; i-- {
		for _, name := range names {
			if own[i].Key.node.Text == name {
				return own[i]
			}
		}
	}
	return own[len(own)-1]
}

// insertFlow adds text as the last part of what brackets enclose.
func (v *Value) insertFlow(text string, own []*Member) []diag.Edit {
	if !v.isFlow() {
		return nil
	}
	end, ok := int(v.start)+1, true
	switch {
	case len(v.Items) > 0:
		end, ok = v.Items[len(v.Items)-1].extent()
		text = ", " + text
	case len(own) > 0:
		end, ok = own[len(own)-1].extent()
		text = ", " + text
	}
	if _, closed := v.flowExtent(); !ok || !closed || !v.isEditable(end) {
		return nil
	}
	return []diag.Edit{v.src.edit(end, end, text)}
}

// InsertItem gives the edits that add an item to the end of a list.
func (v *Value) InsertItem(item Fresh) []diag.Edit { return v.insertItems([]Fresh{item}) }

func (v *Value) insertItems(items []Fresh) []diag.Edit {
	if v == nil || v.Kind != List {
		return nil
	}
	if v.isFlow() || v.inFlow() {
		texts := make([]string, len(items))
		for i := range items {
			texts[i] = items[i].inline()
		}
		return v.insertFlow(strings.Join(texts, ", "), nil)
	}
	if len(v.Items) == 0 {
		return nil
	}
	indent, ok := v.src.indentAt(int(v.start))
	end, also := v.extent()
	if !ok || !also {
		return nil
	}
	if end, ok = v.src.lineRest(end); !ok || !v.isEditable(end) {
		return nil
	}
	l, flow := v.layout(), v.Items[len(v.Items)-1].isFlow()
	text := ""
	for i := range items {
		text += l.br + strings.Repeat(" ", indent) + items[i].item(indent, flow, l)
	}
	return []diag.Edit{v.src.edit(end, end, text)}
}

// SetMember gives the edits that give a key a value where it has none: the key is added, or
// the value is written behind it.
func (v *Value) SetMember(key string, value Fresh, after ...string) []diag.Edit {
	m := v.member(key)
	if m == nil {
		return v.InsertMember(key, value, after...)
	}
	if m.Value.Kind != Null || m.Key.node.isShared() || m.Value.shared {
		return nil
	}
	if !m.Value.isHollow() {
		return v.replaceNull(m, value)
	}
	at, ok := m.colon()
	if !ok || !v.isEditable(at) {
		return nil
	}
	indent, block := v.src.indentAt(int(m.Key.node.start))
	if v.isFlow() || v.inFlow() || !block {
		if v.src.text[at-1] != ':' {
			return nil
		}
		return []diag.Edit{v.src.edit(at, at, " "+value.inline())}
	}
	return []diag.Edit{v.src.edit(at, at, value.below(indent, v.layout()))}
}

// replaceNull writes a value in place of a null that is spelled out.
func (v *Value) replaceNull(m *Member, value Fresh) []diag.Edit {
	end, ok := m.Value.extent()
	if !ok || !v.isEditable(end) {
		return nil
	}
	return []diag.Edit{v.src.edit(int(m.Value.start), end, value.inline())}
}

// RenameKey gives the edits that rename a key of a mapping, unless the new one is there.
func (v *Value) RenameKey(key, to string) []diag.Edit {
	m := v.member(key)
	if m == nil || v.Get(to) != nil {
		return nil
	}
	return m.Key.Rewrite(to)
}

// Rewrite gives the edits that make the text say something else. Its quotes stay.
func (t Text) Rewrite(to string) []diag.Edit {
	if !t.IsSet() || t.node.style >= literal {
		return nil
	}
	end, ok := t.node.extent()
	if !ok || !t.node.isEditable(end) {
		return nil
	}
	text := scalarText(to, t.node.inFlow())
	switch t.node.style {
	case singleQuoted:
		text = quotedText(to)
	case doubleQuoted:
		text = `"` + escapeDouble(to) + `"`
	}
	return []diag.Edit{t.node.src.edit(int(t.node.start), end, text)}
}

// Splice gives the edits that replace the bytes from i to j of the text's value. Quotes are
// added when the new text needs them.
func (t Text) Splice(i, j int, with string) []diag.Edit {
	if !t.IsSet() || t.Value != t.node.Text || i < 0 || j < i || j > len(t.Value) || strings.ContainsAny(with, "\r\n") {
		return nil
	}
	d, ok := scanScalar(t.node, true)
	if !ok || !t.node.isEditable(d.end) {
		return nil
	}
	whole := t.Value[:i] + with + t.Value[j:]
	switch t.node.style {
	case plain:
		if strings.ContainsAny(t.node.src.text[t.node.start:d.end], "\r\n") || !isPlain(whole, t.node.inFlow()) || coreKind(whole) != String {
			return t.Rewrite(whole)
		}
	case singleQuoted:
		with = strings.ReplaceAll(with, "'", "''")
	case doubleQuoted:
		with = escapeDouble(with)
	}
	start, end := d.place(i, j)
	return []diag.Edit{t.node.src.edit(start, end, with)}
}

// asBoolean writes a text that means true or false as what it means.
func (v *Value) asBoolean() []diag.Edit {
	if v.Kind != String {
		return nil
	}
	word := strings.ToLower(v.Text)
	switch word {
	case "true", "yes", "on":
		word = "true"
	case "false", "no", "off":
		word = "false"
	default:
		return nil
	}
	end, ok := v.extent()
	if !ok || !v.isEditable(end) {
		return nil
	}
	return []diag.Edit{v.src.edit(int(v.start), end, word)}
}

// asList makes a mapping the only item of a list.
func (v *Value) asList() []diag.Edit {
	start := int(v.start)
	end, ok := v.extent()
	if !ok || !v.isEditable(end) {
		return nil
	}
	if v.isFlow() {
		return []diag.Edit{v.src.edit(start, start, "["), v.src.edit(end, end, "]")}
	}
	if _, ok := v.src.indentAt(start); !ok {
		return nil
	}
	return append([]diag.Edit{v.src.edit(start, start, "- ")}, v.src.indent(start, end, step)...)
}

// indent gives the edits that move the lines that begin between two offsets to the right.
func (s *source) indent(from, to, by int) []diag.Edit {
	var out []diag.Edit
	for i := range s.lines {
		at := int(s.lines[i])
		if at <= from || at >= to || breakAt(s.text, at) > 0 {
			continue
		}
		out = append(out, s.edit(at, at, strings.Repeat(" ", by)))
	}
	return out
}

// fixRoot renames root keys that are almost those a capability must have.
func fixRoot(root *Value) []diag.Edit {
	for _, m := range root.own() {
		near, ok := diag.Nearest(m.Key.Value, []string{"naftiko", "ikanos", "capability"})
		if ok && root.Get(near) == nil {
			return root.RenameKey(m.Key.Value, near)
		}
	}
	return nil
}
