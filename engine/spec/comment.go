package spec

import (
	"strings"

	"capd/engine/diag"
)

// Comment is a comment that begins with a mark: "# mark text".
type Comment struct {
	Span diag.Span
	Text string // what stands behind the mark
	// Line is the line that the comment is about: its own, or the next one with something
	// on it when the comment stands alone. First says that no line with something on it
	// stands before that one.
	Line  int
	First bool
}

// maxComments bounds what Comments finds in one file.
const maxComments = 1000

// Comments finds the comments of a text that begin with a mark. doc, if the text could be
// read, tells comments from values that look like one.
func Comments(file, text string, doc *Document, mark string) []Comment {
	if !strings.Contains(text, mark) {
		return nil
	}
	src := newSource(file, strings.TrimPrefix(text, byteOrderMark))
	var out []Comment
	for off := 0; ; {
		i := strings.Index(src.text[off:], mark)
		if i < 0 || len(out) == maxComments {
			return out
		}
		i += off
		off = i + len(mark)
		if at := hashBefore(src.text, i); at >= 0 && isWord(src.text[off:]) && !doc.inScalar(at) {
			out = append(out, src.comment(at, off))
		}
	}
}

// hashBefore gives the offset of the "#" that begins a comment whose first word stands at i,
// or -1.
func hashBefore(text string, i int) int {
	at := len(strings.TrimRight(text[:i], " \t")) - 1
	if at < 0 || text[at] != '#' || at > 0 && !strings.ContainsRune(" \t\r\n", rune(text[at-1])) {
		return -1
	}
	return at
}

// isWord reports whether a word ends at the start of text.
func isWord(text string) bool { return text == "" || strings.ContainsRune(" \t\r\n", rune(text[0])) }

// comment reads the comment at offset at, the text of which begins at from.
func (s *source) comment(at, from int) Comment {
	start, end := s.lineAt(at)
	c := Comment{Span: s.span(at, end), Text: strings.TrimSpace(s.text[from:end]), Line: s.pos(at).Line}
	if strings.Trim(s.text[start:at], " \t") != "" {
		return c
	}
	for n := c.Line + 1; n <= len(s.lines); n++ {
		if s.hasContent(n) {
			c.Line = n
			break
		}
	}
	c.First = true
	for n := 1; n < c.Line && c.First; n++ {
		c.First = !s.hasContent(n)
	}
	return c
}

// hasContent reports whether a line has more on it than a comment or the mark that begins a
// document.
func (s *source) hasContent(line int) bool {
	start, end := s.lineAt(int(s.lines[line-1]))
	text := strings.Trim(s.text[start:end], " \t")
	return text != "" && text[0] != '#' && text != "---"
}

// inScalar reports whether the byte at an offset belongs to a scalar. Behind the header of a
// block scalar there may be a comment.
func (d *Document) inScalar(off int) bool {
	if d == nil || d.tree == nil {
		return false
	}
	v := d.tree.holding(off, off)
	if v == nil || !v.isScalar() || off < int(v.start) || off >= v.endOffset() {
		return false
	}
	if v.style == literal || v.style == folded {
		_, header := v.src.lineAt(int(v.start))
		return off > header
	}
	return true
}
