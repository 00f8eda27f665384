package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"capd/engine/diag"
	"capd/engine/plan"
)

// change is everything that is ready to become current. Until commit, nothing live knows it.
type change struct {
	*state
	sockets map[string]*server // newly bound, by declared address
	failed  map[string]error   // addresses that cannot be bound
	swaps   []preparedSwap
	known   map[string]wellKnown // by declared address
}

// preparedSwap is the swap of one adapter.
type preparedSwap struct {
	kind plan.Kind
	swap Swap
}

// advance loads everything and makes it current; trust spares reading files whose stamp is
// that of the last load. All that can fail is in prepare, which
// touches nothing live; commit only replaces pointers.
func (e *Engine) advance(ctx context.Context, trust bool) error {
	c, err := e.prepare(ctx, trust)
	if err != nil {
		return err
	}
	return e.commit(c)
}

// prepare does everything that can fail. On an error it leaves nothing behind.
func (e *Engine) prepare(ctx context.Context, trust bool) (*change, error) {
	c := &change{sockets: make(map[string]*server)}
	if err := e.fill(ctx, c, trust); err != nil {
		c.discard()
		return nil, err
	}
	return c, nil
}

// fill prepares c. What it bound before an error is still in c.
func (e *Engine) fill(ctx context.Context, c *change, trust bool) error {
	prev := e.Current()
	now, err := e.loader.consistent(ctx, e.last, trust)
	if err != nil {
		return err
	}
	for {
		if c.state, err = e.loader.together(prev, now); err != nil {
			return err
		}
		if e.opts.OnInvalid == Fail {
			if found := c.diagnostics(); found.HasErrors() && !e.loader.withdraws(e.last, found) {
				return &InvalidError{found}
			}
		}
		if err := e.bindSockets(ctx, c); err != nil {
			return err
		}
		if e.opts.OnInvalid == Fail || len(c.failed) == 0 || !c.revert(e.loader, e.last) {
			break
		}
		now = c.recordSet
	}
	if n := len(c.failed); n > 0 && (n == len(c.plan.Listeners) || e.opts.OnInvalid == Fail) {
		return &ListenError{c.unbound()}
	}
	c.reportUnbound()
	c.known = make(map[string]wellKnown, len(c.plan.Listeners))
	for _, l := range c.plan.Listeners {
		c.known[l.Addr] = newWellKnown(l, c.bound)
	}
	c.swaps, err = e.prepareAdapters(ctx, prev.Bound, c.bound)
	return err
}

// bindSockets binds the addresses of the plan that nothing listens on yet, and lets go of
// those that a former try wanted. An address that cannot be bound is no error of its own.
func (e *Engine) bindSockets(ctx context.Context, c *change) error {
	e.mu.Lock()
	live := maps.Clone(e.servers)
	e.mu.Unlock()
	c.failed = make(map[string]error)
	var speaks *tls.Config
	if e.opts.TLS != nil {
		speaks = e.opts.TLS.config()
	}
	for _, l := range c.plan.Listeners {
		if live[l.Addr] != nil || c.sockets[l.Addr] != nil {
			continue
		}
		s, err := e.listen(ctx, l.Addr, speaks, e.places)
		if err != nil {
			c.failed[l.Addr] = c.bindFailure(l.Addr, err, live, e.Current().Plan)
			continue
		}
		c.sockets[l.Addr] = s
	}
	maps.DeleteFunc(c.sockets, func(addr string, s *server) bool {
		if c.plan.Listener(addr) != nil {
			return false
		}
		s.discard()
		return true
	})
	return ctx.Err()
}

// unbound gives the addresses that cannot be bound.
func (c *change) unbound() []Addr {
	var out []Addr
	for _, addr := range slices.Sorted(maps.Keys(c.failed)) {
		out = append(out, Addr{Declared: addr, Err: c.failed[addr]})
	}
	return out
}

// reportUnbound says for each exposure at such an address that it is not served there.
func (c *change) reportUnbound() {
	for _, a := range c.unbound() {
		for _, x := range exposures(c.plan.Listener(a.Declared)) {
			c.between.Add(unbound(x, a))
		}
	}
}

// exposures gives what is served at an address, each once.
func exposures(l *plan.Listener) []*plan.Exposure {
	var out []*plan.Exposure
	for _, m := range l.Mounts {
		if !slices.Contains(out, m.Exposure) {
			out = append(out, m.Exposure)
		}
	}
	return out
}

func unbound(x *plan.Exposure, a Addr) diag.Diagnostic {
	hint := bindHint
	if e, ok := errors.AsType[*bindError](a.Err); ok {
		hint = e.hint
	}
	return diag.Diagnostic{
		Code: diag.CodeListen, Severity: diag.Error,
		Span: x.Span, Unit: diag.Unit{Doc: x.Unit.ID, Adapter: x.Namespace},
		Message: fmt.Sprintf("cannot listen on %s: %s", a.Declared, reason(a.Err)),
		Hint:    hint,
	}
}

