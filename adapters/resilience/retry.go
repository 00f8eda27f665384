package resilience

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"capd/engine/plan"
)

// repeated sends a request, and sends it again as its settings say. An answer that was handed on
// is never asked for again, whatever becomes of its body. c is the breaker, or nil; a probe is
// sent once.
func (u *Upstream) repeated(ctx context.Context, now time.Time, req *plan.Request, c *circuit, probe bool) (*plan.Response, error) {
	r := req.Resilience
	if r.Retry.Max == 0 || probe || !isRepeatable(req) {
		return u.next.Do(ctx, req)
	}
	b := u.budgets.get(now, placeOf(req), newBudget)
	b.earn()
	for n, sent := 0, 0; ; n++ {
		resp, err := u.next.Do(ctx, req)
		sent += attempts(resp, err)
		reason, after := reasonToRepeat(&r.Retry, resp, err)
		if reason == "" || n == r.Retry.Max {
			return counted(resp, err, sent, n)
		}
		wait := pause(&r.Retry, n, after)
		if after > r.Retry.MaxWait || !outlives(ctx, wait) || c != nil && c.isOpen(time.Now()) || !b.spend() {
			return counted(resp, err, sent, n)
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		u.opts.Watcher.Retried(r.Document, reason)
		u.opts.Logger.Debug("a request is sent again", "document", r.Document, "api", r.API, "reason", reason, "after", wait)
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// isRepeatable reports whether a request may be sent twice, and can be.
func isRepeatable(req *plan.Request) bool {
	return plan.IsIdempotent(req.Method) && req.Body.Stream == nil
}

// attempts counts the requests that an answer, or a failure, took.
func attempts(resp *plan.Response, err error) int {
	if err != nil {
		return max(plan.AsError(err).Attempts, 1)
	}
	return max(resp.Attempts, 1)
}

// counted gives what came of a request that was sent again n times, with the number of all that
// were sent.
func counted(resp *plan.Response, err error, sent, n int) (*plan.Response, error) {
	switch {
	case n == 0:
	case err == nil:
		resp.Attempts = sent
	default:
		e := *plan.AsError(err)
		e.Attempts = sent
		err = &e
	}
	return resp, err
}

// reasonToRepeat says why a request may be sent again; empty: there is no reason. after is how
// long the upstream wants to be left alone.
func reasonToRepeat(r *plan.Retry, resp *plan.Response, err error) (reason string, after time.Duration) {
	switch {
	case err != nil && plan.AsError(err).Lost:
		return "connection", 0
	case err != nil || !slices.Contains(r.Statuses, resp.Status):
		return "", 0
	}
	reason = "status"
	switch resp.Status {
	case 429, 500, 502, 503, 504:
		reason = strconv.Itoa(resp.Status)
	}
	return reason, retryAfter(resp.Get("Retry-After"))
}

// retryAfter reads seconds or a date; 0 for what is neither.
func retryAfter(s string) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return time.Duration(min(n, 1<<32)) * time.Second
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return max(time.Until(at), 0)
}

// pause is how long is waited before a request is sent again for the n+1st time: twice as long
// each time, with jitter, so that those who failed together do not come back together.
func pause(r *plan.Retry, n int, after time.Duration) time.Duration {
	if after > 0 {
		return after + rand.N(r.Wait+1)
	}
	wait := min(r.Wait<<min(n, maxDoublings), r.MaxWait)
	return wait/2 + rand.N(wait/2+1)
}

// maxDoublings keeps a wait, a day at most, from running over.
const maxDoublings = 16

// budget bounds how much of the load of an upstream may be requests that are sent again: a fifth,
// and a few to begin with. An upstream that is down gets no multiple of its load.
type budget struct{ fifths atomic.Int64 }

const (
	maxRepeats = 10 // that are saved up
	repeat     = 5  // fifths
)

func newBudget() *budget {
	b := &budget{}
	b.fifths.Store(maxRepeats * repeat)
	return b
}

// earn counts a request.
func (b *budget) earn() {
	for {
		have := b.fifths.Load()
		if have >= maxRepeats*repeat || b.fifths.CompareAndSwap(have, have+1) {
			return
		}
	}
}

// spend takes what one repetition costs; false: there is not enough.
func (b *budget) spend() bool {
	for {
		have := b.fifths.Load()
		if have < repeat {
			return false
		}
		if b.fifths.CompareAndSwap(have, have-repeat) {
			return true
		}
	}
}
