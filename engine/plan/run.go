package plan

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"capd/engine/expr"
)

// step is one compiled step. It writes what came of it into its own element of run.results
// and nowhere else, so that independent steps may run at the same time.
type step interface {
	name() string
	// hasEffects reports whether running it may change something, so that nothing else may
	// run at the same time.
	hasEffects() bool
	run(ctx context.Context, r *run, s *scope) error
	expressions(visit func(*expression))
}

// run is the state of one invocation.
type run struct {
	in      Invocation
	vars    *boundUnit
	results []stepResult  // by the index of the step
	only    [1]stepResult // results of an operation that is one step
	given   Result        // of an answer that is handed on
	stream  heldStream    // of given
	replies [][]byte      // by the index of the question
	held    holding       // memory
	// stop ends what steps that run together still do; nil where none do. Without a failure it is
	// not called before the answer is read: that may be the stream of a step.
	stop context.CancelCauseFunc
}

// scope gives what the expressions of one step are evaluated in.
func (r *run) scope() *scope {
	s := r.newScope()
	return &s
}

// scopeAfter is scope in the memory of a step that has ended.
func (r *run) scopeAfter(step *stepResult) *scope {
	step.scope = r.newScope()
	return &step.scope
}

func (r *run) newScope() scope {
	return scope{args: r.in.Args.values, vars: r.vars, results: r.results, caller: r.in.Caller, held: &r.held, benches: &r.in.Bound.benches, replies: r.replies, placeholders: r.in.Bound.opts.Placeholders}
}

// stepResult is what came of one step: a JSON value, or an answer that nobody has read.
type stepResult struct {
	scope    scope    // of the step
	rendered Request  // of a step that calls
	value    []byte   // nil: nothing
	secrets  []Secret // of what it was made of in this process, which it may hold
	request  *Request // rendered, once it was sent
	response *Response
	read     bool // the answer was read into value
}

// maxHeld gives how much of an answer is held in memory at most; 0: any.
func (r *run) maxHeld(of *stepResult) int64 {
	limit := r.in.Bound.opts.MaxUpstreamBody
	if of.request == nil {
		return limit
	}
	return of.request.Resilience.maxHeld(limit)
}

// discard closes the answers that were not read when an operation failed.
func (r *run) discard() {
	for i := range r.results {
		if got := &r.results[i]; got.response != nil && !got.read {
			_ = got.response.Body.Close()
		}
	}
}

// runSteps runs the steps, those of a wave together.
func (op *Operation) runSteps(ctx context.Context, r *run) error {
	if op.waves == nil && len(op.steps) > 0 {
		return op.runStep(ctx, r, 0)
	}
	for _, wave := range op.waves {
		if err := op.runWave(ctx, r, wave); err != nil {
			return err
		}
	}
	return nil
}

// runsTogether reports whether steps run at the same time.
func (op *Operation) runsTogether() bool {
	return slices.ContainsFunc(op.waves, func(wave []int) bool { return len(wave) > 1 })
}

