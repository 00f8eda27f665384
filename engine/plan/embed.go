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

// within is what a value stands in: nothing, or what begins with this character.
type within byte

// contexts gives, for each part of a template, what it stands in. Only the quotes of the
// dialect count; a backslash takes the next character with it.
func (d dialect) contexts(tpl expr.Template) []within {
	out := make([]within, len(tpl.Parts))
	var in within
	for i, p := range tpl.Parts {
		out[i] = in
		if p.Ref != nil {
			continue
		}
		for k := 0; k < len(p.Literal); k++ {
			c := p.Literal[k]
			switch {
			case c == '\\' && in != 0 && in != '<':
				k++
			case in == 0 && d.opens(c, p.Literal[k+1:]):
				in = within(c)
			case in == '<' && c == '>', in != '<' && in != 0 && c == byte(in):
				in = 0
			}
		}
	}
	return out
}

// opens reports whether a character begins a string, or an IRI.
func (d dialect) opens(c byte, rest string) bool {
	switch d {
	case dialectYAML, dialectSPARQL:
		if c == '\'' || c == '"' {
			return true
		}
		return d == dialectSPARQL && c == '<' && !strings.HasPrefix(rest, "=") && !strings.HasPrefix(rest, " ")
	case dialectGraphQL:
		return c == '"'
	}
	return false
}

// write gives a value as it may stand in a text of the dialect.
func (d dialect) write(v any, in within) string {
	switch d {
	case dialectXML:
		return xmlEscapes.Replace(textOf(v))
	case dialectForm:
		return url.QueryEscape(textOf(v))
	}
	switch in {
	case '"':
		return string(appendEscaped(nil, textOf(v)))
	case '\'':
		if d == dialectYAML {
			return strings.ReplaceAll(textOf(v), "'", "''")
		}
		return strings.ReplaceAll(string(appendEscaped(nil, textOf(v))), "'", `\'`)
	case '<':
		return iriEscapes.Replace(string(appendIRI(nil, textOf(v))))
	}
	return d.bare(v)
}

// bare gives a value that stands by itself: a word of the language as it is, anything else
// as a string.
func (d dialect) bare(v any) string {
	switch v := v.(type) {
	case string:
		if d.isWord(v) {
			return v
		}
		return string(appendString(nil, v))
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
