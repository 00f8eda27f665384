package schema

import (
	"encoding/json"
	"strings"
)

// Numbers are compared by the library as exact fractions. One with a huge exponent takes
// it seconds, and one that math/big refuses makes it panic, so such numbers are replaced
// before it sees them.
const (
	maxDigits   = 40
	maxExponent = len("e-999")
)

// mark stands in front of an empty key, which the library would leave out of its
// locations, and of keys that begin with it themselves.
const mark = "\x00"

func wildKey(key string) bool { return key == "" || strings.HasPrefix(key, mark) }

// restore gives a pointer into a tamed document as one into the original.
func restore(pointer string) string { return strings.ReplaceAll(pointer, "/"+mark, "/") }

// tame gives the document, or a copy that the library can handle.
func tame(value any) any {
	if !wild(value) {
		return value
	}
	return replaceWild(value)
}

func wild(value any) bool {
	switch v := value.(type) {
	case json.Number:
		return wildNumber(string(v))
	case []any:
		for _, item := range v {
			if wild(item) {
				return true
			}
		}
	case map[string]any:
		for key, member := range v {
			if wildKey(key) || wild(member) {
				return true
			}
		}
	}
	return false
}

func wildNumber(s string) bool {
	if e := strings.IndexAny(s, "eE"); e >= 0 && len(s)-e > maxExponent {
		return true
	}
	return len(s) > maxDigits || !json.Valid([]byte(s))
}

func replaceWild(value any) any {
	switch v := value.(type) {
	case json.Number:
		if wildNumber(string(v)) {
			return stand(string(v))
		}
	case []any:
		items := make([]any, len(v))
		for i, item := range v {
			items[i] = replaceWild(item)
		}
		return items
	case map[string]any:
		members := make(map[string]any, len(v))
		for key, member := range v {
			if wildKey(key) {
				key = mark + key
			}
			members[key] = replaceWild(member)
		}
		return members
	}
	return value
}

// stand gives a harmless number that fails where the original would: a huge integer for
// one written out in digits, a fraction for everything else.
func stand(s string) json.Number {
	switch {
	case strings.Trim(s, "0123456789") == "":
		return "1000000000000000000"
	case strings.Trim(s, "0123456789-") == "":
		return "-1000000000000000000"
	}
	return "0.5"
}
