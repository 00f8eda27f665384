package spec

import (
	"fmt"

	"capd/engine/diag"
)

// Limits bound what Parse accepts. Zero fields mean those of [DefaultLimits].
type Limits struct {
	Bytes int64 // size of the text
	Depth int   // nesting
	Nodes int   // values after aliases are expanded
}

// DefaultLimits are 4 MiB, 100 levels and a million values.
var DefaultLimits = Limits{Bytes: 4 << 20, Depth: 100, Nodes: 1_000_000}

// maxBytes is what byte offsets of 32 bits can hold, whatever the limits say.
const maxBytes = 1<<31 - 1

func (l Limits) orDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = DefaultLimits.Bytes
	}
	l.Bytes = min(l.Bytes, maxBytes)
	if l.Depth <= 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.Nodes <= 0 {
		l.Nodes = DefaultLimits.Nodes
	}
	return l
}

// Parse reads one document. It returns nil when the file is refused as a whole, and the
// list then holds an error that says why. Otherwise it returns the tree, with harmless
// placeholders where something broke, and what it found. Every problem it reports stands in
// the file; errors that refuse less than the file name their unit, whose Doc is left empty.
func Parse(file string, text []byte, lim Limits) (*Document, diag.List) {
	return new(Memory).Parse(file, string(text), lim)
}

func omitted(n int) string {
	if n == 1 {
		return "1 more problem of this file is not shown"
	}
	return fmt.Sprintf("%d more problems of this file are not shown", n)
}

// parser holds what the phases of one Parse share.
type parser struct {
	mem     *Memory
	src     *source
	lim     Limits
	cut     *Truncation // nil when the text is whole
	last    *Value      // the last node of a text that was cut off
	ikanos  bool        // the version key, which decides defaults
	adapter string      // namespace of the exposed adapter being read
	fatal   bool        // the file is refused

	found   diag.List
	omitted int // findings beyond maxFindings
}

func newParser(m *Memory, file string, lim Limits) *parser {
	return &parser{mem: m, src: &source{file: file}, lim: lim}
}

func (p *parser) parse(text string) *Document {
	if !p.readable(text) {
		return nil
	}
	p.cut = findTruncation(p.src)
	node, ok := p.decode()
	if !ok {
		return nil
	}
	root := p.grow(node)
	if root == nil {
		return nil
	}
	doc := p.document(root)
	if p.fatal {
		return nil
	}
	return doc
}

// maxFindings bounds what is reported of one file; twice as many errors are.
const maxFindings = 500

// add adds a finding unless there are too many already.
func (p *parser) add(d diag.Diagnostic) {
	limit := maxFindings
	if d.Severity == diag.Error {
		limit *= 2
	}
	if len(p.found) >= limit {
		p.omitted++
		return
	}
	p.found.Add(d)
}

// refuse reports a problem for which the whole file is refused.
func (p *parser) refuse(code diag.Code, span diag.Span, hint, format string, args ...any) {
	p.fatal = true
	p.add(diag.Diagnostic{
		Code: code, Severity: diag.Error, Span: span, Hint: hint, Message: fmt.Sprintf(format, args...),
	})
}

// report adds a problem of value v.
func (p *parser) report(code diag.Code, s diag.Severity, v *Value, hint, format string, args ...any) {
	p.add(problem(code, s, v, hint, format, args...))
}

func problem(code diag.Code, s diag.Severity, v *Value, hint, format string, args ...any) diag.Diagnostic {
	return diag.Diagnostic{
		Code: code, Severity: s, Span: v.Span(), Path: v.Path(), Hint: hint, Message: fmt.Sprintf(format, args...),
	}
}
