package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"capd/engine"
	"capd/engine/diag"
)

// The further formats of findings.
const (
	formatSARIF  = "sarif"
	formatGitHub = "github"
	formatJUnit  = "junit"
)

// target is one form in which findings are written. An empty file is standard output.
type target struct{ format, file string }

// targetsFlag is a flag that takes FORMAT or FORMAT=FILE, several times or with commas.
type targetsFlag struct {
	list []target
	set  bool
}

func (f *targetsFlag) Type() string { return "format" }

func (f *targetsFlag) String() string {
	var words []string
	for _, o := range f.list {
		word := o.format
		if o.file != "" {
			word += "=" + o.file
		}
		words = append(words, word)
	}
	return strings.Join(words, ",")
}

// Set adds what text names. The first call replaces the default.
func (f *targetsFlag) Set(text string) error {
	if !f.set {
		f.list, f.set = nil, true
	}
	known := []string{formatText, formatJSON, formatSARIF, formatGitHub, formatJUnit}
	for word := range strings.SplitSeq(text, ",") {
		format, file, given := strings.Cut(word, "=")
		if !slices.Contains(known, format) || given && file == "" {
			return fmt.Errorf("must be one of %s, or one of them with a file such as sarif=out.sarif", strings.Join(known, ", "))
		}
		if file == "-" {
			file = ""
		}
		o := target{format, file}
		if slices.ContainsFunc(f.list, func(x target) bool { return x.file == file && x != o }) {
			return fmt.Errorf("two formats go to %s; give each a file of its own, such as sarif=out.sarif", o.place())
		}
		if !slices.Contains(f.list, o) {
			f.list = append(f.list, o)
		}
	}
	return nil
}

func (o target) place() string {
	if o.file == "" {
		return "standard output"
	}
	return o.file
}

// findingsWriter writes findings in every form that is asked for.
type findingsWriter struct {
	command *command
	flags   *validateFlags
	filter  *diag.Filter
	piped   *bytes.Buffer // what standard input held
}

// write writes all targets. Files are written before standard output, which a reader may
// close at any time.
func (w *findingsWriter) write(l diag.List, docs []*engine.DocState) error {
	targets := slices.Clone(w.flags.targets.list)
	slices.SortStableFunc(targets, func(a, b target) int { return -strings.Compare(a.file, b.file) })
	for _, o := range targets {
		if o.file == "" {
			if err := w.render(w.command.stdout, o, l, docs); err != nil {
				return failure("cannot write the findings: %w", err)
			}
			continue
		}
		var text bytes.Buffer
		if err := w.render(&text, o, l, docs); err != nil {
			return failure("cannot write the findings to %s: %w", o.file, err)
		}
		if err := os.WriteFile(o.file, text.Bytes(), 0o644); err != nil {
			return failure("cannot write the findings: %w", err)
		}
	}
	return nil
}

func (w *findingsWriter) render(out io.Writer, o target, l diag.List, docs []*engine.DocState) error {
	switch o.format {
	case formatJSON:
		return diag.WriteJSON(out, l)
	case formatSARIF:
		return diag.WriteSARIF(out, l, diag.SARIFOptions{Version: thisBuild().Version})
	case formatGitHub:
		return diag.WriteGitHub(out, l)
	case formatJUnit:
		var files []string
		for _, d := range docs {
			if !w.filter.DropsFile(d.File) {
				files = append(files, d.File)
			}
		}
		return diag.WriteJUnit(out, l, diag.JUnitOptions{Files: files, FailOn: w.flags.findings.threshold()})
	}
	return diag.WriteText(out, l, w.textOptions(out))
}

// textOptions adds excerpts for a reader at a terminal, and colours there or on demand. What
// the flag says beats NO_COLOR.
func (w *findingsWriter) textOptions(out io.Writer) diag.TextOptions {
	terminal := isTerminal(out)
	color := w.flags.color == colorAlways
	if w.flags.color == colorAuto {
		noColor, _ := w.command.env.lookup("NO_COLOR")
		term, _ := w.command.env.lookup("TERM")
		color = terminal && noColor == "" && term != "dumb"
	}
	return diag.TextOptions{Excerpt: terminal, Color: color, Source: w.source}
}

// source gives the text of a file, as it was read or, for files on disk, as it is now.
func (w *findingsWriter) source(file string) []byte {
	if file == w.flags.stdinName && w.piped.Len() > 0 {
		return w.piped.Bytes()
	}
	// A file that cannot be read any more has no excerpt; its finding stands without.
	text, _ := os.ReadFile(file)
	return text
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
