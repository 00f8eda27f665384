package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"

	"capd/engine/plan"
)

// flight is one request upstream that several calls wait for. It has a goroutine of its own, so
// that it goes on when the call that began it ends, as long as somebody waits.
//
// The call that began it, its leader, is given the answer as it comes. The others wait for the
// end of it: they are given the whole, or else ask for themselves.
type flight struct {
	at     key
	doc    string
	cancel context.CancelFunc
	head   chan struct{} // closed when there is an answer or an error
	done   chan struct{} // closed when nothing more comes of it for those who wait
	more   chan struct{} // holds one when there is more to read for the leader

	mu      sync.Mutex
	waiting int  // calls that want the answer
	gone    bool // the leader
	answer  *answer
	err     error
	body    []byte        // of a stream, as far as it was read
	whole   bool          // there is no more of it
	rest    io.ReadCloser // what follows body, for the leader to read; nil: nothing does
	shared  bool          // those who wait are given answer or err
}

// together answers the request with the answer to one like it that is under way, or makes it one
// that others can wait for.
func (c *Cache) together(ctx context.Context, x *exchange, have *entry) (*plan.Response, error) {
	at := x.flightKey()
	c.mu.Lock()
	if f := c.flights[at]; f != nil {
		f.mu.Lock()
		f.waiting++
		f.mu.Unlock()
		c.mu.Unlock()
		return c.follow(ctx, x, have, f)
	}
	f := &flight{
		at: at, doc: documentOf(x.req), waiting: 1,
		head: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1),
	}
	// The flight ends when its leader's time does: whoever waits longer asks again.
	free := context.WithoutCancel(ctx)
	if end, ok := ctx.Deadline(); ok {
		free, f.cancel = context.WithDeadline(free, end)
	} else {
		free, f.cancel = context.WithCancel(free)
	}
	c.flights[at] = f
	c.mu.Unlock()
	go c.fly(free, x, have, f)
	return c.lead(ctx, x, f)
}

// flightKey tells apart, beside the answers that are wanted, how they are wanted.
func (x *exchange) flightKey() key {
	h := newHasher(x.req.Method)
	h.bytes(x.key[:])
	for _, f := range x.header {
		if strings.EqualFold(f.Name, "Cache-Control") || strings.EqualFold(f.Name, "Pragma") {
			h.text(f.Name, f.Value)
		}
	}
	return h.sum(nil)
}

// forgetFlights lets nobody join any more what is under way for the document.
func (c *Cache) forgetFlights(req *plan.Request) {
	if !req.Resilience.Coalesce {
		return
	}
	doc := documentOf(req)
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, f := range c.flights {
		if f.doc == doc {
			delete(c.flights, at)
		}
	}
}

// fly makes the request and reads its answer for those who wait.
func (c *Cache) fly(ctx context.Context, x *exchange, have *entry, f *flight) {
	defer func() {
		// Nobody else would recover here, and it must not end the process.
		if r := recover(); r != nil {
			f.fail(&plan.Error{Code: plan.CodeInternal, Message: "internal error", Cause: fmt.Errorf("panic: %T\n%s", r, debug.Stack())}, false)
			f.cancel()
		}
		c.mu.Lock()
		if c.flights[f.at] == f {
			delete(c.flights, f.at)
		}
		c.mu.Unlock()
		close(f.done)
	}()
	a, err := c.again(ctx, x, have)
	if err != nil {
		f.fail(err, isOfUpstream(ctx, err))
		f.cancel()
		return
	}
	f.mu.Lock()
	f.answer, f.shared = a, a.stream == nil
	f.mu.Unlock()
	close(f.head)
	switch {
	case a.stream == nil:
		f.cancel()
	case isEndless(a.header) || a.length > x.most():
		f.handOver(a.stream)
	default:
		c.readShared(ctx, x, f)
	}
}

// again looks whether the answer was kept since the call looked, and fetches it if not.
func (c *Cache) again(ctx context.Context, x *exchange, have *entry) (*answer, error) {
	if x.keeps() {
		if now, _ := c.load(ctx, x); now != nil {
			have = now
			if u := have.usage(x.rule, c.opts.Now()); u.isFresh(&x.want) {
				return &answer{entry: have, result: Hit}, nil
			}
		}
	}
	return c.fetch(ctx, x, have)
}

// fail ends the flight with an error.
func (f *flight) fail(err error, shared bool) {
	f.mu.Lock()
	f.err, f.shared = err, shared
	begun := f.answer != nil
	f.mu.Unlock()
	if !begun {
		close(f.head)
	}
	f.tell()
}

