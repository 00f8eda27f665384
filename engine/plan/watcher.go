package plan

import (
	"context"
	"io"
)

// Watcher is told of every call, whatever adapter it came through: for audits, metrics and
// traces. It must be safe for concurrent use, and never block.
type Watcher interface {
	// Begin is told that a call begins. The context it gives is the call's; what it gives beside
	// watches the call to its end.
	Begin(ctx context.Context, c *Called) (context.Context, CallObserver)
	// Receive is told of each request over HTTP that an adapter is given, whatever comes of it.
	// The context it gives is the request's. ended is told the status of the answer, or 0 when
	// it was broken off before it began.
	Receive(ctx context.Context, kind Kind, method string) (_ context.Context, ended func(status int))
}

// Called says what is called, and who calls.
type Called struct {
	Exposure *Exposure
	// Name is that of the operation, tool, resource, prompt or skill, as it is declared; empty
	// when the call was refused before that was known.
	Name   string
	Caller *Caller
}

// CallObserver watches one call.
type CallObserver interface {
	Observer
	// Minted is told of each token that was issued for the caller. It may come from another
	// goroutine, and when the call is over.
	Minted(m Minted)
	// Ended is told once how the call ended; of an answer that is streamed when it was read.
	Ended(o Outcome)
}

// Outcome is how a call ended.
type Outcome struct {
	Status       int  // of the answer; 0 when the call failed
	FromUpstream bool // the upstream itself answered with this status
	Asks         bool // nothing was called, since the caller must answer questions first
	IsError      bool // the document says that this answer is a failure
	Err          *Error
}

// Minted says that an authorization server issued a token in exchange for the caller's, and
// which upstream call it is for. Neither token is in it, and no name of a server: those may be
// values of variables.
type Minted struct{ For *Call }

// watcher gives who watches calls; nil for nobody.
func (b *Bound) watcher() Watcher {
	if b == nil {
		return nil
	}
	return b.opts.Watch
}

// IsWatched reports whether somebody watches calls.
func (b *Bound) IsWatched() bool { return b.watcher() != nil }

// Begin tells those who watch of a call that runs no operation: one that is refused before
// it could, or that only reads what the document has. The function it gives is told how the
// call ended; it must be called once. A non-nil error is the end, whatever the status.
func (b *Bound) Begin(ctx context.Context, x *Exposure, name string) (ended func(status int, err error)) {
	w := b.watcher()
	if w == nil {
		return func(int, error) {}
	}
	_, o := w.Begin(ctx, &Called{x, name, CallerOf(ctx)})
	return func(status int, err error) {
		if err != nil {
			o.Ended(Outcome{Err: AsError(err)})
			return
		}
		o.Ended(Outcome{Status: status})
	}
}

// Refused tells those who watch of a call of op that failed before it could be invoked.
func (b *Bound) Refused(ctx context.Context, op *Operation, err error) {
	if b.watcher() != nil {
		b.Begin(ctx, op.exposure, op.called)(0, err)
	}
}

// watched is invoke under the eyes of w.
func (op *Operation) watched(ctx context.Context, in *Invocation, w Watcher) (*Result, error) {
	caller := in.Caller
	if caller == nil {
		caller = CallerOf(ctx)
	}
	ctx, o := w.Begin(ctx, &Called{op.exposure, op.called, caller})
	seen := *in
	seen.Observe = o
	if in.Observe != nil {
		seen.Observe = &observers{o, in.Observe}
	}
	if op.exchanges() {
		ctx = context.WithValue(ctx, mintKey{}, o)
	}
	res, err := op.invoke(ctx, &seen)
	if err != nil {
		o.Ended(Outcome{Err: AsError(err)})
		return res, err
	}
	end := Outcome{Status: res.Status, FromUpstream: res.FromUpstream, Asks: res.Kind == Asks, IsError: res.IsError}
	if res.Body.Stream == nil {
		o.Ended(end)
		return res, nil
	}
	res.Body.Stream = &watchedStream{res.Body.Stream, o, end, false}
	return res, nil
}

// exchanges reports whether a call may get a token issued for its caller.
func (op *Operation) exchanges() bool {
	for c := range op.calls {
		if c.credential != nil {
			return true
		}
	}
	return false
}

// watchedStream tells how an answer ended that is read as it comes.
type watchedStream struct {
	io.ReadCloser
	observer CallObserver
	end      Outcome
	told     bool
}

func (s *watchedStream) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF && s.end.Err == nil {
		s.end.Err = asUpstreamError(err)
	}
	return n, err
}

func (s *watchedStream) Close() error {
	if !s.told {
		s.told = true
		defer func() { s.observer.Ended(s.end) }()
	}
	return s.ReadCloser.Close()
}

// observers are two that watch the same call.
type observers struct{ first, second Observer }

func (o *observers) Step(ctx context.Context, s Step) (context.Context, func(error)) {
	ctx, one := o.first.Step(ctx, s)
	ctx, two := o.second.Step(ctx, s)
	return ctx, func(err error) { one(err); two(err) }
}

func (o *observers) Sent(ctx context.Context, req *Request) {
	o.first.Sent(ctx, req)
	o.second.Sent(ctx, req)
}

func (o *observers) Received(ctx context.Context, req *Request, resp *Response, err error) {
	o.first.Received(ctx, req, resp, err)
	o.second.Received(ctx, req, resp, err)
}

// Remarked is [RemarkObserver]'s.
func (o *observers) Remarked(ctx context.Context, r Remark) {
	for _, each := range []Observer{o.first, o.second} {
		if to, ok := each.(RemarkObserver); ok {
			to.Remarked(ctx, r)
		}
	}
}

type mintKey struct{}

// TokenMinted tells those who watch the call that ctx belongs to of a token that was issued
// for its caller.
func TokenMinted(ctx context.Context, m Minted) {
	if o, ok := ctx.Value(mintKey{}).(CallObserver); ok {
		o.Minted(m)
	}
}

type traceKey struct{}

// TraceContext says which trace a request belongs to, as its caller wrote it (W3C Trace
// Context). It is not checked.
type TraceContext struct{ Parent, State string }

// WithTrace gives a context of a request that belongs to a trace.
func WithTrace(ctx context.Context, t TraceContext) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf gives the trace that the request of the context belongs to; empty when it says none.
func TraceOf(ctx context.Context) TraceContext {
	t, _ := ctx.Value(traceKey{}).(TraceContext)
	return t
}
