package plan

import (
	"encoding/json"
	"net/url"
	"strings"

	"capd/engine/expr"
)

// dialect is a text language in whose texts values can stand, each written so that it cannot
// end the place it stands in.
type dialect uint8

const (
	dialectXML dialect = iota + 1
	dialectForm
	dialectYAML
	dialectGraphQL
	dialectSPARQL
)

// dialectOf gives the dialect of a body's media type; 0 for plain text.
func dialectOf(mediaType string) dialect {
	media, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	switch media = strings.TrimSpace(media); {
	case media == "application/xml" || media == "text/xml" || strings.HasSuffix(media, "+xml"):
		return dialectXML
	case media == formType:
		return dialectForm
	case media == "application/yaml" || media == "application/x-yaml" || media == "text/yaml":
		return dialectYAML
	case media == "application/graphql":
		return dialectGraphQL
	case media == "application/sparql-query" || media == "application/sparql-update":
		return dialectSPARQL
	}
	return 0
}

// within is what a value stands in: nothing, or what begins with this character, unless it is
// one of the constants.
type within byte

const (
	withinBlock   within = 'B' // """ of GraphQL
	withinLong    within = 'L' // """ or ''' of SPARQL
	withinCDATA   within = 'C' // of XML
	withinComment within = '!' // of XML
)

