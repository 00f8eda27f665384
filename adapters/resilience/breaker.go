package resilience

import (
	"math"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"capd/engine/plan"
)

// circuitKey is what a breaker belongs to. Operations with settings of their own have a breaker
// of their own.
type circuitKey struct {
	place
	settings plan.Breaker
}

// about says in logs and metrics what a breaker belongs to.
type about struct{ document, api, host string }

// change is one of the state of a breaker.
type change struct{ from, to plan.BreakerState }

// outcome is what a request says of its upstream.
type outcome uint8

const (
	nothing outcome = iota
	success
	failure
)

// circuit is the breaker of one upstream. The library counts and decides; what is here keeps
// three things right that it does not know of: a request that says nothing of its upstream gives
// its place as a probe back, the answer to a request from before a change counts for nothing, and
// a clock that is set back does not keep old counts alive.
type circuit struct {
	settings plan.Breaker
	about    about

	mu      sync.Mutex
	breaker circuitbreaker.CircuitBreaker[any]
	turn    uint64 // counts the changes of state
	changes []change
	seen    int64 // the clock on the wall when a request last asked for leave
}

// permit is the leave to send one request.
type permit struct {
	turn    uint64
	probe   bool // it is the one that tries whether the upstream is back
	changes []change
}

func newCircuit(b plan.Breaker, a about) *circuit {
	c := &circuit{settings: b, about: a}
	c.begin()
	return c
}

// begin starts with nothing counted.
func (c *circuit) begin() {
	// The library compares parts with two digits.
	part := max(math.Floor(100*float64(c.settings.Failures)/float64(c.settings.Of)), 1) / 100
	c.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(part, uint(c.settings.Of), c.settings.Window).
		WithSuccessThreshold(1).
		WithDelay(c.settings.Open).
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			c.turn++
			c.changes = append(c.changes, change{stateOf(e.OldState), stateOf(e.NewState)})
		}).Build()
}

// enter asks for leave to send a request. Without it, wait is after which time there may be one.
func (c *circuit) enter(now time.Time) (p permit, wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookAt(now)
	ok = c.breaker.TryAcquirePermit()
	p = permit{turn: c.turn, changes: c.changed()}
	if ok {
		p.probe = c.breaker.IsHalfOpen()
		return p, 0, true
	}
	// While one request tries, nobody knows how long that takes.
	return p, max(c.breaker.RemainingDelay(), time.Second), false
}

// leave says what came of a request, and gives the changes that this led to.
func (c *circuit) leave(p permit, came outcome) []change {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case p.turn != c.turn:
		return nil // it was sent before the last change, which it must not undo
	case came == success:
		c.breaker.RecordSuccess()
	case came == failure:
		c.breaker.RecordFailure()
	case p.probe:
		// The next request is the one that tries.
		c.breaker.Open()
		c.breaker.HalfOpen()
		c.changes = nil
	}
	return c.changed()
}

// isOpen reports whether nothing is sent.
func (c *circuit) isOpen(now time.Time) bool {
	state, _ := c.now(now)
	return state == plan.BreakerOpen
}

// now gives the state, and whether it was ever another one than closed. A breaker that has been
// open long enough is open until there is a request that can try, or until it is forgotten what
// opened it.
func (c *circuit) now(now time.Time) (state plan.BreakerState, opened bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isUnused(now.UnixNano()) {
		return plan.BreakerClosed, c.turn > 0
	}
	return stateOf(c.breaker.State()), c.turn > 0
}

func (c *circuit) changed() []change {
	out := c.changes
	c.changes = nil
	return out
}

// isUnused reports whether no request came for so long that what is known of the upstream is
// older than what a breaker counts: its callers are gone, or it has other settings by now.
func (c *circuit) isUnused(at int64) bool {
	return at-c.seen > int64(c.settings.Open+c.settings.Window)
}

// lookAt starts anew when nobody asked for long, and when the clock was set back: the library's
// window ends by the clock on the wall, which would come to its end late.
func (c *circuit) lookAt(now time.Time) {
	at := now.UnixNano()
	if c.seen != 0 && c.isUnused(at) || at < c.seen-int64(time.Second) && c.breaker.IsClosed() {
		if !c.breaker.IsClosed() {
			c.turn++ // what is under way counts for nothing
		}
		c.begin()
	}
	c.seen = at
}

func stateOf(s circuitbreaker.State) plan.BreakerState {
	switch s {
	case circuitbreaker.OpenState:
		return plan.BreakerOpen
	case circuitbreaker.HalfOpenState:
		return plan.BreakerHalfOpen
	}
	return plan.BreakerClosed
}
