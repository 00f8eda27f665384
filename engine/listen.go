package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// server is one address: its socket, kept across reloads, and what stands in front there.
// The socket is bound before anything is swapped; what connects meanwhile waits in the
// socket's queue until serve is called.
type server struct {
	declared string
	socket   net.Listener
	http     *http.Server
	front    atomic.Pointer[front]
	cut      context.CancelFunc // ends the context of every call
	begun    chan struct{}      // closed when a shutdown has closed the socket
	leaving  atomic.Bool
}

// listen binds an address, whose connections take places. It speaks plain HTTP if speaks is nil.
func (e *Engine) listen(ctx context.Context, addr string, speaks *tls.Config, p *places) (*server, error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, network(addr), addr)
	if err != nil {
		return nil, err
	}
	calls, cut := context.WithCancel(context.Background())
	if tcp, ok := socket.(*net.TCPListener); ok { // as all are
		socket = &placed{TCPListener: tcp, places: p}
	}
	s := &server{declared: addr, socket: socket, cut: cut, begun: make(chan struct{})}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		MaxHeaderBytes:    e.opts.MaxHeader,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         p.state,
		BaseContext:       func(net.Listener) context.Context { return context.WithValue(calls, serverContext{}, calls) },
		// What net/http logs are broken connections; clients break them all the time.
		ErrorLog: slog.NewLogLogger(e.opts.Logger.Handler(), slog.LevelDebug),
	}
	if speaks != nil {
		s.http.TLSConfig = speaks
		s.http.HTTP2 = &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			WriteByteTimeout:              e.waits.taken,
			SendPingTimeout:               e.waits.taken,
			PingTimeout:                   e.waits.taken,
		}
	}
	s.http.RegisterOnShutdown(sync.OnceFunc(func() { close(s.begun) }))
	return s, nil
}

// serveHTTP serves a request on the snapshot that is current when it arrives.
func (s *server) serveHTTP(w http.ResponseWriter, r *http.Request) { s.front.Load().ServeHTTP(w, r) }

// serve accepts connections until the socket is closed.
func (s *server) serve() error {
	serve := s.http.Serve
	if s.http.TLSConfig != nil {
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	err := serve(s.socket)
	if s.leaving.Load() || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// leave closes the socket at once. Calls in flight go on.
func (s *server) leave() {
	s.leaving.Store(true)
	_ = s.socket.Close() // it was bound; there is nothing to lose
}

// shutdown lets calls in flight finish until ctx ends, then cuts them.
func (s *server) shutdown(ctx context.Context) error {
	s.leaving.Store(true)
	err := s.http.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // leave was first
	}
	if err != nil {
		err = fmt.Errorf("calls were cut off: %w", err)
		_ = s.http.Close() // what it says of broken connections is of no use to anyone
	}
	s.cut()
	return err
}

// discard gives up a socket that was never served.
func (s *server) discard() {
	s.leave()
	s.cut()
}

// actual gives the address the system gave.
func (s *server) actual() string { return s.socket.Addr().String() }
