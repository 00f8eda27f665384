package engine

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultControlConnections is the default of [ControlOptions.MaxConnections]: probes, scrapers, those
// who follow the log, and some more.
const DefaultControlConnections = 64

// places are the connections that may be open at once, at all addresses together. A connection
// without a request makes room for one that comes: which is kept alive for later, and which has
// not said yet what it wants. The one that waited longest goes first, so that callers who mean
// it have the time to ask. A connection with a request is never closed; while all have one, who
// comes waits.
type places struct {
	most    int // zero: as many as come
	crowded atomic.Int32

	mu    sync.Mutex
	freed sync.Cond
	taken map[*connection]bool
	idle  []silent // found at the last look, the longest first
}

// silent is a connection that waited since a time.
type silent struct {
	*connection
	since int64
}

func newPlaces(most int) *places {
	p := &places{most: most, taken: map[*connection]bool{}}
	p.freed.L = &p.mu
	return p
}

// isCrowded reports whether somebody waits for a place.
func (p *places) isCrowded() bool { return p != nil && p.crowded.Load() > 0 }

// count gives how many connections are open, and how many of them have no request.
func (p *places) count() (open, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.taken {
		if c.waits.Load() != 0 {
			waiting++
		}
	}
	return len(p.taken), waiting
}

// take waits for a place for a connection. It gives false when the address is given up first.
func (p *places) take(c *connection, left *atomic.Bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most > 0 && len(p.taken) >= p.most && !p.makeRoom(left) {
		return false
	}
	p.taken[c] = true
	return true
}

// makeRoom waits until there is a place, with mu held.
func (p *places) makeRoom(left *atomic.Bool) bool {
	p.crowded.Add(1) // before the look, so that who is idle after it says so
	defer p.crowded.Add(-1)
	for len(p.taken) >= p.most {
		if left.Load() {
			return false
		}
		gone, young := p.longestIdle(time.Now().UnixNano())
		if gone == nil {
			p.await(young)
			continue
		}
		delete(p.taken, gone)
		_ = gone.TCPConn.Close() // nobody waits for an answer
	}
	return true
}

// await waits, with mu held, until a connection changes, or for so long unless it is zero.
func (p *places) await(young time.Duration) {
	if young > 0 {
		defer time.AfterFunc(young, p.changed).Stop()
	}
	p.freed.Wait()
}

// timeToAsk is how long a connection may have nothing to say before it makes room: the request
// of a new one is often behind it on the same line.
const timeToAsk = 50 * time.Millisecond

// longestIdle gives the connection that has waited longest. It gives nil when none does, or when
// that one is young, and for how long it still is. All are looked at once, for many who come.
func (p *places) longestIdle(now int64) (c *connection, young time.Duration) {
	for looked := false; ; looked = true {
		for len(p.idle) > 0 {
			next := p.idle[0]
			if p.taken[next.connection] && next.waits.Load() == next.since {
				if young := timeToAsk - time.Duration(now-next.since); young > 0 {
					return nil, young
				}
				p.idle = p.idle[1:]
				return next.connection, 0
			}
			p.idle = p.idle[1:]
		}
		if looked {
			return nil, 0
		}
		p.idle = p.idle[:0]
		for c := range p.taken {
			if since := c.waits.Load(); since != 0 {
				p.idle = append(p.idle, silent{c, since})
			}
		}
		slices.SortFunc(p.idle, func(a, b silent) int { return int(a.since - b.since) })
	}
}

// changed wakes who waits for a place.
func (p *places) changed() {
	if !p.isCrowded() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freed.Broadcast()
}

// state is told by the server what a connection does.
func (p *places) state(conn net.Conn, s http.ConnState) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	c, ok := conn.(*connection)
	if !ok {
		return
	}
	switch s {
	case http.StateIdle:
		c.waits.Store(time.Now().UnixNano())
		p.changed()
	case http.StateActive, http.StateHijacked:
		c.waits.Store(0)
	}
}

// connection is one that has a place, until it is closed.
type connection struct {
	*net.TCPConn
	places *places
	waits  atomic.Int64 // for a request, since; zero: it has one
	closed atomic.Bool
}

// Close closes the connection and gives its place free.
func (c *connection) Close() error {
	err := c.TCPConn.Close()
	if c.closed.CompareAndSwap(false, true) {
		c.places.mu.Lock()
		delete(c.places.taken, c)
		if len(c.places.taken) < c.places.most/2 {
			c.places.idle = nil // it is calm again
		}
		c.places.mu.Unlock()
		c.places.changed()
	}
	return err
}

// placed is a socket whose connections take places.
type placed struct {
	*net.TCPListener
	places *places
	left   atomic.Bool
}

// Accept waits for a connection, and for a place for it.
func (l *placed) Accept() (net.Conn, error) {
	for {
		conn, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		c := &connection{TCPConn: conn, places: l.places}
		c.waits.Store(time.Now().UnixNano())
		if l.places.take(c, &l.left) {
			return c, nil
		}
		_ = conn.Close() // nothing was read of it
	}
}

// Close closes the socket. What waits for a place gets none.
func (l *placed) Close() error {
	err := l.TCPListener.Close()
	l.left.Store(true)
	l.places.changed()
	return err
}

// Connections gives how many connections are open at the addresses of documents, and how many of
// them have no request.
func (e *Engine) Connections() (open, waiting int) { return e.places.count() }
