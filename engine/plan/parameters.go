package plan

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"capd/engine/expr"
	"capd/engine/spec"
)

// Signature is what callers of a route can send, and what comes back when all goes well. It is
// made when it is asked for, from what the operation runs and the little that is kept of what
// the document says besides.
type Signature struct {
	Label string
	Tags  []string
	// Parameters are first one for each of Route.Params, in their order, then the others.
	Parameters []Parameter
	Body       *RequestBody // nil: none is read
	Answers    []Answer     // at least one
	// Upstream: an upstream is called, whose failures are passed on.
	Upstream bool
}

// Parameter is one thing a caller can send.
type Parameter struct {
	In          string          `json:"i"`           // path, query, header, cookie or body
	Name        string          `json:"n,omitempty"` // of a part of the body: with dots between Path; empty for the whole body
	Path        []string        `json:"p,omitempty"` // of a part of the body: names from the root, if not just Name
	Description string          `json:"d,omitempty"`
	Required    bool            `json:"r,omitempty"`
	Schema      json.RawMessage `json:"s,omitempty"` // JSON Schema; empty when nothing is said
}

// RequestBody is the body that callers can send.
type RequestBody struct {
	Required    bool
	Description string
	MediaTypes  []string // what it is expected to be; the last may be */*
	Schema      []byte   // JSON Schema of the whole; empty when nothing is said
	Members     []Parameter
}

// Answer is what comes back on a status.
type Answer struct {
	Status      string // 200 or 2XX
	Description string
	Content     []Content
}

// Content is a form of an answer.
type Content struct {
	MediaType string
	Schema    []byte // JSON Schema; empty: anything
	Written   bool   // the schema is as an author wrote it, and may be none
}

// Signature describes a route of the exposure. The route must have an operation.
func (x *Exposure) Signature(r *Route) *Signature {
	op := r.Operation
	var said stated
	if len(op.intake) > 0 {
		_ = json.Unmarshal(op.intake, &said) // it was written by takeDown
	}
	if said.Takes == nil && op.forward == nil {
		said.Takes = op.takes(r)
	}
	s := &Signature{Label: said.Label, Tags: said.Tags, Upstream: !op.callsNobody()}
	for _, name := range r.Params {
		p := Parameter{In: "path", Name: name}
		if i := indexParameter(said.Takes, "path", name); i >= 0 {
			p = said.Takes[i]
		}
		if len(p.Schema) == 0 {
			p.Schema = []byte(`{"type":"string"}`)
		}
		p.Required = true
		s.Parameters = append(s.Parameters, p)
	}
	var body []Parameter
	for _, p := range said.Takes {
		switch {
		case p.In == "body":
			body = append(body, p)
		case p.In != "path" && !x.Guard.takes(p.In, p.Name): // what lets callers in is no input
			s.Parameters = append(s.Parameters, p)
		}
	}
	s.Body = op.requestBody(r.Method, body)
	s.Answers = op.answers(&said, r.declaredAnswers())
	return s
}

// indexParameter finds a parameter by place and name; -1 when there is none.
func indexParameter(list []Parameter, in, name string) int {
	return slices.IndexFunc(list, func(p Parameter) bool { return p.In == in && sameSlotName(in, p.Name, name) })
}