// runWave runs steps together. The first one that fails stops the operation; of several
// failures the first in the order of the document is told.
func (op *Operation) runWave(ctx context.Context, r *run, wave []int) error {
	if len(wave) == 1 || r.in.Bound.opts.Placeholders { // a dry run shows the order of the document
		for _, i := range wave {
			if err := op.runStep(ctx, r, i); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(wave))
	attempt := func(n int) {
		defer func() {
			if errs[n] != nil {
				r.stop(errSibling)
			}
		}()
		defer recovered(&errs[n])
		errs[n] = op.runStep(ctx, r, wave[n])
	}
	var group sync.WaitGroup
	last := len(wave) - 1
	for n := range last {
		group.Go(func() { attempt(n) })
	}
	attempt(last) // here, which would only wait
	group.Wait()
	var stopped error
	for _, err := range errs {
		switch {
		case err == nil:
		case errors.Is(context.Cause(ctx), errSibling) && AsError(err).Code == CodeCanceled:
			stopped = err
		default:
			return err
		}
	}
	return stopped
}

var errSibling = errors.New("another step failed")

func (op *Operation) runStep(ctx context.Context, r *run, i int) error {
	s := op.steps[i]
	done := func(error) {}
	if r.in.Observe != nil {
		ctx, done = r.in.Observe.Step(ctx, Step{Index: i, Name: s.name()})
		op.say(ctx, r, i)
	}
	at := &r.results[i]
	at.scope = r.newScope()
	err := s.run(ctx, r, &at.scope)
	done(err)
	return err
}

// callStep calls a consumed operation.
type callStep struct {
	index      int
	step       string // name of the step; empty for an operation that is one call
	call       *Call
	keep       bool // the answer is read as a value, for other steps or for the result
	final      bool // the answer, if not kept, is the result
	reading    *reading
	projection *projection // nil: all of it
}

// projection is what other steps see of an answer: all of it; a part; or members by name,
// which replace those of an object and are added to those of the objects of a list.
type projection struct {
	whole *expr.JSONPath
	names []string
	parts []*expr.JSONPath
}

func (c *callStep) name() string {
	if c.step == "" {
		return c.call.name
	}
	return c.step
}

func (c *callStep) hasEffects() bool {
	switch c.call.method {
	case "GET", "HEAD", "OPTIONS":
		return false
	}
	return true
}

func (c *callStep) expressions(visit func(*expression)) { c.call.expressions(visit) }

func (c *callStep) run(ctx context.Context, r *run, s *scope) error {
	at := &r.results[c.index]
	req := &at.rendered
	if err := c.call.render(req, s, &r.in.Args); err != nil {
		return c.located(err)
	}
	if r.in.Observe != nil {
		r.in.Observe.Sent(ctx, req)
	}
	r.held.add(len(req.Body.Bytes))
	if c.hasEffects() {
		r.held.effects.Store(true)
	}
	resp, err := r.in.Bound.opts.Upstream.Do(ctx, req)
	if r.in.Observe != nil {
		r.in.Observe.Received(ctx, req, resp, err)
	}
	if err != nil {
		return c.located(AsError(err))
	}
	at.request, at.response = req, resp
	if c.step == "" {
		return nil
	}
	return c.settle(at, r)
}

// located names the step in an error.
func (c *callStep) located(err *Error) *Error { return inStep(c.step, " ("+c.call.name+")", err) }

// inStep names the step that an error ended, and what it ran.
func inStep(step, what string, err *Error) *Error {
	if step == "" || err.Code == CodeInternal || err.Code == CodeCanceled {
		return err
	}
	at := *err
	at.Step = step
	at.Message = "step " + step + what + ": " + err.Message
	return &at
}

// settle looks at the answer of a step among others: one that is no success stops the
// operation, and what others need of it is read.
func (c *callStep) settle(res *stepResult, r *run) error {
	resp := res.response
	if resp.Status < 200 || resp.Status > 299 {
		return c.failed(res)
	}
	if !c.keep {
		if !c.final {
			_ = resp.Body.Close()
			res.read = true
		}
		return nil
	}
	raw, err := r.held.readAll(resp.Body, r.maxHeld(res))
	if err != nil {
		return c.located(AsError(err))
	}
	res.read = true
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	if raw, err = c.reading.json(raw, resp.Get("Content-Type"), &r.held); err != nil {
		return c.located(AsError(err))
	}
	if res.value, err = c.projection.of(raw, &r.held); err != nil {
		return c.located(r.held.unfound("the upstream's answer cannot be mapped", err))
	}
	return nil
}

// maxReason bounds what an error repeats of an upstream's own words.
const maxReason = 1 << 10

// failed says which step ended the operation, and with what.
func (c *callStep) failed(res *stepResult) *Error {
	resp := res.response
	e := Errorf(CodeStepFailed, "step %s failed: %s answered %d", c.step, c.call.name, resp.Status)
	e.Step, e.UpstreamStatus = c.step, resp.Status
	answer := &Result{Body: resp.Body}
	if err := maskBody(answer, resp, newMasker(res.request.Secrets, resp.Secrets)); err != nil {
		return e
	}
	if raw, err := (*holding)(nil).readAll(answer.Body, maxReason); err == nil && isProse(resp.Get("Content-Type"), raw) {
		e.Message += ": " + strings.Join(strings.Fields(string(raw)), " ")
	}
	return e
}

// isProse reports whether a body can be shown in a message.
func isProse(mediaType string, raw []byte) bool {
	mediaType = strings.ToLower(mediaType)
	return len(raw) > 0 && (strings.Contains(mediaType, "json") || strings.HasPrefix(mediaType, "text/plain"))
}

// of gives what others see of an answer.
func (p *projection) of(raw []byte, room expr.Room) ([]byte, error) {
	if p == nil {
		return raw, nil
	}
	if p.whole != nil {
		value, ok, err := p.whole.Find(raw, room)
		if err != nil || !ok {
			return nil, err
		}
		return value, nil
	}
	if len(p.parts) == 0 {
		return raw, nil
	}
	if expr.Kind(raw) != '[' {
		return p.members(nil, raw, room)
	}
	out := []byte{'['}
	var err error
	expr.EachElement(raw, func(e []byte) bool {
		if len(out) > 1 {
			out = append(out, ',')
		}
		if expr.Kind(e) != '{' {
			out = append(out, e...)
			return true
		}
		var object []byte
		object, err = p.element(e, room)
		out = append(out, object...)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return append(out, ']'), nil
}

// element gives an object of a list with the named parts.
func (p *projection) element(e []byte, room expr.Room) ([]byte, error) {
	account := expr.NewAccount(room)
	defer account.Close()
	fields := objectFields(e, &account)
	if account.Err() != nil {
		return nil, account.Err()
	}
	return p.members(fields, e, room)
}

// members gives an object of fields and of the named parts of raw, which win.
func (p *projection) members(fields []field, raw []byte, room expr.Room) ([]byte, error) {
	var names []string
	var values []expression
	for _, f := range fields {
		names, values = append(names, f.name), append(values, f.value)
	}
	for i, path := range p.parts {
		value, ok, err := path.Find(raw, room)
		if err != nil {
			return nil, err
		}
		v := any(nil)
		if ok {
			v = parseValue(value)
		}
		if at := slices.Index(names, p.names[i]); at >= 0 {
			values[at] = literalExpr(v)
			continue
		}
		names, values = append(names, p.names[i]), append(values, literalExpr(v))
	}
	return appendJSON(nil, object(names, values, &scope{})), nil
}
