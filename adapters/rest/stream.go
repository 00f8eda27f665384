package rest

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"capd/engine/plan"
)

// buffers are what bodies are copied through, 32 KiB each.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{pool: sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

// stream copies a body to the client as it comes. One of unknown length is flushed after
// each piece, so that events and slow answers arrive when they are sent. A body that
// breaks before its first byte is a failed call; one that breaks later cuts the connection.
//
// net/http's own copy (ReadFrom) would gain nothing: a body from the network is copied
// through a buffer there too, and which side broke would be lost.
func (s *server) stream(c echo.Context, result *plan.Result) error {
	buffer := s.buffers.pool.Get().(*[32 << 10]byte)
	defer s.buffers.pool.Put(buffer)

	out := &outbound{server: s, c: c, result: result, flush: result.Body.Len < 0}
	if isEventStream(result.MediaType) {
		// Clients wait for the head of an event stream, and the first event can be far away.
		out.start()
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
	c       echo.Context
	result  *plan.Result
	flush   bool
	started bool
	sent    int64
}

// start sends the head.
func (o *outbound) start() {
	w := o.c.Response()
	setHeader(w.Header(), o.result)
	if o.result.Body.Len >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(o.result.Body.Len, 10))
	}
	w.WriteHeader(o.result.Status)
	o.started = true
	o.flushNow()
}

func (o *outbound) write(p []byte) error {
	if !o.started {
		o.start()
	}
	n, err := o.c.Response().Writer.Write(p)
	o.sent += int64(n)
	if errors.Is(err, http.ErrContentLength) {
		return o.broken(plan.Errorf(plan.CodeUpstreamFailed, "the upstream's answer is longer than it said"))
	}
	if err != nil {
		return o.broken(clientGone(err))
	}
	o.flushNow()
	return nil
}

func (o *outbound) flushNow() {
	if o.flush {
		// A writer that cannot flush delivers later; one that failed says so at the next write.
		_ = http.NewResponseController(o.c.Response().Writer).Flush()
	}
}

// finish ends an answer whose body was read to its end.
func (o *outbound) finish() error {
	if length := o.result.Body.Len; length >= 0 && o.sent != length {
		return o.broken(plan.Errorf(plan.CodeUpstreamFailed, "the upstream's answer is shorter than it said"))
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
	o.server.logBroken(o.c.Request().Context(), o.c, e)
	return errAbort
}

// upstreamBroke gives a failure to read the upstream's body as a failed call.
func upstreamBroke(err error) *plan.Error {
	var e *plan.Error
	if errors.As(err, &e) {
		return e
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
