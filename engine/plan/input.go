package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
)

// input is one thing a caller can give an operation, with the places to look for it in
// order; the first that has it decides.
type input struct {
	name    string // as the caller knows it, for messages
	lookups []lookup
	rule    *inputRule // of a declared one; nil: nothing is said of its value
	typ     valueType  // of an argument of a tool: its published type
	needed  bool       // of an argument of a tool: it is published as required
}

type lookupKind uint8

const (
	lookPath     lookupKind = iota + 1 // placeholder number index
	lookQuery                          // query parameter name
	lookMember                         // member of the body
	lookHeader                         // header
	lookBody                           // the whole body
	lookArg                            // argument of a tool call
	lookCookie                         // cookie
	lookBodyPath                       // what is at a path of the body
)

type lookup struct {
	kind  lookupKind
	index int32 // of lookPath
	name  string
	more  *lookupMore // nil: there is nothing more to say
}

// lookupMore is what few lookups have.
type lookupMore struct {
	fold string         // of lookArg: the name by rule N1, where that is another
	path *expr.JSONPath // of lookBodyPath
}

// equals reports whether both look in the same place for the same.
func (l lookup) equals(o lookup) bool {
	if l.more != nil && o.more != nil && *l.more == *o.more {
		l.more = o.more
	}
	return l == o
}

// fold gives the name of a lookArg by rule N1.
func (l *lookup) fold() string {
	if l.more == nil {
		return l.name
	}
	return l.more.fold
}

// Bind finds the operation's inputs in a request. It reads src.Body only when the
// operation needs a part of it. The error is an *[Error].
func (op *Operation) Bind(src *Source) (args Args, err error) {
	defer recovered(&err)
	if err := op.judgeArguments(src); err != nil {
		return Args{}, err
	}
	b := binder{src: *src, op: op}
	if err := b.holdArguments(); err != nil {
		return Args{}, err
	}
	defer func() {
		if err != nil {
			b.held.release()
		}
		args.held = b.held
	}()
	args.values = make([]any, len(op.inputs))
	for i := range op.inputs {
		v, err := b.find(&op.inputs[i])
		if err != nil {
			return Args{}, err
		}
		args.values[i] = v
	}
	args.conditions = op.conditions(src)
	if op.forward != nil {
		f, err := op.forward.bind(src)
		if err != nil {
			return Args{}, err
		}
		args.forwarded = f
	}
	if op.usesInbound {
		if err := b.inbound(&args); err != nil {
			return Args{}, err
		}
	}
	if op.passEncoding {
		args.encoding = gzipOnly(src.AcceptEncoding)
	}
	return args, nil
}

// gzipOnly keeps what capd itself can decode of an Accept-Encoding header, so that an
// error body can still be searched for secrets before a caller sees it.
func gzipOnly(header string) (kept string) {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		name, _, _ := strings.Cut(part, ";")
		name = strings.TrimSpace(name)
		switch {
		case !strings.EqualFold(name, "gzip") && !strings.EqualFold(name, "x-gzip") && !strings.EqualFold(name, "identity"):
		case kept == "":
			kept = part
		default:
			kept += ", " + part
		}
	}
	return kept
}

const formType = "application/x-www-form-urlencoded"

// isForm reports whether a media type is that of a form.
func isForm(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	if !strings.EqualFold(strings.TrimSpace(base), formType) {
		return false
	}
	kind, _, _ := mime.ParseMediaType(mediaType) // of one that is wrong behind its name too
	return kind == formType
}

// binder reads the parts of one request, each at most once.
type binder struct {
	src     Source
	op      *Operation
	checked bool // the query can be read
	body    *inboundBody
	args    []byte
	read    bool     // args were checked
	held    *holding // what is kept of the request; nil: nothing
}

func (b *binder) find(in *input) (any, *Error) {
	for i := range in.lookups {
		v, err := b.look(&in.lookups[i])
		if err != nil {
			return nil, err
		}
		if !isAbsent(v) {
			if v, err = in.rule.apply(in.name, v); err != nil {
				return nil, err
			}
			return v, in.judgeType(v)
		}
	}
	v, err := in.rule.apply(in.name, absent{})
	if err == nil && in.needed && isAbsent(v) {
		return nil, Errorf(CodeInvalidInput, "input %q is required", in.name)
	}
	return v, err
}

