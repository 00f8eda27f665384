package mcp

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// filesEvery is how often a file is looked at that somebody subscribed to, unless its resource
// says it.
const filesEvery = 5 * time.Second

// watches are the resources of an endpoint whose changes clients want to know. A resource is
// looked at by one reader, however many want to know, and by none when nobody does.
type watches struct {
	endpoint *endpoint
	watching *watching

	mu    sync.Mutex
	n     int // subscriptions
	byURI map[string]*watch
}

// watch is one URI, as its subscribers write it.
type watch struct {
	uri         string
	subscribers map[*sdk.ServerSession]bool
	ctx         context.Context // of the looks; ends with the last subscriber
	cancel      func()
	stop        func() // of the timer; nil while there is none
	looking     bool   // one look at a time
	again       bool   // and another one after it
	seen        sight  // by the last look
}

// watching are those of all endpoints to which somebody has subscribed.
type watching struct {
	mu  sync.Mutex
	all map[*watches]bool
}

func (x *watching) set(w *watches, any bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !any {
		delete(x.all, w)
		return
	}
	if x.all == nil {
		x.all = map[*watches]bool{}
	}
	x.all[w] = true
}

// reloaded is called when something else is served.
func (x *watching) reloaded() {
	x.mu.Lock()
	all := slices.Collect(maps.Keys(x.all))
	x.mu.Unlock()
	for _, w := range all {
		w.reloaded()
	}
}

func newWatches(e *endpoint, all *watching) *watches {
	return &watches{endpoint: e, watching: all, byURI: map[string]*watch{}}
}

// subscribe is called by the SDK for a subscription of either era.
func (w *watches) subscribe(ctx context.Context, req *sdk.SubscribeRequest) error {
	modern := isModern(req.Params)
	if !modern && !w.endpoint.hasSession(req) {
		return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "subscriptions need a session, and this server has none"}
	}
	p := &pendingRead{endpoint: w.endpoint, uri: req.Params.URI, modern: modern}
	v, _ := w.endpoint.now().catalogue().library.find(p.uri)
	if v == nil {
		return p.notFound()
	}
	if v.Refusal != nil {
		return protocolError(plan.AsError(v.Refusal.Error()), "resource")
	}
	if err := permit(ctx, v.exposure, v.Scopes); err != nil {
		return protocolError(plan.AsError(err), "resource")
	}
	return w.add(p.uri, v.Resource, req.Session)
}

// add takes in a subscriber. The first one of a URI begins the looks.
func (w *watches) add(uri string, r *plan.Resource, of *sdk.ServerSession) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.byURI[uri]
	if x != nil && x.subscribers[of] {
		return nil
	}
	if w.n >= w.endpoint.opts.MaxSubscriptions {
		return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "this endpoint has as many subscriptions as are allowed; try again later"}
	}
	if x == nil {
		x = &watch{uri: uri, subscribers: map[*sdk.ServerSession]bool{}, seen: sight{resource: r}}
		// Who subscribes may read; whoever looks is nobody of them.
		x.ctx, x.cancel = context.WithCancel(plan.WithCaller(context.Background(), &plan.Caller{Local: true}))
		w.byURI[uri] = x
		w.begin(x)
	}
	x.subscribers[of] = true
	w.n++
	w.watching.set(w, true)
	return nil
}

// unsubscribe is called by the SDK, also when a stream of subscriptions ends.
func (w *watches) unsubscribe(_ context.Context, req *sdk.UnsubscribeRequest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(w.byURI[req.Params.URI], req.Session)
	return nil
}

// forget ends the subscriptions of a session that has ended.
func (w *watches) forget(of *sdk.ServerSession) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.byURI {
		w.remove(x, of)
	}
}

// remove takes out a subscriber. The last one of a URI ends the looks.
func (w *watches) remove(x *watch, of *sdk.ServerSession) {
	if x == nil || !x.subscribers[of] {
		return
	}
	delete(x.subscribers, of)
	w.n--
	w.watching.set(w, w.n > 0)
	if len(x.subscribers) == 0 {
		w.end(x)
	}
}

// end ends the looks at a URI.
func (w *watches) end(x *watch) {
	x.cancel()
	if x.stop != nil {
		x.stop()
	}
	delete(w.byURI, x.uri)
}

// close ends all looks.
func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.byURI {
		w.n -= len(x.subscribers)
		w.end(x)
	}
	w.watching.set(w, w.n > 0)
}

