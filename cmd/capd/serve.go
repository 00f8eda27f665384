package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"capd/adapters/control"
	"capd/engine"
	"capd/engine/plan"
)

func (c *command) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve PATH...",
		Short: "Serve capability specs",
		Long: `Serve every capability spec in the given files and folders (recursive, .yaml and .yml).

A spec that cannot be served is explained and left out; the others are served. A change of their
files (--watch) and SIGHUP make capd read the specs again. The first SIGINT or SIGTERM stops after
the calls in flight, the second at once.`,
		Example: "  capd serve capabilities/ --stub\n  capd serve team-a/ team-b/rooms.yaml --listen 127.0.0.1:8000",
		Args:    pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return f.log.told(c.stderr, c.serve(cmd.Context(), paths, &f))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// pathArguments wants at least one path.
func pathArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return failure("no PATH given: name a spec file or a folder of them; see '%s --help'", cmd.CommandPath())
	}
	return nil
}

// serve runs until a signal, or until it cannot start.
func (c *command) serve(ctx context.Context, paths []string, f *serveFlags) error {
	f.follow()
	log := f.log.logger(c.stderr)
	w, err := c.wire(paths, f, log)
	if err != nil {
		return err
	}
	s := &server{command: c, wiring: w, flags: f, log: log}
	return s.live(ctx)
}

// server is one run of an engine and what is said about it.
type server struct {
	*command
	engine *engine.Engine
	wiring *wiring
	flags  *serveFlags
	log    *slog.Logger
	last   *report // the last one that was written; nil before the first
	// connect serves one client beside the listeners, until ended is closed; nil: there is none.
	connect func() (ended <-chan struct{}, _ error)
}

// live serves for as long as the process is wanted.
func (s *server) live(ctx context.Context) (err error) {
	if s.engine, err = engine.New(s.wiring.Options); err != nil {
		return failure("%w", err)
	}
	s.wiring.desk.engine.Store(s.engine)
	s.wiring.telemetry.WatchConnections(s.engine.Connections)
	if s.flags.check {
		return s.check(ctx, s.wiring.Options, s.flags, s.log)
	}
	sig, release := watchSignals(ctx)
	defer release()

	ended := make(chan error, 1)
	go func() { ended <- s.run(sig) }()
	select {
	case err := <-ended:
		s.wiring.store.close()
		s.closeTelemetry()
		return err
	case n := <-sig.again:
		return interrupted(n)
	}
}

// run starts the engine, says what it serves, and serves until it is told to stop.
func (s *server) run(sig signals) error {
	changed := s.watch(sig.stop)
	garbage := s.newPacer()
	garbage.keep(loadingPace)
	begun := time.Now()
	err := s.engine.Start(sig.stop)
	s.reloaded(begun, err)
	if err != nil {
		if sig.stop.Err() != nil {
			return s.stop()
		}
		return s.startFailure(err)
	}
	garbage.keep(servingPace)
	s.report()
	var gone <-chan struct{}
	if s.connect != nil {
		if gone, err = s.connect(); err != nil {
			return errors.Join(err, s.stop())
		}
	}
	for {
		select {
		case <-sig.stop.Done():
			return s.stop()
		case <-gone:
			return s.stop()
		case <-sig.reload:
			_, _ = s.reload(sig.stop) // it was logged
		case <-changed:
			_, _ = s.reloadBy(sig.stop, s.engine.Refresh) // it was logged
		case a := <-s.wiring.desk.asked:
			s.reloadFor(sig.stop, a)
		case err := <-s.engine.Broken():
			s.log.Error("a listener failed", "error", err)
			return errors.Join(failure("a listener failed: %w", err), s.stop())
		}
	}
}

// watch gives a channel that says when files changed; nil when nobody wants to know.
func (s *server) watch(ctx context.Context) <-chan struct{} {
	if s.flags.watch == watchOff {
		return nil
	}
	o := engine.WatchOptions{Extra: slices.Concat(s.flags.variables.envFile, s.wiring.TLS.Files(), s.wiring.store.files())}
	if s.flags.watch == watchPoll {
		o.Mode, o.Interval = engine.WatchPoll, time.Duration(s.flags.watchInterval)
	}
	return s.engine.Watch(ctx, o)
}

