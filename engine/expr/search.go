package expr

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ohler55/ojg/jp"
)

// Why a path that is valid finds nothing.
var (
	// ErrTooMuch: values stand within values, and the path finds them again and again.
	ErrTooMuch = errors.New("a path finds many times what there is")
	// ErrNoRoom: there is no room for what the path finds.
	ErrNoRoom = errors.New("there is no room for what a path finds")
)

// What a path finds may take up to mostTimes the bytes that it is searched in, and evenSo more.
// Each level of values within values can give a text once again, and few answers have a dozen.
const (
	mostTimes = 64
	evenSo    = 1 << 20
)

// search follows a path through a text. It counts what it does: a path with several descents, or
// with a filter that compares several values with several, has steps without number.
type search struct {
	root  *node
	lax   bool // filters let everything pass: it finds at least what the path does
	most  int64
	left  int64 // steps, and bytes for the places that are found; less than 0: it has given up
	found []*node
	many  comparisons
	err   error // of the library
	Account
}

// begin decodes the text. It is false when that takes more memory than there is.
func (s *search) begin(raw []byte) bool {
	if s.root, s.Account = decode(raw, s.Account); s.root == nil {
		return false
	}
	s.most = mostTimes*int64(len(s.root.raw)) + evenSo
	s.left = s.most
	return true
}

// judge says whether what was found can be handed on.
func (s *search) judge() error {
	switch {
	case s.err != nil:
		return s.err
	case s.Account.err != nil:
		return s.Account.err
	case s.left < 0:
		return ErrTooMuch
	}
	size := int64(0)
	for _, n := range s.found {
		size += int64(len(n.raw)) + int64(len(","))
	}
	again := size - int64(len(s.root.raw))
	switch {
	case size > s.most:
		return ErrTooMuch
	case again > 0 && s.room != nil && !s.room.Take(again):
		return ErrNoRoom
	}
	return nil
}

// run finds what the path leads to from n.
func (s *search) run(n *node, x jp.Expr) {
	if s.left--; s.left < 0 {
		return
	}
	if len(x) == 0 {
		s.left -= placeSize
		if s.spend(foundCost) {
			s.found = append(s.found, n)
		}
		return
	}
	if !n.holds() {
		return
	}
	switch f := x[0].(type) {
	case jp.Root, jp.At:
		s.run(n, x[1:])
	case jp.Descent:
		s.descend(n, x[1:])
	case jp.Wildcard:
		s.runEach(n, x[1:])
	case jp.Child, jp.Nth:
		if c := n.at(f); c != nil {
			s.run(c, x[1:])
		}
	case *jp.Filter:
		s.weigh(n, f)
		if s.lax {
			s.runEach(n, x[1:])
			return
		}
		s.runPlaces(n, x)
	default:
		s.runPlaces(n, x)
	}
}

// spend counts bytes that are held. When they are too many, the search has come to its end.
func (s *search) spend(n int64) bool {
	if !s.Add(n) {
		s.left = -1
		return false
	}
	return true
}

// placeSize is what it takes to note a place.
const placeSize = 8

// descend goes on from n, and from all that is inside.
func (s *search) descend(n *node, rest jp.Expr) {
	s.run(n, rest)
	for _, c := range n.items {
		if s.left < 0 {
			return
		}
		s.descend(c, rest)
	}
}

func (s *search) runEach(n *node, rest jp.Expr) {
	for _, c := range n.items {
		s.run(c, rest)
	}
}

// runPlaces takes the first step of a path, as the library does.
func (s *search) runPlaces(n *node, x jp.Expr) {
	size := placeCost * int64(len(n.items))
	if s.left < 0 || !s.spend(size) {
		return
	}
	defer s.Add(-size)
	places, err := ask(func() []jp.Expr { return x[:1].Locate(n.value, 0) })
	if err != nil {
		s.err = err
	}
	for _, place := range places {
		if c := n.at(place[0]); c != nil {
			s.run(c, x[1:])
		}
	}
}

// ask asks the library, which panics when a filter in a filter meets a null.
func ask[T any](f func() T) (answer T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("evaluating a path: %v", p)
		}
	}()
	return f(), nil
}

// weigh counts what it costs to ask a filter about the values in n: it compares all that its
// paths find in one with each other.
func (s *search) weigh(n *node, f *jp.Filter) {
	s.left -= int64(len(n.items))
	many := s.many[f]
	if len(many) == 0 {
		return
	}
	for _, c := range n.items {
		pairs := int64(1) // or triples, or more
		for _, x := range many {
			from := c
			if _, ok := x[0].(jp.Root); ok {
				from = s.root
			}
			pairs *= max(1, s.count(from, x))
			if pairs > s.left {
				s.left = -1
				return
			}
		}
		s.left -= pairs
	}
}

// count gives how many values a path in a filter finds from n at most. The library, which looks
// for them afterwards, takes several times as long.
func (s *search) count(n *node, x jp.Expr) int64 {
	lax, left, before := s.lax, s.left, len(s.found)
	s.lax = true
	s.run(n, x)
	found := len(s.found) - before
	s.left -= (left - s.left) * libraryTimes
	s.Add(-foundCost * int64(found))
	s.lax, s.found = lax, s.found[:before]
	return int64(found)
}

const libraryTimes = 8

// comparisons are the paths in each filter that can lead to several values.
type comparisons map[*jp.Filter][]jp.Expr

// add notes the filters of a path.
func (c comparisons) add(x jp.Expr) error {
	for _, f := range x {
		filter, ok := f.(*jp.Filter)
		if !ok {
			continue
		}
		form, err := jp.NewFilter("[?(" + filter.Script.String() + " == true)]") // since the library shows comparisons only
		if err != nil {
			return err
		}
		c[filter] = appendMany(nil, form.Inspect())
		for _, x := range c[filter] {
			if err := c.add(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendMany adds those of a part of a filter.
func appendMany(many []jp.Expr, part any) []jp.Expr {
	switch part := part.(type) {
	case *jp.Form:
		many = appendMany(appendMany(many, part.Left), part.Right)
	case jp.Expr:
		if slices.ContainsFunc(part, leadsToMany) {
			many = append(many, part)
		}
	}
	return many
}

func leadsToMany(f jp.Frag) bool {
	switch f.(type) {
	case jp.Descent, jp.Wildcard, *jp.Filter, jp.Slice, jp.Union:
		return true
	}
	return false
}
