package plan

import (
	"container/list"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// QuotaOptions say what documents may use.
type QuotaOptions struct {
	// Caps are those of every document that has none of its own.
	Caps Caps
	// Store keeps what rates count; nil: rates are not held to.
	Store Store
	// Limited is told each time that a document reaches a limit; nil: nobody is. It must not block.
	Limited func(document string, l Limit)
}

// Quotas count what each document uses. There is one per process: it lives outside of plans,
// so that a reload forgets nothing. It is safe for concurrent use.
type Quotas struct {
	opts QuotaOptions

	mu   sync.Mutex
	byID map[string]*documentUse
}

// NewQuotas gives quotas of which nothing is used.
func NewQuotas(o QuotaOptions) *Quotas { return &Quotas{opts: o, byID: map[string]*documentUse{}} }

// of gives the quota of a document, with caps of its own; nil, which bounds nothing, when there are none.
func (q *Quotas) of(u *Unit, own Caps) *Quota {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	used := q.byID[u.ID]
	if used == nil {
		used = &documentUse{}
		q.byID[u.ID] = used
	}
	return &Quota{document: u.ID, caps: own.or(u.Caps).or(q.opts.Caps), opts: &q.opts, used: used}
}

// forget drops what is known of documents that are gone and use nothing any more.
func (q *Quotas) forget(p *Plan) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.byID) == len(p.Units) {
		return // every document that is served is known
	}
	for id, used := range q.byID {
		if p.Unit(id) == nil && used.isNothing() {
			delete(q.byID, id)
		}
	}
}

// documentUse is what a document uses now.
type documentUse struct {
	calls, memory, streams atomic.Int64

	waiting atomic.Int64 // the length of queue
	mu      sync.Mutex
	queue   list.List // of *waiter, who waits longest first
}

// waiter is a call that waits for a place.
type waiter struct{ ready chan struct{} } // closed when it has one

func (u *documentUse) isNothing() bool {
	return u.calls.Load() == 0 && u.memory.Load() == 0 && u.streams.Load() == 0 && u.waiting.Load() == 0
}

// take takes one of most places; no bound when that is 0.
func take(n *atomic.Int64, most int64) bool {
	for {
		was := n.Load()
		if most > 0 && was >= most {
			return false
		}
		if n.CompareAndSwap(was, was+1) {
			return true
		}
	}
}

// wake gives free places to those who wait longest. It is called under the lock.
func (u *documentUse) wake(most int64) {
	for e := u.queue.Front(); e != nil && take(&u.calls, most); e = u.queue.Front() {
		close(u.queue.Remove(e).(*waiter).ready)
		u.waiting.Add(-1)
	}
}

// Quota is what one document may use, and what it uses. A nil one bounds nothing. It is safe
// for concurrent use.
type Quota struct {
	document string
	caps     Caps
	opts     *QuotaOptions
	used     *documentUse
}

// Document gives the ID of the document; empty for a nil quota.
func (q *Quota) Document() string {
	if q == nil {
		return ""
	}
	return q.document
}

func (q *Quota) reached(l Limit) {
	if q.opts.Limited != nil {
		q.opts.Limited(q.document, l)
	}
}

// enter takes a place for a call, which leave gives back. When there is none it waits in line,
// as long as there is room, the wait of the caps lasts, and ctx.
func (q *Quota) enter(ctx context.Context) error {
	if q == nil {
		return nil
	}
	// Nobody overtakes those who wait.
	if q.used.waiting.Load() == 0 && take(&q.used.calls, int64(q.caps.Calls)) {
		return nil
	}
	return q.wait(ctx)
}

func (q *Quota) wait(ctx context.Context) error {
	w := &waiter{ready: make(chan struct{})}
	place := q.line(w)
	if place == nil {
		q.reached(LimitCalls)
		return q.overloaded("as many calls of this capability are under way as are allowed")
	}
	timer := time.NewTimer(q.caps.Wait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	if q.giveUp(place) {
		return nil // its turn came at the last moment
	}
	if err := ctx.Err(); err != nil && context.Cause(ctx) != context.DeadlineExceeded {
		return AsError(err)
	}
	q.reached(LimitCalls)
	return q.overloaded("as many calls of this capability are under way as are allowed, and none ended in time")
}

// line puts w at the end of the line; nil when the line is full.
func (q *Quota) line(w *waiter) *list.Element {
	u := q.used
	u.mu.Lock()
	defer u.mu.Unlock()
	if q.caps.Waiting < 0 || u.queue.Len() >= q.caps.Waiting {
		return nil
	}
	e := u.queue.PushBack(w)
	u.waiting.Add(1)
	// A place may have become free before anybody could know that somebody waits.
	u.wake(int64(q.caps.Calls))
	return e
}

// giveUp takes a waiter out of the line. It is true when the waiter has a place by now.
func (q *Quota) giveUp(e *list.Element) bool {
	u := q.used
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-e.Value.(*waiter).ready:
		return true
	default:
	}
	u.queue.Remove(e)
	u.waiting.Add(-1)
	return false
}

