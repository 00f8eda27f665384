package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// namespace is everything consumed under one name. Entries of the same name are merged
// (contract C1).
type namespace struct {
	name string
	ops  []*consumed
}

// consumed is one consumed operation, judged as far as that does not depend on who calls.
type consumed struct {
	api        *spec.Consumed
	resource   *spec.ConsumedResource
	decl       *spec.ConsumedOperation
	namespace  string
	name, id   string
	method     string
	wire       string // path as joined by C2, conditions and fragments included
	path       []piece
	constants  []constant
	slots      []*slot
	auth       authPlan
	transport  *Transport
	resilience *Resilience
	base       *BaseURI
	hosts      []baseChoice // base for each value of hostSlots; none when no input chooses it
	hostSlots  []*slot
	body       bodyDecl
	called     *callTarget // nil until something calls it
	made       madeParts   // of its calls
	fault      *fault      // it cannot be called at all
	warnings   []*fault
}

// piece is literal text of a path, not yet escaped, or a reference with its place.
type piece struct {
	literal string
	ref     expr.Ref
	span    diag.Span
	slot    *slot     // ref is an input
	value   *Variable // ref is a variable
}

func (p *piece) isRef() bool { return p.ref.Form != 0 }

// constant is a query pair or a header that the path's text fixes (contract C4, C5).
type constant struct {
	in, name string
	value    []piece
	span     diag.Span
	fragment bool // C4
}

// slot is a place that wants a value (contract S).
type slot struct {
	in, name    string
	typ         string
	description string
	required    bool
	stated      bool // required was said by the author, either way
	own         *spec.Value
	items       *spec.Value
	enum        []*spec.Value
	decl        *spec.Parameter
	placeholder bool // stands in the path or base URI
	authFilled  bool // authentication fills it
	host        bool // stands in the authority of the base URI, where no caller's value goes
	dropped     bool // A5, C4, C5 or S4: no slot and no input
}

// consume reads what the document calls.
func (c *compiler) consume() {
	c.namespaces = map[string]*namespace{}
	c.imports = map[string]spec.Import{}
	for _, imp := range c.doc.Imports {
		c.imports[imp.Namespace.Value] = imp
	}
	c.ops = slices.Grow(c.ops[:0], countOperations(c.doc.Consumes)) // which never move
	for i := range c.doc.Consumes {
		api := &c.doc.Consumes[i]
		if !api.HasBaseURI {
			continue
		}
		ns := c.namespaces[api.Namespace.Value]
		if ns == nil {
			ns = &namespace{name: api.Namespace.Value}
			c.namespaces[ns.name] = ns
			c.order = append(c.order, ns)
		}
		unreachable := c.judgeTransport(api)
		if unreachable != nil {
			c.unreachable = append(c.unreachable, unreachable)
		}
		for j := range api.Resources {
			r := &api.Resources[j]
			for k := range r.Operations {
				c.ops = append(c.ops, consumed{api: api, resource: r, decl: &r.Operations[k], namespace: ns.name, fault: unreachable})
				ns.ops = append(ns.ops, &c.ops[len(c.ops)-1])
			}
		}
	}
	for _, ns := range c.order {
		replacing := ns.isReplacing()
		for _, op := range ns.ops {
			c.readOperation(op, replacing)
		}
		ns.findIndistinguishable()
	}
}

func countOperations(apis []spec.Consumed) int {
	n := 0
	for i := range apis {
		for j := range apis[i].Resources {
			n += len(apis[i].Resources[j].Operations)
		}
	}
	return n
}

// isReplacing decides by rule C2 whether operation paths of the namespace replace their
// resource's path.
func (ns *namespace) isReplacing() bool {
	for _, op := range ns.ops {
		res, own := op.resource.URI.Value, op.decl.URI.Value
		if res == "" || res == "/" || own == "" || own == "/" {
			continue
		}
		if own == res || strings.HasPrefix(own, strings.TrimSuffix(res, "/")+"/") {
			return true
		}
	}
	return false
}

// methods are those of RFC 9110 and PATCH (RFC 5789).
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}

