package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"capd/engine/plan"
)

// buffers are what bodies are copied through, 32 KiB each.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{pool: sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

// stream copies a body to the client as it comes. One of unknown length is flushed after
// each piece, so that events and slow answers arrive when they are sent. A body that
// breaks before its head is sent is a failed call; one that breaks later cuts the connection.
//
// net/http's own copy (ReadFrom) would gain nothing: a body from the network is copied
// through a buffer there too, and which side broke would be lost.
func (s *server) stream(c *call, result *plan.Result) (err error) {
	buffer := s.buffers.pool.Get().(*[32 << 10]byte)
	// A server of HTTP/2 may still read what a failed write was given, so that buffer is left alone.
	defer func() {
		if err == nil {
			s.buffers.pool.Put(buffer)
		}
	}()

	events := isEventStream(result.MediaType)
	out := &outbound{server: s, c: c, result: result, flush: result.Body.Len < 0 || events}
	switch length := result.Body.Len; {
	case events:
		// Clients wait for the head of an event stream, and the first event can be far away.
		out.start()
	case length >= 0 && length <= int64(len(buffer)):
		if done, err := out.whole(buffer[:]); done || err != nil {
			return err
		}
	}
	for {
		n, err := result.Body.Stream.Read(buffer[:])
		if n > 0 {
			if werr := out.write(buffer[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return out.finish()
		}
		if err != nil {
			return out.broken(upstreamBroke(err))
		}
	}
}

// outbound is an answer while it is streamed.
type outbound struct {
	server  *server
	c       *call
	result  *plan.Result
	flush   bool
	started bool
}

// whole reads a short body of known length to its end before the head is sent, so that one
// that breaks is a failed call with a reason instead of half an answer. done is false where
// the buffer is full before the end was seen.
func (o *outbound) whole(buffer []byte) (done bool, err error) {
	length := o.result.Body.Len
	if length < int64(len(buffer)) {
		buffer = buffer[:length+1] // the byte more tells a body that is longer than it said
	}
	n, err := fill(o.result.Body.Stream, buffer)
	switch {
	case err != nil && err != io.EOF:
		return true, upstreamBroke(err)
	case int64(n) < length:
		return true, errShorter()
	case int64(n) > length:
		return true, errLonger()
	}
	if werr := o.write(buffer[:n]); werr != nil {
		return true, werr
	}
	return err == io.EOF, nil
}

// fill reads until p is full. Unlike [io.ReadFull] it leaves the reader's error as it is:
// an end and a body that broke off must not look the same.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

// start sends the head.
func (o *outbound) start() {
	w := o.c.Response()
	setHeader(w.Header(), o.result, o.result.Body.Len)
	w.WriteHeader(o.result.Status)
	o.started = true
	o.flushNow()
}

func (o *outbound) write(p []byte) error {
	if !o.started {
		o.start()
	}
	_, err := o.c.Response().Write(p)
	if errors.Is(err, http.ErrContentLength) {
		return o.broken(errLonger())
	}
	if err != nil {
		return o.broken(clientGone(err))
	}
	o.flushNow()
	return nil
}

func (o *outbound) flushNow() {
	if o.flush {
		flush(o.c)
	}
}

// flush sends what was written so far. A writer that cannot flush delivers later; one that
// failed says so at the next write.
func flush(c *call) {
	_ = http.NewResponseController(c.Response().Writer).Flush()
}

// finish ends an answer whose body was read to its end.
func (o *outbound) finish() error {
	if length := o.result.Body.Len; length >= 0 && o.c.Response().Size != length {
		return o.broken(errShorter())
	}
	if !o.started {
		o.start()
	}
	return nil
}

// broken ends an answer that cannot be completed.
func (o *outbound) broken(e *plan.Error) error {
	if !o.started {
		return e
	}
	o.server.cutOff(o.c, e)
	return errAbort
}

func errShorter() *plan.Error {
	return plan.Errorf(plan.CodeUpstreamFailed, "the upstream's answer is shorter than it said")
}

func errLonger() *plan.Error {
	return plan.Errorf(plan.CodeUpstreamFailed, "the upstream's answer is longer than it said")
}

// upstreamBroke gives a failure to read the upstream's body as a failed call.
func upstreamBroke(err error) *plan.Error {
	var e *plan.Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &plan.Error{Code: plan.CodeUpstreamTimeout, Message: "the upstream's answer did not end in time", Cause: err}
	}
	return &plan.Error{Code: plan.CodeUpstreamFailed, Message: "the upstream's answer broke off", Cause: err}
}

func clientGone(err error) *plan.Error {
	return &plan.Error{Code: plan.CodeCanceled, Message: "the client went away", Cause: err}
}

func isEventStream(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.EqualFold(strings.TrimSpace(base), "text/event-stream")
}
