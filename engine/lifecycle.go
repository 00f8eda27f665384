package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Start serves the control address, loads the documents, binds their addresses and begins to
// serve. The context bounds
// the start, not the life of what was started. It fails with a [*PathError] when a path does
// not exist, a [*ListenError] when no address can be bound, and an [*InvalidError] under
// [Fail]; then nothing is left behind and Start may be tried again.
func (e *Engine) Start(ctx context.Context) error {
	return e.work(ctx, func(ctx context.Context, started bool) error {
		if started {
			return ErrStarted
		}
		if err := e.openControl(ctx); err != nil {
			return err
		}
		err := e.advance(ctx, false)
		if err != nil {
			if left := e.closeControl(); left != nil {
				err = errors.Join(err, left)
			}
		}
		return err
	})
}

// Reload looks at everything again and serves it from one moment to the next. A file on a file
// system of this machine alone is read if its stamp (size, times, place on the disk) has changed, any other one in any case. An unchanged
// document keeps its unit, a document that is broken now keeps its last good one, a removed
// one is gone. When Reload fails, everything is as it was, but for TLS: its files are read
// again whatever becomes of the documents. Reloads happen one after another.
func (e *Engine) Reload(ctx context.Context) error { return e.reload(ctx, false) }

// Refresh is Reload for those who were told of a change by [Engine.Watch]. It does not read a
// file again whose stamp has not changed since it was read, wherever it is.
func (e *Engine) Refresh(ctx context.Context) error { return e.reload(ctx, true) }

func (e *Engine) reload(ctx context.Context, trust bool) error {
	return e.work(ctx, func(ctx context.Context, started bool) error {
		if !started {
			return ErrNotStarted
		}
		e.opts.TLS.Reload()
		return e.advance(ctx, trust)
	})
}

// Broken gives the error of the first listener that ended by itself, for those who use Start
// and Stop; Run looks at it by itself.
func (e *Engine) Broken() <-chan error { return e.broken }

// work runs f alone, with a context that a Stop ends.
func (e *Engine) work(ctx context.Context, f func(ctx context.Context, started bool) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-e.stopping:
			cancel(ErrStopped)
		case <-done:
		}
	}()
	select {
	case e.working <- struct{}{}:
		defer func() { <-e.working }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	e.mu.Lock()
	started, ending := e.started, e.ending
	e.mu.Unlock()
	if ending {
		return ErrStopped
	}
	err := f(ctx, started)
	if err != nil && errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), ErrStopped) {
		return ErrStopped
	}
	return err
}

// Run is Start, wait until ctx ends or a server breaks, and Stop.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.Start(ctx); err != nil {
		return err
	}
	var broken error
	select {
	case <-ctx.Done():
	case <-e.stopping:
	case broken = <-e.broken:
	}
	return errors.Join(broken, e.Stop(context.WithoutCancel(ctx)))
}

// Stop accepts no more connections, lets calls in flight finish, and cuts those that take
// longer than the drain timeout or than ctx. It may be called at any time and any number of
// times; every call returns when the engine has stopped, with the same error.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	first := !e.ending
	e.ending = true
	servers := slices.Collect(maps.Values(e.servers))
	servers = slices.AppendSeq(servers, maps.Keys(e.leaving))
	e.mu.Unlock()
	if !first {
		<-e.stopped
		return e.stopErr
	}
	close(e.stopping)
	e.stopErr = e.stop(ctx, servers)
	close(e.stopped)
	return e.stopErr
}

// stop takes down what is live. Every step has the same end, and each error its name.
func (e *Engine) stop(ctx context.Context, servers []*server) error {
	ctx, cancel := context.WithTimeout(ctx, e.opts.DrainTimeout)
	defer cancel()
	var (
		mu   sync.Mutex
		errs []error
		down sync.WaitGroup
	)
	step := func(name string, f func(context.Context) error) {
		down.Go(func() {
			if err := f(ctx); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
				mu.Unlock()
			}
		})
	}
	for _, s := range servers {
		step(s.declared, s.shutdown)
	}
	// A stream that ends while connections are still accepted would only be opened again.
	for _, s := range servers {
		<-s.begun
	}
	for _, kind := range slices.Sorted(maps.Keys(e.opts.Adapters)) {
		if d, ok := e.opts.Adapters[kind].(Drainer); ok {
			step(string(kind), bounded(d.Drain))
		}
	}
	down.Wait()
	if err := e.closeControl(); err != nil {
		errs = append(errs, err)
	}
	e.running.Wait()
	e.loader.shelf.close(ctx)
	e.mu.Lock()
	clear(e.servers)
	e.mu.Unlock()
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// bounded returns when ctx ends, even if f does not.
func bounded(f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
