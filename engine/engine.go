package engine

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"capd/engine/plan"
)

// Adapter serves one kind of exposure for as long as the process lives.
//
// Prepare gets everything ready to serve next instead of prev, which is nil the first time.
// It may fail, and touches nothing that is live: what it prepared may never be used. The
// engine never prepares one adapter twice at the same time.
type Adapter interface {
	Prepare(ctx context.Context, prev, next *plan.Bound) (Swap, error)
}

// Swap makes what was prepared current. It cannot fail and must not block. It returns the
// handler of each address (as in [plan.Listener.Addr]; nil for an address the adapter has
// nothing to say at), and retire, which may be nil: it is called once when no new call
// reaches what was served before. Calls that have begun may still run there, and must be
// left to finish.
type Swap = func() (handler func(addr string) http.Handler, retire func())

// Drainer is what an [Adapter] with long answers (MCP streams) implements too. Drain ends
// them, so that a stop need not wait for a client to go away. It is called once, after the
// last connection was accepted.
type Drainer interface {
	Drain(ctx context.Context) error
}

// The errors of a call at the wrong time.
var (
	ErrStarted    = errors.New("the engine was started already")
	ErrNotStarted = errors.New("the engine was not started")
	ErrStopped    = errors.New("the engine was stopped")
)

// Engine serves capability documents. Its methods are safe for concurrent use.
type Engine struct {
	// Fixed at creation.
	opts      Options
	allowance *allowance
	waits     waits
	places    *places // connections of documents
	loader    *loader
	stopping  chan struct{} // closed when Stop begins
	stopped   chan struct{} // closed when Stop has ended
	broken    chan error    // holds the first server that ended by itself

	// working is held by the one Start or Reload at work, and guards last: the documents as they are
	// served, nil before they are.
	working chan struct{}
	last    *recordSet

	current atomic.Pointer[Snapshot]
	running sync.WaitGroup // accept loops and leaving servers

	// mu guards what follows. It is never held while anything can block.
	mu      sync.Mutex
	started bool
	ending  bool
	servers map[string]*server // by declared address
	control *server            // of [Options.Control]
	failed  map[string]error   // addresses of the plan nothing listens on
	leaving map[*server]bool   // given up, with calls in flight
	stopErr error
}

// New makes an engine of checked options. It touches neither files nor sockets.
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	allowed, err := newAllowance(o.AllowedHosts, o.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	l, err := newLoader(o.loadOptions())
	if err != nil {
		return nil, err
	}
	l.shelf = newShelf(&o)
	e := &Engine{
		opts:      o,
		allowance: allowed,
		waits:     newWaits(o.CallTimeout),
		places:    newPlaces(o.MaxConnections),
		loader:    l,
		stopping:  make(chan struct{}),
		stopped:   make(chan struct{}),
		broken:    make(chan error, 1),
		working:   make(chan struct{}, 1),
		servers:   make(map[string]*server),
		leaving:   make(map[*server]bool),
	}
	e.current.Store(&Snapshot{Plan: &plan.Plan{}})
	return e, nil
}

// loadOptions gives the part of the options that loading needs.
func (o *Options) loadOptions() LoadOptions {
	return LoadOptions{
		Paths:      o.Paths,
		AllowPaths: o.AllowPaths,
		Policy:     o.Policy,
		Own:        o.Own,
		Limits:     o.Limits,
		Link:       o.Linking(),
		Bind: &plan.BindOptions{
			Look: o.Look, Edition: o.Edition, Upstream: o.Upstream, Placeholders: o.Placeholders, Gate: o.Gate,
			CallTimeout: o.CallTimeout, MaxUpstreamBody: o.MaxUpstreamBody, Scripts: o.Scripts, Watch: o.Watch, Quotas: o.Quotas,
		},
		Logger: o.Logger, Unsampled: !o.Placeholders,
	}
}

// Current gives what is served now. It is never nil; before the first start it is empty,
// with serial 0.
func (e *Engine) Current() *Snapshot { return e.current.Load() }

// Addr gives the real address (host:port) behind a declared one, which differs for port 0.
// It is empty while nothing listens there.
func (e *Engine) Addr(declared string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.servers[declared]; s != nil {
		return s.actual()
	}
	return ""
}

// Addrs gives every address of the plan served now, in the plan's order.
func (e *Engine) Addrs() []Addr {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Addr
	for _, l := range e.current.Load().Plan.Listeners {
		a := Addr{Declared: l.Addr, Err: e.failed[l.Addr]}
		if s := e.servers[l.Addr]; s != nil {
			a.Actual = s.actual()
		}
		out = append(out, a)
	}
	return out
}
