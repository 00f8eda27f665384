package mcp

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// firstModern is the first protocol version without a handshake (specification 2026-07-28).
// Versions are dates and compare as text.
const firstModern = "2026-07-28"

// lastOlder is the last one with a handshake.
const lastOlder = "2025-11-25"

// endpointKey tells endpoints apart across reloads: what a client calls the same server.
type endpointKey struct {
	doc, namespace string
	nth            int // among exposures of one namespace

	// Of a view of several exposures: the listen address, and the segments of the path.
	several    bool
	addr, view string

	stdio bool // on standard input and output, of which there is one
}

// keyOf gives the key of an exposure's own endpoint.
func keyOf(x *plan.Exposure) endpointKey {
	key := endpointKey{doc: x.Unit.ID, namespace: x.Namespace}
	for _, o := range x.Unit.Exposures {
		if o == x {
			break
		}
		if o.Kind == plan.MCP && o.Namespace == x.Namespace {
			key.nth++
		}
	}
	return key
}

// state is what an endpoint serves at one time: an offer, with the values that variables have.
type state struct {
	*offer
	bound *plan.Bound
}

// offer is what an endpoint serves, for as long as no document changes that is in it. It is
// immutable, but for until.
type offer struct {
	view      *plan.View
	catalogue func() *catalogue // rendered when first wanted
	firstPage func() []byte     // of tools/list, for callers who see all; the same
	scoped    bool              // something needs scopes of its own

	// until is the last plan that had it, for those who still have it; nil as long as the latest one has it.
	until atomic.Pointer[plan.Bound]
}

// now gives what is served now. An offer is never seen with a plan that has it not: a swap first tells the
// offers that go until when they were, then stores the plan, then the offers that come.
func (e *endpoint) now() state {
	o := e.offered.Load()
	bound := e.latest.Load()
	if last := o.until.Load(); last != nil {
		bound = last
	}
	return state{o, bound}
}

// retire says of what an endpoint offers that it is served no more after a plan.
func (e *endpoint) retire(after *plan.Bound) {
	if o := e.offered.Load(); o != nil {
		o.until.Store(after)
	}
}

// quota gives what the document may use that is served, if it is one; nil for a view of
// several, whose tools are counted when they are called.
func (st state) quota() *plan.Quota {
	u := st.view.Members[0].Exposure.Unit
	for _, m := range st.view.Members {
		if m.Exposure.Unit != u {
			return nil
		}
	}
	return st.bound.Quota(u)
}

// endpoint is one MCP server as its clients know it. It outlives reloads, so that sessions
// and streams do; what it serves is its state.
type endpoint struct {
	opts    *Options
	kept    *keptResults
	buffers *answerBuffers
	name    slog.Attr // for the log: the ID of the document, or the path of a view of several
	offered atomic.Pointer[offer]
	latest  *atomic.Pointer[plan.Bound] // of the adapter
	closed  atomic.Bool
	local   bool // its one client is who started capd
	streams *streams
	older   *sessions // of the older protocol
	visits  tally     // requests under way
	watches *watches
	callers callers // of them

	hasResources, hasPrompts, hasSteps, hasCompletions atomic.Bool // now, or at any time since it began

	// The protocol engine is made when the first client comes.
	once       sync.Once
	server     atomic.Pointer[sdk.Server]
	mirrored   mirrored
	serverInfo json.RawMessage // what results of the modern protocol say of the server
	versions   []string        // of the protocol
	// The modern protocol, answered with an event stream or with plain JSON; and the older one.
	modern, plain, legacy http.Handler
}

func (a *Adapter) newEndpoint(v *plan.View) *endpoint {
	name := slog.String("view", v.Path)
	if v.Kind == plan.ViewDocument {
		name = slog.String("document", v.Name)
	}
	o := &a.opts
	e := &endpoint{opts: o, kept: a.kept, buffers: a.buffers, latest: &a.latest, name: name, streams: newStreams(o.MaxStreams), older: newSessions(o)}
	e.watches = newWatches(e, &a.watching)
	e.older.ended = e.watches.forget
	return e
}

// prepare makes the next offer. A view that did not change keeps its catalogue.
func (e *endpoint) prepare(v *plan.View) *offer {
	if cur := e.offered.Load(); cur != nil && cur.view.Equal(v) {
		return &offer{view: v, catalogue: cur.catalogue, firstPage: cur.firstPage, scoped: cur.scoped}
	}
	c := sync.OnceValue(func() *catalogue { return e.newCatalogue(v) })
	o := &offer{view: v, catalogue: c, firstPage: sync.OnceValue(func() []byte { return firstPage(c(), v) }), scoped: isScoped(v)}
	if e.server.Load() != nil {
		o.catalogue() // its clients will want it at once
	}
	return o
}

// newCatalogue makes the catalogue of a view, which lists tools to search with instead of very
// many others.
func (e *endpoint) newCatalogue(v *plan.View) *catalogue {
	c := newCatalogue(v, e.own(v)...)
	if e.opts.searches(v) {
		c.offerSearch(v)
	}
	return c
}