// place is where a REST caller puts input i. One that is looked for in several places is put
// into the first of them, but a placeholder has a value in any case, what becomes a part of a
// body comes from one (a DELETE that need not have one is left without), and what comes with a
// GET stands in the query.
func (op *Operation) place(i int, method string, params []string) (p Parameter, ok bool) {
	in := &op.inputs[i]
	if in.rule != nil && in.rule.fixed != nil || len(in.lookups) == 0 {
		return p, false // the document says it, or it is the body that is sent on unread
	}
	for _, l := range in.lookups {
		switch l.kind {
		case lookPath:
			return Parameter{In: "path", Name: params[l.index]}, true
		case lookBody:
			return Parameter{In: "body"}, true
		}
	}
	first := in.lookups[0]
	if i := slices.IndexFunc(in.lookups, func(l lookup) bool { return l.name == in.name }); i > 0 {
		first = in.lookups[i] // not the unusual spelling "query.x" of x
	}
	switch {
	case first.kind == lookMember && !carriesBody(method):
		first = in.elsewhere(first, lookQuery)
	case first.kind == lookQuery && method != http.MethodDelete && carriesBody(method) && op.feedsBody(i):
		first = in.elsewhere(first, lookMember)
	}
	switch first.kind {
	case lookQuery:
		return Parameter{In: "query", Name: first.name}, true
	case lookHeader:
		return Parameter{In: "header", Name: first.name}, true
	case lookCookie:
		return Parameter{In: "cookie", Name: first.name}, true
	case lookMember:
		return bodyMember(first.name), true
	case lookBodyPath:
		return bodyPlace(first.more.path), true
	}
	return p, false
}

// elsewhere gives the lookup of another kind for the same name, or the lookup itself.
func (in *input) elsewhere(l lookup, kind lookupKind) lookup {
	if i := slices.IndexFunc(in.lookups, func(o lookup) bool { return o.kind == kind && o.name == l.name }); i >= 0 {
		return in.lookups[i]
	}
	return l
}

// feedsBody reports whether input i becomes a part of an upstream's body.
func (op *Operation) feedsBody(i int) bool {
	found := false
	for c := range op.calls {
		c.body.expressions(func(x *expression) { found = found || x.kind == exprInput && int(x.index) == i })
	}
	return found
}

