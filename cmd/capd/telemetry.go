package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"capd/adapters/telemetry"
	"capd/engine"
)

// telemetryFlags say what is told of calls. Traces are set by the OTEL_* variables.
type telemetryFlags struct {
	audit         string
	traceUpstream bool
}

func (t *telemetryFlags) register(f *pflag.FlagSet) {
	f.StringVar(&t.audit, "audit", "", "write one line of JSON for each call to `FILE`, or - for standard output: who called what, and how it ended; SIGHUP opens the file again")
	f.BoolVar(&t.traceUpstream, "trace-upstream", true, "tell upstreams which trace a request belongs to, where the OTEL_* variables turn traces on")
}

// standardStream stands for standard output in flags.
const standardStream = "-"

// telemetry begins to watch what the flags and the environment want to be watched; nil when that
// is nothing. metrics says that there is somebody to read them.
func (c *command) telemetry(f *telemetryFlags, metrics bool, log *slog.Logger) (*telemetry.Telemetry, error) {
	spans, err := telemetry.Exporter(context.Background(), c.env.lookup)
	if err != nil {
		return nil, failure("%w", err)
	}
	o := telemetry.Options{Metrics: metrics, Spans: spans, NotUpstream: !f.traceUpstream, Version: thisBuild().Version, Logger: log}
	switch f.audit {
	case "":
	case standardStream:
		// A reader that went away is told by the error of the write, not by the signal.
		signal.Ignore(syscall.SIGPIPE)
		o.Audit = func() (io.WriteCloser, error) { return keptOpen{c.stdout}, nil }
	default:
		o.Audit = func() (io.WriteCloser, error) {
			return os.OpenFile(f.audit, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) // it names people
		}
	}
	t, err := telemetry.New(o)
	if err != nil {
		return nil, failure("--audit: %w", err)
	}
	return t, nil
}

// keptOpen is written to and never closed.
type keptOpen struct{ io.Writer }

func (keptOpen) Close() error { return nil }

// closeTelemetry writes and sends what is left. A collector that does not answer, or a full
// pipe, is not waited for any longer.
func (s *server) closeTelemetry() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.wiring.telemetry.Close(ctx); err != nil {
		s.log.Warn("some traces or audit lines are lost", "error", err)
	}
}

// reloaded tells of a reload, or of the start.
func (s *server) reloaded(begun time.Time, err error) {
	s.wiring.desk.reloaded(begun, err)
	snapshot := s.engine.Current()
	r := telemetry.Reload{
		Begun: begun, Took: time.Since(begun), Err: err, Documents: map[string]int{},
		Serves: func(id string) bool { return snapshot.Plan.Unit(id) != nil },
	}
	for _, state := range []engine.State{engine.Served, engine.Refused, engine.Stale, engine.Ignored} {
		r.Documents[state.String()] = 0
	}
	for _, d := range snapshot.Docs {
		r.Documents[d.State.String()]++
	}
	if p := snapshot.Policy; p.File != "" {
		r.Policy = "ok"
		if p.Stale {
			r.Policy = "failed"
			s.log.Error("the policy file cannot be used, the policy of before still holds", "file", p.File, "hash", p.Hash)
		}
	}
	s.wiring.telemetry.Reloaded(r)
}
