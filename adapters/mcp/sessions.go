package mcp

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// errNoRoom says that every session is in use.
var errNoRoom = errors.New("as many sessions as are allowed are in use")

// sessions are an endpoint's sessions of the older protocol. There are at most max of them:
// each costs tens of kilobytes, and any client can open one with a single request. All
// operations take constant time.
type sessions struct {
	opts  *Options
	ended func(*sdk.ServerSession) // told of each that has ended; nil: nobody is

	mu   sync.Mutex
	n    int                 // sessions, and requests that are about to open one
	byID map[string]*session // those that are open
	idle *list.List          // of *session, the longest idle first
}

// session is one session, or a request that may open one.
type session struct {
	conn    *sdk.ServerSession // nil until it is open
	version string             // of the protocol
	owner   plan.CallerID      // who opened it; nobody else may use it
	uses    int                // requests, streams and calls under way
	counted bool               // is part of n
	quota   *plan.Quota        // has a place for it; nil: none is wanted
	gone    bool               // ended, or about to be
	waiting *list.Element      // its place among the idle ones; nil while in use

	// What ends a session that makes no requests. A stream that it listens to is none.
	posts  int       // requests under way
	posted time.Time // when the last one ended
	stop   func()    // of the timer; nil until it is open

	calls map[string]context.CancelFunc // those that the SDK does not know, by their IDs
	logs  bool                          // its client has said which log messages it wants
}

func newSessions(o *Options) *sessions {
	return &sessions{opts: o, byID: map[string]*session{}, idle: list.New()}
}

// admit makes room for one more session, which the caller uses until it calls leave, here and
// among what its document has open. When there is none, the longest idle session goes: it is
// given back, for the caller to close, also beside an error.
func (s *sessions) admit(q *plan.Quota) (_, evicted *session, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n >= s.opts.MaxSessions || !q.OpenStream() {
		first := s.idle.Front()
		if first == nil {
			return nil, nil, errNoRoom
		}
		evicted = first.Value.(*session)
		s.drop(evicted)
		if !q.OpenStream() {
			return nil, evicted, errNoRoom
		}
	}
	s.n++
	return &session{uses: 1, counted: true, quota: q}, evicted, nil
}

// uncount gives the place of x free.
func (s *sessions) uncount(x *session) {
	x.counted = false
	s.n--
	x.quota.CloseStream()
	x.quota = nil
}

// open records that the request of x has opened a session.
func (s *sessions) open(x *session, conn *sdk.ServerSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.conn != nil {
		return
	}
	x.conn, x.posted = conn, s.opts.Now()
	if p := conn.InitializeParams(); p != nil {
		x.version = p.ProtocolVersion
	}
	s.byID[conn.ID()] = x
	s.wake(x, s.opts.SessionTimeout)
	go func() {
		// A session also ends by its client's wish, or when its time is up.
		_ = conn.Wait()
		s.forget(x)
		if s.ended != nil {
			s.ended(conn)
		}
	}()
}

// wake looks after d whether a session has made no requests for too long.
func (s *sessions) wake(x *session, d time.Duration) {
	x.stop = s.opts.After(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		left := s.opts.SessionTimeout
		if x.posts == 0 {
			left -= s.opts.Now().Sub(x.posted)
		}
		switch {
		case x.gone:
		case left > 0:
			s.wake(x, left)
		default:
			s.drop(x)
			go func() { _ = x.conn.Close() }() // waits for calls under way
		}
	})
}

// post notes that a request of a session is under way until posted is called. A nil x is
// nobody's session.
func (s *sessions) post(x *session) (posted func()) {
	if x == nil {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x.posts++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.posted(x)
	}
}

func (s *sessions) posted(x *session) {
	x.posts--
	x.posted = s.opts.Now()
}

// begin finds an open session of a caller for a call that the SDK does not know, and keeps it in
// use until end is called. Meanwhile cancel is called when the client cancels the call of that ID.
// x is nil for a session that is not open, or another's, or that is told what the call tells;
// taken says that another call has the ID.
func (s *sessions) begin(id string, who plan.CallerID, call string, tells bool, cancel context.CancelFunc) (x *session, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x = s.byID[id]; x == nil || x.gone || x.owner != who || tells && x.logs {
		return nil, false
	}
	if x.calls[call] != nil {
		return x, true
	}
	if x.calls == nil {
		x.calls = map[string]context.CancelFunc{}
	}
	x.calls[call] = cancel
	x.posts++
	s.use(x)
	return x, false
}

