package porttest_test

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"capd/adapters/porttest"
)

// TestReserve: the port refuses, can be listened on as often as one likes, and is given to nobody
// else, however many ports are asked for.
func TestReserve(t *testing.T) {
	t.Parallel()
	addr := porttest.Reserve(t)
	for range 3 {
		if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("before somebody listens: %v", err)
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		_ = l.Close()
	}
	if runtime.GOOS != "linux" {
		t.Skip("this system has no way to keep a port for somebody")
	}
	for range 30_000 { // more than there are
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		got := l.Addr().String()
		_ = l.Close()
		if got == addr {
			t.Fatal("somebody else was given the port")
		}
	}
}