// revert lets documents that moved to an address that cannot be bound keep the state that is
// served now, or that was before capd was started again. It reports whether there was one, and
// with it another plan to make.
func (c *change) revert(l *loader, live *recordSet) bool {
	was := live.owners()
	others := map[int]*record{}
	for _, a := range c.unbound() {
		for _, x := range exposures(c.plan.Listener(a.Declared)) {
			i := slices.IndexFunc(c.records, func(r *record) bool { return r.isOwner() && r.id == x.Unit.ID })
			if i < 0 {
				continue
			}
			r := c.records[i]
			if others[i] != nil {
				r = others[i]
			}
			last := was[r.id]
			if last == nil {
				last = l.keptRecord(r.candidate)
			}
			if last == nil || last.served.unit == nil || last.served.sameAs(r.served) || l.mayStay(r.id, last.served) != nil {
				continue
			}
			r = r.clone() // it may be of the last load too
			r.served, r.since = last.served, last.staleSince()
			r.extra.Add(unbound(x, a))
			r.extra.Add(stale(r.id, r.current.file))
			others[i] = r
		}
	}
	if len(others) == 0 {
		return false
	}
	c.recordSet = c.replaced(others)
	return true
}

// discard gives up what prepare bound.
func (c *change) discard() {
	for _, s := range c.sockets {
		s.discard()
	}
}

// prepareAdapters has every adapter prepare, in the order of their kinds.
func (e *Engine) prepareAdapters(ctx context.Context, prev, next *plan.Bound) ([]preparedSwap, error) {
	var out []preparedSwap
	for _, kind := range slices.Sorted(maps.Keys(e.opts.Adapters)) {
		swap, err := e.prepareAdapter(ctx, kind, prev, next)
		if err != nil {
			return nil, fmt.Errorf("cannot serve %s: %w", kind, err)
		}
		out = append(out, preparedSwap{kind, swap})
	}
	return out, ctx.Err()
}

func (e *Engine) prepareAdapter(ctx context.Context, kind plan.Kind, prev, next *plan.Bound) (swap Swap, err error) {
	defer func() {
		if v := recover(); v != nil {
			logFault(e.opts.Logger, "preparing an adapter", v, "kind", string(kind))
			swap, err = nil, errors.New("capd failed while preparing it; this is a fault of capd, please report it")
		}
	}()
	return e.opts.Adapters[kind].Prepare(ctx, prev, next)
}

// commit makes a change current: swap, then serve, then retire. It fails only when Stop was
// first.
func (e *Engine) commit(c *change) error {
	retire, err := e.swap(c)
	if err != nil {
		c.discard()
		return err
	}
	e.last = c.recordSet
	e.loader.shelf.keep(c)
	for _, f := range retire {
		f()
	}
	return nil
}

// swap replaces all that is live at once, under the lock. It gives what is to be retired.
func (e *Engine) swap(c *change) ([]func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending {
		return nil, ErrStopped
	}
	var retire []func()
	handlers := make(map[plan.Kind]func(string) http.Handler, len(c.swaps))
	for _, s := range c.swaps {
		handler, done := s.swap()
		handlers[s.kind] = handler
		if done != nil {
			retire = append(retire, done)
		}
	}
	for _, l := range c.plan.Listeners {
		s := e.servers[l.Addr]
		if s == nil {
			s = c.sockets[l.Addr]
		}
		if s == nil {
			continue // it could not be bound
		}
		s.front.Store(e.front(l, handlers, c.known[l.Addr]))
		if e.servers[l.Addr] == nil {
			e.servers[l.Addr] = s
			e.accept(s)
		}
	}
	e.failed = c.failed
	e.giveUp(c.plan)
	e.started = true
	e.current.Store(&Snapshot{
		Serial: e.Current().Serial + 1, Plan: c.plan, Bound: c.bound, Policy: c.policy,
		Docs: c.docs(), Diagnostics: c.diagnostics(),
	})
	return retire, nil
}

// front makes what stands before the adapters at an address.
func (e *Engine) front(l *plan.Listener, handlers map[plan.Kind]func(string) http.Handler, known wellKnown) *front {
	f := &front{door: newDoor(e.allowance, l.Addr), listener: l, known: known, waits: e.waits, log: e.opts.Logger, watch: e.opts.Watch, proxies: e.opts.TrustedProxies, places: e.places}
	for _, kind := range slices.Sorted(maps.Keys(handlers)) {
		if handlers[kind] == nil {
			continue
		}
		h := handlers[kind](l.Addr)
		switch prefix := kind.Prefix(); {
		case h == nil:
		case kind == plan.REST:
			f.rest = h
		case prefix != "":
			f.prefixed = append(f.prefixed, prefixed{prefix, h, kind == plan.MCP})
		}
	}
	if handler := handlers[plan.Control]; handler != nil && l.SoleControl != nil {
		f.rest = handler(l.Addr)
	}
	return f
}

// accept starts to serve a new address.
func (e *Engine) accept(s *server) {
	e.running.Go(func() {
		if err := s.serve(); err != nil {
			e.opts.Logger.Error("an address is no longer served", "address", s.declared, "error", err)
			select {
			case e.broken <- fmt.Errorf("%s: %w", s.declared, err):
			default: // one is enough to end a Run
			}
		}
	})
}

// giveUp closes the addresses that the plan does not have. Calls in flight there finish on
// the snapshot they began with.
func (e *Engine) giveUp(p *plan.Plan) {
	for addr, s := range e.servers {
		if p.Listener(addr) != nil {
			continue
		}
		delete(e.servers, addr)
		e.leaving[s] = true
		s.leave()
		e.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), e.opts.DrainTimeout)
			defer cancel()
			if err := s.shutdown(ctx); err != nil {
				e.opts.Logger.Warn("an address that is no longer used was closed", "address", addr, "error", err)
			}
			e.mu.Lock()
			delete(e.leaving, s)
			e.mu.Unlock()
		})
	}
}
