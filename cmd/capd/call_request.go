package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/plan"
)

// callRequest is what the command line says of a request.
type callRequest struct {
	given   []givenInput
	body    []byte
	hasBody bool
	header  http.Header
}

// givenInput is one NAME=VALUE.
type givenInput struct {
	name string
	json json.RawMessage
}

// text is the value as it stands in a path, a query or a header: strings as they are,
// everything else as JSON.
func (g *givenInput) text() string {
	var s string
	if json.Unmarshal(g.json, &s) == nil && len(g.json) > 0 && g.json[0] == '"' {
		return s
	}
	return string(g.json)
}

// list gives the elements of a list, each for a query parameter of its own.
func (g *givenInput) list() []givenInput {
	var elements []json.RawMessage
	if len(g.json) == 0 || g.json[0] != '[' || json.Unmarshal(g.json, &elements) != nil {
		return []givenInput{*g}
	}
	out := make([]givenInput, len(elements))
	for i, e := range elements {
		out[i] = givenInput{g.name, e}
	}
	return out
}

// A header's name is a token, its value has no control characters (RFC 9110 5.1, 5.5).
var (
	headerName  = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	headerValue = regexp.MustCompile(`^[^\x00-\x08\x0a-\x1f\x7f]*$`)
)

// readRequest reads NAME=VALUE, NAME:=JSON, --body and --header.
func (c *command) readRequest(given []string, f *callFlags) (*callRequest, error) {
	r := &callRequest{header: http.Header{}}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		typed := strings.HasSuffix(name, ":")
		name = strings.TrimSuffix(name, ":")
		if !ok || name == "" {
			return nil, failure("%q is no input: write NAME=VALUE, or NAME:=JSON", text)
		}
		in := givenInput{name: name, json: quote(value)}
		if typed {
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(value)); err != nil {
				return nil, failure("the value of %s is no JSON: %w", name, err)
			}
			in.json = compact.Bytes()
		}
		r.given = append(r.given, in)
	}
	for _, text := range f.headers {
		name, value, ok := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		if !ok || !headerName.MatchString(name) || !headerValue.MatchString(value) {
			return nil, failure("--header wants NAME: VALUE")
		}
		r.header.Add(name, value)
	}
	if f.body != "" {
		var err error
		if r.body, err = c.readBody(f.body); err != nil {
			return nil, err
		}
		r.hasBody = true
	}
	return r, nil
}

func quote(s string) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return bytes.TrimSpace(b.Bytes())
}

// source makes the request that the target's adapter would have got.
func (t *callTarget) source(r *callRequest) (*plan.Source, error) {
	if t.tool != nil {
		return t.arguments(r)
	}
	return t.request(r)
}

// arguments makes the arguments of a tool call.
func (t *callTarget) arguments(r *callRequest) (*plan.Source, error) {
	if len(r.header) > 0 {
		return nil, failure("--header is for routes; a tool gets no headers")
	}
	given := slices.Clone(r.given)
	if r.hasBody {
		body := json.RawMessage(bytes.TrimSpace(r.body))
		if !json.Valid(body) {
			body = quote(string(r.body))
		}
		given = append(given, givenInput{"body", body})
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, in := range given {
		if err := t.checkArgument(in.name); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(given[:i], func(g givenInput) bool { return g.name == in.name }) {
			return nil, failure("input %s is given twice; write a list: %s:=[...]", in.name, in.name)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(in.name))
		b.WriteByte(':')
		b.Write(in.json)
	}
	b.WriteByte('}')
	return &plan.Source{Arguments: b.Bytes()}, nil
}

// checkArgument refuses an argument that the tool would not look at.
func (t *callTarget) checkArgument(name string) error {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(t.tool.InputSchema, &schema); err != nil {
		return failure("the schema of %s cannot be read: %w", t.tool.Name, err)
	}
	var known []string
	for property := range schema.Properties {
		if sameName(property, name) {
			return nil
		}
		known = append(known, property)
	}
	if _, ok := t.input(name); ok {
		return nil
	}
	return unknownInput(t.simple(), name, known)
}

// input gives the input of a name, and the place that has the name.
func (t *callTarget) input(name string) (plan.Place, bool) {
	inputs := t.operation.Inputs()
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, sameName} {
		for _, in := range inputs {
			for _, at := range in.Places {
				if t.asked && at.In == plan.InPath {
					continue // the request's path has it
				}
				if same(at.Name, name) || same(in.Name, name) {
					return at, true
				}
			}
		}
	}
	return plan.Place{}, false
}

