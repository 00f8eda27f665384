// Package cache answers requests from answers that are kept (RFC 9111, RFC 5861), and identical
// ones that are under way at the same time with one. It does so for the calls whose documents or
// policy want it, and costs the others nothing.
//
// An answer is kept for a document, for the whole request as it was rendered, for the credential
// that is added to it below, and for the caller unless the document says that all share it. The
// cache stands above limits and breaker, so that what it answers is not counted there, and an
// upstream that is given time to recover may still be answered for.
package cache

import (
	"context"
	"net/http"
	"sync"
	"time"

	"capd/engine/plan"
)

// Result is what became of a request that may be answered here.
type Result string

// The results.
const (
	Hit         Result = "hit"         // answered from what is kept
	Miss        Result = "miss"        // the upstream was asked
	Stale       Result = "stale"       // the upstream failed, and what is kept was given instead
	Revalidated Result = "revalidated" // the upstream said that what is kept is still current
	Bypass      Result = "bypass"      // the request asks for what is not kept, such as a part
	Coalesced   Result = "coalesced"   // the answer to another one was given
)

// Options are the settings of a [Cache].
type Options struct {
	// Store keeps the answers.
	Store plan.Store
	// Key makes keys of the store that nobody can compute who does not have it: the same for all
	// replicas. Without one, whoever can read the store can try passwords that are easy to guess.
	Key []byte
	// Count is told what became of each request that may be answered here; nil: nobody counts.
	Count func(*plan.Call, Result)
	// StoreFailed is told of each failure of the store; nil: nobody wants to know.
	StoreFailed func(operation string, err error)
	// Now is the clock; nil means the machine's.
	Now func() time.Time
}

// Cache is a [plan.Upstream] in front of another. It is safe for concurrent use.
type Cache struct {
	next plan.Upstream
	opts Options

	mu      sync.Mutex
	flights map[key]*flight
}

// New makes a cache in front of next.
func New(next plan.Upstream, o Options) *Cache {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Count == nil {
		o.Count = func(*plan.Call, Result) {}
	}
	if o.StoreFailed == nil {
		o.StoreFailed = func(string, error) {}
	}
	return &Cache{next: next, opts: o, flights: map[key]*flight{}}
}

// Do answers the request from what is kept, or has it answered. A request whose API keeps and
// shares nothing goes on as it is.
func (c *Cache) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	r := req.Resilience
	if r == nil || r.Cache.Max <= 0 && !r.Coalesce {
		return c.next.Do(ctx, req)
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		if req.Body.IsEmpty() {
			return c.read(ctx, newExchange(ctx, c.opts.Key, req))
		}
	case http.MethodOptions, http.MethodTrace:
	default:
		return c.change(ctx, req)
	}
	return c.next.Do(ctx, req)
}

// read answers a request that changes nothing.
func (c *Cache) read(ctx context.Context, x *exchange) (*plan.Response, error) {
	if x.bypass {
		return c.passed(ctx, x)
	}
	var have *entry
	if x.keeps() {
		var unkept bool
		if have, unkept = c.load(ctx, x); unkept {
			x.leave()
		}
		if have != nil {
			if u := have.usage(x.rule, c.opts.Now()); u.isFresh(&x.want) {
				return c.respond(x, &answer{entry: have, result: Hit}), nil
			}
		}
		if x.want.onlyIfCached {
			return c.respond(x, &answer{entry: &entry{status: http.StatusGatewayTimeout}, result: Miss}), nil
		}
	}
	if x.req.Resilience.Coalesce && !x.asIs {
		return c.together(ctx, x, have)
	}
	return c.alone(ctx, x, have)
}

// alone asks the upstream for this one call.
func (c *Cache) alone(ctx context.Context, x *exchange, have *entry) (*plan.Response, error) {
	a, err := c.fetch(ctx, x, have)
	if err != nil {
		return nil, err
	}
	c.tee(ctx, x, a)
	return c.respond(x, a), nil
}

// passed sends a request on that is none for a cache.
func (c *Cache) passed(ctx context.Context, x *exchange) (*plan.Response, error) {
	if !x.keeps() {
		return c.next.Do(ctx, x.req)
	}
	c.opts.Count(x.req.Call, Bypass)
	resp, err := c.next.Do(ctx, x.req)
	if err != nil {
		return nil, err
	}
	out := *resp
	out.Header = append(resp.Header[:len(resp.Header):len(resp.Header)], x.status("fwd=bypass"))
	return &out, nil
}

// change sends a request that may change something, after which nothing holds that was known
// before (RFC 9111 section 4.4). What the upstream refused has changed nothing; what came of a
// request without an answer nobody knows.
func (c *Cache) change(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	// What is under way may have been answered before the change: nobody joins it any more.
	c.forgetFlights(req)
	resp, err := c.next.Do(ctx, req)
	c.forgetFlights(req)
	if req.Resilience.Cache.Max <= 0 || err == nil && resp.Status >= 400 && resp.Status < 500 {
		return resp, err
	}
	c.changed(ctx, pathKey(c.opts.Key, req, req.Target))
	if err == nil {
		for _, name := range []string{"Location", "Content-Location"} {
			if target := sameOrigin(req, resp.Get(name)); target != "" {
				c.changed(ctx, pathKey(c.opts.Key, req, target))
			}
		}
	}
	return resp, err
}
