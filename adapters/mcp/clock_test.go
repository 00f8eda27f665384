package mcp_test

import (
	"sync"
	"time"
)

// clock is time that passes when a test says so. Only what is given to After waits for it.
type clock struct {
	mu     sync.Mutex
	some   sync.Cond // a timer was set or stopped
	timers map[int]timer
	next   int
}

type timer struct {
	d time.Duration
	f func()
}

func newClock() *clock {
	c := &clock{timers: map[int]timer{}}
	c.some.L = &c.mu
	return c
}

// After is for mcp.Options.
func (c *clock) After(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.next
	c.next++
	c.timers[id] = timer{d, f}
	c.some.Broadcast()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, id)
		c.some.Broadcast()
	}
}

// await waits until n timers of a duration are set.
func (c *clock) await(d time.Duration, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.set(d) != n {
		c.some.Wait()
	}
}

func (c *clock) set(d time.Duration) int {
	n := 0
	for _, t := range c.timers {
		if t.d == d {
			n++
		}
	}
	return n
}

// pass lets a duration pass for all who wait for exactly that, and waits until they are done.
func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	var due []func()
	for id, t := range c.timers {
		if t.d == d {
			due = append(due, t.f)
			delete(c.timers, id)
		}
	}
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, f := range due {
		all.Go(f)
	}
	all.Wait()
}
