package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"capd/engine"
	"capd/engine/diag"
)

// remarks tells people, not programs, what was looked at and what it needs.
func (c *command) remarks(loaded *engine.Loaded, shown diag.List, s *sieve, look lookup, f *validateFlags) error {
	var b strings.Builder
	if !f.quiet {
		for _, d := range newReport(loaded.Plan, loaded.Docs, nil, declaredAddr, look).Documents {
			if len(d.Needs) > 0 {
				fmt.Fprintf(&b, "%s needs %s\n", diag.Printable(d.ID), strings.Join(d.needs(), ", "))
			}
		}
	}
	if f.summary {
		if err := writeSummary(&b, shown, loaded.Docs); err != nil {
			return err
		}
	}
	if !f.quiet || f.summary {
		fmt.Fprintf(&b, "capd: %s, %s, %s%s\n", plural(len(loaded.Docs), "file"), plural(shown.Count(diag.Error), "error"),
			plural(shown.Count(diag.Warning), "warning"), s.remark())
	}
	_, err := io.WriteString(c.stderr, b.String())
	return err
}

// remark says how many findings the baseline hid.
func (s *sieve) remark() string {
	switch {
	case s.flags.writeBaseline != "":
		return fmt.Sprintf("; %s written to %s", plural(s.known, "known finding"), s.flags.writeBaseline)
	case s.baseline != nil:
		return fmt.Sprintf("; %s in %s", plural(s.known, "known finding"), s.flags.baseline)
	}
	return ""
}

// codeCount is how often a code was found, and in how many files.
type codeCount struct {
	code     diag.Code
	severity diag.Severity // the worst
	findings int
	files    map[string]bool
}

// countCodes counts findings by code, the worst and the most frequent first.
func countCodes(l diag.List) []*codeCount {
	counts := make(map[diag.Code]*codeCount)
	var out []*codeCount
	for i := range l {
		d := &l[i]
		n := counts[d.Code]
		if n == nil {
			n = &codeCount{code: d.Code, severity: d.Severity, files: make(map[string]bool)}
			counts[d.Code] = n
			out = append(out, n)
		}
		n.severity = min(n.severity, d.Severity)
		n.findings++
		n.files[d.Span.File] = true
	}
	slices.SortFunc(out, func(a, b *codeCount) int {
		return cmp.Or(cmp.Compare(a.severity, b.severity), cmp.Compare(b.findings, a.findings), cmp.Compare(a.code, b.code))
	})
	return out
}

// writeSummary writes a table of codes and the states of files.
func writeSummary(out io.Writer, l diag.List, docs []*engine.DocState) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, n := range countCodes(l) {
		fmt.Fprintf(w, "%s\t%s\t%d in %s\n", n.severity, n.code, n.findings, plural(len(n.files), "file"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	states := make(map[engine.State]int)
	for _, d := range docs {
		states[d.State]++
	}
	var words []string
	for s := engine.Served; s <= engine.Ignored; s++ {
		if states[s] > 0 {
			words = append(words, fmt.Sprintf("%d %s", states[s], s))
		}
	}
	_, err := fmt.Fprintf(out, "files: %s\n", strings.Join(words, ", "))
	return err
}
