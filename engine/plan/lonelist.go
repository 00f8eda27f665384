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

// eachOfXML calls yield with the elements of what a mapping of an array found in an XML answer,
// until it says false. found says whether it found anything.
func (o *output) eachOfXML(value []byte, found bool, yield func(element []byte) bool) {
	if !found || expr.EachElement(value, yield) || expr.Kind(value) == 'n' || string(value) == `""` {
		return
	}
	// The whole answer is the root element. If it holds one kind of elements, these are meant.
	if o.path == nil || o.path.IsWhole() {
		var only []byte
		n := 0
		expr.Members(value, func(_ string, member []byte) { only, n = member, n+1 })
		if n == 1 && expr.EachElement(only, yield) {
			return
		}
		if n == 1 && expr.Kind(only) == '{' {
			value = only
		}
	}
	yield(value)
}
