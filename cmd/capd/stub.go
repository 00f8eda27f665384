package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"capd/adapters/stub"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// stubFlags are the settings of stub.
type stubFlags struct {
	documents    documentFlags
	listen       string
	maxBody      size
	maxHeader    size
	drainTimeout duration
}

func (c *command) stubCommand() *cobra.Command {
	var f stubFlags
	cmd := &cobra.Command{
		Use:   "stub PATH...",
		Short: "Answer the operations that specs consume",
		Long: `Stand in for the APIs that the given specs consume, alone on a port. It answers as serve --stub
does: with the request it got, credentials masked, and samples wherever a spec reads the answer.`,
		Example: "  capd stub capabilities/ --listen 127.0.0.1:8081\n  capd serve capabilities/ --upstream http://127.0.0.1:8081",
		Args:    pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return c.serveStub(cmd.Context(), paths, &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	f.maxBody, f.maxHeader, f.drainTimeout = defaultMaxBody, defaultMaxHeader, defaultDrainTimeout
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8081", "answer on `HOST:PORT`")
	flags.Var(&f.maxBody, "max-body", "largest request body")
	flags.Var(&f.maxHeader, "max-header", "largest request header")
	flags.Var(&f.drainTimeout, "drain-timeout", "how long a stop waits for calls in flight")
	return cmd
}

// serveStub answers until a signal.
func (c *command) serveStub(ctx context.Context, paths []string, f *stubFlags) error {
	loaded, err := engine.Load(ctx, engine.LoadOptions{Paths: paths, AllowPaths: f.documents.allowPaths, Policy: f.documents.policy, Limits: f.documents.limits()})
	if err != nil {
		return failure("%w", err)
	}
	if err := diag.WriteText(c.stderr, loaded.Diagnostics, diag.TextOptions{}); err != nil {
		return failure("cannot write the findings: %w", err)
	}
	calls := consumed(loaded.Plan)
	if len(calls) == 0 {
		return failure("the specs consume no operation: there is nothing to answer")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return failure("%w", &engine.ListenError{Addrs: []engine.Addr{{Declared: f.listen, Err: err}}})
	}
	sig, release := watchSignals(ctx)
	defer release()
	server := &http.Server{
		Handler:           http.MaxBytesHandler(stub.Handler(calls), int64(f.maxBody)),
		MaxHeaderBytes:    int(f.maxHeader),
		ReadHeaderTimeout: 10 * time.Second,
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	_, err = fmt.Fprintf(c.stderr, "capd answers for %s on http://%s\n", plural(operations(calls), "consumed operation"), l.Addr())
	if err != nil {
		return failure("cannot write: %w", err)
	}
	select {
	case err := <-ended:
		return failure("%w", err)
	case <-sig.stop.Done():
	}
	return shutDown(server, sig, time.Duration(f.drainTimeout))
}

// shutDown lets calls finish until the time is up or a second signal comes.
func shutDown(server *http.Server, sig signals, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	select {
	case err := <-done:
		if errors.Is(err, context.DeadlineExceeded) {
			return server.Close()
		}
		return err
	case n := <-sig.again:
		return interrupted(n)
	}
}

// consumed gives the calls of everything that is served. Two exposures of one consumed
// operation have a call each, because they may read its answer differently.
func consumed(p *plan.Plan) []*plan.Call {
	var calls []*plan.Call
	add := func(op *plan.Operation) {
		if op != nil {
			calls = append(calls, op.Calls()...)
		}
	}
	for _, u := range p.Units {
		for _, e := range u.Exposures {
			for _, r := range e.Routes {
				add(r.Operation)
			}
			for _, t := range e.Tools {
				add(t.Operation)
			}
			for _, r := range e.Resources {
				add(r.Operation)
			}
		}
	}
	return calls
}

// operations counts the consumed operations behind calls.
func operations(calls []*plan.Call) int {
	type key struct {
		unit *plan.Unit
		name string
	}
	seen := map[key]bool{}
	for _, c := range calls {
		seen[key{c.Unit(), c.Name()}] = true
	}
	return len(seen)
}
