package plan

import (
	"slices"
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
	r := baseReader{c: c, op: op, alternatives: []baseChoice{{base: &BaseURI{span: text.Span()}}}}
	for _, p := range expr.ParseBaseURI(strings.TrimSpace(cutAny(text.Value, "?#"))).Parts {
		if !p.IsRef() {
			r.literal(p.Literal)
			continue
		}
		if f := r.reference(p.Ref, text.Sub(p.Ref.Start, p.Ref.End)); f != nil {
			op.fail(f)
			return
		}
	}
	if r.moved != nil {
		if len(op.path) == 0 {
			op.path = r.moved
		} else {
			op.path = joinPieces(r.moved, op.path)
		}
	}
	for i := range r.alternatives {
		a := &r.alternatives[i]
		a.base.hideMixed()
		if a.base = c.shareBase(a.base); !slices.Contains(c.sound, a.base) {
			c.judgeBase(op, a.base)
		}
	}
	op.base = r.alternatives[0].base
	if len(r.choosers) > 0 {
		op.hosts, op.hostSlots = r.alternatives, r.choosers
	}
}

// maxHosts bounds the addresses that the enums of one base URI can spell.
const maxHosts = 1000

// baseChoice is the base URI for one value of each input that chooses the host.
type baseChoice struct {
	values []string
	base   *BaseURI
}

// baseReader builds the base URI of an operation from left to right.
type baseReader struct {
	c            *compiler
	op           *consumed
	alternatives []baseChoice // one, unless an enum chooses the host
	choosers     []*slot
	moved        []piece // what belongs to the operation's path
}

func (r *baseReader) literal(text string) {
	if r.moved != nil {
		r.moved = append(r.moved, piece{literal: text})
		return
	}
	r.add(basePart{literal: text})
}

func (r *baseReader) add(p basePart) {
	for _, a := range r.alternatives {
		a.base.parts = append(a.base.parts, p)
	}
}

func (r *baseReader) reference(ref expr.Ref, at diag.Span) *fault {
	authority := inAuthority(r.alternatives[0].base)
	got, f := r.c.baseRef(r.op, ref, at, authority)
	switch {
	case f != nil:
		return f
	case got.slot != nil && authority:
		return r.choose(got.slot, at)
	case got.slot != nil && r.moved == nil:
		r.moved = append(r.cutSegment(), got)
	case r.moved != nil:
		r.moved = append(r.moved, got)
	default:
		r.add(basePart{variable: got.value})
	}
	return nil
}

// choose makes one alternative of each value of the enum, so that a caller can only name a
// host that the document names.
func (r *baseReader) choose(s *slot, at diag.Span) *fault {
	if len(r.alternatives)*len(s.enum) > maxHosts {
		return faultf(diag.CodeUnsupportedFeature, "V4", at, "the enums of the base URI spell more than %d addresses", maxHosts)
	}
	var all []baseChoice
	for _, a := range r.alternatives {
		for _, v := range s.enum {
			base := &BaseURI{span: a.base.span, parts: append(slices.Clone(a.base.parts), basePart{literal: v.Text})}
			all = append(all, baseChoice{append(slices.Clone(a.values), v.Text), base})
		}
	}
	r.alternatives, r.choosers = all, append(r.choosers, s)
	return nil
}

// cutSegment takes the beginning of the current path segment off the base URI, since an
// input stands in the same segment.
func (r *baseReader) cutSegment() []piece {
	parts := r.alternatives[0].base.parts
	var out []piece
	n := len(parts)
	for n > 0 {
		n--
		p := parts[n]
		if p.variable != nil {
			p.variable.Setting = false
			out = append([]piece{{ref: expr.Ref{Name: p.variable.Key, Form: expr.Mustache}, value: p.variable}}, out...)
			continue
		}
		if i := strings.LastIndexByte(p.literal, '/'); i >= 0 {
			out = append([]piece{{literal: p.literal[i:]}}, out...)
			for _, a := range r.alternatives {
				a.base.parts = append(a.base.parts[:n:n], basePart{literal: p.literal[:i]})
			}
			return out
		}
		out = append([]piece{{literal: p.literal}}, out...)
	}
	return out
}

// hideMixed marks variables that stand beside other text of a path segment as secrets
// (decision D7): a token is often written so, a version or a tenant is not.
func (b *BaseURI) hideMixed() {
	for i, p := range b.parts {
		if p.variable == nil || inAuthority(&BaseURI{parts: b.parts[:i]}) {
			continue
		}
		alone := strings.HasSuffix(b.parts[i-1].literal, "/")
		if i+1 < len(b.parts) {
			alone = alone && strings.HasPrefix(b.parts[i+1].literal, "/")
		}
		if !alone {
			p.variable.Setting = false
		}
	}
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
	if i := strings.IndexByte(text.Value, '#'); i >= 0 {
		op.fail(faultf(diag.CodePathFragment, "C4", text.Sub(i, len(text.Value)), "the base URI of %s has a fragment, which is never sent to a server", op.namespace))
		return
	}
	at := i + 1
	for query := text.Value[at:]; query != ""; {
		pair, rest, _ := strings.Cut(query, "&")
		j := &joined{}
		j.add(text, 0, len(text.Value))
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			op.constants = append(op.constants, constant{in: "query", name: unescape(name), value: c.pieces(op, j, at+len(pair)-len(value), value), span: j.span(at, at+len(pair))})
		}
		at += len(pair) + 1
		query = rest
	}
}