func (c *compiler) readOperation(op *consumed, replacing bool) {
	op.name, op.id = op.decl.Name.Value, op.decl.ID.Value
	op.method = strings.ToUpper(op.decl.Method.Value)
	if op.method == "" {
		op.method = "GET"
	}
	if !isToken(op.method) {
		op.fail(faultf(diag.CodeMethod, "C1", op.decl.Method.Span(), "%q is not an HTTP method", op.decl.Method.Value).
			hintf("write one word such as GET"))
	} else if !slices.Contains(methods, op.method) {
		if near, ok := diag.Nearest(op.method, methods); ok {
			op.warn(faultf(diag.CodeMethod, "C1", op.decl.Method.Span(), "%s is no method of HTTP; it is sent as written", op.method).
				hintf("did you mean %s?", near))
		}
	}
	op.body = readBody(op.decl.Body)
	op.slots = c.declaredSlots(op)
	text := op.joinPath(replacing)
	op.wire = text.value
	auth := c.readAuth(op)
	c.dropFilled(op)
	c.readPath(op, text)
	c.readBase(op)
	op.fillAuthPath()
	op.fail(auth)
	op.fail(c.readTransport(op))
	op.fail(c.readResilience(op))
	c.placeParameters(op)
}

// fail keeps the first reason why the operation cannot be called.
func (op *consumed) fail(f *fault) {
	if op.fault == nil && f != nil {
		op.fault = f
	}
}

func (op *consumed) warn(f *fault) { op.warnings = append(op.warnings, f) }

// label is how messages call the operation.
func (op *consumed) label() string {
	if op.name == "" {
		return op.namespace + "." + op.id
	}
	return op.namespace + "." + op.name
}

func (op *consumed) title() string { return "operation " + op.label() }

// joined is a path made of a resource's and an operation's text, which remembers where its
// bytes come from.
type joined struct {
	value string
	parts []joinedPart
}

type joinedPart struct {
	start int       // in value
	from  int       // in text
	text  spec.Text // where the bytes stand
}

func (j *joined) add(t spec.Text, from, to int) {
	j.parts = append(j.parts, joinedPart{len(j.value), from, t})
	j.value += t.Value[from:to]
}

func (j *joined) span(i, k int) diag.Span {
	for n := len(j.parts) - 1; n >= 0; n-- {
		if p := j.parts[n]; i >= p.start {
			return p.text.Sub(i-p.start+p.from, min(k-p.start+p.from, len(p.text.Value)))
		}
	}
	return diag.Span{}
}

// joinPath puts resource and operation path together by rule C2.
func (op *consumed) joinPath(replacing bool) *joined {
	j := &joined{}
	res, own := op.resource.URI, op.decl.URI
	bare := !op.resource.HasURI || res.Value == "" || res.Value == "/"
	switch {
	case !op.decl.HasURI && !op.resource.HasURI:
		op.fail(faultf(diag.CodeNoPath, "C2", op.decl.Span, "operation %s has no path, and neither has its resource", op.label()).
			hintf("add the key path to the resource"))
	case !op.decl.HasURI || own.Value == "" && !bare:
		j.add(res, 0, len(res.Value))
	case own.Value == "/" && !bare && !replacing:
		j.add(res, 0, len(res.Value))
	case replacing || bare:
		j.add(own, 0, len(own.Value))
	default:
		j.add(res, 0, len(strings.TrimSuffix(res.Value, "/")))
		j.add(own, 0, len(own.Value))
	}
	return j
}

// readPath splits the path into text, references, constants and fragment.
func (c *compiler) readPath(op *consumed, text *joined) {
	path, at := text.value, 0
	if i := strings.IndexByte(path, '|'); i >= 0 {
		op.fail(faultf(diag.CodePathAlternatives, "C2", text.span(i, i+1), "the path of %s has alternatives (%q), so it names no single address", op.label(), "|").
			hintf("declare one operation for each alternative"))
	}
	if i := strings.IndexByte(path, '#'); i >= 0 {
		c.readFragment(op, text, i)
		path = path[:i]
	}
	query := ""
	if i := strings.IndexByte(path, '?'); i >= 0 {
		query, at, path = path[i+1:], i+1, path[:i]
	}
	op.path = c.pieces(op, text, 0, path)
	for query != "" {
		pair, rest, _ := strings.Cut(query, "&")
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			op.constants = append(op.constants, constant{in: "query", name: unescape(name), value: c.pieces(op, text, at+len(pair)-len(value), value), span: text.span(at, at+len(pair))})
		}
		at += len(pair) + 1
		query = rest
	}
}