func (b *binder) look(l *lookup) (any, *Error) {
	switch l.kind {
	case lookPath:
		if int(l.index) < len(b.src.Path) {
			return b.src.Path[l.index], nil
		}
	case lookQuery:
		return b.queryValue(l.name)
	case lookHeader:
		return headerValue(b.src.Header, l.name), nil
	case lookCookie:
		return cookieValue(b.src.Header, l.name), nil
	case lookMember, lookBody, lookBodyPath:
		body, err := b.parsedBody()
		if err != nil {
			return nil, err
		}
		switch l.kind {
		case lookBody:
			return body.whole()
		case lookBodyPath:
			return body.at(l.more.path, l.name)
		}
		return body.member(l.name)
	case lookArg:
		return b.argument(l)
	}
	return absent{}, nil
}

func (b *binder) queryValue(name string) (any, *Error) {
	if !b.checked {
		if err := CheckQuery(b.src.Query); err != nil {
			return nil, AsError(err)
		}
		b.checked = true
	}
	var few [4]string
	values := appendQueryValues(few[:0], b.src.Query, name)
	for _, c := range b.src.Conditions { // a pair that belongs to the route is no input (contract X3)
		if i := slices.Index(values, c.Value); c.Name == name && i >= 0 {
			values = slices.Delete(values, i, i+1)
		}
	}
	return listValue(values), nil
}

func headerValue(h http.Header, name string) any {
	return listValue(h.Values(name))
}

// listValue gives one value as text, several as a list (contract I1).
func listValue(values []string) any {
	switch len(values) {
	case 0:
		return absent{}
	case 1:
		return values[0]
	}
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

// argument looks a name up in the arguments: exact, else as a dotted path, else by letters
// and digits (contract I3).
func (b *binder) argument(l *lookup) (any, *Error) {
	if !b.read {
		b.read = true
		b.args = bytes.TrimSpace(b.src.Arguments)
		if len(b.args) == 0 || string(b.args) == "null" {
			b.args = []byte("{}")
		}
		if !json.Valid(b.args) || b.args[0] != '{' {
			return nil, Errorf(CodeInvalidInput, "the arguments must be a JSON object")
		}
	}
	if raw, ok := memberOrPath(b.args, l.name); ok {
		return parseValue(raw), nil
	}
	fold := l.fold()
	if fold == "" {
		return absent{}, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b.args, &fields); err != nil {
		return nil, Errorf(CodeInvalidInput, "the arguments must be a JSON object")
	}
	var found json.RawMessage
	n := 0
	for k, v := range fields {
		if expr.Fold(k) == fold {
			found = v
			n++
		}
	}
	if n != 1 {
		return absent{}, nil
	}
	return parseValue(found), nil
}

// memberOrPath gives the member of that exact name, else the value at the dotted path.
func memberOrPath(raw []byte, name string) ([]byte, bool) {
	if v, ok := expr.Member(raw, name); ok {
		return v, true
	}
	if !strings.Contains(name, ".") {
		return nil, false
	}
	for _, part := range strings.Split(name, ".") {
		var ok bool
		if raw, ok = expr.Member(raw, part); !ok {
			return nil, false
		}
	}
	return raw, true
}

// inboundBody is a request body that was read because a part of it is needed.
type inboundBody struct {
	raw  []byte
	form url.Values
	json bool
	held *holding // memory of the call
}

func (b *binder) parsedBody() (*inboundBody, *Error) {
	if b.body != nil {
		return b.body, nil
	}
	if encoding := b.contentEncoding(); encoding != "" {
		return nil, Errorf(CodeInvalidInput, "the request body is packed (Content-Encoding: %s); send it plain", encoding)
	}
	raw, err := b.readInbound(&b.src.Body)
	if err != nil {
		return nil, err
	}
	b.body = &inboundBody{raw: raw, held: b.held}
	first := expr.Kind(raw)
	switch {
	case isForm(b.src.ContentType) && !((first == '{' || first == '[') && json.Valid(raw)): // some clients call everything a form
		form, ferr := ParseQuery(string(raw))
		if ferr != nil {
			return nil, Errorf(CodeInvalidInput, "the request body is not a form")
		}
		b.body.form = form
	default:
		b.body.json = utf8.Valid(raw) && json.Valid(raw)
	}
	return b.body, nil
}

// contentEncoding gives how the inbound body is packed; empty when it is not.
func (b *binder) contentEncoding() string {
	e := b.src.Header.Get("Content-Encoding")
	if strings.EqualFold(e, "identity") {
		return ""
	}
	return e
}

// holdArguments counts the arguments of a tool, which are in memory already.
func (b *binder) holdArguments() error {
	if b.src.Bound == nil || len(b.src.Arguments) < smallest {
		return nil
	}
	if b.hold(); !b.held.Take(int64(len(b.src.Arguments))) {
		return b.held.full()
	}
	return nil
}

// hold begins to count.
func (b *binder) hold() {
	if b.held == nil {
		b.held = &holding{quota: b.src.Bound.Quota(b.op.Unit()), tree: b.src.Bound.mostTree()}
	}
}

// readInbound reads the whole body and leaves it as bytes. One of which it is known that there
// is no room for is not read.
func (b *binder) readInbound(body *Body) ([]byte, *Error) {
	if body.Stream == nil {
		return body.Bytes, nil
	}
	from := io.Reader(body.Stream)
	if b.src.Bound != nil && (body.Len < 0 || body.Len >= smallest) {
		b.hold()
		if body.Len < 0 {
			from = b.held.reader(from)
		} else if !b.held.Take(body.Len) {
			_ = body.Stream.Close()
			return nil, b.held.full()
		}
	}
	raw, err := io.ReadAll(from)
	_ = body.Stream.Close()
	if err != nil {
		return nil, asInboundError(err)
	}
	*body = BytesBody(raw)
	return raw, nil
}

func asInboundError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInvalidInput, Message: "the request body could not be read", Cause: err}
}

