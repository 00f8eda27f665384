package plan

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Operation is one thing a caller can do, the same for every adapter. It is immutable.
type Operation struct {
	exposure *Exposure // that has the operation
	called   string    // its name there
	last     int       // the step whose answer is the result; -1: output reads several
	inputs   []input
	steps    []step   // in the order of the document; none: constant output only
	waves    [][]int  // steps that run together, group by group; nil: a single call
	output   *output  // nil: the last step's whole body is handed on
	shape    *shape   // of output
	reading  *reading // of the answer that output maps, when it is a single call's

	intake      []byte   // what callers can send: of a tool the JSON Schema of its arguments, of a route see stated
	schema      []byte   // JSON Schema of the answer; nil: it is not shaped here
	conditional []string // headers of the caller that are sent on: conditions and ranges

	usesInbound   bool // the caller's body is sent on
	mergesInbound bool // members are merged into it
	formAsJSON    bool // a form is sent on as a JSON object
	passEncoding  bool // the caller's Accept-Encoding is sent on
	structured    bool // callers want the answer in a form that fits its schema
	isError       bool // what it answers is a failure
	validation    validation
	*rareOperation
}

// rareOperation is what few operations have. All others of a document share one that is empty.
type rareOperation struct {
	needsBody string       // name of the input that must not be missing: the body
	forward   *forwardPlan // nil unless requests are passed on as they are
	asking    *asking      // before it runs; nil: nothing
	remarks   []*remark    // of the steps; nil: none says anything
	contents  *contents    // what the tool says instead of a body; nil: nothing of its own
	plain     *plain       // the answer, if it is a text that stands in the document
	binary    Binary
	rawInput  *rawSchema
	rawOutput *rawSchema
	// judge gives the check of answers against schema; nil: there is none.
	judge func() func(value []byte) (place, rule string)
	why   *provenance // nil unless explained
}

// newOperation begins an operation that its exposure calls so.
func newOperation(x *Exposure, called string, rare *rareOperation) *Operation {
	return &Operation{called: called, exposure: x, rareOperation: rare}
}

// Name gives "<document>/<adapter namespace>/<operation or tool>", for logs and metrics.
func (op *Operation) Name() string {
	return op.Unit().ID + "/" + adapterName(op.exposure) + "/" + op.called
}

// Unit gives the document the operation belongs to.
func (op *Operation) Unit() *Unit { return op.exposure.Unit }

// Calls gives the upstream calls in the order of the document; none for an operation that
// needs no upstream.
func (op *Operation) Calls() []*Call { return slices.Collect(op.calls) }

// calls visits them.
func (op *Operation) calls(visit func(*Call) bool) {
	for _, s := range op.steps {
		if s, ok := s.(*callStep); ok && !visit(s.call) {
			return
		}
	}
}

// lastCall gives the last of them, or nil.
func (op *Operation) lastCall() (last *Call) {
	for c := range op.calls {
		last = c
	}
	return last
}

// onlyCall gives the call of an operation that makes one; nil for others.
func (op *Operation) onlyCall() (only *Call) {
	for c := range op.calls {
		if only != nil {
			return nil
		}
		only = c
	}
	return only
}

// callsNobody reports whether the operation needs no upstream.
func (op *Operation) callsNobody() bool { return op.lastCall() == nil }

// StepCount gives how many steps the operation declares; 0 for one that is a single call, or
// none.
func (op *Operation) StepCount() int {
	if op.waves == nil {
		return 0
	}
	return len(op.steps)
}

// Invoke renders the upstream request, sends it and shapes the answer. The error is an
// *[Error]. The caller closes the result's body.
func (op *Operation) Invoke(ctx context.Context, in *Invocation) (*Result, error) {
	if w := in.Bound.watcher(); w != nil {
		return op.watched(ctx, in, w)
	}
	return op.invoke(ctx, in)
}

