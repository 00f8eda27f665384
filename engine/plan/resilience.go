package plan

import (
	"reflect"
	"slices"
	"time"
)

// Resilience is how calls of an API are protected, as the document and the policy say together
// (docs/decisions/0035). It is complete: defaults are filled in. Of the zero value of a part the
// part does nothing. What it counts is kept outside of snapshots, by Scope, so that a reload
// forgets nothing.
type Resilience struct {
	// Scope is who shares the state: a document's API, or what a policy names. State is kept
	// for each scope and each host that it calls.
	Scope string
	// Document and API say what Scope stands for, in logs and metrics.
	Document, API string

	Retry       Retry
	Breaker     Breaker
	Concurrency Concurrency
	// Rate bounds all calls, CallerRate those of each caller.
	Rate, CallerRate RateLimit
	// Limits are those that a policy adds.
	Limits []RateLimit
	Cache  Caching
	// Coalesce answers identical requests that are under way at the same time with one. Only GET
	// and HEAD without a body are.
	Coalesce bool
	// MaxBody bounds, in bytes after decoding, an answer that must be held in memory, when that
	// is less than what the process allows; 0: it does not say.
	MaxBody int64
}

// Retry says when a request is sent again (D11): only an idempotent one with a body that can be
// sent again, after a connection that was not to be had or was lost, or an answer of one of
// Statuses, and never beyond the deadline of the call.
type Retry struct {
	Max      int           // times that it is sent again
	Wait     time.Duration // before the first; doubled with each, with jitter
	MaxWait  time.Duration // of one wait, Retry-After included: an upstream that wants more is not asked again
	Statuses []int
}

// Breaker says when an upstream is given time to recover: while it is open nothing is sent.
type Breaker struct {
	// It opens when Of requests or more were answered within Window and the part Failures/Of of
	// them failed. A failure is a lost connection, no answer in time, or one of 502, 503 and 504.
	Failures, Of int
	Window       time.Duration
	Open         time.Duration // until one request may try again
}

// BreakerState is what a breaker lets through. The worst is the greatest.
type BreakerState uint8

// The states of a breaker.
const (
	BreakerClosed   BreakerState = iota // everything
	BreakerHalfOpen                     // one request, to see whether the upstream is back
	BreakerOpen                         // nothing
)

// String gives the state in a word.
func (s BreakerState) String() string {
	switch s {
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half-open"
	}
	return "closed"
}

// BreakerStatus is the breaker of one API and host.
type BreakerStatus struct {
	Document, API, Host string
	State               BreakerState
}

// Concurrency bounds how many requests are under way at once, answers that are still read
// included.
type Concurrency struct {
	Max   int
	Queue int           // how many more wait
	Wait  time.Duration // at most
}

// Rate is a token bucket: Burst at once, and then Count in each Period.
type Rate struct {
	Count  int
	Period time.Duration
	Burst  int
}

// RateLimit bounds how often an upstream is called. What exceeds it waits no longer than Wait.
type RateLimit struct {
	Rate
	// Scope is who shares it, if that is not Resilience.Scope.
	Scope     string
	PerCaller bool // each caller has it for itself; all that nobody vouches for are one
	Wait      time.Duration
}

// Caching says what of the answers is kept (RFC 9111). Max 0 keeps nothing.
type Caching struct {
	Max int64 // bytes of one body
	// TTL is how long an answer without a word about its freshness is kept; 0: not at all.
	TTL time.Duration
	// Stale is how long after that an answer may still be given when the upstream fails
	// (RFC 5861), if the answer does not forbid it.
	Stale time.Duration
	// Shared keeps one answer for all callers, which the document declares. Otherwise a kept
	// answer is for the caller it was fetched for. Credentials are told apart always.
	Shared bool
}

// DefaultResilience is what holds where nobody says otherwise: few retries, and a breaker for
// upstreams that are down.
func DefaultResilience() Resilience {
	return Resilience{Retry: defaultRetry(), Breaker: defaultBreaker()}
}

func defaultRetry() Retry {
	return Retry{Max: 2, Wait: 100 * time.Millisecond, MaxWait: 2 * time.Second, Statuses: []int{429, 502, 503, 504}}
}

// defaultBreaker opens when an upstream that is called often gives half of the callers nothing.
// One that is called less than once a second is not guarded by it: there is little to save.
func defaultBreaker() Breaker {
	return Breaker{Failures: 10, Of: 20, Window: 20 * time.Second, Open: 5 * time.Second}
}

// defaultCaching is that of an API whose answers are kept without more words.
func defaultCaching() Caching { return Caching{Max: 1 << 20} }

// RateLimits gives every limit that holds.
func (r *Resilience) RateLimits() []RateLimit {
	var out []RateLimit
	for _, l := range append([]RateLimit{r.Rate, r.CallerRate}, r.Limits...) {
		if l.Count > 0 {
			out = append(out, l)
		}
	}
	return out
}

// equal reports whether two say the same.
func (r *Resilience) equal(o *Resilience) bool {
	return r.Scope == o.Scope && reflect.DeepEqual(r, o)
}

// complete fills in what follows from the rest.
func (r *Resilience) complete() {
	r.Retry.Statuses = slices.Compact(slices.Sorted(slices.Values(r.Retry.Statuses)))
	r.CallerRate.PerCaller = r.CallerRate.Count > 0
	for _, l := range []*RateLimit{&r.Rate, &r.CallerRate} {
		if l.Burst == 0 {
			l.Burst = l.Count
		}
	}
}

// maxHeld gives how much of an answer is held, where the process allows at most limit; 0: any.
func (r *Resilience) maxHeld(limit int64) int64 {
	if r == nil || r.MaxBody == 0 || limit > 0 && limit < r.MaxBody {
		return limit
	}
	return r.MaxBody
}
