package main

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"capd/engine"
	"capd/engine/diag"
)

// changes is what serve says after a reload: how what is served differs from before.
type changes struct {
	now            *report
	told           []reportAddress   // at the last report
	added, changed []*reportDocument // as they are now
	removed        []*reportDocument // as they were
	found, gone    diag.List
	moved          bool // addresses differ
}

// since compares a report with the one before.
func (r *report) since(last *report) *changes {
	c := &changes{now: r, told: last.Addresses, moved: !slices.Equal(r.Addresses, last.Addresses)}
	before, after := apart(last.Documents, r.Documents)
	was := make(map[string]*reportDocument, len(before))
	for _, d := range before {
		was[d.File] = d
	}
	for _, d := range after {
		old, known := was[d.File]
		delete(was, d.File)
		switch {
		case !known:
			c.added = append(c.added, d)
		case !reflect.DeepEqual(d, old):
			c.changed = append(c.changed, d)
		}
	}
	for _, d := range before {
		if _, left := was[d.File]; left {
			c.removed = append(c.removed, d)
		}
	}
	c.found, c.gone = without(r.list, last.list), without(last.list, r.list)
	return c
}

// apart gives what is not the very same in two lists of documents by ID.
func apart(a, b []*reportDocument) (onlyA, onlyB []*reportDocument) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			a, b = a[1:], b[1:]
		case a[0].ID < b[0].ID:
			onlyA, a = append(onlyA, a[0]), a[1:]
		case a[0].ID > b[0].ID:
			onlyB, b = append(onlyB, b[0]), b[1:]
		default:
			onlyA, onlyB, a, b = append(onlyA, a[0]), append(onlyB, b[0]), a[1:], b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

// findingKey is what makes a finding the same one after lines were added above it.
type findingKey struct {
	file, path, message string
	code                diag.Code
	severity            diag.Severity
}

// without gives the findings of a list that another one does not have.
func without(l, other diag.List) diag.List {
	key := func(d diag.Diagnostic) findingKey {
		return findingKey{d.Span.File, d.Path, d.Message, d.Code, d.Severity}
	}
	count := make(map[findingKey]int, len(other))
	for _, d := range other {
		count[key(d)]++
	}
	var out diag.List
	for _, d := range l {
		if count[key(d)]--; count[key(d)] < 0 {
			out = append(out, d)
		}
	}
	return out
}

// write prints the changes as text, or as one event of the log.
func (c *changes) write(w io.Writer, format string) error {
	if format != formatJSON {
		return c.text(w)
	}
	writeEvent(w, c.found, "reloaded",
		slog.Any("added", present(c.added)), slog.Any("removed", present(c.removed)), slog.Any("changed", present(c.changed)),
		slog.Any("addresses", c.now.Addresses),
		slog.Any("diagnostics", reportDiagnostics(c.found)), slog.Any("gone", reportDiagnostics(c.gone)))
	return nil
}

// present gives a list that is not null in JSON.
func present(docs []*reportDocument) []*reportDocument {
	if docs == nil {
		return []*reportDocument{}
	}
	return docs
}

// text writes the changes for people: one line, and what it counts.
func (c *changes) text(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "reloaded: %s; capd %s\n", c.summary(), c.now.headline())
	c.now.warnOpen(&b, c.told)
	if err := diag.WriteText(&b, c.found, diag.TextOptions{}); err != nil {
		return err
	}
	for _, d := range c.gone {
		fmt.Fprintf(&b, "gone: %s\n", diag.Printable(d.String()))
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, d := range slices.Concat(c.added, c.changed) {
		if d.State != engine.Ignored {
			d.text(w)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(c.removed) > 0 {
		b.WriteByte('\n')
	}
	for _, d := range c.removed {
		fmt.Fprintf(&b, "%s (removed: %s)\n", diag.Printable(d.ID), diag.Printable(d.File))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// summary counts the changes.
func (c *changes) summary() string {
	var parts []string
	count := func(n int, thing, what string) {
		if n > 0 {
			parts = append(parts, plural(n, thing)+what)
		}
	}
	count(len(c.added), "file", " added")
	count(len(c.removed), "file", " removed")
	count(len(c.changed), "file", " changed")
	count(len(c.found), "new finding", "")
	count(len(c.gone), "finding", " gone")
	if c.moved {
		parts = append(parts, "other addresses")
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}