// whole gives the body as one value: JSON, a form as an object, or text.
func (b *inboundBody) whole() (any, *Error) {
	switch {
	case len(bytes.TrimSpace(b.raw)) == 0:
		return absent{}, nil
	case b.form != nil:
		return formObject(b.form), nil
	case b.json:
		return parseValue(b.raw), nil
	}
	return string(b.raw), nil
}

// member gives a member of a JSON object or a form. A body that is neither is the caller's
// mistake, since a member of it is wanted; no body at all is not.
func (b *inboundBody) member(name string) (any, *Error) {
	switch {
	case b.form != nil:
		return listValue(b.form[name]), nil
	case len(bytes.TrimSpace(b.raw)) == 0:
		return absent{}, nil
	case !b.json:
		return nil, Errorf(CodeInvalidInput, "the request body is not JSON, but input %q is read from it", name)
	}
	if raw, ok := memberOrPath(b.raw, name); ok {
		return parseValue(raw), nil
	}
	return absent{}, nil
}

func formObject(form url.Values) any {
	names := sortedKeys(form)
	values := make([]expression, len(names))
	for i, name := range names {
		values[i] = literalExpr(listValue(form[name]))
	}
	return object(names, values, &scope{})
}

// inbound keeps the caller's body for an operation that sends it on. When members are
// merged into it, it must be a JSON object.
func (b *binder) inbound(args *Args) *Error {
	if b.op.mergesInbound {
		body, err := b.parsedBody()
		if err != nil {
			return err
		}
		if body.form == nil && len(bytes.TrimSpace(body.raw)) > 0 && expr.Kind(body.raw) != '{' {
			return Errorf(CodeInvalidInput, "the request body must be a JSON object")
		}
		args.inbound, err = body.whole()
		if err != nil {
			return err
		}
	}
	if b.op.needsBody != "" {
		if err := b.requireBody(); err != nil {
			return err
		}
	}
	args.body, args.contentType, args.contentEncoding = b.src.Body, b.src.ContentType, b.contentEncoding()
	if b.op.formAsJSON && isForm(args.contentType) {
		return b.sendFormAsJSON(args)
	}
	return nil
}

// requireBody refuses a request without a body before anything is sent.
func (b *binder) requireBody() *Error {
	empty, err := b.src.Body.isEmpty()
	if err != nil {
		return asInboundError(err)
	}
	if empty {
		return Errorf(CodeInvalidInput, "input %q is required: send it as the request body", b.op.needsBody)
	}
	return nil
}

// sendFormAsJSON sends on as a JSON object what came as a form.
func (b *binder) sendFormAsJSON(args *Args) *Error {
	body, err := b.parsedBody()
	if err != nil {
		return err
	}
	value, err := body.whole()
	if err != nil {
		return err
	}
	if isAbsent(value) {
		args.body = Body{}
		return nil
	}
	args.body, args.contentType = BytesBody(appendJSON(nil, value)), "application/json"
	return nil
}
