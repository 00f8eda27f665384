package spec

import (
	"regexp"
	"strconv"
	"strings"

	"capd/engine/diag"
)

// scalarStyle says how a scalar is written.
type scalarStyle uint8

const (
	plain scalarStyle = iota
	singleQuoted
	doubleQuoted
	literal
	folded
)

// quote gives what a scalar stands between.
func (s scalarStyle) quote() string {
	switch s {
	case singleQuoted:
		return "'"
	case doubleQuoted:
		return `"`
	}
	return ""
}

// Span gives the place of the value. A mapping or list ends where its last child ends.
// The zero Span belongs to a nil Value.
func (v *Value) Span() diag.Span {
	if v == nil || v.src == nil {
		return diag.Span{}
	}
	return v.src.span(int(v.start), v.endOffset())
}

func (v *Value) endOffset() int {
	for {
		switch {
		case v.Kind == List && len(v.Items) > 0:
			v = v.Items[len(v.Items)-1]
		case v.Kind == Map && len(v.Members) > 0:
			last := v.Members[len(v.Members)-1]
			if last.Value.Kind == Null && last.Value.Text == "" {
				return last.Key.node.endOffset()
			}
			v = last.Value
		case v.Kind == List || v.Kind == Map:
			return int(v.start) + emptyLen(v.src.text[v.start:])
		default:
			return scalarEnd(v)
		}
	}
}

// emptyLen gives the length of an empty flow collection at the start of text.
func emptyLen(text string) int {
	if text == "" || (text[0] != '{' && text[0] != '[') {
		return 0
	}
	inner := strings.TrimLeft(text[1:], " \t")
	if inner != "" && (inner[0] == '}' || inner[0] == ']') {
		return len(text) - len(inner) + 1
	}
	return 1
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_$@-]+$`)

// Path gives the YAML path of the value: "capability.exposes[0].tools[2].with.id". The
// path of the whole document is empty, and so is that of a nil Value.
func (v *Value) Path() string {
	if v == nil {
		return ""
	}
	var steps []string
	for ; v.parent != nil; v = v.parent {
		switch {
		case v.index >= 0:
			steps = append(steps, "["+strconv.Itoa(int(v.index))+"]")
		case plainKey.MatchString(v.key):
			steps = append(steps, "."+v.key)
		default:
			steps = append(steps, "["+strconv.Quote(v.key)+"]")
		}
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString(steps[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// Get gives the value of a mapping's key, or nil. A nil Value has no keys.
func (v *Value) Get(key string) *Value {
	if m := v.member(key); m != nil {
		return m.Value
	}
	return nil
}

func (v *Value) member(key string) *Member {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Key.Value == key {
			return &v.Members[i]
		}
	}
	return nil
}

// AsText gives a scalar as Text; the zero Text for anything else, null included.
func (v *Value) AsText() Text {
	if v == nil || v.Kind == Null || v.Kind == List || v.Kind == Map {
		return Text{}
	}
	return Text{Value: v.Text, node: v}
}

// given reports whether something is written that is not null.
func (v *Value) given() bool { return v != nil && v.Kind != Null }
