package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"capd/adapters/stub"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// validateFlags are the settings of validate.
type validateFlags struct {
	documents documentFlags
	variables variableFlags
	log       logFlags
	format    string
	stdinName string
}

func (c *command) validateCommand() *cobra.Command {
	f := validateFlags{format: formatText}
	cmd := &cobra.Command{
		Use:   "validate PATH...",
		Short: "Check capability specs without serving them",
		Long: `Check every capability spec in the given files and folders with the phases that serve runs.
The path - reads one spec from standard input.

Findings go to standard output as file:line:col: severity [code] message; hint. The exit code is
0 without errors, 1 with errors, and 2 when the job could not be done.`,
		Example: "  capd validate capabilities/\n  capd validate - --stdin-filename rooms.yaml < rooms.yaml",
		Args:    pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return c.validate(cmd.Context(), paths, &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.variables.register(flags)
	f.log.register(flags)
	flags.Var(choiceFlag(&f.format, formatText, formatJSON), "format", "output `format`: text or json")
	flags.StringVar(&f.stdinName, "stdin-filename", "stdin.yaml", "`NAME` that findings in standard input carry")
	return cmd
}

// validate loads the paths and prints what was found.
func (c *command) validate(ctx context.Context, paths []string, f *validateFlags) error {
	env, err := c.variables(&f.variables)
	if err != nil {
		return err
	}
	var piped bytes.Buffer
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths:     paths,
		Stdin:     io.TeeReader(c.stdin, &piped),
		StdinName: f.stdinName,
		Limits:    f.documents.limits(),
		// Nothing is called: the stub only stands where serve has a transport.
		Bind:   &plan.BindOptions{Look: env.Look, Upstream: stub.New()},
		Logger: f.log.logger(c.stderr),
	})
	if err != nil {
		return failure("%w", err)
	}
	if len(loaded.Docs) == 0 {
		return failure("no .yaml or .yml file found in %s", strings.Join(paths, ", "))
	}
	if f.format == formatJSON {
		err = diag.WriteJSON(c.stdout, loaded.Diagnostics)
	} else {
		err = diag.WriteText(c.stdout, loaded.Diagnostics, c.textOptions(f.stdinName, &piped))
	}
	err = cmp.Or(err, c.summary(loaded, env.Look))
	if err != nil {
		return failure("cannot write the findings: %w", err)
	}
	if loaded.Diagnostics.HasErrors() {
		return findings()
	}
	return nil
}

// summary tells people, not programs, what was looked at and what it needs.
func (c *command) summary(loaded *engine.Loaded, look lookup) error {
	var b strings.Builder
	for _, d := range newReport(loaded.Plan, loaded.Docs, nil, declaredAddr, look).Documents {
		if len(d.Needs) > 0 {
			fmt.Fprintf(&b, "%s needs %s\n", diag.Printable(d.ID), strings.Join(d.needs(), ", "))
		}
	}
	fmt.Fprintf(&b, "capd: %s, %s, %s\n", plural(len(loaded.Docs), "file"),
		plural(loaded.Diagnostics.Count(diag.Error), "error"), plural(loaded.Diagnostics.Count(diag.Warning), "warning"))
	_, err := io.WriteString(c.stderr, b.String())
	return err
}

// textOptions adds excerpts, and colours unless NO_COLOR is set, when somebody reads at a
// terminal.
func (c *command) textOptions(stdinName string, piped *bytes.Buffer) diag.TextOptions {
	if !isTerminal(c.stdout) {
		return diag.TextOptions{}
	}
	noColor, _ := c.env.lookup("NO_COLOR")
	return diag.TextOptions{
		Excerpt: true,
		Color:   noColor == "",
		Source: func(file string) []byte {
			if file == stdinName && piped.Len() > 0 {
				return piped.Bytes()
			}
			// A file that cannot be read any more has no excerpt; its finding stands without.
			text, _ := os.ReadFile(file)
			return text
		},
	}
}

// isTerminal reports whether w is a character device, as a terminal is.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
