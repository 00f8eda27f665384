package diag

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// TextOptions say how [WriteText] writes.
type TextOptions struct {
	// Source gives the text of a file for excerpts, or nil. A nil Source has none.
	Source func(file string) []byte
	// Excerpt adds the source line with a mark under the span.
	Excerpt bool
	// Color uses the colours of an ANSI terminal.
	Color bool
}

// WriteText writes one problem per line in the form
//
//	file:line:col: severity [code] message; hint
//
// which editors and grep understand. Below it stand, indented, the excerpt and the first
// related places. What comes from a document is written without control characters, so that it
// cannot drive a terminal. The error is the writer's.
func WriteText(w io.Writer, l List, o TextOptions) error {
	t := &textWriter{w: bufio.NewWriter(w), o: o, credentials: credentials(l)}
	for i := range l {
		t.diagnostic(&l[i])
	}
	return t.w.Flush()
}

// textWriter leaves errors to the buffered writer, which keeps the first one.
type textWriter struct {
	w    *bufio.Writer
	o    TextOptions
	file string // of lines
	text *lineIndex

	credentials map[string][]Span // by file; no excerpt shows what stands there
}

// credentials gives the places that are known to hold one. Terminals are recorded and shared.
func credentials(l List) map[string][]Span {
	found := map[string][]Span{}
	for i := range l {
		if s := l[i].Span; l[i].Code == CodeAuthLiteral && s.Start.IsValid() {
			found[s.File] = append(found[s.File], s)
		}
	}
	return found
}

// mask puts asterisks for the credentials in line n of a file, one for each character.
func (t *textWriter) mask(file string, n int, line string) string {
	for _, s := range t.credentials[file] {
		last := max(s.Start.Line, s.End.Line)
		if n < s.Start.Line || n > last {
			continue
		}
		text := []rune(line)
		from, to := 0, len(text)
		if n == s.Start.Line {
			from = min(s.Start.Col-1, to)
		}
		if n == s.End.Line {
			to = max(from, min(s.End.Col-1, to))
		}
		line = string(text[:from]) + strings.Repeat("*", to-from) + string(text[to:])
	}
	return line
}

const (
	bold  = "\x1b[1m"
	red   = "\x1b[1;31m"
	amber = "\x1b[1;33m"
	cyan  = "\x1b[1;36m"
	dim   = "\x1b[2m"
	plain = "\x1b[0m"
)

func (t *textWriter) paint(color, s string) string {
	if !t.o.Color || s == "" {
		return s
	}
	return color + s + plain
}

func severityColor(s Severity) string {
	switch s {
	case Error:
		return red
	case Warning:
		return amber
	}
	return cyan
}

func (t *textWriter) diagnostic(d *Diagnostic) {
	if d.Span.File != "" {
		fmt.Fprintf(t.w, "%s ", t.paint(bold, Printable(d.Span.String())+":"))
	}
	fmt.Fprintf(t.w, "%s [%s] %s", t.paint(severityColor(d.Severity), d.Severity.String()), Printable(string(d.Code)), Printable(d.Message))
	if d.Hint != "" {
		fmt.Fprintf(t.w, "; %s", Printable(d.Hint))
	}
	t.w.WriteByte('\n')
	// A file that is no capability may be one of secrets.
	if d.Code != CodeNotACapability || d.Span.End.IsValid() {
		t.excerpt(d.Span, severityColor(d.Severity))
	}
	for _, r := range notes(d.Related) {
		t.related(d.Span, r)
	}
}

func (t *textWriter) related(of Span, r Related) {
	t.w.WriteString("    ")
	if r.Span.File != "" {
		fmt.Fprintf(t.w, "%s ", t.paint(dim, Printable(r.Span.String())+":"))
	}
	fmt.Fprintf(t.w, "%s\n", Printable(r.Message))
	if r.Span != of {
		t.excerpt(r.Span, dim)
	}
}

func (t *textWriter) excerpt(s Span, color string) {
	if !t.o.Excerpt || !s.Start.IsValid() || t.o.Source == nil {
		return
	}
	if t.text == nil || t.file != s.File {
		t.file, t.text = s.File, indexLines(t.o.Source(s.File))
	}
	line, ok := t.text.line(s.Start.Line)
	if !ok {
		return
	}
	x := cutExcerpt(t.mask(s.File, s.Start.Line, line), s)
	margin := fmt.Sprintf("%5d", s.Start.Line)
	fmt.Fprintf(t.w, "%s %s\n", t.paint(dim, margin+" |"), x.line)
	fmt.Fprintf(t.w, "%s %s%s\n", t.paint(dim, strings.Repeat(" ", len(margin))+" |"), strings.Repeat(" ", x.indent), t.paint(color, x.mark))
}
