package auth

import (
	"context"
	"encoding/hex"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"capd/engine/plan"
)

const (
	// maxNeighbours bounds the records of each of two generations.
	maxNeighbours = 16384
	// goodFor is how long it counts that somebody came in from an address.
	goodFor = 24 * time.Hour
	// patience is how many times more wrong credentials an address may show from which others
	// come in, before nobody does.
	patience = 10
	// maxTurns is how many tokens of one address an issuer is asked about at once, and maxQueue
	// how many wait for that.
	maxTurns = 16
	maxQueue = 256
	// maxPrints is how many wrong credentials of an address are remembered.
	maxPrints = 8
)

// neighbour is who is counted: all that come from one neighbourhood to one exposure.
type neighbour struct {
	exposure string
	address  netip.Addr
}

// ledger counts who fails at gates. It lives as long as the process.
//
// An address that shows too many wrong credentials has to wait before another is looked at. A
// credential that is wrong again and again counts once: that is a client nobody maintains, and
// no guess. An address from which somebody came in lately has more patience, so that one who
// guesses does not lock out the others behind the same address.
type ledger struct {
	rate  plan.Rate
	store plan.Store // shared by replicas; nil: there is one
	now   func() time.Time
	seed  maphash.Seed

	any     atomic.Bool // somebody failed
	mu      sync.RWMutex
	failing generations[*failures]
	good    generations[*atomic.Int64] // when somebody came in, in Unix seconds
}

// failures are those of a neighbour.
type failures struct {
	turns chan struct{} // holds a token for each question to an issuer under way
	queue atomic.Int32

	mu     sync.Mutex
	soft   bucket
	hard   bucket
	until  time.Time // no credential is looked at before, unless somebody came in from there
	closed time.Time // no credential is looked at before
	prints []uint64  // of the last wrong ones
}

func newLedger(rate plan.Rate, store plan.Store, now func() time.Time) *ledger {
	return &ledger{
		rate: rate, store: store, now: now, seed: maphash.MakeSeed(),
		failing: generations[*failures]{max: maxNeighbours}, good: generations[*atomic.Int64]{max: maxNeighbours},
	}
}

// wait gives how long nothing that a neighbour shows is looked at; 0 for not at all.
func (l *ledger) wait(n neighbour) time.Duration {
	f := l.find(n)
	if f == nil {
		return 0
	}
	now, good := l.now(), l.isGood(n)
	f.mu.Lock()
	defer f.mu.Unlock()
	if good {
		return max(0, f.closed.Sub(now))
	}
	return max(0, f.until.Sub(now), f.closed.Sub(now))
}

// came notes that a neighbour came in.
func (l *ledger) came(n neighbour) {
	now := l.now().Unix()
	l.mu.RLock()
	at, young := l.good.young[n]
	l.mu.RUnlock()
	if !young {
		l.mu.Lock()
		at = l.good.get(n, func() *atomic.Int64 { return new(atomic.Int64) })
		l.mu.Unlock()
	}
	if now-at.Load() >= 60 { // it need not be exact, and must not be written all the time
		at.Store(now)
	}
}

func (l *ledger) isGood(n neighbour) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	at := l.good.peek(n)
	return at != nil && l.now().Unix()-at.Load() < int64(goodFor/time.Second)
}

// failed counts a wrong credential.
func (l *ledger) failed(ctx context.Context, n neighbour, credential string) {
	f := l.record(n)
	print := maphash.String(l.seed, credential)
	if !f.isNew(print) {
		return
	}
	now := l.now()
	f.mu.Lock()
	f.prints = append(f.prints[max(0, len(f.prints)-maxPrints+1):], print)
	if f.until.After(now) { // it was looked at all the same
		patient := l.rate
		patient.Burst *= patience
		if wait := f.hard.take(now, patient); wait > 0 {
			f.closed = now.Add(wait)
		}
		f.mu.Unlock()
		return
	}
	wait := f.soft.take(now, l.rate)
	f.mu.Unlock()
	if l.store != nil {
		// A store that cannot be reached leaves each replica to count for itself.
		if w, err := l.store.Take(ctx, l.bucketName(n), l.rate); err == nil {
			wait = max(wait, w)
		}
	}
	if wait > 0 {
		f.mu.Lock()
		f.until = now.Add(wait)
		f.mu.Unlock()
	}
}

// bucketName names the bucket that replicas share.
func (l *ledger) bucketName(n neighbour) string {
	address, err := n.address.MarshalBinary()
	if err != nil { // it never fails
		address = nil
	}
	return "auth-failures\x00" + n.exposure + "\x00" + hex.EncodeToString(address)
}

// isNew reports whether a wrong credential is none of the last ones.
func (f *failures) isNew(print uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.Contains(f.prints, print)
}

// turn waits until an issuer may be asked about a token that a neighbour shows. It reports
// false when too many wait, or when the caller is gone; else leave must be called.
func (l *ledger) turn(ctx context.Context, n neighbour) (leave func(), ok bool) {
	f := l.record(n)
	if f.queue.Add(1) > maxQueue {
		f.queue.Add(-1)
		return nil, false
	}
	defer f.queue.Add(-1)
	select {
	case f.turns <- struct{}{}:
		return func() { <-f.turns }, true
	case <-ctx.Done():
		return nil, false
	}
}

// find gives the failures of a neighbour; nil when there are none.
func (l *ledger) find(n neighbour) *failures {
	if !l.any.Load() {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failing.peek(n)
}

func (l *ledger) record(n neighbour) *failures {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.any.Store(true)
	return l.failing.get(n, func() *failures { return &failures{turns: make(chan struct{}, maxTurns)} })
}

// bucket is a bucket of tokens, full at first: it is the instant at which it will be full again.
type bucket time.Time

// take takes a token, if there is one, and gives how long it takes until there is another.
func (b *bucket) take(now time.Time, r plan.Rate) time.Duration {
	full, _ := r.Take(time.Time(*b), now)
	*b = bucket(full)
	_, wait := r.Take(full, now)
	return wait
}

// generations keep what was used last, in at most twice max places: when one generation is full
// the one before it is forgotten.
type generations[V any] struct {
	max        int
	young, old map[neighbour]V
}

// peek gives what is kept.
func (g *generations[V]) peek(n neighbour) V {
	if v, ok := g.young[n]; ok {
		return v
	}
	return g.old[n]
}

// get gives what is kept, made by fresh when there is nothing, and keeps it longer.
func (g *generations[V]) get(n neighbour, fresh func() V) V {
	if v, ok := g.young[n]; ok {
		return v
	}
	v, ok := g.old[n]
	if !ok {
		v = fresh()
	}
	if g.young == nil || len(g.young) >= g.max {
		g.young, g.old = make(map[neighbour]V), g.young
	}
	g.young[n] = v
	return v
}
