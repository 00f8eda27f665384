package rest

import "fmt"

// mixedSet is the mixed segments that can stand at one place of a path. It finds
// candidates by what they begin and end with, so that a thousand routes of the form
// "report-{id}.csv" cost as much as one.
type mixedSet struct {
	shapes []mixedShape // in the order in which they are tried
	byEnds map[mixedEnds][]*mixedEdge
	byText map[string]*mixedEdge
}

type mixedEdge struct {
	pattern *mixed
	to      *node
}

// mixedShape decides on precedence: how much literal text there is, then how much of it
// stands in front, then how much at the end. Patterns of one shape are tried as declared.
type mixedShape struct{ weight, prefix, suffix int }

type mixedEnds struct {
	shape          mixedShape
	prefix, suffix string
}

func (s mixedShape) before(o mixedShape) bool {
	if s.weight != o.weight {
		return s.weight > o.weight
	}
	if s.prefix != o.prefix {
		return s.prefix > o.prefix
	}
	return s.suffix > o.suffix
}

// child gives the node behind a segment, a new one when the segment is new.
func (set *mixedSet) child(literals []string) *node {
	text := fmt.Sprintf("%q", literals)
	if e, ok := set.byText[text]; ok {
		return e.to
	}
	if set.byText == nil {
		set.byText = map[string]*mixedEdge{}
		set.byEnds = map[mixedEnds][]*mixedEdge{}
	}
	e := &mixedEdge{pattern: newMixed(literals), to: &node{}}
	p := e.pattern
	ends := mixedEnds{
		shape:  mixedShape{weight: p.weight, prefix: len(p.prefix()), suffix: len(p.suffix())},
		prefix: p.prefix(),
		suffix: p.suffix(),
	}
	set.byText[text] = e
	set.byEnds[ends] = append(set.byEnds[ends], e)
	set.addShape(ends.shape)
	return e.to
}

func (set *mixedSet) addShape(shape mixedShape) {
	at := 0
	for at < len(set.shapes) && set.shapes[at].before(shape) {
		at++
	}
	if at < len(set.shapes) && set.shapes[at] == shape {
		return
	}
	set.shapes = append(set.shapes, mixedShape{})
	copy(set.shapes[at+1:], set.shapes[at:])
	set.shapes[at] = shape
}

// candidates calls visit with the edges whose literal ends fit the text, best first, until
// visit wants no more.
func (set *mixedSet) candidates(text string, visit func(*mixedEdge) (done bool)) bool {
	for _, shape := range set.shapes {
		if len(text) <= shape.prefix+shape.suffix {
			continue
		}
		ends := mixedEnds{shape: shape, prefix: text[:shape.prefix], suffix: text[len(text)-shape.suffix:]}
		for _, e := range set.byEnds[ends] {
			if visit(e) {
				return true
			}
		}
	}
	return false
}
