package secrets

import (
	"fmt"
	"strings"
)

// parse reads the text of an env file: lines KEY=VALUE, empty lines, and comments after "#".
//
//   - "export " may stand in front of the key, and blanks around both sides.
//   - A value without quotes ends at the line's end or at a "#" with a blank before it.
//   - 'Single quotes' keep everything as it is; "double quotes" know \n \r \t \" \\ \$ and
//     keep every other backslash. Quoted values may go on over lines. Behind the closing
//     quote only a comment may follow.
//   - Nothing is expanded: "$" is a dollar sign.
//   - CR LF counts as LF, a byte order mark at the start is skipped, the last of several
//     equal keys wins.
//
// The error begins with the line's number and never quotes the text, which may be a secret.
func parse(text string) (map[string]string, error) {
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	if i := strings.IndexByte(text, 0); i >= 0 {
		return nil, lineError(strings.Count(text[:i], "\n")+1, "the file has a NUL byte: it is not a text file of KEY=VALUE lines")
	}
	values := map[string]string{}
	r := reader{rest: text, line: 1}
	for r.rest != "" {
		start := r.line
		key, value, err := r.entry()
		if err != nil {
			return nil, err
		}
		if key == "" {
			continue
		}
		if !validKey(key) {
			return nil, lineError(start, "the name before = must be letters, digits and underscores, and not begin with a digit")
		}
		values[key] = value
	}
	return values, nil
}

func lineError(line int, what string) error { return fmt.Errorf("%d: %s", line, what) }

func validKey(key string) bool {
	for i := range len(key) {
		c := key[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

// reader is what is left of an env file, and the number of the line it begins in.
type reader struct {
	rest string
	line int
}

// entry reads one entry with its line's end. The key is empty for a line without one.
func (r *reader) entry() (key, value string, err error) {
	line, _, _ := strings.Cut(r.rest, "\n")
	trimmed := strings.Trim(line, blanks)
	if trimmed == "" || trimmed[0] == '#' {
		r.skipLine()
		return "", "", nil
	}
	key, _, ok := strings.Cut(line, "=")
	if !ok {
		return "", "", lineError(r.line, "expected KEY=VALUE")
	}
	r.rest = r.rest[len(key)+1:]
	key = strings.Trim(key, blanks)
	if after, ok := strings.CutPrefix(key, "export"); ok && after != "" && strings.ContainsRune(blanks, rune(after[0])) {
		key = strings.Trim(after, blanks)
	}
	if key == "" {
		return "", "", lineError(r.line, "expected a name before =")
	}
	value, err = r.value()
	return key, value, err
}

// blanks do not end a line.
const blanks = " \t\v\f\r"

func (r *reader) value() (string, error) {
	r.rest = strings.TrimLeft(r.rest, blanks)
	if r.rest != "" && (r.rest[0] == '\'' || r.rest[0] == '"') {
		return r.quoted()
	}
	line, _, _ := strings.Cut(r.rest, "\n")
	r.skipLine()
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || strings.IndexByte(blanks, line[i-1]) >= 0) {
			line = line[:i]
			break
		}
	}
	return strings.TrimRight(line, blanks), nil
}

func (r *reader) quoted() (string, error) {
	start, quote := r.line, r.rest[0]
	var b strings.Builder
	for i := 1; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == quote:
			r.rest = r.rest[i+1:]
			return b.String(), r.endOfLine()
		case c == '\\' && quote == '"' && i+1 < len(r.rest) && escapes(r.rest[i+1]) != 0:
			i++
			b.WriteByte(escapes(r.rest[i]))
		default:
			if c == '\n' {
				r.line++
			}
			b.WriteByte(c)
		}
	}
	return "", lineError(start, "the quote is not closed")
}

// escapes gives what a backslash before c stands for in double quotes, 0 for nothing.
func escapes(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case '"', '\\', '$':
		return c
	}
	return 0
}

// endOfLine goes to the next line, provided that nothing but a comment is left of this one.
func (r *reader) endOfLine() error {
	line, _, _ := strings.Cut(r.rest, "\n")
	if rest := strings.Trim(line, blanks); rest != "" && rest[0] != '#' {
		return lineError(r.line, `unexpected text after the closing quote; put a # before a comment, or \ before a quote that belongs to the value`)
	}
	r.skipLine()
	return nil
}

func (r *reader) skipLine() {
	_, r.rest, _ = strings.Cut(r.rest, "\n")
	r.line++
}
