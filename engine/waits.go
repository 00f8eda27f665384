package engine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"capd/engine/plan"
)

// waits is how long a caller may keep capd waiting.
type waits struct {
	// call bounds the arrival of a request's body; zero or less is no bound.
	call time.Duration
	// answer is what a caller has on top of call to take the answer.
	answer time.Duration
	// unread bounds the arrival of a body that nobody wants to read any more.
	unread time.Duration
	// taken is how long a connection of HTTP/2 may take nothing of what is written to it, and how
	// long it may say nothing before it is asked, and then again before it is closed. The other
	// times end only a stream, and to say so something must be written.
	taken time.Duration
}

// newWaits gives the waits that belong to the longest time of a call.
func newWaits(call time.Duration) waits {
	return waits{call: call, answer: 5 * time.Second, unread: time.Second, taken: 30 * time.Second}
}

// maxUnread is how much of an unwanted body is read so that its connection can be used again,
// and so that a client that sends everything before it reads gets its answer.
const maxUnread = 256 << 10

// errBodyLate is what a body that did not arrive in time gives to its reader.
const errBodyLate = "the request body did not arrive in time"

// inbound is the body of a request whose sender has a limited time. A read deadline is set
// only while the body has not ended: net/http reads on in the background after that, and would
// take a deadline for the end of the connection and of everything that is streamed on it.
type inbound struct {
	io.ReadCloser
	control http.ResponseController
	waits   waits
	waited  bool // the sender waits for a 100 Continue
	stream  bool // of HTTP/2: the connection does not depend on it

	cancel context.CancelFunc // ends the context of the call; nil when it is the request's own
	unlink func() bool        // which does not end that context any more

	mu    sync.Mutex
	begun bool      // something was read
	ended bool      // no deadline is to be set any more
	late  bool      // the deadline passed
	until time.Time // the deadline; zero for none
}

// newInbound limits the time of a request's body. It gives nil for a request without one.
func newInbound(w http.ResponseWriter, r *http.Request, t waits) *inbound {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &inbound{
		ReadCloser: r.Body, control: *http.NewResponseController(w), waits: t,
		waited: r.Header.Get("Expect") != "", stream: r.ProtoMajor >= 2,
	}
	if t.call > 0 {
		b.within(t.call)
	}
	return b
}

// Read reads the body. One that is late ends with a [*plan.Error] for the caller.
func (b *inbound) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = true
	switch {
	case errors.Is(err, io.EOF):
		b.end()
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.late = true
		err = &plan.Error{Code: plan.CodeInvalidInput, Message: errBodyLate, Cause: err}
	}
	return n, err
}

// Close gives up what is left of the body. net/http reads some of that, and afterwards may
// read on in the background, so that no deadline stays.
func (b *inbound) Close() error {
	b.within(b.waits.unread)
	err := b.ReadCloser.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
	return err
}

// end clears the deadline for good. It is called under the lock.
func (b *inbound) end() {
	if !b.ended {
		b.ended = true
		_ = b.control.SetReadDeadline(time.Time{}) // a writer without deadlines has none to clear
	}
}

// within sets the deadline of a body that has not ended.
func (b *inbound) within(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && !b.late {
		b.until = time.Now().Add(d)
		_ = b.control.SetReadDeadline(b.until) // a writer without deadlines cannot stall either
	}
}

// drain reads what nobody read of the body, and reports whether the connection can be used
// for another request. net/http does the same before an answer begins, but as long as it takes.
// So a handler must have read what it wants when it begins to answer.
func (b *inbound) drain() bool {
	b.mu.Lock()
	ended, late, untouched := b.ended, b.late, b.waited && !b.begun
	b.mu.Unlock()
	switch {
	case ended, b.stream:
		return true
	case late:
		return false
	case untouched:
		return true // the sender has not begun; net/http closes by itself
	}
	b.within(b.waits.unread)
	_, err := io.CopyN(io.Discard, b, maxUnread)
	return errors.Is(err, io.EOF) || errors.Is(err, http.ErrBodyReadAfterClose)
}

// expired reports whether the deadline has passed before the body ended.
func (b *inbound) expired() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.late || !b.ended && !b.until.IsZero() && !time.Now().Before(b.until)
}

// context gives a call a context that a late body does not end. net/http takes the deadline
// for the end of the connection, but the caller is there and is owed an answer. The context
// ends with the caller and with the server, as the request's own does, and when leave is called.
func (b *inbound) context(ctx context.Context) context.Context {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.cancel, b.unlink = cancel, context.AfterFunc(ctx, func() {
		server, served := ctx.Value(serverContext{}).(context.Context)
		switch {
		case !b.expired():
			cancel()
		case served: // nobody else can end the call any more
			unlink := context.AfterFunc(server, cancel)
			context.AfterFunc(call, func() { unlink() })
		}
	})
	return call
}

// serverContext is the key of the context in which a server runs its calls.
type serverContext struct{}

// leave is for the end of the request: its context ends, what net/http still reads of the body is
// bounded, and no later read touches the deadlines of the next request.
func (b *inbound) leave() {
	if b.cancel != nil {
		b.unlink()
		b.cancel()
	}
	b.within(b.waits.unread)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// limitAnswer bounds the time in which the caller takes its answer. The answers of streams
// live as long as they like: for them the bound, perhaps one of the last request on the
// connection, is lifted.
func (t waits) limitAnswer(w http.ResponseWriter, stream bool) {
	var end time.Time
	if !stream && t.call > 0 {
		end = time.Now().Add(t.call + t.answer)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(end) // a writer without deadlines cannot stall either
}
