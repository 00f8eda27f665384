package plan

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// exposed is one exposed operation or tool while it is compiled.
type exposed struct {
	decl       *spec.ExposedOperation
	at         diag.Span // REST: the path of its resource
	out        *Exposure
	kind       Kind
	what       string // of MCP, when it is no tool
	own        string // namespace of the adapter
	method     string
	path       string    // REST: without conditions
	resource   spec.Text // REST: path of the resource
	params     []string  // REST: names of the placeholders
	conditions []Pair
	declared   []declaredInput
	unit       diag.Unit
	flow       *flowRef // what it runs by ref

	rawInput, rawOutput *rawSchema // of a tool

	text *spec.MCPResource // of a resource that is a text or data of the document
}

// declaredInput is an input that an exposed operation declares.
type declaredInput struct {
	name     string
	in       string // REST: where it is read
	typ      string
	required spec.Tristate
	fallback any // its default, where param does not hold it; nil: none
	param    *spec.Parameter
}

// newExposed begins a route or a tool. It ends the one before.
func (c *compiler) newExposed(x exposed) *exposed {
	x.declared = c.exposed.declared[:0]
	c.exposed = x
	return &c.exposed
}

func (x *exposed) title() string {
	if x.kind == REST {
		return "operation " + strings.TrimSpace(x.unit.Name)
	}
	if x.what != "" {
		return x.what + " " + x.unit.Name
	}
	return "tool " + x.unit.Name
}

// prefix is the word by which a document refers to the inputs of its callers.
func (k Kind) prefix() string {
	if k == REST {
		return "rest"
	}
	return "tools"
}

// expose compiles every adapter of the document.
func (c *compiler) expose() {
	var skills []func() // they refer to the other adapters, wherever these stand
	for i := range c.doc.Exposes {
		e := &c.doc.Exposes[i]
		out := &Exposure{
			Unit: c.unit, Kind: Kind(strings.ToLower(e.Type.Value)), Namespace: e.Namespace.Value, Index: i,
			Description: e.Description.Value, Address: e.Address.Value, AddressSpan: e.Address.Span(), Port: e.Port, PortSpan: e.PortSpan, Transport: strings.ToLower(e.Transport.Value), TransportSpan: e.Transport.Span(), Span: e.Span,
		}
		unit := diag.Unit{Adapter: adapterName(out)}
		if f := c.judgeExposure(e, out); f != nil {
			c.refuse(unit, e.Span, "the adapter", f)
			c.unit.Unserved = append(c.unit.Unserved, out)
			continue
		}
		for _, key := range e.Others {
			switch {
			case out.Kind == Control && key.Value == "observability":
				c.noteObservability(key, e.Node.Get(key.Value), unit)
				continue
			case out.Kind == Control && key.Value == "management":
				continue
			}
			if out.Kind == Skill && key.Value == "tools" {
				c.note(diag.Warning, unit, faultf(diag.CodeUnsupportedFeature, "L4", key.Span(), "tools beside skills are not listed").
					hintf("a tool belongs to a skill, or to an adapter of type mcp"))
				continue
			}
			c.note(diag.Warning, unit, faultf(diag.CodeUnsupportedFeature, "L4", key.Span(), "%s of an adapter of type %s are not served yet", key.Value, out.Kind))
		}
		c.noteMisplaced(e, out.Kind, unit)
		out.MaxBinary, _ = c.size(e.MaxBinary, unit)
		switch out.Kind {
		case REST:
			c.exposeREST(e, out, unit)
		case MCP:
			c.exposeMCP(e, out, unit)
		case Control:
			c.exposeControl(e, out, unit)
		case Skill:
			skills = append(skills, func() { c.exposeSkills(e, out, unit) })
		}
		c.guardInputs(out)
		c.unit.Exposures = append(c.unit.Exposures, out)
	}
	for _, expose := range skills {
		expose()
	}
}

func adapterName(e *Exposure) string {
	if e.Namespace != "" {
		return e.Namespace
	}
	return fmt.Sprintf("%s#%d", e.Kind, e.Index)
}

func (c *compiler) judgeExposure(e *spec.Exposed, out *Exposure) *fault {
	switch out.Kind {
	case REST, MCP, Skill, Control:
	default:
		return unknownAdapter(e)
	}
	if d := c.grant.adapter(out.Kind); d != nil {
		return d.fault(placeOr(e.Type.Span(), e.Span))
	}
	if d := c.grant.unguarded(); d != nil && e.Auth == nil && !out.onStdio() {
		return d.fault(e.Span)
	}
	if e.Auth == nil || out.onStdio() {
		return nil
	}
	guard, f := c.readGuard(e, out)
	out.Guard = guard
	return f
}

