package spec

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// scalarScan reads a scalar's source a second time to find where each byte of its value
// stands. It is done only for values that a diagnostic speaks of. The value, known from the
// first reading, is checked against the second, so that a disagreement shows.
type scalarScan struct {
	text     string // of the file
	want     string // the value
	at       int    // bytes of want seen so far
	body     int    // offset of the first content byte
	end      int    // offset behind the scalar
	bad      bool
	record   bool
	from, to []int32 // per byte of want: bounds of the source that stands for its character
}

// place gives where the bytes from i to j of the decoded value stand in the source. The scan
// must have recorded them.
func (d *scalarScan) place(i, j int) (start, end int) {
	start = d.body
	switch {
	case i < len(d.from):
		start = int(d.from[i])
	case i > 0:
		start = int(d.to[i-1])
	}
	if end = start; j > i {
		end = int(d.to[j-1])
	}
	return start, end
}

// scanScalar scans v. It is not ok when the source does not say what v holds.
func scanScalar(v *Value, record bool) (*scalarScan, bool) {
	s := &scalarScan{text: v.src.text, want: v.Text, record: record}
	start := int(v.start)
	if v.style != literal && v.style != folded {
		s.flow(start, v.style)
		return s, s.done()
	}
	for _, indent := range s.indents(start) {
		try := *s
		try.block(start, v.style == folded, indent)
		if try.done() {
			return &try, true
		}
	}
	return s, false
}

// scalarEnd gives the offset behind v, or its start when the source does not say.
func scalarEnd(v *Value) int {
	if end, ok := evidentEnd(v); ok {
		return end
	}
	if s, ok := scanScalar(v, false); ok {
		return s.end
	}
	return int(v.start)
}

// evidentEnd gives the offset behind a scalar that stands in the source as it is meant.
func evidentEnd(v *Value) (int, bool) {
	begin, ok := evidentBegin(v)
	return begin + len(v.Text) + len(v.style.quote()), ok
}

// evidentBegin gives the offset of the first byte of a scalar that stands in the source as it is
// meant: in one line and without escapes, like nearly all of them.
func evidentBegin(v *Value) (int, bool) {
	if v.style == literal || v.style == folded || len(v.src.marks) != len(v.src.lines) || strings.ContainsAny(v.Text, "\n\r\\'") {
		return 0, false
	}
	quote := v.style.quote()
	rest, begins := strings.CutPrefix(v.src.text[v.start:], quote)
	begin := len(v.src.text) - len(rest)
	rest, holds := strings.CutPrefix(rest, v.Text)
	return begin, begins && holds && strings.HasPrefix(rest, quote)
}

func (s *scalarScan) done() bool { return !s.bad && s.at == len(s.want) }

// put says that the source bytes from i to j stand for text.
func (s *scalarScan) put(text string, i, j int) {
	if s.bad || !strings.HasPrefix(s.want[s.at:], text) {
		s.bad = true
		return
	}
	s.at += len(text)
	for k := 0; s.record && k < len(text); k++ {
		s.from = append(s.from, int32(i))
		s.to = append(s.to, int32(j))
	}
}

// run says that the source bytes from i to j stand for themselves.
func (s *scalarScan) run(i, j int) {
	for i < j && !s.bad {
		_, n := utf8.DecodeRuneInString(s.text[i:j])
		s.put(s.text[i:i+n], i, i+n)
		i += n
	}
}

// flow scans a plain or quoted scalar.
func (s *scalarScan) flow(i int, style scalarStyle) {
	quote := byte(0)
	switch style {
	case singleQuoted:
		quote = '\''
	case doubleQuoted:
		quote = '"'
	}
	if quote != 0 {
		if i >= len(s.text) || s.text[i] != quote {
			s.bad = true
			return
		}
		i++
	}
	s.body, s.end = i, i
	for i < len(s.text) && !s.bad {
		if quote == 0 && s.at == len(s.want) {
			return
		}
		switch c := s.text[i]; {
		case c == '\'' && quote == '\'' && strings.HasPrefix(s.text[i+1:], "'"):
			s.put("'", i, i+2)
			i += 2
		case c == quote && quote != 0:
			s.end = i + 1
			return
		case c == '\\' && quote == '"':
			i = s.escape(i)
		case blankAt(s.text, i) > 0 || breakAt(s.text, i) > 0:
			i = s.fold(i)
		default:
			_, n := utf8.DecodeRuneInString(s.text[i:])
			s.put(s.text[i:i+n], i, i+n)
			i += n
		}
		s.end = i
	}
	s.bad = s.bad || quote != 0
}

// fold scans white space, in which a line break and the blanks around it are one space,
// and every further line break stands for itself.
func (s *scalarScan) fold(i int) int {
	end, breaks := i, 0
	for end < len(s.text) {
		n := blankAt(s.text, end)
		if n == 0 {
			if n = breakAt(s.text, end); n == 0 {
				break
			}
			breaks++
		}
		end += n
	}
	switch breaks {
	case 0:
		s.run(i, end)
	case 1:
		s.put(" ", i, end)
	default:
		for range breaks - 1 {
			s.put("\n", i, end)
		}
	}
	return end
}

// escape scans an escape sequence of a double-quoted scalar (YAML 1.2 section 5.7).
func (s *scalarScan) escape(i int) int {
	if n := breakAt(s.text, i+1); n > 0 {
		return s.continued(i + 1 + n)
	}
	if i+1 >= len(s.text) {
		s.bad = true
		return i + 1
	}
	c := s.text[i+1]
	if width := strings.IndexByte("x--u---U", c); width >= 0 && c != '-' {
		return s.codePoint(i, i+2, []int{2, 0, 0, 4, 0, 0, 0, 8}[width])
	}
	text := escaped(c)
	s.bad = s.bad || text == ""
	s.put(text, i, i+2)
	return i + 2
}

