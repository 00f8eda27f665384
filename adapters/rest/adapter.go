package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"capd/engine/plan"
)

// Options are what an [Adapter] can be told.
type Options struct {
	// Logger gets one record for each call that failed; nil discards them.
	Logger *slog.Logger
	// MaxBody is the largest request body that is accepted, in bytes; 0 means no limit.
	MaxBody int64
}

// Adapter serves REST exposures, one plan after the other. One lives as long as the
// process.
type Adapter struct {
	opts    Options
	calls   *calls
	buffers *buffers

	mu   sync.Mutex
	live *snapshot // the last one that was swapped in
}

// New makes an adapter that serves nothing yet.
func New(o Options) *Adapter {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Adapter{opts: o, calls: newCalls(), buffers: newBuffers()}
}

// Prepare builds the routing of next beside what is being served. It touches nothing
// live. Calling swap makes it current; the handler it returns serves one listener of the
// plan, by its address, and answers 404 for an address the plan does not have. A handler
// keeps working after it is retired, for the calls that are still in it.
//
// The tables of exposures that prev has too are shared with it.
func (a *Adapter) Prepare(ctx context.Context, prev, next *plan.Bound) (swap func() (handler func(addr string) http.Handler, retire func()), err error) {
	p := next.Plan()
	if p == nil {
		return nil, errors.New("prepare REST: there is no plan to serve")
	}
	var old *snapshot
	if prev != nil {
		a.mu.Lock()
		old = a.live
		a.mu.Unlock()
	}
	s, err := newSnapshot(ctx, p, old)
	if err != nil {
		return nil, err
	}
	srv := &server{opts: a.opts, bound: next, calls: a.calls, buffers: a.buffers}
	handlers := make(map[string]http.Handler, len(s.sites))
	for addr, site := range s.sites {
		handlers[addr] = srv.handler(site)
	}
	nothing := srv.handler(newSite(&plan.Listener{}, &table{}, newLazyTable))

	return func() (func(addr string) http.Handler, func()) {
		a.mu.Lock()
		a.live = s
		a.mu.Unlock()
		handler := func(addr string) http.Handler {
			if h := handlers[addr]; h != nil {
				return h
			}
			return nothing
		}
		return handler, func() {} // nothing is held: calls in flight keep what they use
	}, nil
}
