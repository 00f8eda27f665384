package plan

import (
	"strings"

	"capd/engine/expr"
)

// XML has no lists: an element that stands once is not a list of one, and one that does not
// stand there no empty list. A mapping that says array means a list all the same.

// readsXML reports whether the answer that is mapped is XML.
func (b *builder) readsXML() bool {
	return b.op != nil && strings.EqualFold(b.op.decl.RawFormat.Value, "xml")
}

// listOfXML gives the elements of what a mapping of an array found in an XML answer. found
// says whether it found anything.
func (o *output) listOfXML(value []byte, found bool) [][]byte {
	if elements, ok := expr.Elements(value); ok && found {
		return elements
	}
	if !found || expr.Kind(value) == 'n' || string(value) == `""` {
		return nil
	}
	// The whole answer is the root element. If it holds one kind of elements, these are meant.
	if o.path == nil || o.path.IsWhole() {
		var only []byte
		n := 0
		expr.Members(value, func(_ string, member []byte) { only, n = member, n+1 })
		if elements, ok := expr.Elements(only); ok && n == 1 {
			return elements
		}
		if n == 1 && expr.Kind(only) == '{' {
			return [][]byte{only}
		}
	}
	return [][]byte{value}
}
