package plan

import (
	"net/textproto"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// AnyMethod is the method of a route that passes on what no operation handles: every method
// but TRACE and CONNECT.
const AnyMethod = "*"

// remainderName is the placeholder that stands for the rest of a path, of any number of
// segments, where a resource forwards.
const remainderName = "path"

// exposeForward compiles what a resource passes on as it is: one route for every method that
// its operations leave.
func (c *compiler) exposeForward(e *spec.Exposed, r *spec.ExposedResource, out *Exposure, unit diag.Unit, seen map[string]*Route) {
	at := r.Forward.Span()
	x := c.newExposed(exposed{
		decl: &spec.ExposedOperation{Span: at, Node: r.Forward}, at: r.URI.Span(), out: out, kind: REST, own: e.Own(),
		unit: unit, resource: r.URI, method: AnyMethod,
	})
	route := &Route{Method: AnyMethod, Description: r.Node.Get("description").AsText().Value, Span: at}
	f := x.place(route)
	route.Name = "forward " + route.Path
	x.unit.Name = route.Name
	x.declare(e.Parameters)
	key := routeKey(route)
	if first := seen[key]; first != nil && f == nil {
		f = faultf(diag.CodeDuplicateRoute, "X2", at, "%s is forwarded twice in this adapter", route.Path).hintf("give one of them another path")
		f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
		c.refuse(x.unit, at, "forward", f)
		return
	}
	seen[key] = route
	if f == nil {
		route.Operation, f = c.buildForward(x, r.Forward)
	}
	if f == nil {
		f = c.exchanges(route.Operation, out)
	}
	if f != nil {
		route.Operation = nil
		route.Refusal = c.refuse(x.unit, at, "forward of "+route.Path, f)
	}
	out.Routes = append(out.Routes, route)
}

// remainder makes {path} of a forwarded route stand for any number of segments.
func (r *Route) remainder(at diag.Span) *fault {
	found := false
	for _, s := range r.Segments {
		for i := range s {
			if s[i].Param < 0 || r.Params[s[i].Param] != remainderName {
				continue
			}
			if found || len(s) > 1 {
				return faultf(diag.CodeUnsupportedFeature, "X1", at, "{%s} of a forwarded path stands for whole segments, once", remainderName).
					hintf("write it alone between slashes, such as /files/{%s}", remainderName)
			}
			s[i].Many, found = true, true
		}
	}
	return nil
}

// forwardPlan is how requests are passed on as they are.
type forwardPlan struct {
	trusted map[string]bool // names of headers that are passed on, lower case, beside the safe ones
	// passed are all that are passed on, by their canonical names: not those that the call sets
	// itself. Of one that is true the value is not to be shown.
	passed map[string]bool
	query  map[string]bool // names of parameters that the call sets itself
}

// buildForward compiles the one call of a forward: to the base URI of the namespace, with the
// parameters and the authentication that all its operations have.
func (c *compiler) buildForward(x *exposed, v *spec.Value) (*Operation, *fault) {
	if f := c.truncated(x.decl.Span, func() string { return "forward" }); f != nil {
		return nil, f
	}
	api, f := c.forwardTarget(v)
	if f != nil {
		return nil, f
	}
	if f := c.judgeTransport(api); f != nil {
		return nil, f
	}
	forward := &forwardPlan{trusted: c.trustedHeaders(x, v)}
	op := c.consumeForward(api, x, forward)
	if op.fault != nil {
		return nil, op.fault
	}
	for _, w := range op.warnings {
		c.note(diag.Warning, x.unit, w)
	}
	d := c.newDraft(x)
	d.out.usesInbound, d.out.passEncoding, d.out.forward = true, true, forward
	b := d.newBuilder(op, nil)
	if f := b.buildForward(forward); f != nil {
		return nil, f
	}
	d.out.steps = []step{&callStep{index: 0, call: b.call}}
	d.finish()
	return d.out, nil
}

// forwardTarget gives the consumed API that a forward names.
func (c *compiler) forwardTarget(v *spec.Value) (*spec.Consumed, *fault) {
	if v.Kind != spec.Map {
		return nil, faultf(diag.CodeWrongType, "X1", v.Span(), "forward is not a mapping").hintf("write forward: {targetNamespace: name}")
	}
	target := v.Get("targetNamespace").AsText()
	if target.Value == "" {
		return nil, faultf(diag.CodeNoCall, "X1", v.Span(), "forward does not say where to").hintf("write targetNamespace: and the namespace of a consumed API")
	}
	var found []*spec.Consumed
	for i := range c.doc.Consumes {
		if api := &c.doc.Consumes[i]; api.HasBaseURI && api.Namespace.Value == target.Value {
			found = append(found, api)
		}
	}
	switch imp, imported := c.imports[target.Value]; {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		f := faultf(diag.CodeAmbiguousOperation, "X1", target.Span(), "%d consumed APIs have the namespace %q, so it is not clear where to forward", len(found), target.Value).
			hintf("give each a namespace of its own")
		for _, api := range found {
			f.related = append(f.related, diag.Related{Span: api.Span, Message: "one of them"})
		}
		return nil, f
	case imported:
		return nil, faultf(diag.CodeUnresolvedImport, "X1", target.Span(), "namespace %q is imported, and was not found", target.Value).
			hintf("write the consumed API of %s into this document", imp.Location.Value)
	}
	f := faultf(diag.CodeUnresolvedNamespace, "X1", target.Span(), "namespace %q is not consumed in this document", target.Value)
	names := sortedKeys(c.namespaces)
	if near, ok := diag.Nearest(target.Value, names); ok {
		return nil, f.hintf("did you mean %s?", near)
	}
	return nil, f.hintf("it consumes %s", someOf(names))
}

// trustedHeaders reads the names of the headers that callers may send through.
func (c *compiler) trustedHeaders(x *exposed, v *spec.Value) map[string]bool {
	list := v.Get("trustedHeaders")
	var names []spec.Text
	switch {
	case list == nil || list.Kind == spec.Null:
	case list.Kind == spec.List:
		for _, item := range list.Items {
			names = append(names, item.AsText())
		}
	default:
		names = append(names, list.AsText())
	}
	trusted := map[string]bool{}
	for _, name := range names {
		lower := strings.ToLower(name.Value)
		switch {
		case !isToken(name.Value):
			c.note(diag.Warning, x.unit, faultf(diag.CodeParameter, "X1", placeOr(name.Span(), list.Span()), "%q in trustedHeaders is no header name, so nothing is passed on for it", name.Value))
		case isConnectionHeader(lower):
			c.note(diag.Warning, x.unit, faultf(diag.CodeParameter, "X1", name.Span(), "header %s belongs to the connection and is never passed on", name.Value).
				hintf("leave it out of trustedHeaders"))
		case x.out.Guard.takes("header", lower):
			c.guardedInput(x.unit, name.Span(), "header", name.Value)
		default:
			trusted[lower] = true
		}
	}
	return trusted
}

// consumeForward makes the consumed operation that a forward calls: without a path of its own,
// and with those parameters that do not depend on an operation.
func (c *compiler) consumeForward(api *spec.Consumed, x *exposed, forward *forwardPlan) *consumed {
	op := &consumed{
		api: api, resource: &spec.ConsumedResource{}, namespace: api.Namespace.Value, name: AnyMethod, method: AnyMethod,
		decl: &spec.ConsumedOperation{Span: x.decl.Span, Node: x.decl.Node, PathSpan: x.at},
	}
	op.fail(c.judgeTransport(api))
	op.fail(c.readTransport(op))
	op.fail(c.readResilience(op))
	op.slots = c.declaredSlots(op)
	auth := c.readAuth(op)
	c.readBase(op)
	op.slots = slices.DeleteFunc(op.slots, func(s *slot) bool {
		given := s.own != nil && s.own.Kind != spec.Null
		switch s.in {
		case "path":
			return !s.placeholder // it is for the paths of operations
		case "query":
			return !given // the caller's own query is passed on
		case "header":
			return !given && (forward.trusted[strings.ToLower(s.name)] || isPassedHeader(s.name))
		case "body":
			op.warn(faultf(diag.CodeUnsupportedFeature, "X1", s.span(), "body parameter %s is not added to bodies that are forwarded as they are", s.name))
			return true
		}
		return false
	})
	for _, f := range op.auth.fields {
		if f.in == "body" {
			op.fail(faultf(diag.CodeAuthIncomplete, "A3", f.span, "the credential %s of %s has no place in bodies that are forwarded as they are", f.name, op.namespace).
				hintf("choose another placement"))
		}
	}
	op.fillAuthPath()
	op.fail(auth)
	c.placeParameters(op)
	return op
}

// buildForward compiles the request of a forward. Its parameters have values of the document;
// of the caller's request they can take a placeholder of the path, and nothing else.
func (b *builder) buildForward(forward *forwardPlan) *fault {
	op, x := b.op, b.x
	b.begin(op.target(b.c.unit), rareCall{forward: forward})
	for _, s := range op.slots {
		if s.dropped || s.authFilled {
			continue
		}
		b.slots = append(b.slots, s)
		if s.own != nil && s.own.Kind != spec.Null {
			continue
		}
		i, ok := matchName(s.name, x.params)
		switch {
		case ok && x.params[i] != remainderName:
			var room [1]lookup
			b.feeds.set(s, b.inputExpr(s.name, b.appendPlaces(room[:0], "P", s.name)))
		case s.required:
			return faultf(diag.CodeParameter, "X1", s.nameSpan(), "parameter %s of %s has no value where requests are forwarded", s.name, op.namespace).
				hintf("give it a value, or put {%s} into the path of the resource", s.name)
		default:
			b.feeds.set(s, literalExpr(absent{}))
		}
	}
	for _, step := range []func() *fault{b.placeSlots, b.placeAuth} {
		if f := step(); f != nil {
			return f
		}
	}
	b.call.body.inbound = true
	b.parts.settle(b.call, &op.made, &b.c.kept)
	forward.remember(b.call)
	b.why.forwarded(forward)
	return b.checkForwardInputs()
}

// checkForwardInputs refuses inputs that are neither the document's nor in the path, and
// placeholders that nothing takes.
func (b *builder) checkForwardInputs() *fault {
	x := b.x
	for i := range b.inputs {
		in := &b.inputs[i]
		in.lookups = slices.DeleteFunc(in.lookups, func(l lookup) bool { return l.kind != lookPath })
		if len(in.lookups) == 0 {
			return faultf(diag.CodeUnboundInput, "X1", x.decl.Span, "{{%s}} in a parameter of %s is not part of the path that is forwarded", in.name, b.op.namespace).
				hintf("put {%s} into the path of the resource, or give the parameter a value", in.name)
		}
	}
	for i, name := range x.params {
		if name != remainderName && !b.paths[i] && !b.reached.has(name) {
			return faultf(diag.CodeUnusedPathInput, "I5", b.placeholderSpan(name), "{%s} of %s is not passed to %s: only {%s} is", name, x.path, b.op.namespace, remainderName).
				hintf("a path such as /{%s}/{%s} needs a parameter %s of %s", name, remainderName, name, b.op.namespace)
		}
	}
	return nil
}

// remember notes what the call sets, so that no caller can set it too.
func (p *forwardPlan) remember(c *Call) {
	p.passed, p.query = map[string]bool{}, map[string]bool{}
	for _, name := range slices.Concat(passedHeaders, sortedKeys(p.trusted)) {
		p.passed[textproto.CanonicalMIMEHeaderKey(name)] = isCredentialHeader(strings.ToLower(name))
	}
	sets := func(name string) { delete(p.passed, textproto.CanonicalMIMEHeaderKey(name)) }
	for i := range c.headers {
		sets(c.headers[i].name)
	}
	for i := range c.query {
		p.query[c.query[i].name] = true
	}
	if c.basic != nil {
		sets("Authorization")
	}
	if c.credential != nil {
		for _, name := range c.credential.adds {
			sets(name)
		}
	}
	if len(c.cookies) > 0 {
		sets("Cookie")
	}
}

// forwarded notes what comes from the caller's request as it is.
func (p *provenance) forwarded(forward *forwardPlan) {
	if p == nil {
		return
	}
	at := p.b.x.decl.Span
	note := func(part Part, name, what string) {
		p.origins = append(p.origins, Origin{
			Part: part, Name: name, Rule: "X1", Span: at, Sources: []OriginSource{{Kind: SourceRequest, Name: what, Rule: "X1", Span: at}},
		})
		p.uses = append(p.uses, []int{-1})
	}
	note(PartMethod, "", "method")
	note(PartPath, remainderName, "rest of the path")
	note(PartQuery, "", "query")
	for _, name := range sortedKeys(forward.trusted) {
		note(PartHeader, name, "trusted header")
	}
	note(PartHeader, "", "headers of the body and of what is accepted")
	note(PartBody, "", "body")
}

// place gives a route and what is exposed at it the path of its resource, with {path} for any
// number of segments.
func (x *exposed) place(route *Route) *fault {
	path, query, _ := strings.Cut(routePath(x.resource.Value, ""), "?")
	x.path, route.Path = path, path
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			route.Conditions = append(route.Conditions, Pair{unescape(name), unescape(value)})
		}
	}
	route.Segments, route.Params = compilePattern(path)
	x.params, x.conditions = route.Params, route.Conditions
	at := x.at
	for r := range expr.ParsePath(x.resource.Value).Refs() {
		if r.Name == remainderName {
			at = x.resource.Sub(r.Start, r.End)
		}
	}
	return route.remainder(at)
}
