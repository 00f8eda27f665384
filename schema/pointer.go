package schema

import (
	"net/url"
	"strconv"
	"strings"
)

// A location as the jsonschema library gives it is a JSON pointer whose reference tokens
// are escaped twice: by RFC 6901 (~0, ~1) and then by percent-encoding. unescapeLocation
// undoes the second, which leaves a plain JSON pointer.
func unescapeLocation(location string) string {
	if !strings.Contains(location, "%") {
		return location
	}
	// Percent-encoding covers the whole of a token and never yields a slash, since one
	// within a token is ~1 by then.
	pointer, err := url.PathUnescape(location)
	if err != nil {
		return location
	}
	return pointer
}

// lookup gives the value that a JSON pointer names, or nil.
func lookup(value any, pointer string) any {
	for pointer != "" {
		var token string
		token, pointer = cutToken(pointer)
		switch v := value.(type) {
		case map[string]any:
			value = v[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// cutToken takes the first reference token off a JSON pointer.
func cutToken(pointer string) (token, rest string) {
	token = strings.TrimPrefix(pointer, "/")
	if i := strings.IndexByte(token, '/'); i >= 0 {
		token, rest = token[:i], token[i:]
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(token), rest
}

// escaped gives a name as a reference token.
func escaped(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// cutLast splits a JSON pointer before its last token, which is given as it is written.
func cutLast(pointer string) (parent, token string) {
	i := strings.LastIndexByte(pointer, '/')
	if i < 0 {
		return "", pointer
	}
	return pointer[:i], pointer[i+1:]
}