// end ends what begin began.
func (s *sessions) end(x *session, call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(x.calls, call)
	s.posted(x)
	s.unuse(x)
}

// log notes that the client of a session has said which log messages it wants.
func (s *sessions) log(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byID[id]; x != nil {
		x.logs = true
	}
}

// cancel cancels a call that begin has noted, if there is one.
func (s *sessions) cancel(id, call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.byID[id]; x != nil && x.calls[call] != nil {
		x.calls[call]()
	}
}

// isOf reports whether a session may be used by a caller: one that is open by who opened it
// alone.
func (s *sessions) isOf(id string, who plan.CallerID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[id]
	return x == nil || x.owner == who
}

// find gives an open session and keeps it from being idle until leave is called. It gives
// nil for an unknown ID. ok is false for a session that is being ended.
func (s *sessions) find(id string) (_ *session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byID[id]
	if x == nil {
		return nil, true
	}
	if x.gone {
		return nil, false
	}
	s.use(x)
	return x, true
}

// enter keeps x from being idle until leave is called. A nil x is nobody's session.
func (s *sessions) enter(x *session) {
	if x == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.use(x)
}

func (s *sessions) use(x *session) {
	x.uses++
	if x.waiting != nil {
		s.idle.Remove(x.waiting)
		x.waiting = nil
	}
	if !x.counted && !x.gone { // its request ended before it was handled
		x.counted = true
		s.n++
	}
}

// leave ends what admit, find or enter began.
func (s *sessions) leave(x *session) {
	if x == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unuse(x)
}

func (s *sessions) unuse(x *session) {
	x.uses--
	switch {
	case x.uses > 0 || x.gone:
	case x.conn == nil: // it came to nothing
		s.uncount(x)
	default:
		x.waiting = s.idle.PushBack(x)
	}
}

// forget takes out a session that has ended.
func (s *sessions) forget(x *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(x)
	delete(s.byID, x.conn.ID())
	x.stop()
}

// drop gives the place of x free.
func (s *sessions) drop(x *session) {
	x.gone = true
	if x.waiting != nil {
		s.idle.Remove(x.waiting)
		x.waiting = nil
	}
	if x.counted {
		s.uncount(x)
	}
}

type sessionKey struct{}

// opener is the context of a request that opens a session. The SDK keeps it as long as the session
// lives, and has each call of the session run under it. What came with the request is not needed
// for that: its headers, its caller and whatever else its context leads to are forgotten with its
// end.
type opener struct {
	session *session
	done    <-chan struct{}
	request atomic.Pointer[requestContext] // nil when the request has ended
}

type requestContext struct{ context.Context }

// newOpener makes it of the context of the request. forget is called at the end of the request.
func newOpener(ctx context.Context, x *session) *opener {
	o := &opener{session: x, done: ctx.Done()}
	o.request.Store(&requestContext{ctx})
	return o
}

func (o *opener) forget() { o.request.Store(nil) }

// Deadline gives that of the request, while it lasts.
func (o *opener) Deadline() (deadline time.Time, ok bool) {
	if r := o.request.Load(); r != nil {
		return r.Deadline()
	}
	return time.Time{}, false
}

// Done is closed with the end of the request.
func (o *opener) Done() <-chan struct{} { return o.done }

// Err says whether the request has ended, and how.
func (o *opener) Err() error {
	if r := o.request.Load(); r != nil {
		return r.Err()
	}
	return context.Canceled
}

// Value gives the session, and what the context of the request knows while it lasts.
func (o *opener) Value(key any) any {
	if _, ok := key.(sessionKey); ok {
		return o.session
	}
	if r := o.request.Load(); r != nil {
		return r.Value(key)
	}
	return nil
}

// opening gives the session that the request behind ctx was admitted for, or nil.
func opening(ctx context.Context) *session {
	x, _ := ctx.Value(sessionKey{}).(*session)
	return x
}

// opensSession reports whether r asks for a session. It reads the body, and puts it back.
func opensSession(r *http.Request, limit int64) bool {
	if r.Method != http.MethodPost || r.Header.Get(headerSession) != "" {
		return false
	}
	read := peek(r, limit)

	type method struct {
		Method string `json:"method"`
	}
	var one method
	if json.Unmarshal(read, &one) == nil {
		return one.Method == methodInitialize
	}
	var batch []method // revision 2025-03-26 has batches
	if json.Unmarshal(read, &batch) == nil {
		for _, m := range batch {
			if m.Method == methodInitialize {
				return true
			}
		}
	}
	return false
}
