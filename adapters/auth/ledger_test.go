package auth

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"capd/engine/plan"
)

// TestLedgerIsBounded: a flood of addresses takes no more than so much memory, and those who
// come back are remembered.
func TestLedgerIsBounded(t *testing.T) {
	t.Parallel()
	at := time.Now()
	l := newLedger(plan.Rate{Count: 1, Period: time.Minute, Burst: 1}, nil, func() time.Time { return at })
	regular := neighbour{"x", netip.MustParseAddr("192.0.2.1")}
	l.came(regular)
	for i := range 5 * maxNeighbours {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], uint64(i))
		n := neighbour{"x", netip.AddrFrom16(b)}
		l.failed(t.Context(), n, strconv.Itoa(i))
		if l.wait(n) <= 0 {
			t.Fatalf("address %d does not wait", i)
		}
		l.came(n)
		if i%1000 == 0 {
			l.came(regular)
		}
	}
	if n := len(l.failing.young) + len(l.failing.old); n > 2*maxNeighbours {
		t.Errorf("%d failures are kept", n)
	}
	if n := len(l.good.young) + len(l.good.old); n > 2*maxNeighbours {
		t.Errorf("%d good addresses are kept", n)
	}
	if !l.isGood(regular) {
		t.Error("who comes again and again was forgotten")
	}
}

// TestNoncesAreBounded: so many challenges that are answered take no more than so much memory,
// and none that was forgotten can be answered again.
func TestNoncesAreBounded(t *testing.T) {
	t.Parallel()
	at := time.Now()
	n := newNonces(nil, nil, func() time.Time { return at })
	var first []string
	for i := range 2*maxWindows + 10 {
		nonce := n.make("r")
		if len(first) < 100 {
			first = append(first, nonce)
		}
		if i%64 == 0 {
			at = at.Add(time.Millisecond)
		}
		n.use(t.Context(), nonce, "00000001")
	}
	if len(n.used) > maxWindows {
		t.Errorf("%d challenges are kept", len(n.used))
	}
	for _, nonce := range first {
		if n.use(t.Context(), nonce, "00000001") {
			t.Error("an answer was taken twice")
		}
	}
	at = at.Add(time.Second)
	if !n.use(t.Context(), n.make("r"), "00000001") {
		t.Error("a new challenge cannot be answered")
	}
}

// TestWindow: each count once, also out of order, as long as it can be told.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := &window{}
	for _, tt := range []struct {
		nc   uint32
		want bool
	}{{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {70, true}, {6, false}, {7, true}, {7, false}, {69, true}, {200, true}, {70, false}, {137, true}, {1 << 31, true}, {200, false}} {
		if got := w.mark(tt.nc); got != tt.want {
			t.Errorf("count %d: %v", tt.nc, got)
		}
	}
}
