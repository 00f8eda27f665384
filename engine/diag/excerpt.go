package diag

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tabWidth     = 4  // cells of a tab in an excerpt, wherever it stands
	excerptWidth = 96 // cells of an excerpt; longer lines are cut around the mark
	lead         = 24 // cells kept before the mark of a cut line
)

// lineIndex finds lines of a text. Lines end as positions count them: after LF, CRLF or CR.
type lineIndex struct {
	text   []byte
	starts []int
}

func indexLines(text []byte) *lineIndex {
	x := &lineIndex{text: bytes.TrimPrefix(text, []byte("\ufeff"))}
	if len(x.text) == 0 {
		return x
	}
	x.starts = []int{0}
	for i, c := range x.text {
		if c == '\n' || c == '\r' && !bytes.HasPrefix(x.text[i+1:], []byte("\n")) {
			x.starts = append(x.starts, i+1)
		}
	}
	return x
}

// line gives a line by its number, which counts from 1, without its line break.
func (x *lineIndex) line(n int) (string, bool) {
	if n < 1 || n > len(x.starts) {
		return "", false
	}
	end := len(x.text)
	if n < len(x.starts) {
		end = x.starts[n]
	}
	return string(bytes.TrimRight(x.text[x.starts[n-1]:end], "\r\n")), true
}

// cut is the part of a line that an excerpt shows: its text, ready for a terminal, and the
// mark under it, which begins behind indent cells.
type cut struct {
	line   string
	indent int
	mark   string
}

// cell is one character of the line as it is shown.
type cell struct {
	text  string
	width int
}

// cutExcerpt shows the line in which span begins. Of a span over several lines the mark
// stands under the first.
func cutExcerpt(line string, span Span) cut {
	column := max(0, span.Start.Col-1)
	skipped, cells := window(line, column)
	from := min(column-skipped, len(cells))
	to := len(cells)
	switch {
	case span.End.Line == span.Start.Line:
		to = min(span.End.Col-1-skipped, len(cells))
	case !span.End.IsValid():
		to = from
	}
	first := firstCell(cells, from)
	c := cut{indent: width(cells[first:from])}
	if skipped+first > 0 {
		c.line, c.indent = "…", c.indent+1
	}
	last := first
	for room := excerptWidth; last < len(cells) && room >= cells[last].width; last++ {
		room -= cells[last].width
		c.line += cells[last].text
	}
	if last < len(cells) {
		c.line += "…"
	}
	c.mark = "^" + strings.Repeat("~", max(0, width(cells[from:max(from, min(to, last))])-1))
	return c
}

// window gives the cells of the line around a column, more than are shown, and how many
// characters stand before them. The rest of a line may be megabytes.
func window(line string, column int) (skipped int, cells []cell) {
	skipped = max(0, column-excerptWidth)
	i := 0
	for _, r := range line {
		if i > column+2*excerptWidth {
			break
		}
		if i >= skipped {
			cells = append(cells, show(r))
		}
		i++
	}
	return min(skipped, i), cells
}

// firstCell gives the first cell to show so that the mark at from is in sight.
func firstCell(cells []cell, from int) int {
	if width(cells[:from]) <= excerptWidth-lead {
		return 0
	}
	first := from
	for w := 0; first > 0 && w < lead; first-- {
		w += cells[first-1].width
	}
	return first
}

func width(cells []cell) int {
	w := 0
	for _, c := range cells {
		w += c.width
	}
	return w
}

// show gives a character as it is safe on a terminal.
func show(r rune) cell {
	switch {
	case r == '\t':
		return cell{strings.Repeat(" ", tabWidth), tabWidth}
	case r == ' ', r == utf8.RuneError:
		return cell{string(r), 1}
	case !unicode.IsPrint(r) && !unicode.Is(unicode.M, r):
		return cell{"·", 1}
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r):
		return cell{string(r), 0}
	case wide(r):
		return cell{string(r), 2}
	}
	return cell{string(r), 1}
}

// wide reports whether a terminal gives the character two cells (Unicode Annex 11, classes
// W and F, by their blocks).
func wide(r rune) bool {
	for _, b := range [...][2]rune{
		{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
		{0xa000, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f},
		{0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
		{0x20000, 0x3fffd},
	} {
		if r < b[0] {
			return false
		}
		if r <= b[1] {
			return true
		}
	}
	return false
}

// Printable replaces what could drive a terminal or break a line: control characters,
// line separators and the marks that turn the direction of text. Invalid UTF-8 becomes the
// replacement character.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsPrint(r) && !unicode.Is(unicode.M, r) {
			return '·'
		}
		return r
	}, s)
}
