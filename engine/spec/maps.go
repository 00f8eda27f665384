package spec

import (
	"regexp"
	"strconv"
	"strings"

	"capd/engine/diag"
)

// ToMaps gives what writes the named collections of a document as mappings from names, as
// the language does since its root key is ikanos. A list that cannot be a mapping, since two
// of its elements have one name or one has none, stays a list, which is read as well.
func (d *Document) ToMaps() Migration {
	m := &mapper{src: d.tree.src, shift: map[int]int{}, gone: map[int]bool{}}
	for i := range d.Consumes {
		m.consumed(d.Consumes[i].Node)
	}
	for i := range d.Exposes {
		m.exposed(d.Exposes[i].Node)
	}
	for _, part := range []*Value{d.tree, d.tree.Get("capability")} {
		for _, a := range part.Get("aggregates").elements() {
			m.each(a, "flows", none, m.operation)
		}
	}
	m.indent()
	return m.Migration
}

// mapper turns lists into mappings, the outer ones first.
type mapper struct {
	Migration
	src   *source
	shift map[int]int  // by line from 0: how much further right it begins
	gone  map[int]bool // lines that are taken out
}

// each turns the collection of a key and visits its elements.
func (m *mapper) each(v *Value, key string, name func(*Value) string, visit func(*Value)) {
	list := some(v, key)
	if list == nil {
		return
	}
	if list.Kind == List {
		m.list(v, key, list, name)
	}
	if visit == nil {
		return
	}
	for _, e := range list.elements() {
		visit(e)
	}
}

// none is for elements that have no other name.
func none(*Value) string { return "" }

func (m *mapper) consumed(v *Value) {
	m.each(v, "inputParameters", none, nil)
	m.each(v, "resources", pathName, func(r *Value) {
		m.each(r, "inputParameters", none, nil)
		m.each(r, "operations", operationName, func(o *Value) {
			m.each(o, "inputParameters", none, nil)
			m.each(o, "outputParameters", none, nil)
		})
	})
}

func (m *mapper) exposed(v *Value) {
	m.each(v, "inputParameters", none, nil)
	m.each(v, "resources", pathName, func(r *Value) {
		m.operation(r) // an MCP resource is one
		m.each(r, "operations", operationName, m.operation)
	})
	m.each(v, "tools", none, m.operation)
	m.each(v, "prompts", none, func(p *Value) { m.each(p, "arguments", none, nil) })
	m.each(v, "skills", none, func(s *Value) { m.each(s, "tools", none, nil) })
}

func (m *mapper) operation(o *Value) {
	m.each(o, "inputParameters", none, nil)
	m.each(o, "steps", none, nil)
	// Mapped outputs, those of a call, stay a list in every version.
	if some(o, "call") == nil && some(o, "ref") == nil {
		m.each(o, "outputParameters", none, m.orchestrated)
	}
}

// orchestrated turns the items of arrays, which are named too.
func (m *mapper) orchestrated(o *Value) {
	if list := some(o, "items"); list != nil && list.Kind == List && len(list.Items) > 0 && list.Items[0].Get("name") != nil {
		m.each(o, "items", none, m.orchestrated)
	}
	for _, p := range o.Get("properties").elements() {
		m.orchestrated(p)
	}
}

var notName = regexp.MustCompile(`[^A-Za-z0-9]+`)

// pathName is what a resource is called that has no name.
func pathName(v *Value) string {
	return strings.Trim(notName.ReplaceAllString(v.Get("path").AsText().Value, "-"), "-")
}

func operationName(v *Value) string {
	if id := v.Get("id").AsText(); id.Value != "" {
		return id.Value
	}
	method := strings.ToLower(v.Get("method").AsText().Value)
	if method == "" {
		method = "get"
	}
	return strings.TrimSuffix(method+"-"+pathName(v), "-")
}

// list turns one list. It does all of it or nothing.
func (m *mapper) list(parent *Value, key string, list *Value, fallback func(*Value) string) {
	t := &turn{m: m, list: list, names: make([]string, len(list.Items))}
	if why := t.name(fallback); why != "" {
		m.leave(list, "%s stays a list: %s", key, why)
		return
	}
	done := false
	switch {
	case list.isShared():
	case list.isFlow():
		done = t.flow()
	case !list.inFlow():
		done = t.block(parent.member(key))
	}
	if !done {
		m.leave(list, "%s stays a list: the way it is written cannot be turned", key)
		return
	}
	m.Edits = append(m.Edits, t.edits...)
	for line := t.from; line < t.to; line++ {
		m.shift[line] += t.by
	}
	for _, line := range t.gone {
		m.gone[line] = true
	}
}

// turn is one list on its way to a mapping.
type turn struct {
	m        *mapper
	list     *Value
	names    []string
	edits    []diag.Edit
	from, to int   // lines from 0 that move to the right
	by       int   // how far
	gone     []int // lines that are taken out
}

// name finds the name of each element, and says why there is none.
func (t *turn) name(fallback func(*Value) string) string {
	seen := map[string]bool{}
	for i, item := range t.list.Items {
		if item.Kind != Map {
			return "one of its elements is " + item.Kind.String()
		}
		name := ""
		if given := item.Get("name"); given.given() && (given.Text != "" || fallback(item) == "") {
			if given.AsText().node == nil {
				return "the name of an element is " + given.Kind.String()
			}
			name = given.Text
		} else {
			base := fallback(item)
			name = base
			for n := 2; base != "" && seen[name]; n++ {
				name = base + "-" + strconv.Itoa(n)
			}
			if name == "" {
				return "an element has no name"
			}
		}
		if seen[name] {
			return "two elements are called " + quote(name)
		}
		seen[name], t.names[i] = true, name
	}
	return ""
}

