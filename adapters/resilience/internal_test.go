package resilience

import (
	"testing"
	"testing/synctest"
	"time"

	"capd/engine/plan"
)

// TestShelfIsBounded: there is place for so many, and what nobody used for long goes first.
func TestShelfIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shelf[int, int]
		made := 0
		get := func(key int) { s.get(time.Now(), key, func() *int { made++; return new(int) }) }
		get(-1)
		get(-2)
		time.Sleep(time.Second)
		for i := range maxKept {
			get(i)
			get(-1)
		}
		if len(s.items) != maxKept || s.items[-2] != nil || s.items[-1] == nil || made != maxKept+2 {
			t.Errorf("%d kept, %d made; the one that was not used: %v; the one that was: %v", len(s.items), made, s.items[-2], s.items[-1])
		}
		time.Sleep(2 * time.Hour)
		get(-3)
		if len(s.items) != 1 {
			t.Errorf("%d kept of what is not used any more", len(s.items))
		}
	})
}

// TestClockThatIsSetBack: what was counted before does not count for as long as the clock went
// back, and an open breaker stays what it is.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCircuit(plan.Breaker{Failures: 5, Of: 10, Window: 20 * time.Second, Open: 5 * time.Second}, about{})
		back := time.Duration(0)
		enter := func() (permit, time.Duration, bool) { return c.enter(time.Now().Add(-back)) }
		fail := func(n int) {
			for range n {
				if p, _, ok := enter(); ok {
					c.leave(p, failure)
				}
			}
		}
		fail(9)
		back = time.Hour
		fail(9)
		if c.isOpen(time.Now().Add(-back)) {
			t.Error("it counts what was before the clock was set back")
		}
		fail(1)
		if !c.isOpen(time.Now().Add(-back)) {
			t.Error("it does not count any more")
		}
		back = 2 * time.Hour
		if _, wait, ok := enter(); ok || wait != 5*time.Second {
			t.Errorf("open: let in %v, wait %s", ok, wait)
		}
		time.Sleep(5 * time.Second)
		if p, _, ok := enter(); !ok || !p.probe {
			t.Error("it stays open")
		}
	})
}