// contexts gives, for each part of a template, what it stands in. Only the quotes of the
// dialect count, and none in a comment; a backslash takes the next character with it.
func (d dialect) contexts(tpl expr.Template) []within {
	out := make([]within, len(tpl.Parts))
	var in within
	before := byte('\n') // the last character that is no blank
	for i, p := range tpl.Parts {
		out[i] = in
		if p.IsRef() {
			before = 'x'
			continue
		}
		for k := 0; k < len(p.Literal); k++ {
			c, rest := p.Literal[k], p.Literal[k:]
			n := 1
			switch {
			case in != 0:
				in, n = d.closes(in, rest)
			case d.opensIRI(rest, tpl.Parts[i+1:]):
				in = '<'
			default:
				in, n = d.opens(rest, before, k == 0 || isBlank(p.Literal[k-1]))
			}
			if k += n - 1; !isBlank(c) || c == '\n' {
				before = c
			}
		}
	}
	return out
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// opens reports what begins at the beginning of rest, and with how many characters. before is
// the last character that is no blank.
func (d dialect) opens(rest string, before byte, spaced bool) (within, int) {
	c := rest[0]
	switch {
	case d == dialectXML && strings.HasPrefix(rest, "<![CDATA["):
		return withinCDATA, len("<![CDATA[")
	case d == dialectXML && strings.HasPrefix(rest, "<!--"):
		return withinComment, len("<!--")
	case d == dialectGraphQL && strings.HasPrefix(rest, `"""`):
		return withinBlock, 3
	case d == dialectSPARQL && (strings.HasPrefix(rest, `"""`) || strings.HasPrefix(rest, "'''")):
		return withinLong, 3
	case c == '"' && (d == dialectGraphQL || d == dialectSPARQL), c == '\'' && d == dialectSPARQL:
		return within(c), 1
	case (c == '"' || c == '\'') && d == dialectYAML && (strings.IndexByte("\n,[{", before) >= 0 || spaced && strings.IndexByte(":-?", before) >= 0):
		return within(c), 1 // elsewhere it is part of the text
	case c == '#' && (d == dialectGraphQL || d == dialectSPARQL || d == dialectYAML && (spaced || before == '\n')):
		return '#', 1
	}
	return 0, 1
}

// closes reports what is left of in behind the beginning of rest.
func (d dialect) closes(in within, rest string) (within, int) {
	c := rest[0]
	switch in {
	case withinCDATA:
		if strings.HasPrefix(rest, "]]>") {
			return 0, 3
		}
	case withinComment:
		if strings.HasPrefix(rest, "-->") {
			return 0, 3
		}
	case withinBlock:
		if strings.HasPrefix(rest, `\"""`) {
			return in, 4
		}
		if strings.HasPrefix(rest, `"""`) {
			return 0, 3
		}
	case withinLong:
		if c == '\\' {
			return in, min(2, len(rest))
		}
		if strings.HasPrefix(rest, `"""`) || strings.HasPrefix(rest, "'''") {
			return 0, 3
		}
	case '<':
		if c == '>' {
			return 0, 1
		}
	case '#':
		if c == '\n' {
			return 0, 1
		}
	default:
		if c == '\\' && (d != dialectYAML || in == '"') {
			return in, min(2, len(rest))
		}
		if d == dialectYAML && in == '\'' && strings.HasPrefix(rest, "''") {
			return in, 2
		}
		if c == byte(in) {
			return 0, 1
		}
	}
	return in, 1
}

// opensIRI reports whether an IRI begins: what follows up to its end has nothing that an IRI
// cannot have. Otherwise the character means less than.
func (d dialect) opensIRI(rest string, more []expr.Part) bool {
	if d != dialectSPARQL || rest[0] != '<' {
		return false
	}
	rest = rest[1:]
	for {
		end := strings.IndexFunc(rest, func(r rune) bool { return r <= ' ' || strings.ContainsRune("<>\"{}|^`\\", r) })
		if end >= 0 {
			return rest[end] == '>'
		}
		if len(more) == 0 {
			return false
		}
		if rest = ""; !more[0].IsRef() {
			rest = more[0].Literal
		}
		more = more[1:]
	}
}

// write gives a value as it may stand in a text of the dialect.
func (d dialect) write(v any, in within) string {
	switch d {
	case dialectXML:
		return writeXML(textOf(v), in)
	case dialectForm:
		return url.QueryEscape(textOf(v))
	}
	switch in {
	case '"':
		return string(appendEscaped(nil, textOf(v)))
	case withinBlock:
		return blockText(textOf(v))
	case '#':
		return oneLine(textOf(v))
	case '\'', withinLong:
		if d == dialectYAML {
			return strings.ReplaceAll(oneLine(textOf(v)), "'", "''") // a line's end is a blank there
		}
		return strings.ReplaceAll(string(appendEscaped(nil, textOf(v))), "'", `\'`)
	case '<':
		return iriEscapes.Replace(string(appendIRI(nil, textOf(v))))
	}
	return d.bare(v)
}

func writeXML(s string, in within) string {
	switch in {
	case withinCDATA:
		return strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>")
	case withinComment:
		return strings.ReplaceAll(xmlEscapes.Replace(s), "-", "&#45;")
	}
	return xmlEscapes.Replace(s)
}

// oneLine gives a text with a blank in the place of what ends lines.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// blockText writes a value into a block string, whose only escape is that of its end. What
// could become part of the quotes behind it ends with a line, which the string leaves out.
func blockText(s string) string {
	s = strings.ReplaceAll(s, `"""`, `\"""`)
	if strings.HasSuffix(s, `"`) || strings.HasSuffix(s, `\`) {
		s += "\n"
	}
	return s
}

// bare gives a value that stands by itself: a word of the language as it is, anything else
// as a string.
func (d dialect) bare(v any) string {
	switch v := v.(type) {
	case string:
		if d.isWord(v) {
			return v
		}
		text := string(appendString(nil, v))
		if d == dialectYAML {
			text = strings.ReplaceAll(text, "'", `\u0027`) // whatever it turns out to stand in
		}
		return text
	case json.Number, bool:
		return textOf(v)
	}
	if isAbsent(v) {
		return ""
	}
	return string(appendJSON(nil, v))
}

// isWord reports whether a text is a name or a number of the language, which can end nothing.
func (d dialect) isWord(s string) bool {
	extra := "_"
	switch d {
	case dialectYAML:
		extra = "_./-"
	case dialectSPARQL:
		extra = "_:?$.-"
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return s != "" && s != "-" && !strings.HasPrefix(s, "--")
}

var iriEscapes = strings.NewReplacer("<", "%3C", ">", "%3E", `"`, "%22", "{", "%7B", "}", "%7D", "|", "%7C", "^", "%5E", "`", "%60", `\`, "%5C")

// appendIRI writes blanks and control characters as escapes.
func appendIRI(dst []byte, s string) []byte {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			dst = append(dst, '%', "0123456789ABCDEF"[s[i]>>4], "0123456789ABCDEF"[s[i]&15])
			continue
		}
		dst = append(dst, s[i])
	}
	return dst
}

// embedded gives the text of a template of a dialect.
func (x *expression) embedded(s *scope) string {
	var b strings.Builder
	for i := range x.parts {
		v := x.parts[i].eval(s)
		if x.parts[i].kind == exprLiteral {
			b.WriteString(textOf(v))
		} else {
			b.WriteString(x.detail.dialect.write(v, x.detail.within[i]))
		}
	}
	return b.String()
}
