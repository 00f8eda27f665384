package stub

import (
	"net/url"
	"slices"
	"strings"

	"capd/engine/plan"
)

// rank says how well a pattern fits a path; the greater, the better.
type rank struct {
	literals int // segments that are literal throughout
	letters  int // literal bytes of the others
	segments int // of the path that the pattern covers
}

func (r rank) compare(o rank) int {
	return slices.Compare([]int{r.literals, r.letters, r.segments}, []int{o.literals, o.letters, o.segments})
}

// pathSegments gives an escaped path's decoded segments, empty ones at both ends left out.
func pathSegments(escaped string) []string {
	segments := strings.Split(strings.Trim(escaped, "/"), "/")
	if len(segments) == 1 && segments[0] == "" {
		return nil
	}
	for i, s := range segments {
		if decoded, err := url.PathUnescape(s); err == nil {
			segments[i] = decoded
		}
	}
	return segments
}

// match fits the pattern to the end of the path: what is in front is the base path, which
// may be anything.
func match(pattern []plan.Segment, path []string) (rank, bool) {
	pattern = trim(pattern)
	if len(pattern) > len(path) {
		return rank{}, false
	}
	r := rank{segments: len(pattern)}
	for i, s := range path[len(path)-len(pattern):] {
		if !fits(pattern[i], s) {
			return rank{}, false
		}
		if literal, letters := literals(pattern[i]); literal {
			r.literals++
		} else {
			r.letters += letters
		}
	}
	return r, true
}

// trim leaves out empty segments at both ends: those of leading and trailing slashes.
func trim(pattern []plan.Segment) []plan.Segment {
	empty := func(s plan.Segment) bool {
		literal, letters := literals(s)
		return literal && letters == 0
	}
	for len(pattern) > 0 && empty(pattern[0]) {
		pattern = pattern[1:]
	}
	for len(pattern) > 0 && empty(pattern[len(pattern)-1]) {
		pattern = pattern[:len(pattern)-1]
	}
	return pattern
}

// literals reports whether a segment has no placeholder, and counts its literal bytes.
func literals(s plan.Segment) (bool, int) {
	literal, letters := true, 0
	for _, p := range s {
		if p.Param >= 0 {
			literal = false
		} else {
			letters += len(p.Literal)
		}
	}
	return literal, letters
}

// fits reports whether text can be the segment, where a placeholder stands for one or more
// characters.
func fits(s plan.Segment, text string) bool {
	if len(s) == 0 {
		return text == ""
	}
	if p := s[0]; p.Param < 0 {
		rest, ok := strings.CutPrefix(text, p.Literal)
		return ok && fits(s[1:], rest)
	}
	if len(s) == 1 {
		return text != ""
	}
	for i := 1; i < len(text); i++ {
		if fits(s[1:], text[i:]) {
			return true
		}
	}
	return false
}
