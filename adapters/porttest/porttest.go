// Package porttest gives tests ports of loopback that nobody else is given meanwhile.
package porttest

import "testing"

// Reserve gives an address HOST:PORT of loopback that refuses connections until the test, or a
// process of it, listens there, and again when that has ended. Until the test ends nobody who
// asks for any free port gets this one: otherwise a test that takes a port for down, or begins to
// listen on it a moment later, would now and then meet a stranger.
func Reserve(tb testing.TB) string {
	tb.Helper()
	addr, release, err := reserve()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(release)
	return addr
}
