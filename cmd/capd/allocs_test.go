package main

import (
	"bytes"
	"io"
	"math"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// moreAllocations is how many allocations a call that is passed through may cost more than
// httputil.ReverseProxy needs for it.
const moreAllocations = 3

// TestAllocationsBesideProxy holds capd to what a bare proxy in front of the same upstream
// allocates. Client and upstream speak from memory that they have, so that nothing of theirs is
// counted: neither reads a header.
func TestAllocationsBesideProxy(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates too")
	}
	up := fixedUpstream(t)
	i := start(t, []string{"UPSTREAM=http://" + up}, "--log-level", "warn", specFile(t, "bench.yaml", benchSpec))
	target, err := url.Parse("http://" + up)
	if err != nil {
		t.Fatal(err)
	}
	reverse := httputil.NewSingleHostReverseProxy(target)
	reverse.BufferPool = &bufferPool{}
	proxy := httptest.NewServer(reverse)
	t.Cleanup(proxy.Close)

	capd := newFixedClient(t, i.url, "/apis/bench/things/42?page=3")
	bare := newFixedClient(t, proxy.URL, "/things/42?page=3")
	got, want := fewestAllocations(t, capd), fewestAllocations(t, bare)
	t.Logf("a call allocates %.1f times, by the proxy %.1f times", got, want)
	if math.Round(got-want) > moreAllocations {
		t.Errorf("a call allocates %.1f times, by a bare proxy %.1f times; want at most %d more", got, want, moreAllocations)
	}
}

// fewestAllocations gives how often a call allocates, of several tries the least: whatever else
// runs in the process only adds to it.
func fewestAllocations(t *testing.T, c *fixedClient) float64 {
	t.Helper()
	const tries, calls = 5, 400
	c.call(t, calls) // connections are open, pools are filled
	fewest := 0.0
	for try := range tries {
		n := allocationsOf(func() { c.call(t, calls) }) / calls
		if try == 0 || n < fewest {
			fewest = n
		}
	}
	return fewest
}

// allocationsOf counts the allocations of the process while f runs, and no collection, which
// would empty pools.
func allocationsOf(f func()) float64 {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// bufferPool keeps the buffers that a proxy copies through, as capd does.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte {
	if b, ok := p.pool.Get().(*[32 << 10]byte); ok {
		return b[:]
	}
	return make([]byte, 32<<10)
}

func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// fixedUpstream says the same to every request without a body. It gives its address.
func fixedUpstream(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1022\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n" +
		`{"id":"42","text":"` + strings.Repeat("x", 1001) + `"}`)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := fixedReader{Reader: conn}
				for in.until("\r\n\r\n") == nil {
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// fixedClient sends the same request again and again on one connection.
type fixedClient struct {
	conn    net.Conn
	in      fixedReader
	request []byte
}

func newFixedClient(t *testing.T, base, target string) *fixedClient {
	t.Helper()
	host := strings.TrimPrefix(base, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: test\r\nAccept-Encoding: gzip\r\n\r\n"
	return &fixedClient{conn, fixedReader{Reader: conn}, []byte(request)}
}

func (c *fixedClient) call(t *testing.T, times int) {
	t.Helper()
	for range times {
		if _, err := c.conn.Write(c.request); err != nil {
			t.Fatal(err)
		}
		if err := c.in.until(`x"}`); err != nil {
			t.Fatalf("%v; got so far: %s", err, c.in.buffer[:c.in.n])
		}
	}
}

// fixedReader reads messages of which the end is known.
type fixedReader struct {
	io.Reader
	buffer [4 << 10]byte
	n      int
}

func (r *fixedReader) until(end string) error {
	for r.n = 0; !bytes.HasSuffix(r.buffer[:r.n], []byte(end)); {
		n, err := r.Read(r.buffer[r.n:])
		if r.n += n; err != nil {
			return err
		}
	}
	return nil
}