// readShared reads the body to its end, or to where it is too large to be shared.
func (c *Cache) readShared(ctx context.Context, x *exchange, f *flight) {
	a, piece := f.answer, make([]byte, 16<<10)
	body := make([]byte, 0, max(a.length, 0))
	for {
		n, err := a.stream.Read(piece)
		body = append(body, piece[:n]...)
		if err == io.EOF && a.length >= 0 && int64(len(body)) != a.length {
			err = io.ErrUnexpectedEOF
		}
		fits := int64(len(body)) <= x.most()
		whole := fits && (err == io.EOF || int64(len(body)) == a.length)
		if whole {
			got := *a.entry
			got.body = body
			c.save(ctx, x, &got, a.secrets)
		}
		f.mu.Lock()
		f.body, f.whole, f.shared = body, whole, whole
		f.mu.Unlock()
		switch {
		case whole:
			f.tell()
		case err != nil && err != io.EOF:
			f.fail(err, isOfUpstream(ctx, err))
		case !fits:
			f.handOver(a.stream)
			return
		default:
			f.tell()
			continue
		}
		_ = a.stream.Close()
		f.cancel()
		return
	}
}

// handOver leaves the rest of the body to the leader.
func (f *flight) handOver(rest io.ReadCloser) {
	f.mu.Lock()
	gone := f.gone
	if !gone {
		f.rest = rest
	}
	f.mu.Unlock()
	f.tell()
	if gone {
		f.cancel()
		_ = rest.Close()
	}
}

// tell lets the leader look again.
func (f *flight) tell() {
	select {
	case f.more <- struct{}{}:
	default:
	}
}

// isOfUpstream reports whether an error is the upstream's, so that it is the answer for all who
// wait. That the leader's time is over, or that it calls too often, is not.
func isOfUpstream(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var e *plan.Error
	if !errors.As(err, &e) {
		return errors.Is(err, io.ErrUnexpectedEOF)
	}
	switch e.Code {
	case plan.CodeUpstreamFailed, plan.CodeUpstreamTimeout, plan.CodeUpstreamUnavailable:
		return true
	}
	return false
}

// lead gives the answer to the call that began the flight.
func (c *Cache) lead(ctx context.Context, x *exchange, f *flight) (*plan.Response, error) {
	select {
	case <-f.head:
	case <-ctx.Done():
		c.leaderLeaves(f)
		return nil, ended(ctx)
	}
	f.mu.Lock()
	a, err := f.answer, f.err
	f.mu.Unlock()
	if a == nil {
		return nil, err
	}
	own := *a
	if a.stream != nil {
		// When the leader is gone nobody may read, and somebody has to end the flight.
		stop := context.AfterFunc(ctx, func() { c.leaderLeaves(f) })
		own.stream = &leaderBody{ctx: ctx, f: f, leave: func() { stop(); c.leaderLeaves(f) }}
	}
	return c.respond(x, &own), nil
}

// follow waits for the answer to a request that is under way.
func (c *Cache) follow(ctx context.Context, x *exchange, have *entry, f *flight) (*plan.Response, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		c.leave(f)
		return nil, ended(ctx)
	}
	f.mu.Lock()
	shared, a, err, body := f.shared, f.answer, f.err, f.body
	f.mu.Unlock()
	if !shared {
		// It is too large, or failed for reasons of the other call.
		return c.alone(ctx, x, have)
	}
	if err != nil {
		c.opts.Count(x.req.Call, Coalesced)
		return nil, err
	}
	own := *a
	own.joined, own.attempts = true, 0
	if a.stream != nil {
		got := *a.entry
		got.body, own.entry, own.stream = body, &got, nil
	}
	return c.respond(x, &own), nil
}

// leave tells that a call wants nothing more of a flight. When nobody does it is ended.
func (c *Cache) leave(f *flight) {
	c.mu.Lock()
	f.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	f.mu.Unlock()
	if last && c.flights[f.at] == f {
		delete(c.flights, f.at)
	}
	c.mu.Unlock()
	if last {
		f.cancel()
	}
}

// leaderLeaves is leave for the leader, who may say it twice.
func (c *Cache) leaderLeaves(f *flight) {
	f.mu.Lock()
	gone, rest := f.gone, f.rest
	f.gone = true
	f.mu.Unlock()
	if gone {
		return
	}
	c.leave(f)
	if rest != nil {
		f.cancel() // it reads alone
	}
}

// ended gives the error of a call that is over.
func ended(ctx context.Context) error {
	var own *plan.Error
	if errors.As(context.Cause(ctx), &own) {
		return own
	}
	return plan.AsError(ctx.Err())
}

// leaderBody is the body of an answer that others wait for.
type leaderBody struct {
	ctx   context.Context
	f     *flight
	at    int // of f.body
	leave func()
}

func (b *leaderBody) Read(p []byte) (int, error) {
	for {
		b.f.mu.Lock()
		n := copy(p, b.f.body[b.at:])
		b.at += n
		whole, err, rest := b.f.whole, b.f.err, b.f.rest
		b.f.mu.Unlock()
		switch {
		case n > 0 || len(p) == 0:
			return n, nil
		case whole:
			return 0, io.EOF
		case err != nil:
			return 0, err
		case rest != nil:
			return rest.Read(p)
		}
		select {
		case <-b.f.more:
		case <-b.ctx.Done():
			return 0, ended(b.ctx)
		}
	}
}

// Close ends the leader's part.
func (b *leaderBody) Close() error {
	b.leave()
	b.f.mu.Lock()
	rest := b.f.rest
	b.f.mu.Unlock()
	if rest != nil {
		return rest.Close()
	}
	return nil
}