// escaped gives the character that an escape of one letter stands for, or "".
func escaped(c byte) string {
	const letters, characters = "abtnvfre0\t \"'/\\", "\a\b\t\n\v\f\r\x1b\x00\t \"'/\\"
	if i := strings.IndexByte(letters, c); i >= 0 {
		return characters[i : i+1]
	}
	switch c {
	case 'N':
		return "\u0085"
	case '_':
		return "\u00a0"
	case 'L':
		return "\u2028"
	case 'P':
		return "\u2029"
	}
	return ""
}

// continued skips what an escaped line break swallows: the blanks at the start of the next
// line; further empty lines are line breaks.
func (s *scalarScan) continued(i int) int {
	for i < len(s.text) {
		if n := blankAt(s.text, i); n > 0 {
			i += n
			continue
		}
		n := breakAt(s.text, i)
		if n == 0 {
			break
		}
		s.put("\n", i, i+n)
		i += n
	}
	return i
}

func (s *scalarScan) codePoint(start, i, width int) int {
	if i+width > len(s.text) {
		s.bad = true
		return len(s.text)
	}
	n, err := strconv.ParseUint(s.text[i:i+width], 16, 32)
	if err != nil {
		s.bad = true
	}
	s.put(string(rune(n)), start, i+width)
	return i + width
}

// indents gives the indentations to try for the block scalar whose header is at offset i.
// Where the header says one it is relative to a parent that the scalar does not know, so
// each possible one is tried and the value decides.
func (s *scalarScan) indents(i int) []int {
	header, rest := cutLine(s.text[i:])
	if hash := strings.IndexByte(header, '#'); hash >= 0 {
		header = header[:hash]
	}
	explicit := strings.ContainsAny(header, "123456789")
	indent, longest := 0, 0
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		indent = len(line) - len(strings.TrimLeft(line, " "))
		if indent < len(line) {
			break
		}
		longest = max(longest, indent)
		indent = 0
	}
	if !explicit {
		return []int{max(indent, 1), max(longest, 1), 0}
	}
	var all []int
	for k := max(indent, longest); k >= 0; k-- {
		all = append(all, k)
	}
	return all
}

func cutLine(text string) (line, rest string) {
	i := strings.IndexAny(text, "\r\n")
	if i < 0 {
		return text, ""
	}
	return text[:i], text[i+breakAt(text, i):]
}

// block scans a block scalar of known indentation, the way libyaml builds its value.
func (s *scalarScan) block(i int, fold bool, indent int) {
	header, rest := cutLine(s.text[i:])
	s.end = i + len(header)
	i = len(s.text) - len(rest)
	if hash := strings.IndexByte(header, '#'); hash >= 0 {
		header = header[:hash]
	}
	strip, keep := strings.Contains(header, "-"), strings.Contains(header, "+")

	var pending [2]int // the last line's break
	var empty [][2]int // breaks of the empty lines behind it
	i, empty = s.emptyLines(i, indent)
	s.body = min(i+indent, len(s.text))
	leadingBlank := false
	for s.indented(i, indent) && !s.bad {
		i += indent
		trailingBlank := blankAt(s.text, i) > 0
		if fold && pending != [2]int{} && !leadingBlank && !trailingBlank {
			if len(empty) == 0 {
				s.put(" ", pending[0], pending[1])
			}
		} else if pending != [2]int{} {
			s.put("\n", pending[0], pending[1])
		}
		s.breaks(empty)
		leadingBlank = trailingBlank
		eol := i
		for eol < len(s.text) && breakAt(s.text, eol) == 0 {
			eol++
		}
		s.run(i, eol)
		i, s.end = eol, eol
		pending, empty = [2]int{}, nil
		if n := breakAt(s.text, eol); n > 0 {
			pending = [2]int{eol, eol + n}
			i, empty = s.emptyLines(eol+n, indent)
		}
	}
	if !strip && pending != [2]int{} {
		s.put("\n", pending[0], pending[1])
	}
	if keep {
		s.breaks(empty)
	}
}

func (s *scalarScan) breaks(empty [][2]int) {
	for _, b := range empty {
		s.put("\n", b[0], b[1])
	}
}

// indented reports whether a content line of the block begins at offset i.
func (s *scalarScan) indented(i, indent int) bool {
	if i+indent >= len(s.text) {
		return false
	}
	return strings.TrimLeft(s.text[i:i+indent], " ") == ""
}

// emptyLines skips lines that hold nothing but up to indent spaces.
func (s *scalarScan) emptyLines(i, indent int) (int, [][2]int) {
	var breaks [][2]int
	for {
		eol := i
		for eol < len(s.text) && eol < i+indent && s.text[eol] == ' ' {
			eol++
		}
		n := breakAt(s.text, eol)
		if n == 0 {
			return i, breaks
		}
		breaks = append(breaks, [2]int{eol, eol + n})
		i = eol + n
	}
}

// breakAt gives the length of a line break at offset i, or 0.
func breakAt(text string, i int) int {
	switch {
	case i >= len(text):
		return 0
	case strings.HasPrefix(text[i:], "\r\n"):
		return 2
	case text[i] == '\n', text[i] == '\r':
		return 1
	case text[i] >= utf8.RuneSelf:
		return exoticBreak(text[i:])
	}
	return 0
}

// blankAt gives the length of a blank at offset i, or 0.
func blankAt(text string, i int) int {
	if i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		return 1
	}
	return 0
}