// joinPieces puts one slash between a moved base path and the path.
func joinPieces(base, path []piece) []piece {
	last, first := &base[len(base)-1], path[0].literal
	if !last.isRef() {
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
func (c *compiler) baseRef(op *consumed, ref expr.Ref, at diag.Span, authority bool) (piece, *fault) {
	p := piece{ref: ref, span: at}
	braced := ref.Form == expr.Brace || ref.Form == expr.Bracket
	if !braced && c.vars.isVariable(ref.Name) {
		v, f := c.vars.find(ref.Name, at, inBase)
		if f == nil && ref.Form == expr.Dollar {
			c.note(diag.Info, diag.Unit{}, faultf(diag.CodeAssumed, "V3", at, "${%s} means the same as {{%s}}", ref.Name, ref.Name).
				mendedBy(func() []diag.Edit { return dollarToBraces(op.api.BaseURI, ref) }))
		}
		p.value = v
		return p, f
	}
	if !authority && op.auth.fills("path", ref.Name) {
		p.slot = c.newSlot(slot{in: "path", name: ref.Name, typ: "string", required: true, placeholder: true})
		op.slots = append(op.slots, p.slot)
		return p, nil
	}
	if s := op.pathSlot(ref.Name); s != nil && s.decl != nil {
		if !authority || len(s.enum) > 0 {
			s.placeholder = true
			p.slot = s
			return p, nil
		}
		// No caller chooses the host (D4). It may have a place in the path as well.
		s.dropped, s.host = !s.placeholder, !s.placeholder
		c.note(diag.Warning, diag.Unit{}, faultf(diag.CodeAssumed, "V4", at, "{%s} stands in the host, which no caller chooses; a variable is used, not the parameter", ref.Name).
			hintf("give the parameter an enum of the values that are allowed"))
	}
	v, f := c.serverVariable(op, ref.Name, at)
	p.value = v
	return p, f
}

// serverVariable finds the variable that {v} in a base URI stands for.
func (c *compiler) serverVariable(op *consumed, name string, at diag.Span) (*Variable, *fault) {
	s := serverName{namespace: op.namespace, name: name}
	key, declared := c.vars.serverKey(s, nil)
	s.key = key
	c.vars.servers = append(c.vars.servers, s)
	if declared {
		return c.vars.find(key, at, inBase)
	}
	return c.vars.undeclared("", key, at, inBase)
}

// serverName is a name in a base URI, with the variable it was taken for.
type serverName struct{ namespace, name, key string }

// serverKey gives the bind key that a name in a base URI stands for, or the environment
// variable when there is none. more are keys to be taken for declared.
func (v *variables) serverKey(s serverName, more map[string]bool) (key string, declared bool) {
	snake := expr.UpperSnake(s.name)
	own := expr.UpperSnake(s.namespace) + "_" + snake
	for _, k := range []string{s.name, snake, own} {
		if v.isKey(k) || more[k] {
			return k, true
		}
	}
	if k := v.onlyKeyEnding("_"+snake, more); k != "" {
		return k, true
	}
	return own, false
}

// onlyKeyEnding gives the one bind key with that ending, or "". more are keys to be taken for
// declared.
func (v *variables) onlyKeyEnding(suffix string, more map[string]bool) string {
	found, n := "", 0
	for key := range v.keys {
		if strings.HasSuffix(key, suffix) {
			found = key
			n++
		}
	}
	for key := range more {
		if strings.HasSuffix(key, suffix) && !v.isKey(key) {
			found = key
			n++
		}
	}
	if n != 1 {
		return ""
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
	base, code, problem := parseBase(text.String(), false)
	if problem == "" && !b.hasVariables() {
		if d := c.grant.host(base.Scheme, base.Host, base.Host); d != nil {
			op.fail(d.fault(b.span))
			return
		}
	}
	if problem != "" {
		f := faultf(code, "V3", b.span, "the base URI of %s %s", op.namespace, problem).hintf("write baseUri: https://host/path")
		if code == diag.CodeBaseURIUserinfo {
			f.hintf("write baseUri: https://host/path, and authentication: {type: basic, username: …, password: …}")
		}
		op.fail(f)
		return
	}
	c.sound = append(c.sound, b)
}

// baseLabel is the base URI as far as it tells operations apart.
func (op *consumed) baseLabel() string { return op.api.BaseURI.Value }