// label gives the member of an element that becomes its key.
func (t *turn) label(i int) *Member {
	item := t.list.Items[i]
	for _, key := range [...]string{"name", "id"} {
		if m := item.member(key); m != nil && m.Value.given() && (m.Value.Text == t.names[i] || m.Value.Text == "" && m.Value.Kind == String) && !m.Key.node.shared {
			return m
		}
	}
	return nil
}

// flow turns a list in brackets.
func (t *turn) flow() bool {
	list := t.list
	end, ok := list.flowExtent()
	if !ok {
		return false
	}
	t.cut(int(list.start), int(list.start)+1, "{")
	for i, item := range list.Items {
		if !item.isFlow() || !t.takeFlow(i) {
			return false
		}
		at := int(item.start)
		t.cut(at, at, scalarText(t.names[i], true)+": ")
	}
	t.cut(end-1, end, "}")
	return true
}

// takeFlow takes the name out of an element in brackets.
func (t *turn) takeFlow(i int) bool {
	item := t.list.Items[i]
	if _, ok := item.flowExtent(); !ok || item.isShared() {
		return false
	}
	label := t.label(i)
	if label == nil {
		return true
	}
	own := item.own()
	end, ok := label.extent()
	from := int(label.Key.node.start)
	for k, m := range own {
		switch {
		case m != label:
		case k+1 < len(own):
			end = int(own[k+1].Key.node.start)
		case k > 0:
			from, ok = own[k-1].extent()
		}
	}
	t.cut(from, end, "")
	return ok
}

// block turns a list of dashes below its key.
func (t *turn) block(key *Member) bool {
	list, src := t.list, t.m.src
	dash, ok := src.indentAt(int(list.start))
	column, also := src.indentAt(int(key.Key.node.start))
	end, closed := list.extent()
	if !ok || !also || !closed {
		return false
	}
	if dash <= column { // a key must stand deeper than the one above it, a dash need not
		t.by = column + step - dash
	}
	// Comments between the key and the first element belong to the list.
	t.from, t.to = src.lineOf(int(key.Key.node.start))+1, src.lineOf(end)+1
	for i := range list.Items {
		if !t.element(i) {
			return false
		}
	}
	return true
}

func (s *source) lineOf(off int) int { return s.pos(off).Line - 1 }

// element turns an element behind a dash.
func (t *turn) element(i int) bool {
	item, src := t.list.Items[i], t.m.src
	start := int(item.start)
	dash := strings.LastIndexByte(src.text[:start], '-')
	if item.isShared() || dash < 0 || strings.Trim(src.text[dash+1:start], " ") != "" {
		return false
	}
	name := scalarText(t.names[i], false) + ":"
	if item.isFlow() {
		t.cut(dash, start, name+" ")
		return t.takeFlow(i)
	}
	own := item.own()
	if len(own) == 0 || int(own[0].Key.node.start) != start {
		return false
	}
	label := t.label(i)
	if label == own[0] {
		end, ok := label.extent()
		if _, rest := src.lineRest(end); !ok || !rest || src.lineOf(end) != src.lineOf(dash) {
			return false
		}
		if len(own) == 1 {
			name += " {}"
		}
		t.cut(dash, end, name)
		return len(own) == len(item.Members)
	}
	if len(own) < len(item.Members) {
		return false
	}
	lineStart, _ := src.lineAt(start)
	indent := start - lineStart + t.by + t.m.shift[src.lineOf(dash)]
	t.cut(dash, start, name+t.list.layout().br+strings.Repeat(" ", indent))
	return label == nil || t.takeLine(label)
}

// takeLine takes out a member that has a line for itself. A comment behind it stays.
func (t *turn) takeLine(m *Member) bool {
	src, from := t.m.src, int(m.Key.node.start)
	end, ok := m.extent()
	if !ok || src.lineOf(from) != src.lineOf(end) {
		return false
	}
	lineStart, lineEnd := src.lineAt(from)
	if _, rest := src.lineRest(end); !rest || strings.Trim(src.text[lineStart:from], " ") != "" {
		return false
	}
	if hash := strings.IndexByte(src.text[end:lineEnd], '#'); hash >= 0 {
		t.cut(from, end+hash, "")
		return true
	}
	next := lineEnd + breakAt(src.text, lineEnd)
	if next == lineEnd { // the last line of the file
		lineStart--
		if strings.HasSuffix(src.text[:lineStart+1], "\r\n") {
			lineStart--
		}
	}
	t.gone = append(t.gone, src.lineOf(from))
	t.cut(lineStart, next, "")
	return true
}

// cut replaces the bytes from i to j. Lines that begin in between cannot be moved.
func (t *turn) cut(i, j int, text string) {
	src := t.m.src
	for line := src.lineOf(i) + 1; line < len(src.lines) && int(src.lines[line]) < j; line++ {
		t.gone = append(t.gone, line)
	}
	t.edits = append(t.edits, src.edit(i, j, text))
}

// indent moves lines to the right.
func (m *mapper) indent() {
	for line, by := range m.shift {
		at := int(m.src.lines[line])
		if by > 0 && !m.gone[line] && at < len(m.src.text) && breakAt(m.src.text, at) == 0 {
			m.Edits = append(m.Edits, m.src.edit(at, at, strings.Repeat(" ", by)))
		}
	}
}
