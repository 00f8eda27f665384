package plan

import (
	"encoding/json"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
)

// mirrors is what the properties of a schema say of headers that repeat arguments
// (x-mcp-header; MCP specification 2026-07-28).
type mirrors struct {
	seen map[string]bool // names of headers, in lower case
	bad  []string        // the path of the first property whose header clients do not take
	why  string
}

// judgeMirrored judges the headers in which clients repeat arguments of a tool. One that they may
// not send has them drop the tool. A schema that every client takes has no such word.
func (c *compiler) judgeMirrored(x *exposed, t *Tool) {
	if !t.AsDeclared || x.rawInput == nil {
		return
	}
	m := mirrors{seen: map[string]bool{}}
	m.judge(x.rawInput.text, nil)
	t.Mirrored = m.why == "" && len(m.seen) > 0
	if m.why == "" {
		return
	}
	at, argument := x.decl.InputSchema.Span(), strings.Join(m.bad, ".")
	for v := x.decl.InputSchema; len(m.bad) > 0; m.bad = m.bad[1:] {
		if v = v.Get("properties").Get(m.bad[0]); v == nil {
			break // it is in another file
		}
		at = placeOr(v.Get("x-mcp-header").Span(), v.Span())
	}
	c.note(diag.Warning, x.unit, faultf(diag.CodeMirroredArgument, "M", at, "the x-mcp-header of %s in %s %s, so clients do not show the tool", argument, x.title(), m.why).
		hintf("name each header once, by letters, digits and hyphens, at arguments of type string, integer or boolean"))
}

// judge judges the properties of a schema, and those below them.
func (m *mirrors) judge(schema []byte, path []string) {
	properties, _ := expr.Member(schema, "properties")
	expr.Members(properties, func(name string, property []byte) {
		if m.why != "" {
			return
		}
		path := slices.Concat(path, []string{name})
		if header, ok := expr.Member(property, "x-mcp-header"); ok {
			if m.why = m.fault(header, property); m.why != "" {
				m.bad = path
				return
			}
		}
		m.judge(property, path)
	})
}

// fault says why clients do not take a header; empty when they do.
func (m *mirrors) fault(header, property []byte) string {
	var typ, name string
	if raw, _ := expr.Member(property, "type"); json.Unmarshal(raw, &typ) != nil || typ != "string" && typ != "integer" && typ != "boolean" {
		return "repeats what is no string, integer or boolean"
	}
	if json.Unmarshal(header, &name) != nil || !isToken(name) {
		return "is no name of a header"
	}
	if m.seen[strings.ToLower(name)] {
		return "has the name of another one"
	}
	m.seen[strings.ToLower(name)] = true
	return ""
}
