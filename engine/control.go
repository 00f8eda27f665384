package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"capd/engine/plan"
)

// ControlOptions are the address of those who run the process. It is served from before the
// first document is read until everything else has stopped, and belongs to no document.
type ControlOptions struct {
	// Addr is where to listen, host:port. It speaks plain HTTP, whatever others do, since it is
	// for this machine and for probes; with TLS it speaks that of Options.TLS, and asks nobody for
	// a certificate.
	Addr string
	TLS  bool
	// Handler answers. No web page reaches it, whatever AllowedOrigins says, and a loopback
	// address knows no AllowedHosts.
	Handler http.Handler
	// MaxConnections is how many connections may be open there at once, beside those of
	// documents; zero means 64.
	MaxConnections int
	// Drain, if set, ends long answers when everything else has stopped.
	Drain func()
}

// controlGrace is how long calls at the control address may take to finish after all else has
// stopped.
const controlGrace = time.Second

// checkControl checks the options of the control address.
func (o *Options) checkControl() error {
	switch {
	case o.Control == nil:
		return nil
	case o.Control.Handler == nil:
		return errors.New("the control address has no handler")
	case o.Control.Addr == "":
		return errors.New("the control address is empty: name host:port, for example 127.0.0.1:9900")
	case o.Control.TLS && o.TLS == nil:
		return errors.New("the control address has no certificate to speak TLS with")
	}
	return checkAddress(o.Control.Addr, "")
}

// openControl serves the control address, if there is one. The error is a [*ListenError].
func (e *Engine) openControl(ctx context.Context) error {
	o := e.opts.Control
	if o == nil {
		return nil
	}
	var speaks *tls.Config
	if o.TLS {
		speaks = e.opts.TLS.openConfig()
	}
	places := newPlaces(o.MaxConnections)
	s, err := e.listen(ctx, o.Addr, speaks, places)
	if err != nil {
		return &ListenError{[]Addr{{Declared: o.Addr, Err: err}}}
	}
	d := newDoor(e.controlAllowance(), o.Addr)
	d.closedToPages = true
	s.front.Store(&front{door: d, listener: &plan.Listener{Addr: o.Addr}, rest: o.Handler, waits: e.waits, log: e.opts.Logger, places: places})
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending {
		s.discard()
		return ErrStopped
	}
	e.control = s
	e.accept(s)
	e.opts.Logger.Info("the control address is served", slog.String("address", s.actual()))
	return nil
}

// controlAllowance gives the names by which the control address may be called beside its own.
func (e *Engine) controlAllowance() *allowance {
	if host, _, err := net.SplitHostPort(e.opts.Control.Addr); err == nil {
		if h, ok := parseHost(host); ok && h.isLoopback() {
			return &allowance{}
		}
	}
	return &allowance{anyHost: e.allowance.anyHost, hosts: e.allowance.hosts}
}

// closeControl stops to serve the control address. It may be called more than once.
func (e *Engine) closeControl() error {
	e.mu.Lock()
	s := e.control
	e.control = nil
	e.mu.Unlock()
	if s == nil {
		return nil
	}
	if e.opts.Control.Drain != nil {
		e.opts.Control.Drain()
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlGrace)
	defer cancel()
	if err := s.shutdown(ctx); err != nil {
		return fmt.Errorf("%s: %w", s.declared, err)
	}
	return nil
}

// ControlAddr gives the real address of [ControlOptions.Addr], empty while nothing listens
// there.
func (e *Engine) ControlAddr() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.control == nil {
		return ""
	}
	return e.control.actual()
}

// IsStopping reports whether Stop has begun.
func (e *Engine) IsStopping() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ending
}