func unknownAdapter(e *spec.Exposed) *fault {
	if !e.Type.IsSet() {
		return faultf(diag.CodeUnsupportedAdapter, "L4", e.Span, "the adapter has no type").hintf("write type: rest, mcp, skill or control")
	}
	f := faultf(diag.CodeUnsupportedAdapter, "L4", e.Type.Span(), "adapter type %q is not defined", e.Type.Value)
	if near, ok := diag.Nearest(e.Type.Value, []string{string(REST), string(MCP), string(Skill), string(Control)}); ok {
		return f.hintf("did you mean %s?", near)
	}
	return f.hintf("expected rest, mcp, skill or control")
}

func (c *compiler) exposeREST(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	seen := map[string]*Route{}
	for i := range e.Resources {
		r := &e.Resources[i]
		for j := range r.Operations {
			c.exposeRoute(e, r, &r.Operations[j], out, unit, seen)
		}
		if r.Forward != nil {
			c.exposeForward(e, r, out, unit, seen)
		}
	}
}

// exposeRoute compiles one REST operation (contract X).
func (c *compiler) exposeRoute(e *spec.Exposed, r *spec.ExposedResource, decl *spec.ExposedOperation, out *Exposure, unit diag.Unit, seen map[string]*Route) {
	x := c.newExposed(exposed{decl: decl, at: r.URI.Span(), out: out, kind: REST, own: e.Own(), unit: unit, resource: r.URI})
	x.method = strings.ToUpper(decl.Method.Value)
	if x.method == "" {
		x.method = "GET"
	}
	route := &Route{Name: c.nameOf(decl), Description: decl.Description.Value, Method: x.method, Span: decl.Span}
	path, query, _ := strings.Cut(routePath(r.URI.Value, decl.URI.Value), "?")
	x.path, route.Path = path, path
	for pair := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(pair, "="); name != "" {
			route.Conditions = append(route.Conditions, Pair{unescape(name), unescape(value)})
		}
	}
	route.Segments, route.Params = compilePattern(path)
	x.params, x.conditions = route.Params, route.Conditions
	if route.Name == "" {
		route.Name = x.method + " " + path
	}
	x.unit.Name = route.Name
	for _, params := range [][]spec.Parameter{e.Parameters, r.Parameters, decl.Parameters} {
		x.declare(params)
	}
	key := routeKey(route)
	if first := seen[key]; first != nil {
		f := faultf(diag.CodeDuplicateRoute, "X2", decl.Span, "%s %s is declared twice in this adapter", route.Method, path).
			hintf("give one of them another path")
		f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
		c.refuse(x.unit, decl.Span, x.title(), f)
		return
	}
	seen[key] = route
	var f *fault
	if route.Scopes, f = c.scopes(decl.Scopes, out, x.title); f == nil {
		route.Responses, f = c.readResponses(x)
	}
	if f != nil {
		route.Refusal = c.refuse(x.unit, decl.Span, x.title(), f)
	} else {
		route.Operation, route.Refusal = c.build(x)
	}
	c.setBinary(route.Operation, x, route.Responses)
	if x.flow != nil {
		route.Description = firstOf(route.Description, x.flow.flow.Description.Value)
		c.judgeSemantics(x)
	}
	out.Routes = append(out.Routes, route)
}

