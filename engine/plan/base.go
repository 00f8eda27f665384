package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
)

// readBase compiles the base URI of an operation. What the operation's own path parameters
// fill, and all that follows it, goes to the front of the operation's path (contract V3, V4).
func (c *compiler) readBase(op *consumed) {
	text := op.api.BaseURI
	if strings.TrimSpace(text.Value) == "" {
		op.fail(faultf(diag.CodeBaseURINoHost, "V3", text.Span(), "the base URI of %s is empty", op.namespace).
			hintf("write baseUri: https://host/path"))
		return
	}
	if i := strings.IndexAny(text.Value, "?#"); i >= 0 {
		c.readBaseTail(op, i)
	}
	tpl := expr.ParseBaseURI(strings.TrimSpace(cutAny(text.Value, "?#")))
	base := &BaseURI{span: text.Span()}
	var moved []piece
	for _, p := range tpl.Parts {
		switch {
		case p.Ref == nil && moved == nil:
			base.parts = append(base.parts, basePart{literal: p.Literal})
			continue
		case p.Ref == nil:
			moved = append(moved, piece{literal: p.Literal})
			continue
		}
		at := text.Sub(p.Ref.Start, p.Ref.End)
		got, f := c.baseRef(op, p.Ref, at, inAuthority(base))
		if f != nil {
			op.fail(f)
			return
		}
		switch {
		case got.slot != nil || moved != nil:
			moved = append(moved, got)
		default:
			base.parts = append(base.parts, basePart{variable: got.value})
		}
	}
	if moved != nil {
		if len(op.path) == 0 {
			op.path = moved
		} else {
			op.path = joinPieces(moved, op.path)
		}
	}
	op.base = c.shareBase(base)
	c.judgeBase(op, base)
}

func cutAny(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

// readBaseTail keeps a query of the base URI as constant pairs.
func (c *compiler) readBaseTail(op *consumed, i int) {
	text := op.api.BaseURI
	if text.Value[i] == '#' {
		op.fail(faultf(diag.CodePathFragment, "C4", text.Sub(i, len(text.Value)), "the base URI of %s has a fragment, which is never sent to a server", op.namespace))
		return
	}
	at := i + 1
	for query := cutAny(text.Value[at:], "#"); query != ""; {
		pair, rest, _ := strings.Cut(query, "&")
		j := &joined{}
		j.add(text, 0, len(text.Value))
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			op.constants = append(op.constants, constant{"query", unescape(name), c.pieces(op, j, at+len(pair)-len(value), value)})
		}
		at += len(pair) + 1
		query = rest
	}
}

// joinPieces puts one slash between a moved base path and the path.
func joinPieces(base, path []piece) []piece {
	last, first := &base[len(base)-1], path[0].literal
	if last.ref == nil {
		last.literal = strings.TrimSuffix(last.literal, "/")
	}
	if !strings.HasPrefix(first, "/") {
		base = append(base, piece{literal: "/"})
	}
	return append(base, path...)
}

// inAuthority reports whether what comes next still belongs to scheme, host or port.
func inAuthority(b *BaseURI) bool {
	var text strings.Builder
	for _, p := range b.parts {
		if p.variable == nil {
			text.WriteString(p.literal)
		}
	}
	s := text.String()
	if _, rest, ok := strings.Cut(s, "//"); ok {
		return !strings.Contains(rest, "/")
	}
	return !strings.Contains(s, "/")
}

// baseRef resolves one reference of a base URI by rule V4.
func (c *compiler) baseRef(op *consumed, ref *expr.Ref, at diag.Span, authority bool) (piece, *fault) {
	p := piece{ref: ref, span: at}
	braced := ref.Form == expr.Brace || ref.Form == expr.Bracket
	if !braced && c.vars.isVariable(ref.Name) {
		v, f := c.vars.find(ref.Name, at, inBase)
		if f == nil && ref.Form == expr.Dollar {
			c.note(diag.Info, diag.Unit{}, faultf(diag.CodeAssumed, "V3", at, "${%s} means the same as {{%s}}", ref.Name, ref.Name))
		}
		p.value = v
		return p, f
	}
	if s := op.pathSlot(ref.Name); s != nil {
		if authority && len(s.enum) == 0 {
			s.dropped = true
		} else if authority {
			return p, faultf(diag.CodeUnsupportedFeature, "V4", at, "an input cannot choose the host of the base URI")
		} else {
			s.placeholder = true
			p.slot = s
			return p, nil
		}
	}
	v, f := c.serverVariable(op, ref.Name, at)
	p.value = v
	return p, f
}

// serverVariable finds the variable that {v} in a base URI stands for.
func (c *compiler) serverVariable(op *consumed, name string, at diag.Span) (*Variable, *fault) {
	snake := expr.UpperSnake(name)
	own := expr.UpperSnake(op.namespace) + "_" + snake
	key := ""
	switch {
	case c.vars.isKey(name):
		key = name
	case c.vars.isKey(snake):
		key = snake
	case c.vars.isKey(own):
		key = own
	default:
		key = c.vars.onlyKeyEnding("_" + snake)
	}
	if key != "" {
		return c.vars.find(key, at, inBase)
	}
	return c.vars.undeclared(own, at, inBase)
}

// onlyKeyEnding gives the one bind key with that ending, or "".
func (v *variables) onlyKeyEnding(suffix string) string {
	found := ""
	for key := range v.keys {
		if strings.HasSuffix(key, suffix) {
			if found != "" {
				return ""
			}
			found = key
		}
	}
	return found
}

// shareBase gives the base URI that another operation of the document has already.
func (c *compiler) shareBase(b *BaseURI) *BaseURI {
	for _, have := range c.unit.Bases {
		if sameBase(have, b) {
			return have
		}
	}
	c.unit.Bases = append(c.unit.Bases, b)
	return b
}

func sameBase(a, b *BaseURI) bool {
	if len(a.parts) != len(b.parts) || a.span != b.span {
		return false
	}
	for i := range a.parts {
		if a.parts[i] != b.parts[i] {
			return false
		}
	}
	return true
}

// judgeBase refuses a base URI that can never be called, whatever its variables hold.
func (c *compiler) judgeBase(op *consumed, b *BaseURI) {
	var text strings.Builder
	for i, p := range b.parts {
		switch {
		case p.variable == nil:
			text.WriteString(p.literal)
		case i == 0:
			// It may hold scheme and host.
			if strings.HasPrefix(op.api.BaseURI.Value, "//") {
				text.WriteString("x")
			} else {
				text.WriteString("https://x")
				if len(b.parts) > 1 && strings.HasPrefix(b.parts[1].literal, "://") {
					text.Reset()
					text.WriteString("https")
				}
			}
		default:
			text.WriteString("1")
		}
	}
	if _, code, problem := parseBase(text.String(), false); problem != "" {
		op.fail(faultf(code, "V3", b.span, "the base URI of %s %s", op.namespace, problem).
			hintf("write baseUri: https://host/path"))
	}
}

// baseLabel is the base URI as far as it tells operations apart.
func (op *consumed) baseLabel() string { return op.api.BaseURI.Value }
