package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"capd/adapters/secrets"
	"capd/adapters/stub"
	"capd/engine"
	"capd/engine/plan"
)

// validateFlags are the settings of validate.
type validateFlags struct {
	documents documentFlags
	variables variableFlags
	views     viewFlags
	log       logFlags
	targets   targetsFlag
	stdinName string
	color     string
	findings  findingFlags
	jobs      count
	summary   bool
	quiet     bool
}

// The words of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

func (c *command) validateCommand() *cobra.Command {
	f := validateFlags{targets: targetsFlag{list: []target{{format: formatText}}}, color: colorAuto}
	cmd := &cobra.Command{
		Use:   "validate PATH...",
		Short: "Check capability specs without serving them",
		Long: `Check every capability spec in the given files and folders with the phases that serve runs.
The path - reads one spec from standard input.

Findings go to standard output as file:line:col: severity [code] message; hint, or as --format
says. The exit code is 0 without findings that fail (see --fail-on), 1 with such findings, and 2
when the job could not be done.

A comment in a spec hides findings of its line, or of the next one when it stands alone:

  # capd:ignore CODE reason`,
		Example: `  capd validate capabilities/
  capd validate - --stdin-filename rooms.yaml < rooms.yaml
  capd validate capabilities/ --strict --format github --format sarif=capd.sarif
  capd validate capabilities/ --baseline capd-baseline.json`,
		Args: pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return c.validate(cmd.Context(), paths, &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	f.variables.register(flags)
	f.views.register(flags)
	f.log.register(flags)
	f.findings.register(flags)
	flags.Var(&f.targets, "format", "output `FORMAT`: text, json, sarif, github or junit; sarif=FILE writes a file; repeatable")
	flags.StringVar(&f.stdinName, "stdin-filename", "stdin.yaml", "`NAME` that findings in standard input carry")
	flags.Var(choiceFlag(&f.color, colorAuto, colorAlways, colorNever), "color", "colour text: auto, always or never; auto wants a terminal and no NO_COLOR")
	flags.Var(&f.jobs, "jobs", "most specs to work on at once (default one per processor)")
	flags.Lookup("jobs").DefValue = ""
	flags.BoolVar(&f.summary, "summary", false, "count findings by code, and files by what becomes of them, on standard error")
	flags.BoolVar(&f.quiet, "quiet", false, "write nothing but findings, and the summary if asked for")
	return cmd
}

// validate loads the paths and prints what was found.
func (c *command) validate(ctx context.Context, paths []string, f *validateFlags) error {
	own := ownFiles(&f.documents, &f.variables)
	env, err := c.sources(&f.variables, secrets.Options{LocalOnly: !f.findings.requireEnv, Own: own})
	if err != nil {
		return err
	}
	s, err := f.findings.sieve()
	if err != nil {
		return err
	}
	var piped bytes.Buffer
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths:      paths,
		Stdin:      io.TeeReader(c.stdin, &piped),
		StdinName:  f.stdinName,
		AllowPaths: f.documents.allowPaths,
		Policy:     f.documents.policy,
		Own:        own,
		Limits:     f.documents.limits(),
		Link:       f.views.linking(),
		// Nothing is called: the stub only stands where serve has a transport.
		Bind:        &plan.BindOptions{Look: env.Look, Upstream: stub.New()},
		Jobs:        int(f.jobs),
		HideIgnored: true,
		Logger:      f.log.logger(c.stderr),
	})
	if bad, ok := errors.AsType[*engine.PolicyError](err); ok {
		loaded, err = &engine.Loaded{Plan: &plan.Plan{}, Diagnostics: bad.Diagnostics, Docs: []*engine.DocState{}}, nil
	} else if err == nil && len(loaded.Docs) == 0 {
		err = fmt.Errorf("no .yaml or .yml file found in %s", strings.Join(paths, ", "))
	}
	if err != nil {
		return failure("%w", err)
	}
	shown, err := s.sift(loaded.Diagnostics)
	if err != nil {
		return err
	}
	w := findingsWriter{command: c, flags: f, filter: &s.filter, piped: &piped}
	if err := w.write(shown, loaded.Docs); err != nil {
		return err
	}
	if err := c.remarks(loaded, shown, s, env.Look, f); err != nil {
		return failure("cannot write the summary: %w", err)
	}
	if shown.AtLeast(f.findings.threshold()) > 0 {
		return findings()
	}
	return nil
}
