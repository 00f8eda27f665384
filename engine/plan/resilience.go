package plan

import "time"

// Resilience is how calls of an API are protected, as the document and the policy say together
// (docs/decisions/0035). It is complete: defaults are filled in. Of the zero value of a part the
// part does nothing. What it counts is kept outside of snapshots, by Scope, so that a reload
// forgets nothing.
type Resilience struct {
	// Scope is who shares the state: a document's API, or what a policy names. State is kept
	// for each scope and each host that it calls.
	Scope string

	Retry       Retry
	Breaker     Breaker
	Concurrency Concurrency
	Rate        []RateLimit
	Cache       Caching
	// Coalesce answers identical requests that are under way at the same time with one. Only GET
	// and HEAD without a body are.
	Coalesce bool
}

// Retry says when a request is sent again (D11): only an idempotent one with a body that can be
// sent again, after a failure to connect, 429, 502, 503 or 504, and never beyond the deadline of
// the call.
type Retry struct {
	Max      int           // times that it is sent again
	Wait     time.Duration // before the first; doubled with each, with jitter
	MaxWait  time.Duration // of one wait, Retry-After included: an upstream that wants more is not asked again
	Statuses []int         // instead of 429, 502, 503 and 504
}

// Breaker says when an upstream is given time to recover: while it is open nothing is sent.
type Breaker struct {
	// Failures of the last Of requests within Window open it. A failure is no answer, or one of
	// 502, 503 and 504.
	Failures, Of int
	Window       time.Duration
	Open         time.Duration // until one request may try again
}

// Concurrency bounds how many requests are under way at once.
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
