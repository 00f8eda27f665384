package spec

import (
	"strconv"
	"strings"

	"capd/engine/diag"
)

// maxQuoted is the longest piece of the document, in bytes, that a message repeats.
const maxQuoted = 60

// quote gives a word of the document for a message: printable and short.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = strings.ToValidUTF8(s[:maxQuoted], "") + "…"
	}
	return strconv.Quote(s)
}

func (k Kind) String() string {
	switch k {
	case Null:
		return "nothing"
	case Bool:
		return "a boolean"
	case Number:
		return "a number"
	case String:
		return "text"
	case List:
		return "a list"
	case Map:
		return "a mapping"
	}
	return "invalid kind " + strconv.Itoa(int(k))
}

// wrongType reports that v is not what was expected; a placeholder stands in its place.
func (p *parser) wrongType(v *Value, what, expected string) {
	p.report(diag.CodeWrongType, diag.Warning, v, "", "%s is %s, expected %s", what, v.Kind, expected)
}

// text gives the text of a key: the zero Text when it is absent, null or no scalar.
func (p *parser) text(v *Value, key string) Text {
	child := v.Get(key)
	if !child.given() {
		return Text{}
	}
	if bare := p.bareBraces(child); bare != nil {
		child = bare
	}
	if child.Kind == List || child.Kind == Map {
		p.wrongType(child, key, "text")
		return Text{}
	}
	return child.AsText()
}

// first gives the text of the first of several keys that is given.
func (p *parser) first(v *Value, keys ...string) Text {
	for _, key := range keys {
		if t := p.text(v, key); t.IsSet() {
			return t
		}
	}
	return Text{}
}

// typeName gives the text of key "type". Of a JSON Schema list such as [string, "null"] it
// is the first name that is not null.
func (p *parser) typeName(v *Value) Text {
	t := v.Get("type")
	if t == nil || t.Kind != List {
		return p.text(v, "type")
	}
	for _, item := range t.Items {
		if name := item.AsText(); name.IsSet() && name.Value != "null" {
			return name
		}
	}
	return Text{}
}

// some gives the value of a key, or nil when it is absent or null.
func some(v *Value, key string) *Value {
	if child := v.Get(key); child.given() {
		return child
	}
	return nil
}

// authentication gives the mapping of key authentication, or of its alias auth (A6).
func (p *parser) authentication(v *Value) *Value {
	for _, key := range [...]string{"authentication", "auth"} {
		a := some(v, key)
		if a == nil {
			continue
		}
		if a.Kind != Map && a.Text != "none" && a.Text != "inherit" {
			p.wrongType(a, key, "a mapping")
		}
		return a
	}
	return nil
}

func (p *parser) integer(v *Value, key string, low, high int) int {
	child := some(v, key)
	if child == nil {
		return 0
	}
	n, err := strconv.Atoi(child.Text)
	if err != nil || n < low || n > high || child.Kind == Map || child.Kind == List {
		found := child.Kind.String()
		if child.Text != "" {
			found = quote(child.Text)
		}
		p.report(diag.CodeWrongType, diag.Warning, child, "", "%s is %s, expected a number from %d to %d", key, found, low, high)
		return 0
	}
	return n
}

// tristate reads a boolean that may be left out.
func (p *parser) tristate(v *Value, key string, absent Tristate) Tristate {
	child := some(v, key)
	switch {
	case child == nil, child.Kind == List: // a list belongs to JSON Schema, and speaks of members
		return absent
	case child.Kind == Bool && isTrue(child.Text):
		return True
	case child.Kind == Bool:
		return False
	}
	found := child.Kind.String()
	if child.Kind == String || child.Kind == Number {
		found = quote(child.Text)
	}
	d := problem(diag.CodeWrongType, diag.Warning, child, "write true or false without quotes",
		"%s is %s, expected true or false", key, found)
	d.Fixes = child.asBoolean()
	p.add(d)
	return absent
}

// texts reads a list of texts; a single text is a list of one.
func (p *parser) texts(v *Value, key string) []Text {
	child := some(v, key)
	if child == nil {
		return nil
	}
	if child.Kind != List {
		if t := p.text(v, key); t.IsSet() {
			return []Text{t}
		}
		return nil
	}
	return child.textItems()
}
