package rest

import (
	"strings"
	"unicode/utf8"

	"capd/engine/plan"
)

// mixed is a route segment that has both literal text and placeholders. It has one literal
// more than placeholders: literals[0] stands before the first one and the last literal
// behind the last one. Literals can be empty.
type mixed struct {
	literals []string
	weight   int // bytes of literal text
}

// split gives a segment's literals around its placeholders.
func split(s plan.Segment) (literals []string) {
	var text strings.Builder
	for _, part := range s {
		if part.Param < 0 {
			text.WriteString(part.Literal)
			continue
		}
		literals = append(literals, text.String())
		text.Reset()
	}
	return append(literals, text.String())
}

func newMixed(literals []string) *mixed {
	m := &mixed{literals: literals}
	for _, l := range literals {
		m.weight += len(l)
	}
	return m
}

func (m *mixed) prefix() string { return m.literals[0] }
func (m *mixed) suffix() string { return m.literals[len(m.literals)-1] }

// match appends the placeholders' values to values. Each placeholder takes as much as it
// can, the first one first, as "{name}.{extension}" wants it.
//
// It looks from the right and puts every literal as far right as it can stand: that gives
// the same split as trying all of them, in linear time.
func (m *mixed) match(s string, values []string) ([]string, bool) {
	prefix, suffix := m.prefix(), m.suffix()
	if len(s) < len(prefix)+len(suffix) || !strings.HasPrefix(s, prefix) || !strings.HasSuffix(s, suffix) {
		return values, false
	}
	n := len(m.literals) - 1
	base := len(values)
	values = append(values, make([]string, n)...)
	rest := s[len(prefix) : len(s)-len(suffix)]
	for i := n - 1; i > 0; i-- {
		_, last := utf8.DecodeLastRuneInString(rest)
		if last == 0 {
			return values[:base], false
		}
		literal := m.literals[i]
		at := strings.LastIndex(rest[:len(rest)-last], literal)
		if at < 0 {
			return values[:base], false
		}
		values[base+i] = rest[at+len(literal):]
		rest = rest[:at]
	}
	if rest == "" {
		return values[:base], false
	}
	values[base] = rest
	return values, true
}