// reloaded is called when something else may be served. What was not declared to be looked at may
// be another when its declaration is; files are looked at.
func (w *watches) reloaded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.endpoint.offered.Load().until.Load() != nil {
		return // the endpoint is no more
	}
	for _, x := range w.byURI {
		v, _ := w.endpoint.now().catalogue().library.find(x.uri)
		switch {
		case v == nil || v.Refusal != nil:
			w.begin(x)
		case interval(v.Resource) == 0:
			if x.stop != nil {
				x.stop()
				x.stop = nil
			}
			if x.seen.resource != v.Resource {
				x.seen = sight{resource: v.Resource}
				go w.tell(x)
			}
		case v.Folder != nil || x.stop == nil:
			w.begin(x)
		}
	}
}

// begin looks at once. It is called under the lock, as all that follow are unless they say it.
func (w *watches) begin(x *watch) {
	if x.looking {
		x.again = true
		return
	}
	x.looking = true
	if x.stop != nil {
		x.stop()
		x.stop = nil
	}
	go w.look(x)
}

// look reads what is behind a URI and tells the subscribers when it is another than before. It
// is not called under the lock.
func (w *watches) look(x *watch) {
	w.mu.Lock()
	before := x.seen
	w.mu.Unlock()
	now := w.read(x, before)
	w.mu.Lock()
	defer w.mu.Unlock()
	x.looking = false
	if x.ctx.Err() != nil {
		return
	}
	if now.ok && before.ok && now.sum != before.sum {
		go w.tell(x)
	}
	if !now.ok { // what was there before may still be
		now.ok, now.sum, now.stamp = before.ok, before.sum, plan.Stamp{}
	}
	x.seen = now
	switch {
	case x.again:
		x.again = false
		w.begin(x)
	case now.every > 0:
		x.stop = w.endpoint.opts.After(now.every, func() { w.due(x) })
	}
}

// due is called by the timer, not under the lock.
func (w *watches) due(x *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x.ctx.Err() == nil {
		w.begin(x)
	}
}

// sight is what a look found.
type sight struct {
	resource *plan.Resource
	every    time.Duration     // until the next look; 0 for none
	stamp    plan.Stamp        // of a file
	sum      [sha256.Size]byte // of the contents; zero: there is nothing
	ok       bool              // sum is known
}

// read looks at what is behind a URI now. It is not called under the lock.
func (w *watches) read(x *watch, before sight) (out sight) {
	e := w.endpoint
	defer func() {
		if p := recover(); p != nil {
			e.opts.Logger.Error("panic in a look at an MCP resource", e.name, "panic", fmt.Sprint(p))
		}
	}()
	st := e.now()
	v, values := st.catalogue().library.find(x.uri)
	if v == nil || v.Refusal != nil {
		return sight{every: filesEvery, ok: true} // perhaps it comes back
	}
	out = sight{resource: v.Resource, every: interval(v.Resource)}
	if out.every == 0 {
		return out
	}
	if v.Folder != nil {
		var there bool
		if out.stamp, there = v.Folder.Stamp(values[0]); !there {
			out.ok = true
			return out
		}
		if before.ok && before.resource == v.Resource && before.stamp == out.stamp {
			out.sum, out.ok = before.sum, true
			return out
		}
	}
	p := &pendingRead{endpoint: e, state: st, uri: x.uri, resource: v, values: values}
	// It is looked at for all subscribers, each of whom may read it. What they are told is
	// that it changed, and no more.
	ctx := plan.WithCaller(x.ctx, &plan.Caller{RequestID: plan.NewRequestID(), Local: true})
	contents, err := p.run(ctx, nil)
	switch {
	case err == nil && contents == nil: // somebody must be asked first
	case err == nil:
		h := sha256.New()
		_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", contents.MIMEType, contents.Text, contents.Blob) // a hash takes every byte
		out.sum, out.ok = [sha256.Size]byte(h.Sum(nil)), true
	case plan.AsError(err).Code == plan.CodeNotFound:
		out.ok = true
	default: // it may be there, and the same
		e.opts.Logger.DebugContext(x.ctx, "MCP resource cannot be looked at", e.name, "resource", v.Name, "code", plan.AsError(err).Code.String())
	}
	return out
}

// interval gives how often a resource is looked at; 0 for never.
func interval(r *plan.Resource) time.Duration {
	switch {
	case r.Every > 0:
		return r.Every
	case r.Folder != nil:
		return filesEvery
	}
	return 0
}

// tell tells the subscribers that a resource is another. It is not called under the lock.
func (w *watches) tell(x *watch) {
	if s := w.endpoint.server.Load(); s != nil {
		_ = s.ResourceUpdated(context.Background(), &sdk.ResourceUpdatedNotificationParams{URI: x.uri}) // it gives no error
	}
}
