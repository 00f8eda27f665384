package expr

import (
	"encoding/binary"
	"math/bits"
)

// The functions of this file check a JSON text (RFC 8259) by the rules of json.Valid, several
// times as fast: they look at eight bytes of a string at a time. Each is given the index of the
// byte it begins with and gives the index behind what it read, or -1 where that is no JSON.

// maxDepth is how deep a text may nest, as in encoding/json.
const maxDepth = 10000

// Valid reports whether raw is the text of one JSON value, as json.Valid does.
func Valid(raw []byte) bool {
	i := skipValue(raw, skipSpace(raw, 0), 0)
	return i >= 0 && skipSpace(raw, i) == len(raw)
}

// AppendCompact appends a valid JSON text without the white space between its parts.
func AppendCompact(dst, raw []byte) []byte {
	from := 0
	for i := 0; i < len(raw); {
		switch {
		case raw[i] == '"':
			if i = skipString(raw, i+1); i < 0 {
				return append(dst, raw[from:]...) // no JSON
			}
		case isSpace(raw[i]):
			dst = append(dst, raw[from:i]...)
			i = skipSpace(raw, i)
			from = i
		default:
			i++
		}
	}
	return append(dst, raw[from:]...)
}

// skipSpace gives the index of the first byte that is no white space.
func skipSpace(b []byte, i int) int {
	for i >= 0 && i < len(b) && isSpace(b[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r') }

// skipValue reads a value inside of depth objects and lists.
func skipValue(b []byte, i, depth int) int {
	if uint(i) >= uint(len(b)) {
		return -1
	}
	switch b[i] {
	case '"':
		return skipString(b, i+1)
	case '{':
		return skipObject(b, i+1, depth+1)
	case '[':
		return skipList(b, i+1, depth+1)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

// skipObject reads an object from behind its brace.
func skipObject(b []byte, i, depth int) int {
	i = skipSpace(b, i)
	if depth > maxDepth || uint(i) >= uint(len(b)) {
		return -1
	}
	if b[i] == '}' {
		return i + 1
	}
	for uint(i) < uint(len(b)) && b[i] == '"' {
		if i = skipColon(b, skipString(b, i+1)); i < 0 {
			return -1
		}
		i = skipSpace(b, skipValue(b, i, depth))
		if uint(i) >= uint(len(b)) {
			return -1
		}
		if b[i] == '}' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
	return -1
}

// skipColon reads what stands between the name and the value of a member.
func skipColon(b []byte, i int) int {
	i = skipSpace(b, i)
	if uint(i) >= uint(len(b)) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

// skipList reads a list from behind its bracket.
func skipList(b []byte, i, depth int) int {
	i = skipSpace(b, i)
	if depth > maxDepth || uint(i) >= uint(len(b)) {
		return -1
	}
	if b[i] == ']' {
		return i + 1
	}
	for {
		i = skipSpace(b, skipValue(b, i, depth))
		if uint(i) >= uint(len(b)) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
}

// Eight bytes that are all the same.
const (
	ones   = 0x0101010101010101
	tops   = 0x80 * ones
	quotes = '"' * ones
	slants = '\\' * ones
	blanks = ' ' * ones
)

// skipString reads a string from behind its first quotation mark.
func skipString(b []byte, i int) int {
	if i < 0 {
		return -1
	}
	for {
		// Of eight bytes, the lowest top bit of each term stands in the first that is a
		// control character, a quotation mark, a backslash.
		for i <= len(b)-8 {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slant := x^quotes, x^slants
			stops := ((x-blanks)&^x | (quote-ones)&^quote | (slant-ones)&^slant) & tops
			if stops != 0 {
				i += bits.TrailingZeros64(stops) / 8
				break
			}
			i += 8
		}
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		if i >= len(b) || b[i] < ' ' {
			return -1
		}
		if b[i] == '"' {
			return i + 1
		}
		if i = skipEscape(b, i+1); i < 0 {
			return -1
		}
	}
}

// skipEscape reads an escape from behind its backslash.
func skipEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 <= len(b) && isHex(b[i+1]) && isHex(b[i+2]) && isHex(b[i+3]) && isHex(b[i+4]) {
			return i + 5
		}
	}
	return -1
}

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipWord(b []byte, i int, word string) int {
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end
	}
	return -1
}

// skipNumber reads a number.
func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = skipDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i
}

// skipDigits reads one digit or more.
func skipDigits(b []byte, i int) int {
	if i >= len(b) || !isDigit(b[i]) {
		return -1
	}
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}