// leave gives a place back, to whoever waits longest.
func (q *Quota) leave() {
	if q == nil {
		return
	}
	u := q.used
	u.calls.Add(-1)
	if u.waiting.Load() == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wake(int64(q.caps.Calls))
}

// admit takes a place for a call, which leave gives back, of a caller who does not call too
// often.
func (q *Quota) admit(ctx context.Context, who *Caller) error {
	if q == nil {
		return nil
	}
	if q.caps.CallerRate.Count > 0 || q.caps.Rate.Count > 0 {
		if err := q.judgeRates(ctx, who); err != nil {
			return err
		}
	}
	return q.enter(ctx)
}

// judgeRates counts a call, first for its caller: who calls too often does not use up what all
// have together.
func (q *Quota) judgeRates(ctx context.Context, who *Caller) error {
	if who == nil {
		who = CallerOf(ctx)
	}
	if err := q.judgeRate(ctx, LimitCaller, "caller:"+q.document+":"+who.rateKey(), q.caps.CallerRate); err != nil {
		return err
	}
	return q.judgeRate(ctx, LimitRate, "document:"+q.document, q.caps.Rate)
}

func (q *Quota) judgeRate(ctx context.Context, l Limit, bucket string, r Rate) error {
	if r.Count <= 0 || q.opts.Store == nil {
		return nil
	}
	wait, err := q.opts.Store.Take(ctx, bucket, r)
	if err != nil || wait <= 0 {
		return nil // a store that cannot be reached is no reason to refuse
	}
	q.reached(l)
	message := "this capability is called too often"
	if l == LimitCaller {
		message = "you call this capability too often"
	}
	return &Error{Code: CodeRateLimited, Message: message, RetryAfter: wait}
}

// hold gives the stream of an answer, which keeps a place until it is closed: one among the
// streams, so that slow readers do not keep new calls out, or that of its call when there is
// none. out is what holds it. Nothing is refused here, since the upstream was called already.
func (q *Quota) hold(out *heldStream, stream io.ReadCloser, cancel func()) io.ReadCloser {
	*out = heldStream{ReadCloser: stream, cancel: cancel, quota: q}
	if q != nil && take(&q.used.streams, int64(q.caps.Streams)) {
		out.moved = true
		q.leave()
	}
	return out
}

// heldStream is an answer that is read as it comes.
type heldStream struct {
	io.ReadCloser
	cancel func()
	quota  *Quota
	moved  bool // its place is among the streams
	closed bool
}

// Close gives the place back, once.
func (s *heldStream) Close() error {
	defer s.cancel()
	if !s.closed {
		s.closed = true
		if s.moved {
			s.quota.CloseStream()
		} else {
			s.quota.leave()
		}
	}
	return s.ReadCloser.Close()
}

// overloaded is the error of what was not begun.
func (q *Quota) overloaded(message string) *Error {
	e := Errorf(CodeOverloaded, "%s", message)
	e.RetryAfter = max(time.Second, q.caps.Wait)
	return e
}

// OpenStream takes a place for something that stays open: a stream or a session. CloseStream
// gives it back. It is false when all are taken.
func (q *Quota) OpenStream() bool {
	if q == nil || take(&q.used.streams, int64(q.caps.Streams)) {
		return true
	}
	q.reached(LimitStreams)
	return false
}

// CloseStream ends what OpenStream began.
func (q *Quota) CloseStream() {
	if q != nil {
		q.used.streams.Add(-1)
	}
}

// Hold counts n bytes that are held in memory until Release. It is false, and counts nothing,
// when the document would hold more than it may.
func (q *Quota) Hold(n int64) bool {
	if q == nil || n <= 0 {
		return true
	}
	if held := q.used.memory.Add(n); q.caps.Memory > 0 && held > q.caps.Memory {
		q.used.memory.Add(-n)
		q.reached(LimitMemory)
		return false
	}
	return true
}

// Release ends what Hold began.
func (q *Quota) Release(n int64) {
	if q != nil && n > 0 {
		q.used.memory.Add(-n)
	}
}

// Overloaded is the error of a call that was not begun since Hold or OpenStream was false.
func (q *Quota) Overloaded() *Error {
	if q == nil {
		return Errorf(CodeOverloaded, "too much is under way")
	}
	return q.overloaded("this capability uses as much as it may at the moment")
}

// Used is what a document uses now.
type Used struct {
	Calls, Waiting, Streams int
	Memory                  int64
}

// Used gives what the document uses now.
func (q *Quota) Used() Used {
	if q == nil {
		return Used{}
	}
	u := q.used
	return Used{Calls: int(u.calls.Load()), Waiting: int(u.waiting.Load()), Streams: int(u.streams.Load()), Memory: u.memory.Load()}
}

// Quota gives what a document of this plan may use.
func (b *Bound) Quota(u *Unit) *Quota {
	if b == nil || b.units[u] == nil {
		return nil
	}
	return b.units[u].quota
}