func (op *Operation) invoke(ctx context.Context, in *Invocation) (res *Result, err error) {
	defer recovered(&err)
	r := &run{in: *in, vars: in.Bound.units[op.Unit()]}
	if r.vars == nil {
		return nil, Errorf(CodeInternal, "internal error")
	}
	if r.results = r.only[:]; len(op.steps) != 1 {
		r.results = make([]stepResult, len(op.steps))
	}
	r.held.quota, r.held.tree = r.vars.quota, in.Bound.mostTree()
	if op.asking != nil {
		s := r.scope()
		ask, err := op.asking.ask(s, in.Answers)
		if ask != nil || err != nil {
			return &Result{Kind: Asks, Status: 200, Ask: ask}, err
		}
		r.replies = s.replies
	}
	cancel := func() {}
	if t := in.Bound.opts.CallTimeout; t > 0 && len(op.steps) > 0 {
		ctx, cancel = context.WithTimeout(ctx, t)
	}
	if err = r.vars.quota.admit(ctx, in.Caller); err != nil {
		cancel()
		return nil, err
	}
	ended := false   // without a failure, and without a panic
	streams := false // the place is kept until the answer is read
	defer func() {
		if !ended {
			r.discard()
			r.held.release()
		}
		if !streams {
			cancel()
			r.vars.quota.leave()
		}
	}()
	if len(op.steps) > 0 && op.asking != nil && in.Answers != nil && in.Answers.Use != nil {
		if err = in.Answers.Use(ctx); err != nil {
			return nil, err
		}
	}
	if op.runsTogether() {
		timeout := cancel
		ctx, r.stop = context.WithCancelCause(ctx)
		cancel = func() { r.stop(nil); timeout() }
	}
	if err = op.runSteps(ctx, r); err == nil {
		res, err = op.result(r)
	}
	if err != nil {
		return res, err
	}
	ended, res.held = true, &r.held
	if streams = res.Body.Stream != nil; streams {
		res.Body.Stream = r.vars.quota.hold(&r.stream, res.Body.Stream, cancel)
	}
	return res, nil
}

// recovered turns a panic into an internal fault of this one call. Of a panic value that is
// not the run time's own only the type is kept: it could hold anything.
func recovered(err *error) {
	if r := recover(); r != nil {
		what := fmt.Sprintf("%T", r)
		if e, ok := r.(runtime.Error); ok {
			what = e.Error()
		}
		*err = &Error{Code: CodeInternal, Message: "internal error", Cause: fmt.Errorf("panic: %s\n%s", what, debug.Stack())}
	}
}

// result shapes what came of the steps.
func (op *Operation) result(r *run) (*Result, error) {
	var res *Result
	var err error
	if op.contents != nil {
		res, err = op.speak(r)
	} else {
		res, err = op.made(r)
	}
	if err == nil && op.isError {
		res.IsError = true
	}
	return res, err
}

func (op *Operation) constant(s *scope) (*Result, error) {
	if op.plain != nil {
		return op.plain.result(s)
	}
	res := &Result{Kind: Value, Status: 200}
	return res, op.fill(res, nil, s)
}

// made gives what came of the steps, through the output mappings if there are any.
func (op *Operation) made(r *run) (*Result, error) {
	if op.last < 0 && op.output == nil { // steps that only say something
		return &Result{Kind: Value, Status: 200}, nil
	}
	if op.last < 0 || len(op.steps) == 0 {
		return op.constant(r.scope())
	}
	last := &r.results[op.last]
	if last.response == nil || last.read {
		return op.stepValue(r, last)
	}
	res, err := op.handedOn(r, last)
	if err != nil || op.output == nil || res.Status < 200 || res.Status > 299 {
		return res, err
	}
	return op.shaped(res, r.scopeAfter(last), r.maxHeld(last))
}

