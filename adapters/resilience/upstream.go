package resilience

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"capd/engine/plan"
)

// Options are the settings of an [Upstream]. The zero value is ready to use.
type Options struct {
	// Store keeps the buckets of rate limits; nil: there are no rate limits. It tells itself of what
	// it cannot do.
	Store plan.Store
	// Watcher is told what happens; nil means nobody is.
	Watcher Watcher
	// Logger is told when an upstream is left alone and when it is back; nil means nobody is.
	Logger *slog.Logger
}

// Watcher is told what happens, for metrics. It must be safe for concurrent use, and never block.
type Watcher interface {
	// Retried: a request is sent again, after a lost connection ("connection"), an answer of that
	// status ("503"), or one of a status that is seldom retried ("status").
	Retried(document, reason string)
	// BreakerOpened: a breaker opened, for the first time or since its upstream is not back yet.
	BreakerOpened(document, api string)
	// Limited: a call was turned away by a limit.
	Limited(document string, limit plan.Limit)
}

// Upstream is a [plan.Upstream] that does what Request.Resilience says. It is safe for
// concurrent use.
type Upstream struct {
	next plan.Upstream
	opts Options

	circuits shelf[circuitKey, circuit]
	gates    shelf[gateKey, gate]
	budgets  shelf[place, budget]
}

// place is where state belongs to.
type place struct{ scope, host string }

func placeOf(req *plan.Request) place { return place{req.Resilience.Scope, req.Base.Host} }

// New protects next.
func New(next plan.Upstream, o Options) *Upstream {
	if o.Watcher == nil {
		o.Watcher = nobody{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Upstream{next: next, opts: o}
}

// Do sends the request if it may be sent, perhaps more than once.
func (u *Upstream) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	r := req.Resilience
	if r == nil {
		return u.next.Do(ctx, req)
	}
	if err := u.awaitRates(ctx, req); err != nil {
		return nil, u.refuse(req, err)
	}
	if r.Concurrency.Max == 0 {
		return u.guarded(ctx, req)
	}
	g := u.gates.get(time.Now(), gateKey{placeOf(req), r.Concurrency}, func() *gate { return newGate(r.Concurrency) })
	if err := g.enter(ctx); err != nil {
		return nil, u.refuse(req, u.full(req, err))
	}
	return u.within(ctx, req, g)
}

// refuse ends a call of which nothing was sent.
func (u *Upstream) refuse(req *plan.Request, err error) error {
	_ = req.Body.Close()
	return err
}

// within sends a request that has a place in the gate, and gives the place back when the answer
// was read.
func (u *Upstream) within(ctx context.Context, req *plan.Request, g *gate) (resp *plan.Response, err error) {
	kept := false
	defer func() {
		if !kept { // also when something panics
			g.leave()
		}
	}()
	if resp, err = u.guarded(ctx, req); err != nil || resp.Body.Stream == nil {
		return resp, err
	}
	kept = true
	resp.Body.Stream = &held{ReadCloser: resp.Body.Stream, gate: g}
	return resp, nil
}

// held is an answer that has a place in a gate until it is closed.
type held struct {
	io.ReadCloser
	gate *gate
	once sync.Once
}

func (h *held) Close() error {
	defer h.once.Do(h.gate.leave)
	return h.ReadCloser.Close()
}

// guarded sends a request unless its upstream is left alone.
func (u *Upstream) guarded(ctx context.Context, req *plan.Request) (resp *plan.Response, err error) {
	now := time.Now()
	c := u.circuit(now, req)
	if c == nil {
		return u.repeated(ctx, now, req, nil, false)
	}
	p, wait, ok := c.enter(now)
	u.tell(c, p.changes)
	if !ok {
		return nil, u.refuse(req, &plan.Error{
			Code: plan.CodeUpstreamUnavailable, RetryAfter: wait,
			Message: "upstream " + shownHost(req) + " failed too often and is left alone for a while" + again(wait),
		})
	}
	came := nothing
	defer func() { u.tell(c, c.leave(p, came)) }()
	resp, err = u.repeated(ctx, now, req, c, p.probe)
	came = judge(resp, err)
	return resp, err
}

// circuit gives the breaker of a request; nil: it has none.
func (u *Upstream) circuit(now time.Time, req *plan.Request) *circuit {
	r := req.Resilience
	if r.Breaker.Of == 0 {
		return nil
	}
	return u.circuits.get(now, circuitKey{placeOf(req), r.Breaker}, func() *circuit {
		return newCircuit(r.Breaker, about{r.Document, r.API, shownHost(req)})
	})
}

// judge says what came of a request, as far as that speaks for the upstream or against it. A
// caller that went away does neither, nor what was not sent because of who is there, such as one
// whose certificate is not trusted: that fails at once, and the reason is worth more than the pause.
func judge(resp *plan.Response, err error) outcome {
	if err == nil {
		switch resp.Status {
		case 502, 503, 504:
			return failure
		}
		return success
	}
	if e := plan.AsError(err); e.Lost || e.Code == plan.CodeUpstreamTimeout {
		return failure
	}
	return nothing
}

// tell tells of changes of a breaker. An upstream that is down for an hour is no news each time
// that one request has tried.
func (u *Upstream) tell(c *circuit, changes []change) {
	if len(changes) == 0 {
		return
	}
	log := u.opts.Logger.With("document", c.about.document, "api", c.about.api, "host", c.about.host)
	for _, is := range changes {
		switch {
		case is.to == plan.BreakerClosed:
			log.Info("an upstream is back")
		case is.to == plan.BreakerHalfOpen:
			log.Debug("an upstream that failed is tried again")
		case is.from == plan.BreakerClosed:
			u.opts.Watcher.BreakerOpened(c.about.document, c.about.api)
			log.Warn("an upstream failed too often and is left alone", "for", c.settings.Open)
		default:
			u.opts.Watcher.BreakerOpened(c.about.document, c.about.api)
			log.Debug("an upstream is not back and is left alone", "for", c.settings.Open)
		}
	}
}

// Breakers gives the breakers that have opened before, also those that are closed again.
func (u *Upstream) Breakers() []plan.BreakerStatus {
	var out []plan.BreakerStatus
	now := time.Now()
	u.circuits.each(func(c *circuit) {
		if state, opened := c.now(now); opened {
			out = append(out, plan.BreakerStatus{Document: c.about.document, API: c.about.api, Host: c.about.host, State: state})
		}
	})
	return out
}

// shownHost gives the host of a request as it may be shown.
func shownHost(req *plan.Request) string { return req.Mask(req.Base.Host) }

// again says when to try again.
func again(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return fmt.Sprintf("; try again in %d s", (wait+time.Second-1)/time.Second)
}

// sleep waits, unless the call ends before that.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return plan.AsError(ctx.Err())
	}
}

// outlives reports whether a call is still there after a wait.
func outlives(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return !ok || time.Until(end) > wait
}

// nobody is a [Watcher] that does not look.
type nobody struct{}

func (nobody) Retried(string, string)       {}
func (nobody) BreakerOpened(string, string) {}
func (nobody) Limited(string, plan.Limit)   {}
