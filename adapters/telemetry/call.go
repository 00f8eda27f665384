package telemetry

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"capd/engine/plan"
)

// call watches one call.
type call struct {
	*plan.Called
	t     *Telemetry
	begun time.Time
	trace trace.TraceID
	span  trace.Span // nil: not traced

	mu     sync.Mutex // steps run together
	steps  []upstreamCall
	minted []string // the consumed operations that tokens were issued for
	ended  bool
}

// upstreamCall is a request of a call, for the audit.
type upstreamCall struct {
	req    *plan.Request // nil once it is answered
	begun  time.Time
	step   string // empty for an operation that is one call
	call   string
	method string
	host   string
	status int    // 0 when nothing answered
	code   string // of the failure; empty for none
	tries  int
	took   time.Duration
}

type stepKey struct{}

// Step is [plan.Observer]'s.
func (c *call) Step(ctx context.Context, s plan.Step) (context.Context, func(error)) {
	if c.t.audit != nil {
		ctx = context.WithValue(ctx, stepKey{}, s.Name)
	}
	if c.span == nil {
		return ctx, func(error) {}
	}
	ctx, span := c.t.tracing.step(ctx, s)
	return ctx, func(err error) { endWith(span, 0, err) }
}

// Sent is [plan.Observer]'s.
func (c *call) Sent(ctx context.Context, req *plan.Request) {
	if c.t.audit == nil {
		return
	}
	u := upstreamCall{req: req, begun: time.Now(), method: req.Method, host: hostOf(req)}
	if req.Call != nil {
		u.call = req.Call.Name()
	}
	if step, _ := ctx.Value(stepKey{}).(string); step != u.call {
		u.step = step
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps = append(c.steps, u)
}

// Received is [plan.Observer]'s.
func (c *call) Received(_ context.Context, req *plan.Request, resp *plan.Response, err error) {
	if c.t.audit == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.steps {
		u := &c.steps[i]
		if u.req != req {
			continue
		}
		u.req, u.took = nil, time.Since(u.begun)
		if err != nil {
			failed := plan.AsError(err)
			u.code, u.tries = failed.Code.String(), failed.Attempts
		} else {
			u.status, u.tries = resp.Status, resp.Attempts
		}
		return
	}
}

// Minted is [plan.CallObserver]'s.
func (c *call) Minted(m plan.Minted) {
	name := ""
	if m.For != nil {
		name = m.For.Name()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.minted = append(c.minted, name)
	}
}

// Ended is [plan.CallObserver]'s.
func (c *call) Ended(o plan.Outcome) {
	took := time.Since(c.begun)
	if c.span != nil {
		endCall(c.span, &o)
	}
	if m := c.t.metrics; m != nil {
		m.called(c.Called, codeOf(&o), took)
	}
	if c.t.audit == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	// What still runs goes on in the background, and changes nothing that is written.
	steps := append([]upstreamCall(nil), c.steps...)
	c.t.audit.add(&line{Called: c.Called, begun: c.begun, took: took, trace: c.trace, outcome: o, steps: steps, minted: c.minted})
}

// codeOf gives how a call ended in one word of few: a class of status, or the code of a failure.
func codeOf(o *plan.Outcome) string {
	switch {
	case o.Err != nil:
		return o.Err.Code.String()
	case o.Asks:
		return "asks"
	}
	return statusClass(o.Status)
}

// statusClass gives a class of status.
func statusClass(status int) string {
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	case 5:
		return "5xx"
	}
	return "none"
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}
