// Package mcp serves a plan's MCP exposures over streamable HTTP, for the clients of both
// eras of the protocol on one URL: 2026-07-28, and 2024-11-05 to 2025-11-25.
//
// The catalogue of tools is capd's own, read from the plan; the official SDK is used as the
// engine of the protocol. A reload therefore swaps whole catalogues at once, while sessions
// and streams go on.
package mcp

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"capd/engine/plan"
)

// The defaults of [Options].
const (
	DefaultMaxBody        = 10 << 20
	DefaultMaxResult      = 32 << 20
	DefaultMaxText        = 256 << 10
	DefaultSessionTimeout = 10 * time.Minute
	DefaultMaxSessions    = 1000
	// Clients and models choose worse among more than some dozens of tools. Clients of one
	// document expect its tools all the same, as many as stand on one page of a list.
	DefaultSearchAbove    = 100
	DefaultSearchAboveOwn = pageSize
	DefaultMaxStreams     = 1000
	DefaultMaxSubscribed  = 1000
	DefaultKeepAlive      = 25 * time.Second
	DefaultStallTimeout   = 30 * time.Second
)

// leastText is the least that texts may be cut to: less is not worth a call.
const leastText = 1 << 10

// Options configures the adapter. The zero value is ready to use.
type Options struct {
	// Logger is told of faults and of failed calls; nil: nobody is.
	Logger *slog.Logger
	// Version is capd's version, as clients see it.
	Version string
	// MaxBody bounds a request, in bytes; 0 means [DefaultMaxBody].
	MaxBody int64
	// MaxResult bounds the body of a result, in bytes; 0 means [DefaultMaxResult]. A result
	// over it is a failed call, because MCP can only send results whole.
	MaxResult int64
	// MaxText bounds the text in a tool's result, in bytes, where a document does not; 0 means
	// [DefaultMaxText]. Longer ones are given in parts.
	MaxText int64
	// SessionTimeout ends a session of the older protocol that makes no requests; 0 means
	// [DefaultSessionTimeout].
	SessionTimeout time.Duration
	// MaxSessions bounds the sessions of the older protocol at each endpoint; 0 means
	// [DefaultMaxSessions]. One more ends the longest idle one, and is refused while all are
	// in use.
	MaxSessions int
	// SearchAbove is how many tools a view lists; one with more lists tools to search, describe
	// and call them instead. 0 means [DefaultSearchAbove], and [DefaultSearchAboveOwn] for the
	// view of a document by itself; a negative number means never.
	SearchAbove int
	// WithoutSessions serves the older protocol without sessions too, so that any replica can
	// answer any request. What a server begins by itself then does not reach such a client:
	// notifications outside of a call, and questions to its user.
	WithoutSessions bool
	// MaxStreams bounds the streams at each endpoint that stay open until somebody ends them;
	// 0 means [DefaultMaxStreams]. One more is refused.
	MaxStreams int
	// MaxSubscriptions bounds the resources that clients of each endpoint have subscribed to;
	// 0 means [DefaultMaxSubscribed]. One more is refused.
	MaxSubscriptions int
	// KeepAlive is after what silence an event stream gets a comment, so that nothing on the
	// way takes it for dead; 0 means [DefaultKeepAlive].
	KeepAlive time.Duration
	// StallTimeout is how long a client may take nothing of what is sent to it; 0 means
	// [DefaultStallTimeout].
	StallTimeout time.Duration
	// After calls f once after d, unless stop is called before; nil means [time.AfterFunc].
	// Tests have no other time than this.
	After func(d time.Duration, f func()) (stop func())
	// StateKey signs what clients keep between the rounds of a call that asks something first.
	// Replicas need the same one. Empty: one of this adapter's own, at random.
	StateKey []byte
	// Once remembers for which of these calls the answers were used; replicas need the same one.
	// Nil: nobody does, and a client can use the answers again until they end.
	Once Once
	// Now tells the time; nil: time.Now.
	Now func() time.Time

	viaSDK bool // all requests go through the SDK, for tests
}

