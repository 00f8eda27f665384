package engine

import (
	"context"
	"net/http"

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

// Engine serves capability documents. Its methods are safe for concurrent use.
type Engine struct{}

// New makes an engine of checked options. It touches neither files nor sockets.
func New(o Options) (*Engine, error) { panic("later") }

// Start loads the documents, binds the addresses and begins to serve. The context bounds
// the start, not the life of what was started. It fails with a [*PathError] when a path does
// not exist, a [*ListenError] when no address can be bound, and an [*InvalidError] under
// [Fail]; then nothing is left behind and Start may be tried again.
func (e *Engine) Start(ctx context.Context) error { panic("later") }

// Reload loads everything again and serves it from one moment to the next. An unchanged
// document keeps its unit, a document that is broken now keeps its last good one, a removed
// one is gone. When Reload fails, everything is as it was. Reloads happen one after another.
func (e *Engine) Reload(ctx context.Context) error { panic("later") }

// Stop accepts no more connections, lets calls in flight finish, and cuts those that take
// longer than the drain timeout or than ctx. It may be called at any time and any number of
// times; every call returns when the engine has stopped, with the same error.
func (e *Engine) Stop(ctx context.Context) error { panic("later") }

// Run is Start, wait until ctx ends or a server breaks, and Stop.
func (e *Engine) Run(ctx context.Context) error { panic("later") }

// Current gives what is served now. It is never nil; before the first start it is empty,
// with serial 0.
func (e *Engine) Current() *Snapshot { panic("later") }

// Addr gives the real address (host:port) behind a declared one, which differs for port 0.
// It is empty while nothing listens there.
func (e *Engine) Addr(declared string) string { panic("later") }

// Addrs gives every address of the plan served now, in the plan's order.
func (e *Engine) Addrs() []Addr { panic("later") }