// searches reports whether a view has too many tools to list them.
func (o *Options) searches(v *plan.View) bool {
	above := o.SearchAbove
	switch {
	case above < 0:
		return false
	case above == 0 && v.Kind == plan.ViewDocument:
		above = DefaultSearchAboveOwn
	case above == 0:
		above = DefaultSearchAbove
	}
	return v.Tools() > above
}

// swap puts an offer in place and tells the clients when a list of theirs became another.
func (e *endpoint) swap(st *offer) {
	if old := e.offered.Load(); old != nil && old.view == st.view {
		e.offered.Store(st)
		return
	}
	for _, m := range st.view.Members {
		if len(m.Resources) > 0 {
			e.hasResources.Store(true)
		}
		if len(m.Prompts) > 0 {
			e.hasPrompts.Store(true)
		}
		if completes(m) {
			e.hasCompletions.Store(true)
		}
		if slices.ContainsFunc(m.Tools, func(t *plan.Tool) bool { return t.Operation != nil && t.Operation.StepCount() > 0 }) {
			e.hasSteps.Store(true)
		}
	}
	old := e.offered.Swap(st)
	e.tellLeft(old, st)
	s := e.server.Load()
	if s == nil || old == nil || old.view.Equal(st.view) {
		return
	}
	e.mirrored.update(e, s)
	was, is := old.catalogue().fingerprint(), st.catalogue().fingerprint()
	changed := func(what string, announce func(*sdk.Server)) {
		e.opts.Logger.Info("MCP "+what+" changed", e.name)
		announce(s)
	}
	if was.tools != is.tools {
		changed("tools", announceTools)
	}
	if was.resources != is.resources {
		changed("resources", announceResources)
	}
	if was.prompts != is.prompts {
		changed("prompts", announcePrompts)
	}
}

// tellLeft logs what a view that nobody asked for by name cannot have; of the others, the
// diagnostics tell.
func (e *endpoint) tellLeft(old, st *offer) {
	v := st.view
	if v.Kind == plan.ViewNamed || v.Kind == plan.ViewAll || old != nil && slices.EqualFunc(old.view.Left, v.Left, sameLeft) {
		return
	}
	for _, left := range v.Left[:min(len(v.Left), maxLeftTold)] {
		e.opts.Logger.Info("MCP view leaves out a document", e.name, "document", left.Exposure.Unit.ID, "why", left.Why)
	}
	if more := len(v.Left) - maxLeftTold; more > 0 {
		e.opts.Logger.Info("MCP view leaves out more documents", e.name, "documents", more)
	}
}

func sameLeft(a, b plan.Left) bool { return a.Exposure.Unit.ID == b.Exposure.Unit.ID && a.Why == b.Why }

// maxLeftTold is how many documents that a view leaves out are told one by one.
const maxLeftTold = 10

// close takes the endpoint out of service: its streams end, and its sessions when their
// calls are answered. (The SDK's Close waits for calls in flight, and drops their answers.)
func (e *endpoint) close() {
	e.closed.Store(true)
	e.watches.close()
	e.streams.end()
	e.visits.whenNone(func() {
		s := e.server.Load()
		if s == nil {
			return
		}
		for session := range s.Sessions() {
			if session.ID() != "" { // one without ID is a single request, and ends by itself
				go func() { _ = session.Close() }()
			}
		}
	})
}

// ServeHTTP serves both eras. A client of the modern one says so in a header with every
// request; all else is the older protocol with its sessions.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.visits.enter()
	defer e.visits.leave()
	if e.closed.Load() {
		writeProblem(w, r, http.StatusNotFound, plan.CodeNotFound.String(), "this MCP endpoint was removed")
		return
	}
	e.once.Do(e.begin)
	quota := e.now().quota()
	body := holdBody(r, quota, e.opts.MaxBody)
	defer body.release()
	if e.serveDirect(w, r) {
		return
	}
	defer e.callers.enter(r)()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := newOutlet(w, e.opts, cancel)
	defer out.close()
	r = forSDK(r.WithContext(ctx))
	if !body.full && !isReadable(out, r, e.opts.MaxBody) {
		return
	}
	if body.full {
		writeOverloaded(out, r, quota.Overloaded())
		return
	}
	if opensStream(r) {
		leave, ok := e.streams.reserve(quota)
		defer leave()
		if !ok {
			w.Header().Set("Retry-After", retryAfter)
			writeProblem(out, r, http.StatusServiceUnavailable, "", "this endpoint has as many streams as are allowed; try again later")
			return
		}
	}
	e.serve(out, r)
}

// opensStream reports whether the answer to a request stays open by itself.
func opensStream(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Header.Get(headerMethod) == methodListen
}

// serve tells the eras apart.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get(headerVersion) >= firstModern:
		e.serveModern(w, r)
	case e.opts.WithoutSessions:
		// A client without a session can cancel its call only by going away.
		e.modern.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, r.Context())))
	default:
		e.serveOlder(w, r)
	}
}

