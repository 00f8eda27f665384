package mcp

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"
)

// comment is what a silent event stream gets, so that nothing on the way takes its connection
// for dead (HTML standard, section 9.2.7, "Authoring notes").
const comment = ": keep-alive\n\n"

// outlet is where the answer to one request is written. It bounds how long a client may take
// nothing of it, and keeps a silent event stream alive. Writes may come from several
// goroutines, as far as the SDK makes them; the comments do.
type outlet struct {
	w       http.ResponseWriter
	control *http.ResponseController
	opts    *Options
	gone    func() // called when the client took nothing for too long, or went away

	mu     sync.Mutex
	begun  bool   // the header is written
	events bool   // as that of an event stream
	late   bool   // an error with a status of its own came when the stream had begun
	busy   bool   // something was written since the timer was set
	closed bool   // the request is over
	stop   func() // of the timer; nil until something was sent
}

func newOutlet(w http.ResponseWriter, o *Options, gone func()) *outlet {
	out := &outlet{w: w, control: http.NewResponseController(w), opts: o, gone: gone}
	out.allow(time.Time{}) // the last request on this connection may have left one
	return out
}

// Header is [http.ResponseWriter]'s.
func (o *outlet) Header() http.Header { return o.w.Header() }

// WriteHeader begins the answer. A stream that has begun keeps its status: what comes then is
// sent as an event.
func (o *outlet) WriteHeader(status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun {
		o.late = o.events
		return
	}
	o.begin(status)
}

// begin writes the header. It is called under the lock, as all that follow are.
func (o *outlet) begin(status int) {
	if o.begun {
		return
	}
	o.begun = true
	h := o.w.Header()
	if o.events = strings.HasPrefix(h.Get("Content-Type"), "text/event-stream"); o.events {
		h.Set("X-Accel-Buffering", "no") // a proxy that buffers would hold back what is told during a call
	}
	o.w.WriteHeader(status)
}

// Write writes a part of the answer.
func (o *outlet) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin(http.StatusOK)
	o.busy = true
	if !o.late {
		return o.send(b)
	}
	if _, err := o.send(bytes.Join([][]byte{[]byte("event: message\ndata: "), b, []byte("\n\n")}, nil)); err != nil {
		return 0, err
	}
	return len(b), o.flush()
}

// send writes a part of the answer.
func (o *outlet) send(b []byte) (n int, err error) {
	if n, err = writeInTime(o.w, o.control, o.opts.StallTimeout, b); err != nil {
		o.gone()
	}
	return n, err
}

// writeInTime writes in pieces, so that a slow client has the time for each that a silent one has
// for all.
func writeInTime(w http.ResponseWriter, c *http.ResponseController, stall time.Duration, b []byte) (n int, err error) {
	const piece = 64 << 10
	for len(b) > 0 && err == nil {
		var m int
		_ = c.SetWriteDeadline(time.Now().Add(stall)) // a writer without deadlines cannot stall either
		m, err = w.Write(b[:min(len(b), piece)])
		n, b = n+m, b[m:]
	}
	return n, err
}

// FlushError is what [http.ResponseController] calls.
func (o *outlet) FlushError() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begin(http.StatusOK)
	return o.flush()
}

// Flush is [http.Flusher]'s.
func (o *outlet) Flush() { _ = o.FlushError() }

// flush sends what is written. Afterwards the stream may be silent as long as it likes.
func (o *outlet) flush() error {
	o.allow(time.Now().Add(o.opts.StallTimeout))
	err := o.control.Flush()
	if err != nil {
		o.gone()
		return err
	}
	o.allow(time.Time{})
	if o.events && o.stop == nil {
		o.stop = o.opts.After(o.opts.KeepAlive, o.beat)
	}
	return nil
}

// beat is called once in a while. A stream on which nothing was sent meanwhile gets a comment.
func (o *outlet) beat() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if !o.busy {
		if _, err := o.send([]byte(comment)); err != nil || o.flush() != nil {
			return
		}
	}
	o.busy = false
	o.stop = o.opts.After(o.opts.KeepAlive, o.beat)
}

// close is for the end of the request. What net/http has not sent yet, the client must take in
// time, too.
func (o *outlet) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.stop != nil {
		o.stop()
	}
	o.allow(time.Now().Add(o.opts.StallTimeout))
}

// allow sets until when the client may take what is written; zero for as long as it likes. A
// writer without deadlines cannot stall either.
func (o *outlet) allow(until time.Time) { _ = o.control.SetWriteDeadline(until) }
