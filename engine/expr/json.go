package expr

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// The functions of this file find parts of a JSON text without decoding it, so that
// numbers keep their digits and strings their escapes. They expect a text for which
// json.Valid holds.

// Members calls yield for each member of an object, in order. It does nothing for another
// kind of value.
func Members(raw []byte, yield func(name string, value []byte)) {
	members(raw, func(key, value []byte) {
		var name string
		if json.Unmarshal(key, &name) == nil {
			yield(name, value)
		}
	})
}

// Member gives the text of an object's member; of several with one name, the last. ok is
// false when raw is no object or has no such member.
func Member(raw []byte, name string) (value []byte, ok bool) {
	members(raw, func(key, v []byte) {
		if sameKey(key, name) {
			value, ok = v, true
		}
	})
	return value, ok
}

// members calls yield with the quoted key and the value of each member.
func members(raw []byte, yield func(key, value []byte)) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return
	}
	i = skipSpace(raw, i+1)
	for i < len(raw) && raw[i] == '"' {
		k := i
		i = skipString(raw, i)
		key := raw[k:i]
		i = skipSpace(raw, i) // before the colon
		if i >= len(raw) {
			return // cut off: no JSON
		}
		i = skipSpace(raw, i+1) // after it
		v := i
		i = skipValue(raw, i)
		yield(key, raw[v:i])
		i = skipSpace(raw, i)
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
}

// Element gives the text of a list's element, counted from the end when n is negative. ok
// is false when raw is no list or is too short.
func Element(raw []byte, n int) ([]byte, bool) {
	all, ok := Elements(raw)
	if !ok {
		return nil, false
	}
	if n < 0 {
		n += len(all)
	}
	if n < 0 || n >= len(all) {
		return nil, false
	}
	return all[n], true
}

// Elements gives the texts of a list's elements. ok is false when raw is no list.
func Elements(raw []byte) (all [][]byte, ok bool) {
	ok = EachElement(raw, func(e []byte) bool {
		all = append(all, e)
		return true
	})
	return all, ok
}

// EachElement calls yield with the text of each element of a list, in order, until it says
// false. It keeps nothing, so that a list may have millions. ok is false when raw is no list.
func EachElement(raw []byte, yield func(element []byte) bool) (ok bool) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '[' {
		return false
	}
	i = skipSpace(raw, i+1)
	for i < len(raw) && raw[i] != ']' {
		v := i
		if i = skipValue(raw, i); i == v {
			break // no JSON
		}
		if !yield(raw[v:i]) {
			break
		}
		i = skipSpace(raw, i)
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return true
}

// Kind gives the first byte of the value: one of { [ " t f n or a digit or minus; 0 for an
// empty text.
func Kind(raw []byte) byte {
	if i := skipSpace(raw, 0); i < len(raw) {
		return raw[i]
	}
	return 0
}

func sameKey(quoted []byte, name string) bool {
	inner := quoted[1 : len(quoted)-1]
	if string(inner) == name {
		return true
	}
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf { // an escape, or bytes that are no UTF-8
			var s string
			return json.Unmarshal(quoted, &s) == nil && s == name
		}
	}
	return false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the index after the string that begins at i.
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue gives the index after the value that begins at i.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			i++
			continue
		default:
			i++
			if depth == 0 {
				for i < len(b) && !isDelimiter(b[i]) {
					i++
				}
				return i
			}
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

func isDelimiter(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}

// index reads a decimal list index.
func index(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && (s[0] == '-' || '0' <= s[0] && s[0] <= '9')
}
