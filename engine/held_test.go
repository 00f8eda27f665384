package engine

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTwoAddressesOnePort: where capd itself has the port, it says so, and for whom.
func TestTwoAddressesOnePort(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve 0.0.0.0:0 one"}, nil)
	r.start()
	_, port, err := net.SplitHostPort(r.engine.Addr("0.0.0.0:0"))
	if err != nil {
		t.Fatal(err)
	}
	wanted := "127.0.0.1:" + port
	r.write("b.yaml", "serve "+wanted+" two")
	r.reload()
	if r.engine.Addr(wanted) != "" {
		t.Skip("this system lets two sockets have the port")
	}
	want := filepath.Join(r.dir, "b.yaml") + ": error [cannot-listen] cannot listen on " + wanted +
		": capd itself listens there already, on 0.0.0.0:0 for document a; " +
		"give both the same address or different ports, or serve everything on one address with --listen"
	if l := r.engine.Current().Diagnostics; len(l) != 1 || l[0].String() != want {
		t.Errorf("got  %v\nwant %s", l, want)
	}
	if status, _ := r.get("0.0.0.0:0", "b"); status == 200 {
		t.Error("the document for this machine alone is served to all interfaces")
	}
}

// TestMoveOnOnePort: an address that is given up only after the new one is bound.
func TestMoveOnOnePort(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, nil)
	r.start()
	_, port, err := net.SplitHostPort(r.engine.Addr(loopback))
	if err != nil {
		t.Fatal(err)
	}
	wanted := "0.0.0.0:" + port
	r.write("a.yaml", "serve "+wanted+" two")
	r.reload()
	if r.engine.Addr(wanted) != "" {
		t.Skip("this system lets two sockets have the port")
	}
	r.wants(loopback, "a", "one")
	want := "cannot listen on " + wanted + ": capd itself listens there still, on " + loopback + " for document a"
	found := r.engine.Current().Diagnostics
	if r.doc("a").State != Stale || len(found) != 2 || found[0].Message != want || !strings.Contains(found[0].Hint, "restart capd") {
		t.Errorf("got %s with %v", r.doc("a").State, found)
	}
}

func TestAllInterfacesOfIPv4(t *testing.T) {
	t.Parallel()
	r := newRig(t, map[string]string{"a.yaml": "serve 0.0.0.0:0 one"}, nil)
	r.start()
	if got := r.engine.Addr("0.0.0.0:0"); !strings.HasPrefix(got, "0.0.0.0:") {
		t.Errorf("it listens on %s", got)
	}
}

// TestListenErrorWords: the words are capd's, and the cause is still to be had.
func TestListenErrorWords(t *testing.T) {
	t.Parallel()
	busy := occupied(t)
	r := newRig(t, map[string]string{
		"a.yaml": "serve " + loopback + " one", "b.yaml": "serve " + busy + " two", "c.yaml": "serve capd.invalid:0 three",
	}, nil)
	r.start()
	for _, a := range r.engine.Addrs() {
		switch {
		case a.Err == nil:
		case strings.Contains(a.Err.Error(), "tcp") || strings.Contains(a.Err.Error(), "bind"):
			t.Errorf("%s: %v", a.Declared, a.Err)
		case a.Declared == busy && (a.Err.Error() != "address already in use" || !errors.Is(a.Err, syscall.EADDRINUSE)):
			t.Errorf("%s: %v", a.Declared, a.Err)
		}
	}
}

func TestPortThatIsNotAllowed(t *testing.T) {
	t.Parallel()
	raw := &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EACCES)}
	err := new(change).bindFailure("127.0.0.1:80", raw, nil, nil)
	var e *bindError
	if !errors.As(err, &e) || e.Error() != "permission denied" || !strings.Contains(e.hint, "1024") || !errors.Is(err, syscall.EACCES) {
		t.Errorf("got %+v", err)
	}
}
