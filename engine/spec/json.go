package spec

import (
	"encoding/json"
	"math/big"
	"strings"
)

// JSON gives the value as compact JSON, keys in the document's order. Numbers keep their
// digits where JSON can spell them; infinities and NaN, which it cannot, become strings.
func (v *Value) JSON() []byte { return v.appendJSON(nil) }

func (v *Value) appendJSON(b []byte) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	switch v.Kind {
	case Bool:
		if isTrue(v.Text) {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case Number:
		if n, ok := jsonNumber(v.Text); ok {
			return append(b, n...)
		}
		return appendQuoted(b, v.Text)
	case String:
		return appendQuoted(b, v.Text)
	case List:
		b = append(b, '[')
		for i, item := range v.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.appendJSON(b)
		}
		return append(b, ']')
	case Map:
		b = append(b, '{')
		for i, m := range v.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, m.Key.Value), ':')
			b = m.Value.appendJSON(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendQuoted writes a JSON string as the encoder does, but leaves <, > and & readable.
func appendQuoted(b []byte, s string) []byte {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil { // a string always encodes
		return append(b, `""`...)
	}
	return append(b, strings.TrimSuffix(out.String(), "\n")...)
}

// maxRadixDigits bounds hexadecimal and octal numbers, whose decimal digits cost more than
// linear time to find.
const maxRadixDigits = 1000

// jsonNumber spells a number of the core schema as JSON does.
func jsonNumber(s string) (string, bool) {
	if isNotFinite(s) {
		return "", false
	}
	if len(s) > maxRadixDigits && (s[1] == 'x' || s[1] == 'o') {
		return "", false
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") {
		n, ok := new(big.Int).SetString(s, 0)
		if !ok {
			return "", false
		}
		return n.String(), true
	}
	sign := ""
	if s[0] == '-' {
		sign = "-"
	}
	whole, rest := digits(trimSign(s))
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if fraction, exponent := digits(after); fraction == "" {
			rest = exponent
		}
	}
	return sign + whole + rest, true
}

// JSON gives the whole document as JSON-like values: map[string]any, []any, string, bool,
// [json.Number] and nil.
func (d *Document) JSON() any { return d.tree.any() }

// Tree gives the whole document.
func (d *Document) Tree() *Value { return d.tree }

// JSONType gives the type that the value has in JSON: null, boolean, number, string, array or
// object. Infinities and NaN are strings.
func (v *Value) JSONType() string {
	if v == nil {
		return "null"
	}
	switch v.Kind {
	case Bool:
		return "boolean"
	case Number:
		if _, ok := jsonNumber(v.Text); ok {
			return "number"
		}
		return "string"
	case String:
		return "string"
	case List:
		return "array"
	case Map:
		return "object"
	}
	return "null"
}

// Scalar gives the text of a string, and of a number as JSON writes it.
func (v *Value) Scalar() string {
	if v.Kind == Number {
		if n, ok := jsonNumber(v.Text); ok {
			return n
		}
	}
	return v.Text
}

// Children counts what a list or a mapping holds.
func (v *Value) Children() int { return len(v.Items) + len(v.Members) }

// Child gives what a list or a mapping holds at a place, and its key.
func (v *Value) Child(i int) (key string, child *Value) {
	if v.Kind == List {
		return "", v.Items[i]
	}
	return v.Members[i].Key.Value, v.Members[i].Value
}

func (v *Value) any() any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case Bool:
		return isTrue(v.Text)
	case Number:
		if n, ok := jsonNumber(v.Text); ok {
			return json.Number(n)
		}
		return v.Text
	case String:
		return v.Text
	case List:
		items := make([]any, len(v.Items))
		for i, item := range v.Items {
			items[i] = item.any()
		}
		return items
	case Map:
		members := make(map[string]any, len(v.Members))
		for _, m := range v.Members {
			members[m.Key.Value] = m.Value.any()
		}
		return members
	}
	return nil
}
