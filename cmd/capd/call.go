package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"capd/adapters/credential"
	"capd/adapters/httpclient"
	"capd/adapters/memory"
	"capd/adapters/secrets"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// callFlags are the settings of call.
type callFlags struct {
	documents       documentFlags
	variables       variableFlags
	scripts         scriptFlags
	upstream        string
	stub            bool
	callTimeout     duration
	maxUpstreamBody size

	body    string
	headers []string
	answers []string
	dryRun  bool
	explain bool
	verbose bool
}

func (c *command) callCommand() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call FILE OPERATION [NAME=VALUE...]",
		Short: "Call one operation of a spec",
		Long: `Call one operation of a spec as serve would, and print the answer's body.

OPERATION is a tool, the name of a REST operation, or a request to a route: 'GET /rooms/7?limit=5'.
A name that several adapters have is written ADAPTER/NAME. NAME=VALUE gives an input a text,
NAME:=JSON any other value.

--dry-run sends nothing and prints the request as HTTP/1.1 would carry it, header lines without
their carriage returns; secrets are shown as <secret>, variables without a value as <NAME>.
--explain says on standard error (with --dry-run below the request) where every part of it
comes from.

An operation that asks its user first gets the answers with --answer.

Exit codes: 0 for an answer of 2xx, 1 for any other answer and for a call that could not be made,
2 for a wrong command line.`,
		Example: `  capd call rooms.yaml list-rooms limit:=5
  capd call rooms.yaml 'GET /rooms/7' --dry-run --explain
  capd call rooms.yaml create-room --body @room.json --stub`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return failure("expected FILE and OPERATION; see '%s --help'", cmd.CommandPath())
			}
			return c.call(cmd.Context(), args[0], args[1], args[2:], &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	f.variables.register(flags)
	f.scripts.register(flags)
	f.callTimeout, f.maxUpstreamBody = duration(engine.DefaultCallTimeout), engine.DefaultMaxUpstreamBody
	flags.StringVar(&f.upstream, "upstream", "", "send to `URL` instead of the consumed base URI, keeping its path")
	flags.BoolVar(&f.stub, "stub", false, "answer the call here, without account, key or network")
	flags.Var(&f.callTimeout, "call-timeout", "longest time for the call in total")
	flags.Var(&f.maxUpstreamBody, "max-upstream-body", "largest upstream answer that is held in memory; streamed ones have no limit")
	flags.StringVar(&f.body, "body", "", "the request's `BODY`: a text, @FILE, or - for standard input; of a tool, its argument body")
	flags.StringArrayVar(&f.headers, "header", nil, "add `NAME: VALUE` to the headers of the request to a route; repeatable")
	flags.StringArrayVar(&f.answers, "answer", nil, "answer a question that the operation asks first: `NAME=JSON`, NAME=yes or NAME=no; repeatable")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the upstream request instead of sending it")
	flags.BoolVar(&f.explain, "explain", false, "say where every part of the upstream request comes from")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "print request line, status and headers on standard error")
	return cmd
}

// call makes one call, from the command line to the answer.
func (c *command) call(ctx context.Context, file, name string, given []string, f *callFlags) error {
	request, err := c.readRequest(given, f)
	if err != nil {
		return err
	}
	watch := &callWatch{command: c, flags: f}
	loaded, doc, err := c.loadCall(ctx, file, f, watch)
	if err != nil {
		return err
	}
	t, err := findTarget(loaded.Plan, doc, name)
	if err != nil {
		return err
	}
	if t.refusal != nil {
		return c.refusedCall(doc, t)
	}
	source, err := t.source(request)
	if err != nil {
		return err
	}
	answers, err := readAnswers(t.operation, f.answers)
	if err != nil {
		return err
	}
	args, err := t.operation.Bind(source)
	if err != nil {
		return failedCall(err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.callTimeout))
	defer cancel()
	result, err := t.operation.Invoke(ctx, &plan.Invocation{Args: args, Bound: loaded.Bound, Answers: answers, Observe: watch})
	if err == nil && result.Kind == plan.Asks {
		return unanswered(result.Ask)
	}
	return c.answer(t, watch, result, err)
}

