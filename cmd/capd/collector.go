package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// pace gives the collector's target, in percent of what is alive, over a heap of live bytes.
type pace func(live uint64) int

// loadingPace is that of a start, which leaves several times as much garbage as it keeps. Marking a
// large heap costs, so that it is done seldom. A small one is marked at once, and each page less that
// it grows by is one less that stays for a single value on it (decision 51).
func loadingPace(live uint64) int { return steady(live/(200<<10), 100, mostWhileLoading) }

const mostWhileLoading = 400

// servingPace leaves room for 48 MiB of garbage whatever is alive. With a small heap and the usual target
// of 100 the collector would run all the time. With a large one it would mark a byte for each that
// calls allocate, so that they cost more the more documents there are.
func servingPace(live uint64) int { return steady(48<<20*100/max(live, 1), 200, 1600) }

// steady holds a target between two others, in steps of 20 so that it does not change all the time.
func steady(percent, least, most uint64) int {
	return int(min(max(percent/20*20, least), most))
}

// pacer keeps the target of the garbage collector at a pace, as the heap grows and shrinks.
type pacer struct {
	fixed bool // by GOGC in the environment, which wins

	mu      sync.Mutex
	pace    pace
	percent int // that was set last; 0 before
}

func (c *command) newPacer() *pacer {
	_, set := c.env.lookup("GOGC")
	return &pacer{fixed: set}
}

// keep changes the pace.
func (c *pacer) keep(p pace) {
	if c.fixed {
		return
	}
	c.mu.Lock()
	first := c.percent == 0
	c.pace = p
	c.mu.Unlock()
	c.tune()
	if first {
		c.tuneEachCycle()
	}
}

// cycle becomes unreachable at once, so that its finalizer runs after each collection.
type cycle struct{ _ *byte }

func (c *pacer) tuneEachCycle() {
	runtime.SetFinalizer(&cycle{}, func(*cycle) {
		c.tune()
		c.tuneEachCycle()
	})
}

func (c *pacer) tune() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	c.mu.Lock()
	defer c.mu.Unlock()
	if percent := c.pace(live[0].Value.Uint64()); percent != c.percent {
		debug.SetGCPercent(percent)
		c.percent = percent
	}
}
