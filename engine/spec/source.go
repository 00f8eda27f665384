package spec

import (
	"sort"
	"strings"
	"unicode/utf8"

	"capd/engine/diag"
)

// source is the text of a document and turns byte offsets into positions. It is read
// only once it is made.
type source struct {
	file  string
	text  string  // UTF-8, without a byte order mark
	lines []int32 // where lines start as an editor counts them: after LF, CRLF or CR
	marks []int32 // where lines start as yaml.v3 counts them: also after NEL, LS and PS
	runes []int32 // code points before every runeStep bytes; nil when the text is ASCII
	plain bool    // nothing but printable ASCII, tabs and line breaks
	tail  int     // offset of the node at which a text was cut off; 0 when it is whole
}

// runeStep is the distance of the checkpoints that make columns of long lines cheap.
const runeStep = 256

func newSource(file, text string) *source {
	s := &source{file: file, text: text, lines: make([]int32, 1, strings.Count(text, "\n")+2)}
	ascii, exotic := true, false
	s.plain = true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= ' ' && c <= '~', c == '\t':
		case c == '\n', c == '\r' && !strings.HasPrefix(text[i+1:], "\n"):
			s.lines = append(s.lines, int32(i+1))
		case c == '\r':
		case c >= utf8.RuneSelf:
			ascii, s.plain = false, false
			exotic = exotic || exoticBreak(text[i:]) > 0
		default:
			s.plain = false
		}
	}
	s.marks = s.lines
	if exotic {
		s.marks = yamlLines(text)
	}
	if !ascii {
		s.runes = countRunes(text)
	}
	return s
}

// exoticBreak gives the length of a line break that only YAML 1.1 knows at the start of
// text, or 0.
func exoticBreak(text string) int {
	for _, b := range [...]string{"\u0085", "\u2028", "\u2029"} {
		if strings.HasPrefix(text, b) {
			return len(b)
		}
	}
	return 0
}

func yamlLines(text string) []int32 {
	lines := []int32{0}
	for i := 0; i < len(text); {
		n := exoticBreak(text[i:])
		if n == 0 {
			n = 1
			if c := text[i]; c != '\n' && (c != '\r' || strings.HasPrefix(text[i+1:], "\n")) {
				i++
				continue
			}
		}
		i += n
		lines = append(lines, int32(i))
	}
	return lines
}

func countRunes(text string) []int32 {
	counts := make([]int32, 0, len(text)/runeStep+1)
	n := int32(0)
	for i := 0; i < len(text); i++ {
		if i%runeStep == 0 {
			counts = append(counts, n)
		}
		if utf8.RuneStart(text[i]) {
			n++
		}
	}
	return counts
}

// before gives the number of code points that start before offset off.
func (s *source) before(off int) int {
	if s.runes == nil {
		return off
	}
	k := min(off/runeStep, len(s.runes)-1)
	n := int(s.runes[k])
	for i := k * runeStep; i < off; i++ {
		if utf8.RuneStart(s.text[i]) {
			n++
		}
	}
	return n
}

// pos gives the position of a byte offset.
func (s *source) pos(off int) diag.Pos {
	off = max(0, min(off, len(s.text)))
	line := sort.Search(len(s.lines), func(i int) bool { return int(s.lines[i]) > off })
	return diag.Pos{Line: line, Col: s.before(off) - s.before(int(s.lines[line-1])) + 1}
}

// span gives the place of the bytes from i to j.
func (s *source) span(i, j int) diag.Span {
	return diag.Span{File: s.file, Start: s.pos(i), End: s.pos(j)}
}

// whole speaks of the whole file.
func (s *source) whole() diag.Span { return diag.Span{File: s.file} }

// offset gives the byte offset of a line and column as yaml.v3 counts them, both 1-based.
func (s *source) offset(line, col int) int { return s.offsetIn(s.marks, line, col) }

// offsetOf gives the byte offset of a position.
func (s *source) offsetOf(p diag.Pos) int { return s.offsetIn(s.lines, p.Line, p.Col) }

func (s *source) offsetIn(lines []int32, line, col int) int {
	line = max(1, min(line, len(lines)))
	start := int(lines[line-1])
	if s.runes == nil {
		return min(start+col-1, len(s.text))
	}
	want := s.before(start) + col - 1
	k := sort.Search(len(s.runes), func(i int) bool { return int(s.runes[i]) > want })
	off := max(start, (k-1)*runeStep)
	for n := s.before(off); off < len(s.text); off++ {
		if utf8.RuneStart(s.text[off]) {
			if n == want {
				break
			}
			n++
		}
	}
	return off
}

// lineAt gives the bounds of the line that holds offset off, without its line break.
func (s *source) lineAt(off int) (start, end int) {
	line := sort.Search(len(s.lines), func(i int) bool { return int(s.lines[i]) > off })
	start = int(s.lines[line-1])
	end = len(s.text)
	if line < len(s.lines) {
		end = int(s.lines[line])
	}
	return start, start + len(strings.TrimRight(s.text[start:end], "\r\n"))
}
