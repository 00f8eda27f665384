package spec

import "strings"

// openBracket is a list or mapping in brackets in which something else stands where a comma or
// the closing bracket is expected. YAML names the line of the opening bracket, or the line of
// the fault when the bracket stands in the first line of the text.
func (f *syntaxFault) openBracket() (string, string) {
	start := f.givenLine(1)
	for _, from := range []int{start, 0} {
		b := brackets{text: f.src.text[:max(from, f.reached)], at: from}
		if !b.scan() {
			continue
		}
		f.atBytes(b.at, 1)
		found := quote(b.text[b.at : b.at+1])
		if b.opened != "" {
			return "this " + found + " does not close the " + quote(b.opened) + " before it", "close what was opened last first"
		}
		return "this " + found + " stands in text without quotes", "put the value in quotes"
	}
	open, ok := unclosed(f.atLine(start))
	if !ok {
		return strings.TrimPrefix(f.problem, "did not find ") + " in this line or before it",
			"write the comma, close the bracket, or put the whole value in quotes"
	}
	return f.notClosed(start + open)
}

// blockInBrackets is the form with a line for each element inside of brackets, which are
// most likely not meant to go on that far.
func (f *syntaxFault) blockInBrackets() (string, string) {
	for end := f.reached; end > 0; {
		start, stop := f.src.lineAt(end - 1)
		if open, ok := unclosed(f.src.text[start:min(stop, f.reached)]); ok {
			return f.notClosed(start + open)
		}
		end = start
	}
	return "an element begins here where none can", "check the brackets and the indentation of the lines before"
}

// unclosed gives the place of the last bracket that a line opens and does not close.
func unclosed(line string) (at int, ok bool) {
	var open []int
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '[', '{':
			open = append(open, i)
		case ']', '}':
			open = open[:max(0, len(open)-1)]
		}
	}
	if len(open) == 0 {
		return 0, false
	}
	return open[len(open)-1], true
}

func (f *syntaxFault) notClosed(at int) (string, string) {
	f.atBytes(at, 1)
	return "this " + quote(f.src.text[f.at:f.end]) + " is not closed, or a comma is missing behind it",
		"close it, or put the value in quotes if it is meant as text"
}

// brackets walks through the brackets that open in a line, as far as the last one closes, in
// search of a bracket that cannot stand where it does.
type brackets struct {
	text   string
	at     int
	open   []byte
	plain  bool   // text without quotes has begun
	opened string // what a bracket that closes something else should have closed
}

// scan reports whether there is such a bracket; it stands at b.at.
func (b *brackets) scan() bool {
	for ; b.at < len(b.text); b.at++ {
		switch c := b.text[b.at]; c {
		case '{', '[':
			if b.plain && len(b.open) > 0 {
				return true
			}
			if !b.plain {
				b.open = append(b.open, c)
			}
		case '}', ']':
			if b.closes(c) {
				return true
			}
		case '\n', '\r':
			if len(b.open) == 0 {
				return false
			}
		default:
			b.other(c)
		}
	}
	return false
}

// closes takes a closing bracket and reports whether it is one of the wrong kind.
func (b *brackets) closes(c byte) bool {
	if len(b.open) == 0 {
		return false
	}
	last := b.open[len(b.open)-1]
	if c-last != 2 { // in ASCII, a bracket closes two behind where it opens
		b.opened = string(last)
		return true
	}
	b.open = b.open[:len(b.open)-1]
	b.plain = false
	return false
}

// other takes everything that is no bracket and no line break.
func (b *brackets) other(c byte) {
	blankBefore := b.at == 0 || strings.IndexByte(" \t\r\n", b.text[b.at-1]) >= 0
	switch {
	case c == ' ', c == '\t':
	case c == ',' && len(b.open) > 0, (c == ':' || c == '-' && !b.plain) && b.blankBehind():
		b.plain = false
	case c == '#' && blankBefore:
		b.skip(strings.IndexAny(b.text[b.at:], "\r\n") - 1)
	case b.plain:
	case c == '"' || c == '\'':
		b.quoted(c)
	case c == '&' || c == '!':
		b.skip(strings.IndexAny(b.text[b.at:], " \t\r\n,[]{}") - 1)
	default:
		b.plain = true
	}
}

// blankBehind reports whether an indicator is one: nothing of a text stands behind it.
func (b *brackets) blankBehind() bool {
	return b.at+1 == len(b.text) || strings.IndexByte(" \t\r\n,[]{}", b.text[b.at+1]) >= 0
}

// quoted goes to the end of a text in quotes.
func (b *brackets) quoted(mark byte) {
	for i := b.at + 1; i < len(b.text); i++ {
		switch {
		case b.text[i] == '\\' && mark == '"':
			i++
		case b.text[i] == mark:
			b.at = i
			return
		}
	}
	b.at = len(b.text)
}

// skip goes n bytes on, or to the end when n is negative.
func (b *brackets) skip(n int) {
	if n < 0 {
		n = len(b.text) - b.at
	}
	b.at += n
}
