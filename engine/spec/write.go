package spec

import (
	"regexp"
	"strings"
	"unicode"
)

// Fresh is a piece of YAML that is to be written into a document: a scalar, a list or a
// mapping. It is written in the style of the place it is put.
type Fresh struct {
	kind    Kind
	text    string // of a scalar: as it stands in the file
	flow    string // of a scalar: as it stands between brackets
	items   []Fresh
	members []FreshMember
}

// FreshMember is a key of a mapping that is to be written, with its value.
type FreshMember struct {
	Key   string
	Value Fresh
}

// NewText gives a string, in quotes where it needs them.
func NewText(s string) Fresh {
	return Fresh{kind: String, text: scalarText(s, false), flow: scalarText(s, true)}
}

// NewBool gives true or false.
func NewBool(b bool) Fresh {
	text := "false"
	if b {
		text = "true"
	}
	return Fresh{kind: Bool, text: text, flow: text}
}

// NewList gives a list.
func NewList(items ...Fresh) Fresh { return Fresh{kind: List, items: items} }

// NewMap gives a mapping.
func NewMap(members ...FreshMember) Fresh { return Fresh{kind: Map, members: members} }

// layout is how the lines around a place are written.
type layout struct {
	br   string // line break
	dash int    // how much deeper a list stands than its key
}

// step is how much deeper a mapping stands than what holds it.
const step = 2

// inline gives f on one line, between brackets where it has parts.
func (f *Fresh) inline() string {
	var b strings.Builder
	switch f.kind {
	case List:
		b.WriteByte('[')
		for i := range f.items {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.items[i].inline())
		}
		b.WriteByte(']')
	case Map:
		b.WriteByte('{')
		for i := range f.members {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.members[i].inline())
		}
		b.WriteByte('}')
	default:
		return f.flow
	}
	return b.String()
}

func (m *FreshMember) inline() string { return scalarText(m.Key, true) + ": " + m.Value.inline() }

// block gives a member at the given indentation, its first line not indented.
func (m *FreshMember) block(indent int, l layout) string {
	return scalarText(m.Key, false) + ":" + m.Value.below(indent, l)
}

// below gives what stands behind a key and its colon.
func (f *Fresh) below(indent int, l layout) string {
	var b strings.Builder
	switch {
	case f.kind == List && len(f.items) > 0:
		for i := range f.items {
			b.WriteString(l.br + strings.Repeat(" ", indent+l.dash) + f.items[i].item(indent+l.dash, false, l))
		}
	case f.kind == Map && len(f.members) > 0:
		b.WriteString(l.br + strings.Repeat(" ", indent+step) + f.lines(indent+step, l))
	case f.kind == List || f.kind == Map:
		return " " + f.inline()
	default:
		return " " + f.text
	}
	return b.String()
}

// lines gives the members of a mapping, the first line not indented.
func (f *Fresh) lines(indent int, l layout) string {
	out := make([]string, len(f.members))
	for i := range f.members {
		out[i] = f.members[i].block(indent, l)
	}
	return strings.Join(out, l.br+strings.Repeat(" ", indent))
}

// item gives a list item whose dash stands at the given indentation.
func (f *Fresh) item(indent int, flow bool, l layout) string {
	if f.kind == Map && len(f.members) > 0 && !flow {
		return "- " + f.lines(indent+step, l)
	}
	if f.kind == Map || f.kind == List {
		return "- " + f.inline()
	}
	return "- " + f.text
}

// scalarText writes a string that is read as the same string by YAML 1.1 and by YAML 1.2.
func scalarText(s string, flow bool) string {
	if isPlain(s, flow) && coreKind(s) == String && !old.MatchString(s) {
		return s
	}
	return quotedText(s)
}

// old matches what YAML 1.1 reads as something else than text: booleans, dates, numbers in
// other bases and with separators.
var old = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$|^[-+]?[0-9][0-9_:.+\-TtZz ]*$|^0[xob][0-9A-Fa-f_]+$|^[=]$|^<<$`)

func quotedText(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return `"` + escapeDouble(s) + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// escapeDouble writes text as it stands between double quotes.
func escapeDouble(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\U`)
			for shift := 28; shift >= 0; shift -= 4 {
				b.WriteByte(hex[r>>shift&0xf])
			}
		}
	}
	return b.String()
}

// isPlain reports whether s can stand without quotes (YAML 1.2 section 7.3.3), in one line.
func isPlain(s string, flow bool) bool {
	if s == "" || s != strings.TrimSpace(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return false
	}
	switch c := s[0]; {
	case strings.IndexByte(",[]{}#&*!|>'\"%@`", c) >= 0:
		return false
	case strings.IndexByte("-?:", c) >= 0 && (len(s) == 1 || s[1] == ' ' || flow):
		return false
	}
	switch {
	case strings.Contains(s, ": "), strings.Contains(s, " #"), strings.HasSuffix(s, ":"):
		return false
	case strings.HasPrefix(s, "---"), strings.HasPrefix(s, "..."):
		return false
	}
	return !flow || !strings.ContainsAny(s, ",[]{}") && !strings.Contains(s, ":")
}
