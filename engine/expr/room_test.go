package expr

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// lent is a room that notes what is taken.
type lent struct{ most, tree, held, peak int64 }

func (l *lent) Take(n int64) bool {
	if l.held+n > l.most {
		return false
	}
	l.held += n
	l.peak = max(l.peak, l.held)
	return true
}

func (l *lent) Give(n int64) { l.held -= n }
func (l *lent) Tree() int64  { return l.tree }

func repeated(part string, n int) []byte {
	return []byte("[" + strings.Repeat(part+",", n-1) + part + "]")
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestAccount: what a decoded text is said to take is what it takes, neither much less nor much more.
func TestAccount(t *testing.T) {
	for name, raw := range map[string][]byte{
		"objects":       repeated("{}", 100_000),
		"lists":         repeated("[]", 100_000),
		"lists of one":  repeated("[1]", 100_000),
		"deep objects":  repeated(strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000), 30),
		"deep lists":    repeated(strings.Repeat("[", 1000)+strings.Repeat("]", 1000), 100),
		"small numbers": repeated("1", 200_000),
		"numbers":       repeated("1234567.5", 100_000),
		"words":         repeated(`"some words"`, 100_000),
		"one member":    repeated(`{"a":1}`, 50_000),
		"eight members": repeated("{"+numbered(8, `"a%d":1`)+"}", 10_000),
		"nine members":  repeated("{"+numbered(9, `"a%d":1`)+"}", 10_000),
		"members":       []byte("{" + numbered(100_000, `"%d":1`) + "}"),
		"records":       repeated("{"+numbered(20, `"member %d":"a value of some words, as there are in many"`)+"}", 2000),
	} {
		room := &lent{most: 1 << 40}
		before := alive()
		tree, a := decode(raw, NewAccount(room))
		took := alive() - before
		t.Logf("%-14s %3d of a byte of the text, of which the account says %3d", name, took/int64(len(raw)), a.held/int64(len(raw)))
		if a.held < took*9/10 || a.held > took*2 {
			t.Errorf("%s: the account says %d bytes, it takes %d", name, a.held, took)
		}
		runtime.KeepAlive(tree)
		if a.Close(); room.held != 0 || room.peak < a.held-forFree {
			t.Errorf("%s: %d bytes were asked for, %d were not given back", name, room.peak, room.held)
		}
	}
}

// alive gives how many bytes are in use.
func alive() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestDecoded: what stands in strings is no value, however much of it there is.
func TestDecoded(t *testing.T) {
	t.Parallel()
	table := `"` + strings.Repeat(`{[1,2],\"x\",`, 100_000) + `\\"`
	many := string(repeated("{}", 100_000))
	for _, x := range []struct {
		raw         string
		least, most int64
	}{
		{table, 0, 0},
		{`{"a,":` + table + `,"b":1}`, 600, 1000},
		{`{"a":` + table + `,"b":` + many + `}`, 62_400_000, 62_500_000},
		{many, 62_400_000, 62_500_000},
		{`{"a":[1,2]}`, 800, 900},
	} {
		got := DecodedValues([]byte(x.raw))
		if got < x.least || got > x.most || Decoded([]byte(x.raw)) != got+int64(len(x.raw)) {
			t.Errorf("%.20s: %d", x.raw, got)
		}
	}
}
