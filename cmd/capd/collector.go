package main

import (
	"runtime"
	"runtime/debug"
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

// tuneCollector sets the garbage collector's target by what was loaded. A GOGC of the
// environment wins.
func (c *command) tuneCollector() {
	if _, set := c.env.lookup("GOGC"); set {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetGCPercent(collectorPercent(m.HeapAlloc))
}

// collectorPercent is the target that leaves headroom bytes of garbage over a heap of live
// bytes, between 100 and 1600.
func collectorPercent(live uint64) int {
	return int(min(max(headroom*100/max(live, 1), 100), 1600))
}