// routePath joins resource and operation path of a route (contract X1).
func routePath(resource, operation string) string {
	path := resource
	if operation != "" {
		switch {
		case strings.HasSuffix(resource, "/") && strings.HasPrefix(operation, "/"):
			path = resource + operation[1:]
		default:
			path = resource + operation
		}
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// compilePattern splits a route's path into segments, numbering the placeholders.
func compilePattern(path string) ([]Segment, []string) {
	var room struct { // most paths are short
		read   [16]expr.Part
		parts  [16]SegmentPart
		ends   [16]int
		params [8]string
	}
	all, ends, params := room.parts[:0], room.ends[:0], room.params[:0] // ends of segments in all
	for _, p := range expr.AppendPath(room.read[:0], path) {
		if p.Ref.Form == expr.Brace || p.Ref.Form == expr.Mustache {
			all = append(all, SegmentPart{Param: len(params)})
			params = append(params, p.Ref.Name)
			continue
		}
		first := true
		for piece := range strings.SplitSeq(p.Literal, "/") {
			if !first {
				ends = append(ends, len(all))
			}
			if first = false; piece != "" {
				all = append(all, SegmentPart{Literal: unescapePath(piece), Param: -1})
			}
		}
	}
	ends = append(ends, len(all))
	segments, parts := make([]Segment, len(ends)-1), exactly(all) // the path begins with "/"
	for i := range segments {
		segments[i] = parts[ends[i]:ends[i+1]:ends[i+1]]
	}
	return segments, exactly(params)
}

func unescapePath(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// routeKey is equal for routes that match the same requests (contract X2).
func routeKey(r *Route) string {
	var b strings.Builder
	b.WriteString(r.Method)
	for _, s := range r.Segments {
		b.WriteByte('/')
		for _, p := range s {
			if p.Many {
				b.WriteString("\x01")
			} else if p.Param >= 0 {
				b.WriteString("\x00")
			} else {
				b.WriteString(url.PathEscape(p.Literal)) // a slash inside a segment separates nothing
			}
		}
	}
	pairs := make([]string, len(r.Conditions))
	for i, q := range r.Conditions {
		pairs[i] = "?" + url.QueryEscape(q.Name) + "=" + url.QueryEscape(q.Value)
	}
	slices.Sort(pairs)
	return b.String() + strings.Join(pairs, "")
}

// declare adds declared inputs; the inner declaration of a name wins.
func (x *exposed) declare(params []spec.Parameter) {
	for i := range params {
		p := &params[i]
		if p.Name.Value == "" {
			continue
		}
		d := declaredInput{name: p.Name.Value, in: strings.ToLower(p.In.Value), typ: jsonType(p.Type.Value), required: p.Required, param: p}
		if x.kind == REST {
			d.in = x.placeOf(d.name, d.in)
		}
		replaced := false
		for j := range x.declared {
			if x.declared[j].name == d.name && x.declared[j].in == d.in {
				x.declared[j], replaced = d, true
			}
		}
		if !replaced {
			x.declared = append(x.declared, d)
		}
	}
}

// placeOf is where a declared REST input is read.
func (x *exposed) placeOf(name, in string) string {
	switch in {
	case "path", "query", "header", "cookie", "body":
		return in
	}
	if _, ok := matchName(name, x.params); ok {
		return "path"
	}
	switch x.method {
	case "POST", "PUT", "PATCH":
		return "body"
	}
	return "query"
}

// matchName finds a name among others: exact, else the only one equal by letters and digits
// (contract N1).
func matchName(name string, among []string) (int, bool) {
	return matchAmong(name, among, func(n *string) string { return *n })
}

// declares finds the declared input of a name.
func (x *exposed) declares(name string) (int, bool) {
	return matchAmong(name, x.declared, func(d *declaredInput) string { return d.name })
}

func matchAmong[T any](name string, among []T, nameOf func(*T) string) (int, bool) {
	for i := range among {
		if nameOf(&among[i]) == name {
			return i, true
		}
	}
	found, count := 0, 0
	fold := expr.Fold(name)
	for i := range among {
		if fold != "" && expr.Fold(nameOf(&among[i])) == fold {
			found = i
			count++
		}
	}
	return found, count == 1
}

// placeOr gives a place, or another when it is not known.
func placeOr(at, otherwise diag.Span) diag.Span {
	if at.Start.IsValid() {
		return at
	}
	return otherwise
}

var toolName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)

func (c *compiler) exposeMCP(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	if out.Transport == "" {
		out.Transport = "http"
	}
	out.TTL, out.Public = e.TTL, c.cacheScope(e, unit)
	if out.Icons = c.icons(e.Icons, unit); out.Icons == nil {
		out.Icons = c.unit.Icons
	}
	seen := map[string]*Tool{}
	for i := range e.Tools {
		decl := &e.Tools[i]
		x := c.newExposed(exposed{decl: decl, out: out, kind: MCP, own: e.Own(), unit: unit})
		name := c.nameOf(decl)
		x.unit.Name = name
		if decl.InputSchema == nil {
			x.declare(e.Parameters)
			x.declare(decl.Parameters)
		} else if len(decl.Parameters) > 0 {
			c.note(diag.Warning, x.unit, faultf(diag.CodeNotHonoured, "M", decl.Node.Get("inputParameters").Span(), "inputParameters of %s have no effect beside inputSchema", x.title()).
				hintf("keep one of the two"))
		}
		if first := seen[name]; first != nil {
			f := faultf(diag.CodeDuplicateTool, "M3", decl.Span, "tool %s is declared twice in this adapter", name).hintf("give one of them another name")
			f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
			c.refuse(x.unit, decl.Span, x.title(), f)
			continue
		}
		t := &Tool{Name: name, Title: decl.Label.Value, Description: decl.Description.Value, Tags: tagsOf(decl.Tags), Span: decl.Span}
		seen[t.Name] = t
		var f *fault
		if !toolName.MatchString(t.Name) {
			f = faultf(diag.CodeToolName, "M3", placeOr(decl.Name.Span(), decl.Span), "%q is no tool name", t.Name).hintf("use 1 to 128 letters, digits, _, . and -")
			t.Refusal = c.refuse(x.unit, decl.Span, x.title(), f)
		} else if t.Scopes, f = c.scopes(decl.Scopes, out, x.title); f != nil {
			t.Refusal = c.refuse(x.unit, decl.Span, x.title(), f)
		} else if f := c.readSchemas(x); f != nil {
			t.Refusal = c.refuse(x.unit, decl.Span, x.title(), f)
		} else {
			t.Operation, t.Refusal = c.build(x)
		}
		t.Icons = c.icons(decl.Icons, x.unit)
		if t.Operation != nil {
			c.describeTool(x, t)
			c.publishTool(e, x, t)
			t.Operation.validation = c.readValidation(e, x)
			c.judgeHints(x, t.Operation)
			c.judgeSemantics(x)
		}
		c.setBinary(t.Operation, x, nil)
		out.Tools = append(out.Tools, t)
	}
	c.exposeResources(e, out, unit)
	c.exposePrompts(e, out, unit)
	c.exposeToolsets(e, out, unit)
	c.judgeTokens(out, unit)
}

// cacheScope reports whether lists may be shared between callers.
func (c *compiler) cacheScope(e *spec.Exposed, unit diag.Unit) bool {
	switch scope := strings.ToLower(e.CacheScope.Value); scope {
	case "", "private":
		return false
	case "public":
		if e.Auth != nil {
			c.note(diag.Info, unit, faultf(diag.CodeNotHonoured, "M", e.CacheScope.Span(), "cacheScope public has no effect with authentication: lists stay with the caller who may see them"))
		}
		return e.Auth == nil
	}
	c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "M", e.CacheScope.Span(), "cacheScope is %q, expected public or private", e.CacheScope.Value))
	return false
}