// readFragment reads #X-Name=value as a constant header and #name=value as a constant query
// pair; a browser's fragment is never sent (contract C4).
func (c *compiler) readFragment(op *consumed, text *joined, i int) {
	frag := text.value[i+1:]
	span := text.span(i, len(text.value))
	name, value, ok := strings.Cut(frag, "=")
	if !ok || name == "" || !isToken(name) {
		op.fail(faultf(diag.CodePathFragment, "C4", span, "%q in the path of %s is a fragment, which is never sent to a server", "#"+frag, op.label()).
			hintf("write it as part of the path, as a query parameter or as a header"))
		return
	}
	in := "query"
	if len(name) > 2 && strings.EqualFold(name[:2], "x-") {
		in = "header"
	}
	op.constants = append(op.constants, constant{in: in, name: name, value: []piece{{literal: value}}, span: span, fragment: true})
	op.warn(faultf(diag.CodePathFragment, "C4", span, "%q in the path is sent as a constant %s", "#"+frag, in).
		hintf("declare it as an input parameter with a value"))
}

// pieces splits text that begins at byte at of the joined path.
func (c *compiler) pieces(op *consumed, text *joined, at int, s string) []piece {
	var room [16]expr.Part
	parts := expr.AppendPath(room[:0], s)
	out := c.drafts.pieces.take(len(parts))
	for i, p := range parts {
		if !p.IsRef() || (p.Ref.Form == expr.Chevron || p.Ref.Form == expr.Dollar) && !c.vars.isReference(p.Ref) {
			out[i].literal = p.Literal
			continue
		}
		out[i] = c.pathRef(op, p.Ref, text.span(at+p.Ref.Start, at+p.Ref.End))
	}
	return out
}

// pathRef decides whether a reference in a path is an input or a variable (contract C3).
func (c *compiler) pathRef(op *consumed, ref expr.Ref, span diag.Span) piece {
	p := piece{ref: ref, span: span}
	name := ref.Name
	_, rest, prefixed := cutInputPrefix(name, "")
	if prefixed && op.pathSlot(name) == nil {
		name = rest
	}
	if s := op.pathSlot(name); s != nil {
		s.placeholder = true
		p.slot = s
		return p
	}
	variable := c.vars.isKey(ref.Name)
	if ref.Form != expr.Brace {
		variable = c.vars.isVariable(ref.Name) && !prefixed
	}
	if variable {
		v, f := c.vars.find(ref.Name, span, elsewhere)
		op.fail(f)
		p.value = v
		return p
	}
	p.slot = c.newSlot(slot{in: "path", name: name, typ: "string", required: true, placeholder: true})
	op.slots = append(op.slots, p.slot)
	return p
}

// pathSlot gives the declared in:path parameter of a placeholder: exact, else the only one
// equal by letters and digits.
func (op *consumed) pathSlot(name string) *slot {
	var near *slot
	n := 0
	for _, s := range op.slots {
		if s.in != "path" {
			continue
		}
		if s.name == name {
			return s
		}
		if !s.placeholder && expr.Fold(s.name) == expr.Fold(name) {
			near = s
			n++
		}
	}
	if n == 1 {
		return near
	}
	return nil
}

// placeParameters drops what constants and authentication fill already and refuses path
// parameters that have no place (contract A5, C4, C5, C6).
func (c *compiler) placeParameters(op *consumed) {
	for _, s := range op.slots {
		for _, k := range op.constants {
			if k.in == s.in && sameSlotName(s.in, k.name, s.name) {
				s.dropped = true
			}
		}
		if op.auth.fills(s.in, s.name) {
			s.dropped = true
		}
		if s.in == "path" && !s.placeholder && !s.dropped {
			f := faultf(diag.CodePathParamWithoutSlot, "C6", s.span(), "path parameter %s has no placeholder in %s %s", s.name, op.method, op.wire)
			if path, ok := op.likelyPath(s.name); ok {
				f.rule = "C6b"
				f.hintf("write path: %s into operation %s, for %s %s", c.lostSubPath(op, s.name), op.key(), op.method, path).
					mendedBy(func() []diag.Edit { return c.writeSubPath(op, s.name) })
			} else {
				f.hintf("put {%s} where it belongs in the path", s.name)
			}
			op.fail(f)
		}
	}
}

func (s *slot) span() diag.Span {
	if s.decl != nil {
		return s.decl.Span
	}
	return diag.Span{}
}

func (s *slot) nameSpan() diag.Span {
	if s.decl != nil {
		return placeOr(s.decl.Name.Span(), s.decl.Span)
	}
	return diag.Span{}
}

func sameSlotName(in, a, b string) bool {
	if in == "header" {
		return strings.EqualFold(a, b)
	}
	return a == b
}

// isToken reports whether s is an HTTP token (RFC 9110 5.6.2).
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}
