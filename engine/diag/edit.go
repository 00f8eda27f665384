package diag

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ErrOverlap says that edits change the same text, so that they cannot all be made.
var ErrOverlap = errors.New("edits overlap")

// Apply gives text with the edits made. Places are those of the text as it is given; edits
// may come in any order. Insertions at one place are made in the order they have in edits,
// and in front of a replacement that begins there. It fails, and text stays as it is, when
// edits overlap ([ErrOverlap]) or when a place is not in the text.
func Apply(text []byte, edits []Edit) ([]byte, error) {
	x := newOffsets(text)
	cuts := make([]replacement, 0, len(edits))
	size := len(text)
	for i := range edits {
		c, err := x.replacement(&edits[i])
		if err != nil {
			return nil, err
		}
		size += len(c.with)
		cuts = append(cuts, c)
	}
	slices.SortStableFunc(cuts, func(a, b replacement) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(min(a.end-a.start, 1), min(b.end-b.start, 1)))
	})
	out, at := make([]byte, 0, size), 0
	for _, c := range cuts {
		if c.start < at {
			return nil, fmt.Errorf("%w at %v", ErrOverlap, c.span)
		}
		out = append(append(out, text[at:c.start]...), c.with...)
		at = c.end
	}
	return append(out, text[at:]...), nil
}

// Overlaps reports whether two edits cannot be made together without one deciding what the
// other means: they change the same text, or both insert at one place.
func (e *Edit) Overlaps(o *Edit) bool {
	a, b := &e.Span, &o.Span
	if a.Start == b.Start {
		inserts, alsoInserts := a.Start == a.End, b.Start == b.End
		return inserts == alsoInserts
	}
	return a.Start.Compare(b.End) < 0 && b.Start.Compare(a.End) < 0
}

// replacement is an edit by byte offsets.
type replacement struct {
	start, end int
	with       string
	span       Span
}

// offsets finds the bytes at positions of a text.
type offsets struct {
	text   []byte // without a byte order mark
	starts []int  // of its lines
	mark   int    // length of the byte order mark
}

func newOffsets(text []byte) *offsets {
	x := indexLines(text)
	return &offsets{text: x.text, starts: x.starts, mark: len(text) - len(x.text)}
}

func (x *offsets) replacement(e *Edit) (replacement, error) {
	start, ok := x.offset(e.Span.Start)
	end, also := x.offset(e.Span.End)
	if !ok || !also || end < start {
		return replacement{}, fmt.Errorf("the text has no place %v to %d:%d", e.Span, e.Span.End.Line, e.Span.End.Col)
	}
	return replacement{start + x.mark, end + x.mark, e.New, e.Span}, nil
}

// offset gives the byte offset of a position. The end of a line is a position, and so is
// the end of the text.
func (x *offsets) offset(p Pos) (int, bool) {
	if len(x.starts) == 0 {
		return 0, p == Pos{1, 1}
	}
	if p.Line < 1 || p.Line > len(x.starts) || p.Col < 1 {
		return 0, false
	}
	off := x.starts[p.Line-1]
	end := len(x.text)
	if p.Line < len(x.starts) {
		end = x.starts[p.Line]
	}
	line := x.text[off:end]
	for col := 1; col < p.Col; col++ {
		if len(line) == 0 {
			return 0, false
		}
		_, n := utf8.DecodeRune(line)
		line = line[n:]
	}
	return end - len(line), true
}