// stop lets calls in flight finish. Calls that had to be cut are worth a log line; the stop
// itself did what it was asked to.
func (s *server) stop() error {
	s.log.Info("stopping", "drain_timeout", s.flags.drainTimeout.String())
	s.wiring.desk.close()
	// The engine bounds the stop by its drain timeout; this is for the case that it does not.
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.flags.drainTimeout)+5*time.Second)
	defer cancel()
	if err := s.engine.Stop(ctx); err != nil {
		s.log.Warn("stopped with calls cut off", "error", err)
		return nil
	}
	s.log.Info("stopped")
	return nil
}

// reload reads everything again, env files first. A failed reload leaves everything as it
// was, but for TLS: a certificate waits for nothing else.
func (s *server) reload(ctx context.Context) (control.Reloaded, error) {
	return s.reloadBy(ctx, s.engine.Reload)
}

func (s *server) reloadBy(ctx context.Context, load func(context.Context) error) (control.Reloaded, error) {
	s.wiring.telemetry.Reopen()
	begun := time.Now()
	if err := s.wiring.env.Reload(); err != nil {
		s.wiring.TLS.Reload()
		s.reloaded(begun, err)
		s.log.Error("reload failed, serving what was served before", "error", err)
		return control.Reloaded{}, err
	}
	s.wiring.desk.reloadToken()
	s.wiring.store.reload()
	err := load(ctx)
	s.reloaded(begun, err)
	if err != nil {
		s.log.Error("reload failed, serving what was served before", "error", err)
		var done control.Reloaded
		if invalid, ok := errors.AsType[*engine.InvalidError](err); ok {
			s.diagnostics(invalid.Diagnostics)
			done.Findings = findingsJSON(invalid.Diagnostics)
		}
		return done, err
	}
	summary := s.report()
	return control.Reloaded{Summary: summary, Findings: findingsJSON(s.engine.Current().Diagnostics)}, nil
}

// startFailure turns why nothing is served into an exit code.
func (s *server) startFailure(err error) error {
	if invalid, ok := errors.AsType[*engine.InvalidError](err); ok {
		s.diagnostics(invalid.Diagnostics)
		if s.flags.log.format == formatJSON {
			return findings() // the event has said everything
		}
		return &exitError{code: exitFindings, err: err}
	}
	return failure("%w", err)
}

// check does everything but listen.
func (c *command) check(ctx context.Context, o engine.Options, f *serveFlags, log *slog.Logger) error {
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths:      o.Paths,
		AllowPaths: o.AllowPaths,
		Policy:     o.Policy,
		Own:        o.Own,
		Limits:     o.Limits,
		Link:       o.Linking(),
		Bind: &plan.BindOptions{
			Look: o.Look, Upstream: o.Upstream, Placeholders: o.Placeholders,
			CallTimeout: o.CallTimeout, MaxUpstreamBody: o.MaxUpstreamBody, Scripts: o.Scripts,
		},
		Logger: log,
	})
	if err != nil {
		return failure("%w", err)
	}
	for kind, a := range o.Adapters {
		if _, err := a.Prepare(ctx, nil, loaded.Bound); err != nil {
			return failure("cannot serve %s: %w", kind, err)
		}
	}
	r := newReport(loaded.Plan, loaded.Docs, loaded.Diagnostics, f.tls.scheme().origins(declaredAddr), o.Look)
	r.checked = true
	if err := r.write(c.stderr, f.log.format); err != nil {
		return failure("cannot write the report: %w", err)
	}
	if loaded.Diagnostics.HasErrors() {
		return findings()
	}
	return nil
}

// declaredAddr stands for the real address of a listener that does not listen.
func declaredAddr(addr string) string { return addr }