// callerKey is the key of the context that ends with the request of a client that has no other
// way to say that it does not wait any more.
type callerKey struct{}

// waited gives a context that ends when its client does not wait any more, where only that can
// say so.
func waited(ctx context.Context) (context.Context, func()) {
	caller, ok := ctx.Value(callerKey{}).(context.Context)
	if !ok {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(caller, cancel)
	return ctx, func() { stop(); cancel() }
}

// serveModern serves the protocol without sessions. An answer that nothing can come before is
// plain JSON, which takes less time; a client that takes no event streams gets no other.
func (e *endpoint) serveModern(w http.ResponseWriter, r *http.Request) {
	json, stream := accepts(r.Header)
	if json && !stream && r.Header.Get(headerMethod) != methodListen {
		r.Header.Set("Accept", "application/json, text/event-stream") // the SDK wants both from everybody
		e.plain.ServeHTTP(w, r)
		return
	}
	if e.mayTell(r.Header) {
		e.modern.ServeHTTP(w, r)
		return
	}
	e.plain.ServeHTTP(w, r)
}

// mayTell reports whether something may be told before the answer to a request, whose method
// and name the SDK compares with its body.
func (e *endpoint) mayTell(h http.Header) bool {
	switch h.Get(headerMethod) {
	case methodListen:
		return true
	case methodCallTool:
		t := e.now().catalogue().tools[h.Get(headerName)]
		return t != nil && (t.own != nil || t.steps() > 0)
	}
	return false
}

// steps gives how many steps a tool has.
func (e *entry) steps() int {
	if op := e.operation(); op != nil {
		return op.StepCount()
	}
	return 0
}

// retryAfter is when a client may ask again for a session, in seconds (RFC 9110 section
// 10.2.3). Sessions come free when a call ends, so it is short.
const retryAfter = "5"

// serveOlder serves the protocol with sessions.
func (e *endpoint) serveOlder(w http.ResponseWriter, r *http.Request) {
	if opensSession(r, e.opts.MaxBody) {
		x, evicted, err := e.older.admit(e.now().quota())
		if evicted != nil {
			e.opts.Logger.DebugContext(r.Context(), "MCP session ended to make room", e.name)
			_ = evicted.conn.Close() // nothing of it is under way, so this does not wait
		}
		if err != nil {
			w.Header().Set("Retry-After", retryAfter)
			writeProblem(w, r, http.StatusServiceUnavailable, "", "this endpoint has "+err.Error()+"; try again later")
			return
		}
		defer e.older.leave(x)
		x.owner = plan.CallerOf(r.Context()).ID()
		o := newOpener(r.Context(), x)
		defer o.forget()
		r = r.WithContext(o)
	} else {
		id := r.Header.Get(headerSession)
		mine := e.older.isOf(id, plan.CallerOf(r.Context()).ID())
		x, ok := e.older.find(id)
		if !mine {
			e.older.leave(x)
		}
		if !ok || !mine {
			writeProblem(w, r, http.StatusNotFound, plan.CodeNotFound.String(), "this session has ended; initialize another")
			return
		}
		defer e.older.leave(x)
		if r.Method == http.MethodPost {
			defer e.older.post(x)()
		}
		if r.Method == http.MethodDelete && x != nil {
			defer e.older.forget(x) // its client gets room for another with the answer
		}
	}
	if r.Method == http.MethodGet {
		ctx, leave, ok := e.streams.join(r.Context())
		defer leave()
		if !ok {
			writeProblem(w, r, http.StatusServiceUnavailable, "", "this server is shutting down")
			return
		}
		r = r.WithContext(ctx)
	}
	e.legacy.ServeHTTP(w, r)
}

// begin makes the protocol engine: one server behind two handlers, because the SDK speaks
// the modern protocol only without sessions and the older one fully only with them.
func (e *endpoint) begin() {
	log := quiet(e.opts.Logger)
	s := newServer(e, log)
	get := func(*http.Request) *sdk.Server { return s }
	modern := sdk.StreamableHTTPOptions{
		Stateless:                    true,
		PropagateRequestCancellation: true, // a client that goes away cancels its call
		MaxRequestBodyBytes:          e.opts.MaxBody,
		DisableLocalhostProtection:   true, // hosts and origins are checked in front of all adapters
		Logger:                       log,
	}
	e.modern = sdk.NewStreamableHTTPHandler(get, &modern)
	plain := modern
	plain.JSONResponse = true
	e.plain = sdk.NewStreamableHTTPHandler(get, &plain)
	e.legacy = sdk.NewStreamableHTTPHandler(get, &sdk.StreamableHTTPOptions{
		MaxRequestBodyBytes:        e.opts.MaxBody,
		DisableLocalhostProtection: true,
		Logger:                     log,
	})
	e.versions = sdk.SupportedProtocolVersions()
	e.serverInfo, _ = json.Marshal(implementation(e.now().view, e.opts.Version)) // texts always marshal
	e.server.Store(s)
	e.mirrored.update(e, s)
}
