package resilience

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"

	"capd/engine/plan"
)

// gateKey is what a limit of concurrency belongs to.
type gateKey struct {
	place
	settings plan.Concurrency
}

// gate has places for requests that are under way, and some for those that wait.
type gate struct {
	settings plan.Concurrency
	places   bulkhead.Bulkhead[any]
	waiting  atomic.Int64
}

func newGate(c plan.Concurrency) *gate {
	return &gate{settings: c, places: bulkhead.New[any](uint(c.Max))}
}

// enter takes a place, and waits for it as long as the settings and the call allow. Those who
// wait come in in turn.
func (g *gate) enter(ctx context.Context) error {
	if g.places.TryAcquirePermit() {
		return nil
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > int64(g.settings.Queue) {
		return bulkhead.ErrFull
	}
	if g.settings.Wait == 0 {
		return g.places.AcquirePermit(ctx)
	}
	return g.places.AcquirePermitWithMaxWait(ctx, g.settings.Wait)
}

// leave gives the place back.
func (g *gate) leave() { g.places.ReleasePermit() }

// full gives the error of a call that found no place in a gate.
func (u *Upstream) full(req *plan.Request, err error) error {
	if errors.Is(err, context.Canceled) {
		return plan.AsError(err)
	}
	u.opts.Watcher.Limited(req.Resilience.Document, plan.LimitConcurrency)
	return &plan.Error{
		Code: plan.CodeOverloaded, RetryAfter: time.Second, Cause: err,
		Message: "too many requests to upstream " + shownHost(req) + " are under way" + again(time.Second),
	}
}

// awaitRates takes a token of every bucket that the request needs one of: those of the caller
// first, so that one who calls too often takes nothing from the others.
func (u *Upstream) awaitRates(ctx context.Context, req *plan.Request) error {
	r := req.Resilience
	if u.opts.Store == nil || r.Rate.Count == 0 && r.CallerRate.Count == 0 && r.Limits == nil {
		return nil
	}
	limits := r.RateLimits()
	for _, ofCaller := range []bool{true, false} {
		for i := range limits {
			if limits[i].PerCaller != ofCaller {
				continue
			}
			if err := u.awaitRate(ctx, req, &limits[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitRate takes a token of one bucket, and waits for it as long as the limit and the call
// allow. Without a store that answers there is no limit.
func (u *Upstream) awaitRate(ctx context.Context, req *plan.Request, l *plan.RateLimit) error {
	bucket := bucketOf(ctx, req, l)
	for waited := time.Duration(0); ; {
		wait, err := u.opts.Store.Take(ctx, bucket, l.Rate)
		switch {
		case err != nil && ctx.Err() != nil:
			return plan.AsError(ctx.Err())
		case err != nil, wait <= 0:
			return nil
		case waited+wait > l.Wait || !outlives(ctx, wait):
			return u.tooOften(req, l, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		waited += wait
	}
}

// bucketOf names the bucket of a limit. Limits that differ never share one.
func bucketOf(ctx context.Context, req *plan.Request, l *plan.RateLimit) string {
	b := append(make([]byte, 0, 192), "rate "...)
	b = append(strconv.AppendInt(b, int64(l.Count), 10), '/')
	b = append(strconv.AppendInt(b, int64(l.Period), 10), '/')
	b = append(strconv.AppendInt(b, int64(l.Burst), 10), ' ')
	b = append(b, l.Scope...)
	if l.Scope == "" {
		b = append(append(append(b, req.Resilience.Scope...), ' '), shownHost(req)...)
	}
	if l.PerCaller {
		b = append(append(b, ' '), plan.CallerOf(ctx).ID().Text()...)
	}
	return string(b)
}

func (u *Upstream) tooOften(req *plan.Request, l *plan.RateLimit, wait time.Duration) error {
	limit, message := plan.LimitRate, "upstream "+shownHost(req)+" is called too often"
	if l.PerCaller {
		limit, message = plan.LimitCaller, "you call upstream "+shownHost(req)+" too often"
	}
	u.opts.Watcher.Limited(req.Resilience.Document, limit)
	return &plan.Error{Code: plan.CodeRateLimited, RetryAfter: wait, Message: message + again(wait)}
}