// carriesBody reports whether clients can send a body with the method.
func carriesBody(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// bodyMember is a member of the body: a dotted name means a member of a member.
func bodyMember(name string) Parameter {
	p := Parameter{In: "body", Name: name}
	if path := strings.Split(name, "."); len(path) > 1 && !slices.Contains(path, "") {
		p.Path = path
	}
	return p
}

// bodyPlace is what is at a path of the body. A path that has more in it than names is about
// the body as a whole.
func bodyPlace(path *expr.JSONPath) Parameter {
	names := path.Names()
	if slices.Contains(names, "") {
		names = nil
	}
	p := Parameter{In: "body", Name: strings.Join(names, ".")}
	if len(names) > 1 || len(names) == 1 && strings.Contains(names[0], ".") {
		p.Path = names
	}
	return p
}

// takes gives what callers send to an operation whose document says nothing of it.
func (op *Operation) takes(r *Route) []Parameter {
	var out []Parameter
	for i := range op.inputs {
		if p, ok := op.place(i, r.Method, r.Params); ok && op.inputs[i].among(out, p, r.Params) < 0 {
			out = append(out, p)
		}
	}
	return out
}

// requestBody describes the body, of which parts are known.
func (op *Operation) requestBody(method string, parts []Parameter) *RequestBody {
	required := op.needsBody != "" || slices.ContainsFunc(parts, func(p Parameter) bool { return p.Required })
	if len(parts) == 0 && !op.usesInbound || !carriesBody(method) && !required {
		return nil
	}
	b := &RequestBody{Required: required, MediaTypes: op.bodyTypes(parts)}
	for _, p := range parts {
		if p.Name != "" {
			b.Members = append(b.Members, p)
			continue
		}
		b.Schema, b.Description = p.Schema, firstOf(b.Description, p.Description)
	}
	return b
}

// bodyTypes gives the media types of a body. Where members of it are wanted it is JSON or a
// form; a whole one is written as the upstream wants it.
func (op *Operation) bodyTypes(parts []Parameter) []string {
	const anything = "*/*"
	if op.forward != nil {
		return []string{anything}
	}
	for c := range op.calls {
		if c.body == nil {
			continue
		}
		media, _, _ := strings.Cut(c.body.contentType, ";")
		switch {
		case c.body.passes() && c.body.format == formatJSON && !op.formAsJSON:
			return []string{"application/json", anything} // nothing says what it is
		case c.body.passes(), c.body.whole != nil && op.isWholeBody(c.body.whole):
			return []string{media}
		case c.body.format == formatForm && !op.mergesInbound && len(parts) > 0:
			return []string{"application/json", formType}
		}
	}
	return []string{"application/json"}
}

// isWholeBody reports whether the value is the caller's body as one value.
func (op *Operation) isWholeBody(x *expression) bool {
	if x.kind != exprInput {
		return false
	}
	return slices.ContainsFunc(op.inputs[x.index].lookups, func(l lookup) bool { return l.kind == lookBody })
}

// answers gives the declared answers and, where none of them is a success, what comes back.
func (op *Operation) answers(said *stated, out []Answer) []Answer {
	content := op.content(said)
	for i := range out {
		if out[i].Status[0] == '2' {
			if op.output != nil && out[i].Content == nil {
				out[i].Content = content
			}
			return out
		}
	}
	success := Answer{Status: "2XX", Content: content}
	if op.callsNobody() {
		success.Status = "200"
	}
	return append([]Answer{success}, out...)
}

func (op *Operation) content(said *stated) []Content {
	const asJSON = "application/json"
	switch {
	case op.output != nil:
		return []Content{{MediaType: asJSON, Schema: op.schema}}
	case op.forward != nil:
		return []Content{{MediaType: "*/*"}}
	case !op.handsOn():
		return []Content{{MediaType: asJSON}}
	case op.binary.Declared && op.binary.MediaType != "":
		return []Content{{MediaType: mediaTypeOf(op.binary.MediaType)}}
	case said.Media != "":
		return []Content{{MediaType: said.Media}}
	case len(said.Answer) > 0:
		return []Content{{MediaType: asJSON, Schema: said.Answer}}
	}
	return []Content{{MediaType: asJSON}, {MediaType: "*/*"}}
}

// handsOn reports whether the answer is an upstream's as it comes.
func (op *Operation) handsOn() bool {
	if op.output != nil || op.last < 0 || op.last >= len(op.steps) {
		return false
	}
	_, ok := op.steps[op.last].(*callStep)
	return ok
}

// tagsOf gives tags without empty ones and repetitions.
func tagsOf(tags []spec.Text) []string {
	var out []string
	for _, t := range tags {
		if text := strings.TrimSpace(t.Value); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// declaredInputPlace is where callers put a declared input; not ok when nobody reads it there.
func (d *draft) declaredInputPlace(in *declaredInput) (p Parameter, ok bool) {
	if in.isFixed() {
		return p, false
	}
	reached := d.isReached(in.name)
	if !reached && (d.excused.has(expr.Fold(in.name)) || in.in == "body" && !d.out.usesInbound) {
		return p, false
	}
	if isBodyPath(in.param.Value) {
		if path, err := expr.ParseJSONPath(in.param.Value.Text); err == nil {
			return bodyPlace(path), true
		}
	}
	switch in.in {
	case "path":
		i, ok := matchName(in.name, d.x.params)
		if !ok {
			return p, false
		}
		return Parameter{In: "path", Name: d.x.params[i]}, true
	case "query", "header", "cookie":
		return Parameter{In: in.in, Name: in.name}, true
	}
	if expr.Fold(in.name) == "body" && (d.out.usesInbound || d.readsWholeBody()) {
		return Parameter{In: "body"}, true
	}
	if !carriesBody(d.x.method) {
		return Parameter{In: "query", Name: in.name}, true
	}
	return bodyMember(in.name), true
}

// readsWholeBody reports whether an input is the body as one value.
func (d *draft) readsWholeBody() bool {
	return slices.ContainsFunc(d.inputs, func(in input) bool {
		return slices.ContainsFunc(in.lookups, func(l lookup) bool { return l.kind == lookBody })
	})
}

// isDeclaredAt reports whether the input that callers put at p is a declared one, described
// already under the name and at the place that its declaration gives.
func (d *draft) isDeclaredAt(in *input, p Parameter) bool {
	for i := range d.x.declared {
		decl := &d.x.declared[i]
		if expr.Fold(decl.name) != expr.Fold(in.name) {
			continue
		}
		if at, ok := d.declaredInputPlace(decl); ok && in.looksAt(at, d.x.params) || ok && at.In == p.In && at.Name == p.Name {
			return true
		}
	}
	return false
}

// among finds what the input, which belongs at p, can be taken from; -1 when that is nothing yet.
func (in *input) among(list []Parameter, p Parameter, params []string) int {
	if i := indexParameter(list, p.In, p.Name); i >= 0 {
		return i
	}
	return slices.IndexFunc(list, func(o Parameter) bool { return o.Name == p.Name && in.looksAt(o, params) })
}

// looksAt reports whether the input is looked for at that place.
func (in *input) looksAt(p Parameter, params []string) bool {
	return slices.ContainsFunc(in.lookups, func(l lookup) bool {
		switch l.kind {
		case lookPath:
			return p.In == "path" && params[l.index] == p.Name
		case lookQuery:
			return p.In == "query" && l.name == p.Name
		case lookHeader:
			return p.In == "header" && strings.EqualFold(l.name, p.Name)
		case lookCookie:
			return p.In == "cookie" && l.name == p.Name
		case lookMember:
			return p.In == "body" && l.name == p.Name
		case lookBody:
			return p.In == "body" && p.Name == ""
		}
		return false
	})
}

// saysMore reports whether more is known of an input than that it is there.
func (p *property) saysMore(in string) bool {
	if in == "path" && p.typ == "string" {
		return p.description != "" || p.enum != nil || len(p.words) > 0
	}
	return p.required && in != "path" || p.typ != "" || p.description != "" || p.items != nil || p.enum != nil || len(p.words) > 0
}

// describe puts what is known of an input to its place.
func (p *property) describe(at Parameter) Parameter {
	at.Description, at.Required = p.description, p.required
	q := *p
	q.description = ""
	var room [128]byte
	if schema := q.appendTo(room[:0]); len(schema) > len("{}") {
		at.Schema = exactly(schema)
	}
	return at
}

// declaredAnswers gives what the document says of answers, as far as it makes sense.
func (r *Route) declaredAnswers() []Answer {
	var out []Answer
	for _, d := range r.Responses {
		if !isStatus(d.Status) || slices.ContainsFunc(out, func(a Answer) bool { return a.Status == d.Status }) {
			continue
		}
		a := Answer{Status: d.Status, Description: strings.TrimSpace(d.Description)}
		for _, c := range d.Content {
			a.Content = append(a.Content, Content{MediaType: mediaTypeOf(c.MediaType), Schema: c.Schema, Written: true})
		}
		out = append(out, a)
	}
	return out
}

// isStatus reports whether a text is a status or a class of them, such as 4XX.
func isStatus(s string) bool {
	return statusKey.MatchString(s) && (s[1] == 'X') == (s[2] == 'X')
}

// mediaTypeOf gives a media type without its parameters.
func mediaTypeOf(s string) string {
	media, _, _ := strings.Cut(strings.ToLower(s), ";")
	return strings.TrimSpace(media)
}

// rawMediaType is the usual media type of a format, empty for JSON and for what is none.
func rawMediaType(format string) string {
	switch format {
	case "xml":
		return "application/xml"
	case "yaml":
		return "application/yaml"
	case "csv":
		return "text/csv"
	case "tsv":
		return "text/tab-separated-values"
	case "psv", "text":
		return "text/plain"
	case "html":
		return "text/html"
	case "markdown":
		return "text/markdown"
	case "avro", "binary":
		return "application/octet-stream"
	case "protobuf":
		return "application/x-protobuf"
	}
	return ""
}

// Key says where the guard's API key is sent and under which name; the name is empty when a
// variable gives it.
func (g *Guard) Key() (in, name string) {
	name, _ = g.name.constant()
	return g.In, name
}
