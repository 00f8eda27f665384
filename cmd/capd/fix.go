package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/repair"
	"capd/schema"
)

// fixFlags are the settings of fix.
type fixFlags struct {
	documents documentFlags
	diff      bool
	only      []string
	to        string
	stdinName string
}

func (c *command) fixCommand() *cobra.Command {
	f := fixFlags{}
	cmd := &cobra.Command{
		Use:   "fix PATH...",
		Short: "Write the repairs that findings propose",
		Long: `Write the repairs that findings propose into capability specs: inputs that are not declared,
names that are spelled in another way, variables that are missing in binds, keys of other
versions, and the sub-path that an operation lost. Comments, order and layout stay. What a spec
serves already sends the same requests afterwards, and a repair after which less would be served
is left out. What an ignore comment hides is left alone.

With --to, specs of older versions of the language are rewritten as that version writes them;
what cannot be rewritten is listed.

The path - reads one spec from standard input and writes it to standard output. The exit code is
0 when no error is left, 1 when some are, and 2 when the job could not be done.`,
		Example: `  capd fix --diff capabilities/
  capd fix capabilities/ --only undeclared-variable
  capd fix rooms.yaml --to ` + repair.Version,
		Args: pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return c.fix(cmd.Context(), paths, &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	flags.BoolVar(&f.diff, "diff", false, "show what would change as a unified diff, and write nothing")
	flags.StringSliceVar(&f.only, "only", nil, "repair only findings of these `CODES`, comma-separated; repeatable")
	flags.Var(choiceFlag(&f.to, repair.Version), "to", "migrate to this `version` of the language: "+repair.Version)
	flags.StringVar(&f.stdinName, "stdin-filename", "stdin.yaml", "`NAME` that standard input goes by")
	return cmd
}

// fix repairs the files of the paths.
func (c *command) fix(ctx context.Context, paths []string, f *fixFlags) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	var piped bytes.Buffer
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths: paths, Stdin: io.TeeReader(c.stdin, &piped), StdinName: f.stdinName,
		AllowPaths: f.documents.allowPaths, Own: ownFiles(&f.documents, nil), Limits: f.documents.limits(), HideIgnored: true,
	})
	if err != nil {
		return failure("%w", err)
	}
	if len(loaded.Docs) == 0 {
		return failure("no .yaml or .yml file found in %s", strings.Join(paths, ", "))
	}
	var jobs []*fixJob
	for i := range loaded.Docs {
		if d := loaded.Docs[i]; d.State != engine.Ignored {
			jobs = append(jobs, &fixJob{file: d.File, files: d.Files, found: d.Diagnostics})
		}
	}
	for _, j := range jobs {
		if j.file == f.stdinName && piped.Len() > 0 {
			j.piped, j.text = true, piped.Bytes()
		}
	}
	repairAll(jobs, options, f.to != "")
	return c.finishFix(jobs, f)
}

// options checks the codes, since a misspelled one would repair nothing without a word.
func (f *fixFlags) options() (repair.Options, error) {
	o := repair.Options{Limits: f.documents.limits(), Compiler: plan.Compiler{Schemas: schema.Compile}}
	var known []string
	for _, code := range diag.Codes() {
		known = append(known, string(code))
	}
	for _, word := range f.only {
		code := diag.Code(word)
		if _, ok := diag.PageOf(code); !ok {
			hint := "see 'capd explain'"
			if near, ok := diag.Nearest(word, known); ok {
				hint = "did you mean " + near + "?"
			}
			return o, failure("--only: there is no code %q; %s", word, hint)
		}
		o.Only = append(o.Only, code)
	}
	return o, nil
}

// fixJob is one file on its way.
type fixJob struct {
	file   string
	piped  bool // standard input
	files  plan.Files
	found  diag.List
	text   []byte
	result *repair.Result
	err    error
}

// repairAll works on several files at once.
func repairAll(jobs []*fixJob, o repair.Options, migrate bool) {
	next := make(chan *fixJob)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(jobs)) {
		workers.Go(func() {
			for j := range next {
				j.run(o, migrate)
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	workers.Wait()
}

// run repairs one file's text. Whatever goes wrong stays in the job.
func (j *fixJob) run(o repair.Options, migrate bool) {
	defer func() {
		if r := recover(); r != nil {
			j.err = fmt.Errorf("capd failed while repairing this file, which stays as it is; please report it: %v", r)
		}
	}()
	if !j.piped {
		if j.text, j.err = readSpec(j.file, o.Limits.Bytes); j.err != nil {
			return
		}
	}
	o.Files = j.files
	if migrate {
		j.result, j.err = repair.Migrate(j.file, j.text, o)
	} else {
		j.result, j.err = repair.Fix(j.file, j.text, o)
	}
}

// finishFix writes the texts, or shows what would change, and says what was done.
func (c *command) finishFix(jobs []*fixJob, f *fixFlags) error {
	var out, notes bytes.Buffer
	t := fixTally{}
	for _, j := range jobs {
		if j.err == nil && !f.diff && !j.piped && j.result.Changed() {
			j.err = replaceFile(j.file, j.text, j.result.Text)
		}
		if j.err != nil {
			fmt.Fprintf(&notes, "capd: %s: %v\n", diag.Printable(j.file), j.err)
			t.failed++
			continue
		}
		t.add(j)
		switch {
		case f.diff:
			writeDiff(&out, j.file, j.text, j.result.Text)
		case j.piped:
			out.Write(j.result.Text)
		default:
			writeFixes(&out, "fixed", j.result.Fixed)
		}
		writeFixes(&notes, "left", j.result.Unmigrated)
	}
	notes.WriteString(t.String(f.diff))
	if _, err := c.stdout.Write(out.Bytes()); err != nil {
		return failure("cannot write the result: %w", err)
	}
	if _, err := c.stderr.Write(notes.Bytes()); err != nil {
		return failure("cannot write the summary: %w", err)
	}
	switch {
	case t.failed > 0:
		return &exitError{code: exitFailed}
	case t.errors > 0:
		return findings()
	}
	return nil
}

// writeFixes writes a line for each problem: file:line:col: fixed [code] message.
func writeFixes(w io.Writer, word string, l diag.List) {
	for i := range l {
		d := &l[i]
		fmt.Fprintf(w, "%s: %s [%s] %s\n", diag.Printable(d.Span.String()), word, d.Code, diag.Printable(d.Message))
	}
}

// fixTally counts what was done.
type fixTally struct{ files, repairs, unmigrated, errors, failed int }

func (t *fixTally) add(j *fixJob) {
	if j.result.Changed() {
		t.files++
	}
	t.repairs += len(j.result.Fixed)
	t.unmigrated += len(j.result.Unmigrated)
	t.errors += j.result.Left.Count(diag.Error)
}

func (t *fixTally) String(diff bool) string {
	verb := "in"
	if diff {
		verb = "to make in"
	}
	parts := []string{fmt.Sprintf("%s %s %s", plural(t.repairs, "repair"), verb, plural(t.files, "file"))}
	if t.unmigrated > 0 {
		parts = append(parts, plural(t.unmigrated, "place")+" left to you")
	}
	parts = append(parts, plural(t.errors, "error")+" left")
	if t.failed > 0 {
		parts = append(parts, plural(t.failed, "file")+" failed")
	}
	return "capd: " + strings.Join(parts, ", ") + "\n"
}