// handedOn gives an upstream's answer as it comes.
func (op *Operation) handedOn(r *run, last *stepResult) (*Result, error) {
	req, resp := last.request, last.response
	mask := newMasker(req.Secrets, resp.Secrets)
	res := &r.given
	*res = Result{
		Kind: Passthrough, Status: resp.Status, Header: mask.header(resp.Header), Body: resp.Body,
		MediaType: resp.Get("Content-Type"), FromUpstream: true, Method: req.Method,
	}
	switch {
	case resp.Status < 200 || resp.Status > 299:
		return res, maskBody(res, resp, mask)
	case op.output == nil:
		if err := op.asBytes(res); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// stepValue gives what came of the last step, through the output mappings if there are any.
func (op *Operation) stepValue(r *run, last *stepResult) (*Result, error) {
	res := &Result{Kind: Value, Status: 200, MediaType: "application/json"}
	if last.response != nil {
		res.Status = last.response.Status
	}
	value := last.value
	switch {
	case value == nil && last.response != nil:
		return &Result{Kind: Passthrough, Status: res.Status}, nil
	case value == nil:
		value = []byte("null")
	}
	if op.output == nil {
		res.Body = BytesBody(value)
		return res, nil
	}
	return res, op.fill(res, value, r.scope())
}

// fill sets the mapped value of an answer, and its form that fits the schema if the value
// itself does not.
func (op *Operation) fill(res *Result, raw []byte, s *scope) error {
	r := s.benches.rendering()
	value, err := op.shape.render(raw, s, r)
	if err == nil && s.err != nil {
		err = s.err
	}
	if err != nil {
		return err
	}
	s.held.add(len(value))
	res.Kind, res.Body, res.MediaType = Value, BytesBody(value), "application/json"
	if op.structured && s.misfits {
		s.strict = true
		res.Structured, err = op.shape.render(raw, s, r)
		s.held.add(len(res.Structured))
	}
	s.benches.takeRendering(r)
	return err
}

// shaped applies the output mappings to a body that is there.
func (op *Operation) shaped(res *Result, s *scope, limit int64) (*Result, error) {
	lent := s.benches.body()
	raw, err := s.held.readInto(*lent, res.Body, limit)
	if err != nil {
		return nil, err
	}
	streamed := res.Body.Stream != nil
	if len(bytes.TrimSpace(raw)) == 0 {
		res.Body = Body{}
		return res, nil
	}
	value, err := op.reading.text(raw, res.MediaType, s.held)
	if err != nil {
		return nil, err
	}
	if err := op.fill(res, value, s); err != nil {
		return nil, err
	}
	if streamed && op.reading == nil {
		*lent = raw
		s.benches.takeBody(lent)
	}
	res.Header = dropEntityHeaders(res.Header)
	return res, nil
}

// dropEntityHeaders takes out what spoke of the upstream's own bytes.
func dropEntityHeaders(header []Field) []Field {
	if !slices.ContainsFunc(header, func(f Field) bool { return !isEntityHeader(f.Name) }) {
		return nil
	}
	out := make([]Field, 0, len(header))
	for _, f := range header {
		if !isEntityHeader(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

func isEntityHeader(name string) bool {
	for _, h := range [...]string{
		"content-type", "content-length", "content-encoding", "content-disposition", "content-range",
		"accept-ranges", "etag", "content-md5", "digest", "repr-digest", "content-digest",
	} {
		if len(h) == len(name) && strings.EqualFold(h, name) {
			return true
		}
	}
	return false
}

// readAll reads a body of at most limit bytes, counts them, and closes it. A length that is
// known to be over the limit, or more than there is room for, is refused unread.
func (h *holding) readAll(b Body, limit int64) ([]byte, error) { return h.readInto(nil, b, limit) }

// readInto is readAll into the memory of buf, as far as that goes.
func (h *holding) readInto(buf []byte, b Body, limit int64) ([]byte, error) {
	if b.Stream == nil {
		if limit > 0 && int64(len(b.Bytes)) > limit {
			return nil, tooLarge(limit)
		}
		return b.Bytes, nil
	}
	defer b.Stream.Close()
	r := io.Reader(b.Stream)
	switch {
	case limit > 0 && b.Len > limit:
		return nil, tooLarge(limit)
	case b.Len < 0:
		r = h.reader(r)
	case !h.Take(b.Len):
		return nil, h.full()
	}
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	raw, err := readToEnd(r, buf, b.Len)
	if err != nil {
		return nil, asUpstreamError(err)
	}
	if limit > 0 && int64(len(raw)) > limit {
		return nil, tooLarge(limit)
	}
	return raw, nil
}

// What is made room for at once: of a length that is not known, and at most of one that the
// upstream says, which need not be true.
const (
	leastRead = 512
	mostRead  = 4 << 20
)

// readToEnd reads a body of the length that is said of it; less than 0: of any.
func readToEnd(r io.Reader, buf []byte, length int64) ([]byte, error) {
	room := int(min(length, mostRead)) + 1 // the byte more tells the end
	if length < 0 {
		room = leastRead
	}
	raw := slices.Grow(buf[:0], room)
	for {
		n, err := r.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		switch {
		case err == io.EOF:
			return raw, nil
		case err != nil:
			return nil, err
		case len(raw) == cap(raw):
			raw = slices.Grow(raw, len(raw))
		}
	}
}

// asUpstreamError gives the error of a body that could not be read to its end.
func asUpstreamError(err error) *Error {
	if e := AsError(err); e.Code != CodeInternal {
		return e
	}
	return &Error{Code: CodeUpstreamFailed, Message: "the upstream's answer broke off", Cause: err}
}