// describeTool fills what clients are shown of a tool.
func (c *compiler) describeTool(x *exposed, t *Tool) {
	t.InputSchema = t.Operation.intake
	if x.flow != nil {
		t.Title = firstOf(t.Title, x.flow.flow.Label.Value)
		t.Description = firstOf(t.Description, x.flow.flow.Description.Value)
	}
	if call := t.Operation.onlyCall(); call != nil {
		t.Description = firstOf(t.Description, call.description)
	}
	t.Description = firstOf(t.Description, t.Name)
	t.Annotations = t.Operation.annotations()
	bad := func(v *spec.Value, key string) {
		c.note(diag.Warning, x.unit, faultf(diag.CodeHints, "M", v.Span(), "hint %s is not true or false; it is ignored", key))
	}
	if x.flow != nil {
		x.flow.annotate(&t.Annotations)
	}
	for key, to := range map[string]*bool{
		"readOnly": &t.Annotations.ReadOnly, "destructive": &t.Annotations.Destructive,
		"idempotent": &t.Annotations.Idempotent, "openWorld": &t.Annotations.OpenWorld,
	} {
		v := x.decl.Hints.Get(key)
		switch {
		case v == nil || v.Kind == spec.Null:
		case v.Kind == spec.Bool:
			*to = strings.EqualFold(v.Text, "true")
		default:
			bad(v, key)
		}
	}
	if t.Annotations.ReadOnly && x.decl.Hints.Get("destructive") == nil {
		t.Annotations.Destructive = false
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// annotations are what the methods of an operation's calls say of it.
func (op *Operation) annotations() Annotations {
	a := Annotations{ReadOnly: true, Idempotent: true, OpenWorld: !op.callsNobody()}
	for c := range op.calls {
		switch c.method {
		case "GET", "HEAD", "OPTIONS":
		case "PUT", "DELETE":
			a.ReadOnly = false
		default:
			a.ReadOnly, a.Idempotent = false, false
		}
	}
	a.Destructive = !a.ReadOnly
	return a
}