// sameName compares letters and digits only (contract N1).
func sameName(a, b string) bool {
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < 0x80 && !('a' <= r && r <= 'z' || '0' <= r && r <= '9') {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	return a == b || fold(a) == fold(b) && fold(a) != ""
}

func unknownInput(operation, name string, known []string) error {
	slices.Sort(known)
	known = slices.Compact(known)
	if near, ok := diag.Nearest(name, known); ok {
		return failure("%s has no input %s; did you mean %s?", operation, name, near)
	}
	if len(known) == 0 {
		return failure("%s has no input %s; it has none", operation, name)
	}
	return failure("%s has no input %s; it has %s", operation, name, strings.Join(known, ", "))
}

// request makes the request to a route. Each input goes where the operation looks for it
// first.
func (t *callTarget) request(r *callRequest) (*plan.Source, error) {
	w := &requestWriter{target: t, header: r.header.Clone(), path: slices.Clone(t.path)}
	if !t.asked {
		w.path = make([]string, len(t.route.Params))
	}
	if r.hasBody {
		w.body = r.body
	}
	for i := range r.given {
		if err := w.place(&r.given[i], r.hasBody); err != nil {
			return nil, err
		}
	}
	if len(w.members) > 0 {
		w.body = append(append([]byte("{"), bytes.Join(w.members, []byte(","))...), '}')
	}
	src := &plan.Source{
		Method: cmp.Or(t.method, t.route.Method), Rest: t.rest,
		Path: w.path, Query: t.query, Conditions: t.route.Conditions, Header: w.header, Body: plan.BytesBody(w.body),
		AcceptEncoding: strings.Join(w.header.Values("Accept-Encoding"), ", "),
	}
	if extra := w.query.Encode(); extra != "" {
		src.Query = strings.TrimPrefix(t.query+"&"+extra, "&")
	}
	if !t.asked {
		src.Conditions = nil // the request was not matched, so no pair of it belongs to the route
		if err := w.pathComplete(); err != nil {
			return nil, err
		}
	}
	if len(w.body) > 0 && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", contentTypeOf(w.body))
	}
	src.ContentType = w.header.Get("Content-Type")
	if t.route.Method == plan.AnyMethod && !t.asked {
		return nil, failure("%s forwards any request; ask for one, such as 'GET %s'", t.simple(), t.route.Path)
	}
	return src, nil
}

func contentTypeOf(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// requestWriter collects the parts of a request to a route.
type requestWriter struct {
	target  *callTarget
	path    []string
	query   url.Values
	header  http.Header
	body    []byte
	members [][]byte
}

// place puts one input where the operation looks for it.
func (w *requestWriter) place(in *givenInput, hasBody bool) error {
	at, ok := w.target.input(in.name)
	if !ok {
		if w.target.takesBody() {
			at = plan.Place{In: plan.InMember, Name: in.name}
		} else {
			return unknownInput(w.target.simple(), in.name, w.target.inputNames())
		}
	}
	switch at.In {
	case plan.InPath:
		w.path[slices.Index(w.target.route.Params, at.Name)] = in.text()
	case plan.InQuery:
		if w.query == nil {
			w.query = url.Values{}
		}
		for _, e := range in.list() {
			w.query.Add(at.Name, e.text())
		}
	case plan.InHeader:
		w.header.Add(at.Name, in.text())
	case plan.InBody:
		if hasBody || w.body != nil {
			return failure("%s is the body, which --body gives already", in.name)
		}
		w.body = in.json
	default:
		if hasBody {
			return failure("%s is a member of the body, which --body gives already", in.name)
		}
		w.members = append(w.members, slices.Concat(quote(at.Name), []byte(":"), in.json))
	}
	return nil
}

// takesBody reports whether the caller's body is sent on, with whatever members it has.
func (t *callTarget) takesBody() bool {
	return slices.ContainsFunc(t.operation.Inputs(), func(in plan.Input) bool {
		return slices.ContainsFunc(in.Places, func(at plan.Place) bool { return at.In == plan.InBody })
	})
}

func (t *callTarget) inputNames() []string {
	var out []string
	for _, in := range t.operation.Inputs() {
		out = append(out, in.Name)
	}
	return out
}

// pathComplete wants a value for every placeholder that the operation reads.
func (w *requestWriter) pathComplete() error {
	for i, name := range w.target.route.Params {
		read := slices.ContainsFunc(w.target.operation.Inputs(), func(in plan.Input) bool {
			return slices.Contains(in.Places, plan.Place{In: plan.InPath, Name: name})
		})
		if read && w.path[i] == "" {
			return failedCall(plan.Errorf(plan.CodeInvalidInput, "input %q is required", name))
		}
	}
	return nil
}
