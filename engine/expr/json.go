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

// RawMembers is [Members] for who needs no name decoded: each is given as it stands, in quotes.
func RawMembers(raw []byte, yield func(quoted, value []byte)) { members(raw, yield) }

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
		if i = skipString(raw, i+1); i < 0 {
			return // no JSON
		}
		key := raw[k:i]
		v := skipColon(raw, i)
		if i = skipValue(raw, v, 1); i < 0 {
			return
		}
		yield(key, raw[v:i])
		i = skipSpace(raw, i)
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
}

// Element gives the text of a list's element, counted from the end when n is negative. ok
// is false when raw is no list or is too short.
func Element(raw []byte, n int) (element []byte, ok bool) {
	if n < 0 {
		size, _ := count(raw)
		n += size
	}
	if n < 0 {
		return nil, false
	}
	EachElement(raw, func(e []byte) bool {
		if n == 0 {
			element, ok = e, true
		}
		n--
		return n >= 0
	})
	return element, ok
}

// count gives how many elements a list has. ok is false when raw is no list.
func count(raw []byte) (n int, ok bool) {
	ok = EachElement(raw, func([]byte) bool {
		n++
		return true
	})
	return n, ok
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
		if i = skipValue(raw, i, 1); i < 0 {
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

// index reads a decimal list index.
func index(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && (s[0] == '-' || '0' <= s[0] && s[0] <= '9')
}
