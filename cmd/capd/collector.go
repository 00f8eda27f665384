package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// loadingPercent is the collector's target while files are read: a load leaves several
	// times as much garbage as it keeps.
	loadingPercent = 400
	// headroom is how much garbage may pile up while serving, whatever the heap weighs. The
	// MCP SDK allocates a 32 KiB buffer for each part of a message it decodes; with a small
	// heap and the usual target of 100 the collector would run all the time and halve the
	// calls per second, and with a large one a high target would double the memory.
	headroom = 48 << 20
)

// tuneCollector keeps the garbage collector's target at headroom bytes of garbage, as the
// live heap grows and shrinks. A GOGC of the environment wins.
func (c *command) tuneCollector() {
	if _, set := c.env.lookup("GOGC"); !set {
		tuneEachCycle(0)
	}
}

// cycle becomes unreachable at once, so that its finalizer runs after each collection.
type cycle struct{ _ *byte }

// tuneEachCycle sets the target now and after every collection from then on, where it is
// another one than last.
func tuneEachCycle(last int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := collectorPercent(live[0].Value.Uint64())
	if percent != last {
		debug.SetGCPercent(percent)
	}
	runtime.SetFinalizer(&cycle{}, func(*cycle) { tuneEachCycle(percent) })
}

// collectorPercent is the target that leaves headroom bytes of garbage over a heap of live
// bytes: between 100 and 1600, in steps of 20 so that it does not change all the time.
func collectorPercent(live uint64) int {
	return int(min(max(headroom*100/max(live, 1)/20*20, 100), 1600))
}
