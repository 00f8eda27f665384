package skill

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"capd/engine/plan"
)

// The defaults of [Options].
const (
	DefaultMaxFiles = 10_000
	DefaultMaxBytes = 256 << 20
)

// Options are what an [Adapter] can be told.
type Options struct {
	// Logger gets one record for each request that failed; nil discards them.
	Logger *slog.Logger
	// MaxFiles is the largest number of files and folders of a skill; 0 means DefaultMaxFiles.
	MaxFiles int
	// MaxBytes is the largest size of a download, before it is packed; 0 means DefaultMaxBytes.
	MaxBytes int64
}

// Adapter serves skill exposures, one plan after the other. One lives as long as the process.
type Adapter struct {
	opts Options

	mu   sync.Mutex
	live *snapshot // the last one that was swapped in
}

// New makes an adapter that serves nothing yet.
func New(o Options) *Adapter {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return &Adapter{opts: o}
}

// Prepare builds what next has to say beside what is being served. It touches nothing live.
// Calling swap makes it current; the handler it returns serves one listener of the plan, by its
// address, and is nil for an address without skills.
//
// The catalogues of exposures that prev has too are shared with it.
func (a *Adapter) Prepare(ctx context.Context, prev, next *plan.Bound) (swap func() (handler func(addr string) http.Handler, retire func()), err error) {
	p := next.Plan()
	if p == nil {
		return nil, errors.New("prepare skills: there is no plan to serve")
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
	handlers := make(map[string]http.Handler, len(s.sites))
	for addr, site := range s.sites {
		handlers[addr] = &server{opts: a.opts, bound: next, site: site}
	}
	return func() (func(addr string) http.Handler, func()) {
		a.mu.Lock()
		a.live = s
		a.mu.Unlock()
		handler := func(addr string) http.Handler { return handlers[addr] }
		return handler, func() {} // nothing is held: requests in flight keep what they use
	}, nil
}
