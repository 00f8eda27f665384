package spec

import (
	"sort"

	"capd/engine/diag"
)

// PathAt gives the YAML path of the value that stands at a span of the document, or of a file
// that it imports from: the
// smallest one that holds all of it, or of several that begin where a span without an end
// does, the widest. A span on a key gives the path of its value. The path is empty for a
// span without a place, for a comment behind a value, and for the whole document.
func (d *Document) PathAt(span diag.Span) string {
	tree := d.treeOf(span.File)
	if tree == nil || !span.Start.IsValid() {
		return ""
	}
	src := tree.src
	from := src.offsetOf(span.Start)
	to := from
	if span.End.IsValid() {
		to = max(from, src.offsetOf(span.End))
	}
	return tree.holding(from, to).Path()
}

// holding gives the value below v that holds the bytes from i to j; nil when they are a
// comment behind a value.
func (v *Value) holding(i, j int) *Value {
	for bound := len(v.src.text); ; {
		if i == int(v.start) && (i == j || j == v.endOffset()) {
			return v
		}
		child, start, next := v.childAt(i)
		bound = min(bound, next)
		switch {
		case child == nil, j > bound:
			return v
		case int(child.start) < start: // it stands elsewhere, through an alias
			return child
		case child.isScalar() && i > int(child.start) && i > child.endOffset():
			return nil
		}
		v = child
	}
}

// childAt gives the last child that begins at or before a byte offset, where it begins with
// its key, and where the next one does. Children that stand elsewhere come before the others
// or behind them in the text, so that one of them may not be found.
func (v *Value) childAt(off int) (child *Value, start, next int) {
	n := len(v.Items) + len(v.Members)
	begin := func(i int) int {
		if v.Kind == List {
			return int(v.Items[i].start)
		}
		return int(v.Members[i].Key.node.start)
	}
	behind := func(i int) bool { return begin(i) > off || begin(i) < int(v.start) }
	i := sort.Search(n, behind) - 1
	if i < 0 {
		return nil, 0, 0
	}
	next = len(v.src.text)
	if i+1 < n && begin(i+1) > off {
		next = begin(i + 1)
	}
	if v.Kind == List {
		return v.Items[i], begin(i), next
	}
	return v.Members[i].Value, begin(i), next
}

func (v *Value) isScalar() bool { return v.Kind != List && v.Kind != Map }