// loadCall loads the document with the upstream that the flags ask for.
func (c *command) loadCall(ctx context.Context, file string, f *callFlags, watch *callWatch) (*engine.Loaded, *engine.DocState, error) {
	if file == "-" && f.body == "-" {
		return nil, nil, failure("standard input cannot be both FILE and --body")
	}
	own := ownFiles(&f.documents, &f.variables)
	env, err := c.sources(&f.variables, secrets.Options{LocalOnly: f.stub || f.dryRun, Own: own})
	if err != nil {
		return nil, nil, err
	}
	up, err := f.transport(watch)
	if err != nil {
		return nil, nil, err
	}
	scripts, err := f.scripts.runner()
	if err != nil {
		return nil, nil, err
	}
	return c.loadOne(ctx, file, engine.LoadOptions{
		AllowPaths: f.documents.allowPaths, Policy: f.documents.policy, Own: own, Limits: f.documents.limits(),
		Bind: &plan.BindOptions{
			Look: env.Look, Upstream: up, Placeholders: f.stub || f.dryRun,
			CallTimeout: time.Duration(f.callTimeout), MaxUpstreamBody: int64(f.maxUpstreamBody), Scripts: scripts,
		},
	})
}

// transport gives what answers the call: what serve would use, or the dry run of it.
func (f *callFlags) transport(watch *callWatch) (plan.Upstream, error) {
	if !f.dryRun {
		s := serveFlags{upstream: f.upstream, stub: f.stub}
		up, err := s.transport(nil, nil)
		if err != nil {
			return nil, err
		}
		return protect(up, memory.New(memory.Options{}), nil, slog.New(slog.DiscardHandler)), nil
	}
	client, err := httpclient.New(httpclient.Options{OpenKey: secrets.OpenKey})
	if err != nil {
		return nil, failure("%w", err)
	}
	dry := credential.Placeholder(client.DryRun(watch.dry))
	if f.upstream == "" {
		return dry, nil
	}
	to, err := upstreamURL(f.upstream)
	if err != nil {
		return nil, failure("--upstream %w", err)
	}
	return httpclient.Rebase(dry, to), nil
}

// refusedCall says why the operation is not served, and where.
func (c *command) refusedCall(doc *engine.DocState, t *callTarget) error {
	var why diag.List
	for _, d := range doc.Diagnostics {
		if d.Severity == diag.Error && d.Code == t.refusal.Code && d.Message == t.refusal.Reason {
			why.Add(d)
		}
	}
	if err := diag.WriteText(c.stderr, why, diag.TextOptions{}); err != nil {
		return failure("cannot write: %w", err)
	}
	return &exitError{code: exitFindings, err: t.refusal.Error()}
}

// failedCall ends with what a caller of the operation would be told.
func failedCall(err error) error {
	e := plan.AsError(err)
	return &exitError{code: exitFindings, err: errors.New(e.Code.String() + ": " + e.Message)}
}

// answer prints what came of the call.
func (c *command) answer(t *callTarget, watch *callWatch, result *plan.Result, err error) error {
	explained := func() error {
		if !watch.flags.explain {
			return nil
		}
		w := c.stderr
		if watch.flags.dryRun {
			w = c.stdout
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		return explainOperation(w, t.operation, watch.sent)
	}
	if watch.failed != nil {
		err = errors.Join(watch.failed, err)
	}
	if err != nil {
		if more := explained(); more != nil {
			return failure("cannot write: %w", more)
		}
		return failedCall(err)
	}
	defer func() { _ = result.Close() }()
	if werr := explained(); werr != nil {
		return failure("cannot write: %w", werr)
	}
	if watch.dried {
		return nil
	}
	if err := c.copyBody(result.Body); err != nil {
		return failedCall(err)
	}
	if result.Status < 200 || result.Status > 299 {
		return &exitError{code: exitFindings, err: statusError(result.Status)}
	}
	return nil
}

// copyBody prints a body as it is, with a line's end for those who read at a terminal.
func (c *command) copyBody(body plan.Body) error {
	r := body.Reader()
	n, err := io.Copy(c.stdout, r)
	if err == nil && n > 0 && isTerminal(c.stdout) {
		_, err = io.WriteString(c.stdout, "\n")
	}
	return err
}

// readBody gives what --body means.
func (c *command) readBody(text string) ([]byte, error) {
	if text == "-" {
		b, err := io.ReadAll(c.stdin)
		if err != nil {
			return nil, failure("cannot read standard input: %w", err)
		}
		return b, nil
	}
	if len(text) > 0 && text[0] == '@' {
		b, err := os.ReadFile(text[1:])
		if err != nil {
			return nil, failure("--body: %w", err)
		}
		return b, nil
	}
	return []byte(text), nil
}
