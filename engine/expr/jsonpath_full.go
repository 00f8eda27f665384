package expr

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/ohler55/ojg"
	"github.com/ohler55/ojg/jp"
	"github.com/ohler55/ojg/oj"
)

// node is a decoded value that remembers its text, so that what a path finds can be handed
// on with all its digits and its members in their order.
type node struct {
	raw     []byte
	value   any              // what the path is evaluated on
	members map[string]*node // of an object, by name
	items   []*node          // of an object or a list, as they stand
	order   int              // place in the text
	hidden  bool             // by a later member of the same name
}

// decode reads a valid JSON text, in one pass however deep it nests, and gives the account with what
// that takes. The node is nil when the account has not that much.
func decode(raw []byte, a Account) (*node, Account) {
	r := reader{raw: raw, Account: a}
	root, end := r.read(skipSpace(raw, 0))
	if end < 0 {
		root = nil
	}
	return root, r.Account
}

// reader is a text while it is decoded.
type reader struct {
	raw   []byte
	order int // of the next value
	Account
}

// read reads the value that begins at i, and gives the index behind it; less than 0 when it has
// given up.
func (r *reader) read(i int) (n *node, end int) {
	if !r.Add(nodeCost) {
		return nil, -1
	}
	n = &node{order: r.order}
	r.order++
	switch r.raw[i] {
	case '{':
		end = r.object(n, i+1)
	case '[':
		end = r.list(n, i+1)
	default:
		end = skipValue(r.raw, i, 0)
		if !r.Add(textCost + int64(end-i)) {
			return nil, -1
		}
		n.value = scalar(r.raw[i:end])
	}
	if end >= 0 {
		n.raw = r.raw[i:end]
	}
	return n, end
}

// object reads an object from behind its brace.
func (r *reader) object(n *node, i int) (end int) {
	if !r.Add(objectCost) {
		return -1
	}
	value := map[string]any{}
	n.members, n.value = map[string]*node{}, value
	for i = skipSpace(r.raw, i); r.raw[i] != '}'; i = r.next(i) {
		from := i
		i = skipString(r.raw, i+1)
		if !r.Add(memberCost + int64(i-from) + mapped(len(n.members))) {
			return -1
		}
		var name string
		known := json.Unmarshal(r.raw[from:i], &name) == nil
		child, end := r.read(skipColon(r.raw, i))
		if end < 0 {
			return -1
		}
		if i = end; known {
			if earlier := n.members[name]; earlier != nil {
				earlier.hidden = true
			}
			n.members[name], value[name] = child, child.value
			n.items = append(n.items, child)
		}
	}
	if len(n.items) > len(n.members) {
		n.items = slices.DeleteFunc(n.items, func(c *node) bool { return c.hidden })
	}
	return i + 1
}

// mapped is what one member more costs in the maps of an object, which double when they are full.
func mapped(members int) int64 {
	switch {
	case members == 0:
		return 8 * slotCost
	case members >= 8 && members&(members-1) == 0:
		return int64(members) * slotCost
	}
	return 0
}

// list reads a list from behind its bracket.
func (r *reader) list(n *node, i int) (end int) {
	if !r.Add(listCost) {
		return -1
	}
	value := []any{}
	for i = skipSpace(r.raw, i); r.raw[i] != ']'; i = r.next(i) {
		if !r.Add(elementCost) {
			return -1
		}
		child, end := r.read(i)
		if end < 0 {
			return -1
		}
		n.items, value = append(n.items, child), append(value, child.value)
		i = end
	}
	n.value = value
	return i + 1
}

// next gives the index of what follows a part of an object or a list: another one, or its end.
func (r *reader) next(i int) int {
	if i = skipSpace(r.raw, i); r.raw[i] == ',' {
		i = skipSpace(r.raw, i+1)
	}
	return i
}

// scalar decodes what is no object and no list. Numbers are only compared, so that digits
// a float64 cannot hold do no harm here.
func scalar(raw []byte) any {
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return i
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		f, _ := strconv.ParseFloat(string(raw), 64) // too large: infinite
		return f
	}
	return v
}

// at gives the node that a member or an index leads to; nil when there is none.
func (n *node) at(f jp.Frag) *node {
	switch f := f.(type) {
	case jp.Child:
		return n.members[string(f)]
	case jp.Nth:
		i := int(f)
		if i < 0 {
			i += len(n.items)
		}
		if n.members == nil && i >= 0 && i < len(n.items) {
			return n.items[i]
		}
	}
	return nil
}

// holds reports whether it is an object or a list.
func (n *node) holds() bool { return n.raw[0] == '{' || n.raw[0] == '[' }

// findFull evaluates a path that is more than a chain of steps.
func findFull(x jp.Expr, many comparisons, raw []byte, room Room) ([]byte, bool, error) {
	if k := Kind(raw); k != '{' && k != '[' { // nothing is inside, which the library need not be asked
		return list(nil), !isDefinite(x), nil
	}
	s := &search{many: many, lax: readsRoot(x), Account: NewAccount(room)}
	defer s.Close()
	if s.begin(raw) {
		s.run(s.root, x)
	}
	if err := s.judge(); err != nil {
		return nil, false, err
	}
	found := s.found
	switch {
	case s.lax:
		return findByValue(x, s.root.value)
	case isDefinite(x) && len(found) == 0:
		return nil, false, nil
	case isDefinite(x):
		return found[0].raw, true, nil
	case !ordersItself(x):
		slices.SortStableFunc(found, func(a, b *node) int { return cmp.Compare(a.order, b.order) })
	}
	texts := make([][]byte, len(found))
	for i, n := range found {
		texts[i] = n.raw
	}
	return list(texts), true, nil
}

// readsRoot reports whether a filter compares with a value at the root, which the library
// knows only when it gives values instead of places.
func readsRoot(x jp.Expr) bool {
	return slices.ContainsFunc(x, func(f jp.Frag) bool {
		filter, ok := f.(*jp.Filter)
		return ok && strings.Contains(filter.String(), "$")
	})
}

// findByValue gives values as they were decoded: numbers in their shortest form, members
// sorted.
func findByValue(x jp.Expr, tree any) ([]byte, bool, error) {
	found, err := ask(func() []any { return x.Get(tree) })
	if err != nil {
		return nil, false, err
	}
	if found == nil {
		found = []any{}
	}
	b, err := oj.Marshal(found, &ojg.Options{Sort: true, HTMLUnsafe: true})
	return b, err == nil, err
}

// ordersItself reports whether the path says in which order it gives its values.
func ordersItself(x jp.Expr) bool {
	return slices.ContainsFunc(x, func(f jp.Frag) bool {
		switch f := f.(type) {
		case jp.Union:
			return true
		case jp.Slice:
			return len(f) > 2 && f[2] < 0
		}
		return false
	})
}

// isDefinite reports whether the path can lead to one value only.
func isDefinite(x jp.Expr) bool {
	for _, f := range x {
		switch f.(type) {
		case jp.Root, jp.Child, jp.Nth, jp.At:
		default:
			return false
		}
	}
	return true
}