// Once remembers what may be used once, as [plan.Store] does.
type Once interface {
	// Claim reports whether nobody claimed the key during that time before.
	Claim(ctx context.Context, key string, ttl time.Duration) (first bool, err error)
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxResult <= 0 {
		o.MaxResult = DefaultMaxResult
	}
	if o.MaxText <= 0 {
		o.MaxText = DefaultMaxText
	}
	o.MaxText = max(o.MaxText, leastText)
	if o.SessionTimeout <= 0 {
		o.SessionTimeout = DefaultSessionTimeout
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = DefaultMaxSessions
	}
	if o.MaxStreams <= 0 {
		o.MaxStreams = DefaultMaxStreams
	}
	if o.MaxSubscriptions <= 0 {
		o.MaxSubscriptions = DefaultMaxSubscribed
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	if o.StallTimeout <= 0 {
		o.StallTimeout = DefaultStallTimeout
	}
	if o.After == nil {
		o.After = func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		}
	}
	if len(o.StateKey) == 0 {
		o.StateKey = []byte(rand.Text() + rand.Text())
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Adapter serves the MCP exposures of one plan after another. There is one per process. It
// does not check Host and Origin: whoever owns the listener does, for all adapters alike.
type Adapter struct {
	opts    Options
	kept    *keptResults   // by all endpoints together
	buffers *answerBuffers // so are they

	latest   atomic.Pointer[plan.Bound] // of the last swap
	watching watching

	mu      sync.Mutex
	own     map[*plan.Exposure]*endpoint // of one exposure each; only a swap changes it
	views   map[endpointKey]*endpoint    // of several, and of standard input and output
	routers map[string]*router           // by address
	pipes   []*pipe                      // connections over streams; they end with the process
}

// New makes an adapter that serves nothing yet.
func New(o Options) *Adapter {
	return &Adapter{opts: o.withDefaults(), kept: newKeptResults(time.Now), buffers: &answerBuffers{}, own: map[*plan.Exposure]*endpoint{}, views: map[endpointKey]*endpoint{}}
}

// generation is what changes with a plan.
type generation struct {
	bound   *plan.Bound
	gone    []*plan.Exposure             // that are no more
	left    []*endpoint                  // those of them of which no other took over
	came    map[*plan.Exposure]*endpoint // that are new, or elsewhere
	views   map[endpointKey]*endpoint    // at first, those of before
	routers map[string]*router
	offers  []prepared
	renewed map[*endpoint]bool // that have another one
}

// prepared is the next offer of an endpoint.
type prepared struct {
	*endpoint
	offer *offer
}

// Prepare makes ready to serve next. Nothing that is being served changes until the
// function it gives is called. That function cannot fail; it gives the handler of each
// listen address, and what to call once the previous handlers get no new requests.
func (a *Adapter) Prepare(ctx context.Context, _, next *plan.Bound) (func() (handler func(addr string) http.Handler, retire func()), error) {
	a.mu.Lock()
	views, routers := maps.Clone(a.views), a.routers
	a.mu.Unlock()

	p := next.Plan()
	if p == nil {
		p = &plan.Plan{}
	}
	g := &generation{
		bound: next, came: map[*plan.Exposure]*endpoint{}, views: views, routers: make(map[string]*router, len(p.Listeners)),
		renewed: map[*endpoint]bool{},
	}
	a.exchange(g, mountsApart(routers, p))
	for _, l := range p.Listeners {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("preparing the MCP endpoints: %w", err)
		}
		g.routers[l.Addr] = newRouter(l, func(x *plan.Exposure) *endpoint { return cmp.Or(g.came[x], a.own[x]) }, next, a.open, routers[l.Addr])
	}
	for key, ep := range views {
		g.renew(key, ep)
	}
	return func() (func(string) http.Handler, func()) {
		gone := a.swap(g)
		return func(addr string) http.Handler {
				if r := g.routers[addr]; r != nil {
					return r
				}
				return newRouter(&plan.Listener{Addr: addr}, nil, next, a.open, nil)
			}, func() {
				for _, ep := range gone {
					ep.close()
				}
			}
	}, nil
}

// apart are the main mounts of MCP that two plans do not have in common, by their exposures.
type apart struct {
	gone, came map[*plan.Exposure]*plan.Mount
}

// mountsApart gives what a plan has and what is served has not, and the other way round.
func mountsApart(routers map[string]*router, p *plan.Plan) apart {
	out := apart{map[*plan.Exposure]*plan.Mount{}, map[*plan.Exposure]*plan.Mount{}}
	note := func(to map[*plan.Exposure]*plan.Mount, mounts []*plan.Mount) {
		for _, m := range mounts {
			if m.Main && m.Exposure.Kind == plan.MCP {
				to[m.Exposure] = m
			}
		}
	}
	for addr, r := range routers {
		if p.Listener(addr) == nil {
			note(out.gone, r.listener.Mounts)
		}
	}
	for _, l := range p.Listeners {
		old := &plan.Listener{}
		if r := routers[l.Addr]; r != nil {
			old = r.listener
		}
		gone, came := l.Since(old)
		note(out.gone, gone)
		note(out.came, came)
	}
	for x, m := range out.came {
		if was := out.gone[x]; was != nil && was.Path == m.Path {
			delete(out.gone, x)
			delete(out.came, x)
		}
	}
	return out
}

// exchange finds the endpoints of the exposures that come: who was called the same before goes on, and
// has another offer.
func (a *Adapter) exchange(g *generation, mounts apart) {
	were := make(map[endpointKey]*endpoint, len(mounts.gone))
	for x := range mounts.gone {
		were[keyOf(x)] = a.own[x]
	}
	for x, m := range mounts.came {
		v := plan.Single(m)
		ep := were[keyOf(x)]
		if ep == nil {
			ep = a.newEndpoint(v)
		}
		g.came[x] = ep
		g.put(ep, v)
	}
	for x := range mounts.gone {
		g.gone = append(g.gone, x)
		if ep := a.own[x]; !g.renewed[ep] {
			g.left = append(g.left, ep)
		}
	}
}

// renew gives the endpoint of a view of several its next offer, if the view is still there,
// and that of standard input and output in any case.
func (g *generation) renew(key endpointKey, ep *endpoint) {
	if g.renewed[ep] {
		return
	}
	v := stdioView(g.bound)
	if key != stdioKey {
		v = nil
		if l := g.bound.Plan().Listener(key.addr); l != nil {
			v = l.View(split(key.view))
		}
	}
	if v == nil {
		delete(g.views, key)
		return
	}
	g.views[key] = ep
	g.put(ep, v)
}

func (g *generation) put(ep *endpoint, v *plan.View) {
	g.renewed[ep] = true
	g.offers = append(g.offers, prepared{ep, ep.prepare(v)})
}

// swap puts a generation in place and gives the endpoints that are no more. In which order, see [endpoint.now].
func (a *Adapter) swap(g *generation) []*endpoint {
	a.mu.Lock()
	defer a.mu.Unlock()
	gone := g.left
	for key, ep := range a.views {
		g.renew(key, ep) // of a view that was first used meanwhile
		if g.views[key] != ep {
			gone = append(gone, ep)
		}
	}
	last := a.latest.Load()
	for _, ep := range gone {
		ep.retire(last)
	}
	for _, p := range g.offers {
		p.retire(last)
	}
	a.latest.Store(g.bound)
	for _, p := range g.offers {
		p.swap(p.offer)
	}
	for _, x := range g.gone {
		delete(a.own, x)
	}
	maps.Copy(a.own, g.came)
	a.views, a.routers = g.views, g.routers
	a.watching.reloaded()
	return gone
}

// open gives the endpoint of a view of several exposures, and the gate in front of it; nil
// when there is no such view.
func (a *Adapter) open(addr string, segments []string) *guarded {
	a.mu.Lock()
	defer a.mu.Unlock()
	bound := a.latest.Load()
	l := bound.Plan().Listener(addr)
	if l == nil {
		return nil
	}
	key := endpointKey{addr: addr, view: joined(segments), several: true}
	if ep := a.views[key]; ep != nil {
		return &guarded{ep, bound.Gate(ep.now().view.Members[0].Exposure)}
	}
	v := l.View(segments)
	if v == nil {
		return nil
	}
	ep := a.newEndpoint(v)
	ep.swap(ep.prepare(v))
	a.views[key] = ep
	return &guarded{ep, bound.Gate(v.Members[0].Exposure)}
}

// Drain ends every stream that stays open by itself (the listening streams of both eras)
// and refuses new ones, so that the HTTP server can shut down. Calls in flight go on. It
// returns when the streams have ended, or with the context's error. What [Adapter.Connect]
// connected ends when its calls are answered, and they are cut off with the context.
func (a *Adapter) Drain(ctx context.Context) error {
	a.mu.Lock()
	live, pipes := slices.AppendSeq(slices.Collect(maps.Values(a.own)), maps.Values(a.views)), slices.Clone(a.pipes)
	a.mu.Unlock()
	for _, p := range pipes {
		p.finish()
	}
	var ends []<-chan struct{}
	for _, ep := range live {
		ends = append(ends, ep.streams.end())
	}
	var late error
	for _, end := range ends {
		select {
		case <-end:
		case <-ctx.Done():
			late = fmt.Errorf("draining the MCP streams: %w", ctx.Err())
		}
	}
	for _, p := range pipes {
		late = errors.Join(late, p.drain(ctx))
	}
	return late
}
