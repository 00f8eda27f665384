package plan

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// longestSpelling is how many bytes one byte of a value can take in any spelling.
const longestSpelling = 12

// escapes are the characters that an escape can begin with.
const escapes = `\&%+`

// spelledAt gives how many bytes at the beginning of b spell value, 0 when they do not. The
// characters may be written as they are, or as JSON of any habit, XML, a query or a path
// would write them, also when such a text stands inside a JSON string once more.
func spelledAt(b []byte, value string) int {
	for depth := range 3 {
		if n := spelled(b, value, depth); n > 0 {
			return n
		}
	}
	return 0
}

// spelled is spelledAt of a text that was escaped as often as depth says. It only matters
// where the value itself holds what begins an escape.
func spelled(b []byte, value string, depth int) int {
	at := 0
	for len(value) > 0 {
		r, size := utf8.DecodeRuneInString(value)
		n := 0
		if depth > 0 {
			n = escapeLength(b[at:], r, value[:size], depth)
		}
		if n == 0 {
			n = plainLength(b[at:], value[:size])
		}
		if n == 0 && depth == 0 {
			n = escapeLength(b[at:], r, value[:size], 1)
		}
		if n == 0 {
			return 0
		}
		at, value = at+n, value[size:]
	}
	return at
}

func plainLength(b []byte, char string) int {
	if len(b) >= len(char) && string(b[:len(char)]) == char {
		return len(char)
	}
	return 0
}

// escapeLength gives the length of an escape of one character, 0 when there is none.
func escapeLength(b []byte, r rune, char string, depth int) int {
	if len(b) == 0 {
		return 0
	}
	switch b[0] {
	case '\\':
		return backslashLength(b, r, depth)
	case '&':
		return entityLength(b, r)
	case '%':
		if r == ' ' && depth == 2 && percentLength(b, "+", 1) > 0 {
			return 3
		}
		return percentLength(b, char, depth)
	case '+':
		if r == ' ' {
			return 1
		}
	}
	return 0
}

// backslashLength reads \n, \", \u0022 and \x22, with more backslashes where the text was
// escaped again.
func backslashLength(b []byte, r rune, depth int) int {
	n := 0
	for n < len(b) && n < 7 && b[n] == '\\' {
		n++
	}
	if r == '\\' && n >= 2*depth {
		return 2 * depth
	}
	if n == len(b) {
		return 0
	}
	switch c := b[n]; c {
	case 'u':
		high, ok := hexValue(b, n+1, 4)
		if ok && rune(high) == r {
			return n + 5
		}
		if low, found := hexValue(b, 2*n+6, 4); ok && found && b[n+5] == '\\' && utf16.DecodeRune(rune(high), rune(low)) == r {
			return 2*n + 10
		}
	case 'x':
		if v, ok := hexValue(b, n+1, 2); ok && rune(v) == r {
			return n + 3
		}
	case 'n', 'r', 't', 'b', 'f':
		if rune("\n\r\t\b\f"[strings.IndexByte("nrtbf", c)]) == r {
			return n + 1
		}
	case '"', '\'', '/':
		if rune(c) == r {
			return n + 1
		}
	}
	return 0
}

// entityLength reads &amp;, &#38; and &#x26;.
func entityLength(b []byte, r rune) int {
	end := strings.IndexByte(string(b[:min(len(b), longestSpelling)]), ';')
	if end < 2 {
		return 0
	}
	name := string(b[1:end])
	if code, ok := strings.CutPrefix(name, "#"); ok {
		base := 10
		if code != "" && (code[0] == 'x' || code[0] == 'X') {
			code, base = code[1:], 16
		}
		if v, err := strconv.ParseUint(code, base, 32); err == nil && rune(v) == r {
			return end + 1
		}
		return 0
	}
	for _, e := range [...]struct {
		name string
		char rune
	}{{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}} {
		if e.name == name && e.char == r {
			return end + 1
		}
	}
	return 0
}

// percentLength reads %26, and at depth 2 %2526.
func percentLength(b []byte, char string, depth int) int {
	at := 0
	for i := range len(char) {
		if at >= len(b) || b[at] != '%' {
			return 0
		}
		at++
		if _, ok := hexValue(b, at+2, 2); ok && depth == 2 && b[at] == '2' && b[at+1] == '5' {
			at += 2
		}
		if v, ok := hexValue(b, at, 2); !ok || byte(v) != char[i] {
			return 0
		}
		at += 2
	}
	return at
}

// hexValue reads digits at a place of b.
func hexValue(b []byte, at, digits int) (uint64, bool) {
	if len(b) < at+digits {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b[at:at+digits]), 16, 32)
	return v, err == nil
}
