package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"capd/engine/plan"
)

var errRepeat = errors.New("httpclient: the connection was lost and the request is not sent twice")

// once keeps HTTP/2 from sending a request a second time. net/http repeats requests without
// a body when the peer resets the stream, even if the peer has already acted on them; over
// HTTP/1.1 it repeats them only when not a byte was written, or when method or an
// idempotency key say so (see header).
type once struct {
	written atomic.Bool
	stop    context.CancelCauseFunc
}

// guard gives the context to send r with.
func (x *exchange) guard(r *http.Request) context.Context {
	if r.Body != nil || r.URL.Scheme != "https" || plan.IsIdempotent(r.Method) {
		return x.ctx
	}
	ctx, stop := context.WithCancelCause(x.ctx)
	x.once = &once{stop: stop}
	x.cancel = func() { stop(context.Canceled) }
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// This comes before the first byte is flushed; WroteHeaders may come after the
		// peer's reset.
		WroteHeaderField: func(string, []string) { x.once.written.Store(true) },
		GotConn:          x.once.gotConn,
	})
}

func (o *once) gotConn(info httptrace.GotConnInfo) {
	conn, ok := info.Conn.(*tls.Conn)
	if ok && conn.ConnectionState().NegotiatedProtocol == "h2" && o.written.Load() {
		o.stop(errRepeat)
	}
}
