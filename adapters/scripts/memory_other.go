//go:build !linux || race

package scripts

// limitMemory does nothing where the system has no limit that fits a Go program, nor under
// the race detector, whose own memory is over any limit: the meter of the script and the
// collector's limit must do.
func limitMemory(int64) error { return nil }
