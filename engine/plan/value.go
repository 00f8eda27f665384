package plan

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
)

// A value of a call is one of: string, bool, json.Number, nil (an explicit null), rawJSON
// (an object or a list, as text), []any (a list made here, of such values), or absent.

// rawJSON is the text of a JSON object or list, kept as it came so that no digit is lost.
type rawJSON []byte

// absent stands for "no value was given", which is not null.
type absent struct{}

func isAbsent(v any) bool { _, ok := v.(absent); return ok }

// isMissing is true for what counts as no value outside JSON bodies (contract E4).
func isMissing(v any) bool { return v == nil || isAbsent(v) }

// parseValue reads a valid JSON text without decoding what is inside objects and lists.
func parseValue(raw []byte) any {
	raw = bytes.TrimSpace(raw)
	switch expr.Kind(raw) {
	case '{', '[':
		return rawJSON(raw)
	case '"':
		return parseString(raw)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	case 0:
		return absent{}
	}
	return json.Number(raw)
}

// parseString reads a JSON string.
func parseString(raw []byte) any {
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return absent{}
	}
	return s
}

// textOf is the text form of a value (contract U3): strings as they are, numbers shortest,
// objects and lists as compact JSON, null and absent as nothing.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return shortest(v)
	case rawJSON, []any:
		return string(appendJSON(nil, v))
	}
	return ""
}

// joinedText is the text form where a list has no form of its own: in a path, a header or a
// cookie its elements are joined with commas. ok is false when there is no value.
func joinedText(v any) (text string, ok bool) {
	var b []byte
	isList := eachText(v, func(text string) bool {
		if ok {
			b = append(b, ',')
		}
		b, ok = append(b, text...), true
		return true
	})
	if !isList {
		return textOf(v), !isMissing(v)
	}
	return string(b), ok
}

// eachText calls yield with the text form of each element of a list, until it says false. A null in it
// counts as absent, since the list does not go into JSON (contract E4). ok is false when v is no list.
func eachText(v any, yield func(text string) bool) (ok bool) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !isMissing(e) && !yield(textOf(e)) {
				break
			}
		}
		return true
	case rawJSON:
		return expr.EachElement(v, func(r []byte) bool {
			e := parseValue(r)
			return isMissing(e) || yield(textOf(e))
		})
	}
	return false
}

// shortest writes a number without trailing zeros, and without an exponent where that is
// short. Without one it keeps all its digits.
func shortest(n json.Number) string {
	s := string(n)
	if !strings.ContainsAny(s, "eE") {
		if strings.Contains(s, ".") {
			return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) >= 1e21 {
		return s
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// appendJSON appends the compact JSON form of v; absent becomes null.
func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case json.Number:
		return append(dst, v...)
	case rawJSON:
		return appendCompact(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	}
	return append(dst, "null"...)
}

func appendCompact(dst, raw []byte) []byte {
	return expr.AppendCompact(slices.Grow(dst, len(raw)), raw)
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	return append(appendEscaped(dst, s), '"')
}

// appendEscaped appends s as it stands between the quotes of a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	from := 0 // of what needs no escape
	for i, r := range s {
		if r >= ' ' && r != '"' && r != '\\' && r != utf8.RuneError {
			continue
		}
		dst = append(dst, s[from:i]...)
		switch from = i + 1; r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case utf8.RuneError: // a byte that is no UTF-8, or the character that stands for one
			dst = append(dst, "\ufffd"...)
			if strings.HasPrefix(s[i:], "\ufffd") {
				from = i + len("\ufffd")
			}
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		}
	}
	return append(dst, s[from:]...)
}

// convertText gives a text input the declared type of the parameter it is for, if it spells
// a value of that type (contract B3). Anything else is left as it is.
func convertText(v any, typ string) any {
	s, ok := v.(string)
	if !ok || typ == "" || typ == "string" {
		return v
	}
	t := strings.TrimSpace(s)
	if t == "" || !expr.Valid([]byte(t)) {
		return v
	}
	parsed := parseValue([]byte(t))
	switch p := parsed.(type) {
	case json.Number:
		if typ == "number" || typ == "integer" && !strings.ContainsAny(string(p), ".eE") {
			return p
		}
	case bool:
		if typ == "boolean" {
			return p
		}
	case rawJSON:
		if typ == "object" && p[0] == '{' || typ == "array" && p[0] == '[' {
			return p
		}
	}
	return v
}

// field is a member of an object as it came.
type field struct {
	name  string
	value expression // a literal
}

// fieldSize is about how many bytes a field takes, beside its name, where it stands and while it is
// looked for.
const fieldSize = 250

// objectFields gives the members of a JSON object in order; of several with one name only
// the last. What the account, if there is one, has no place for is left out.
func objectFields(raw rawJSON, account *expr.Account) []field {
	var out []field
	seen := map[string]int{}
	expr.Members(raw, func(name string, value []byte) {
		if account != nil && !account.Add(int64(fieldSize+len(name))) {
			return
		}
		f := field{name, literalExpr(parseValue(value))}
		if i, ok := seen[name]; ok {
			out[i] = f
			return
		}
		seen[name] = len(out)
		out = append(out, f)
	})
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
