package format

import (
	"bufio"
	"bytes"
	"html"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	render "github.com/yuin/goldmark/renderer/html"
	source "github.com/yuin/goldmark/text"
)

// newMarkdown reads the front matter, tables and sections of a text. prefix is how the heading of a
// section begins that counts, with or without its marks.
func newMarkdown(prefix string) reading {
	prefix = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(prefix), "#"))
	dialect := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough)).Parser()
	blocks := blockParser()
	return func(in *answer, w *writer) (string, error) {
		text, err := in.utf8Text("")
		if err != nil {
			return "", err
		}
		text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		front, text, err := frontMatter(text, in.limits, w.add)
		if err != nil {
			return "", err
		}
		if err := judgeLines(text, in.limits, w); err != nil {
			return "", err
		}
		if err := judgeBlocks(blocks.Parse(source.NewReader(text)), text); err != nil {
			return "", err
		}
		m := &markdown{text: text, prefix: prefix}
		m.read(dialect.Parse(source.NewReader(text)))
		return "", m.write(w, front, in.limits)
	}
}

// frontMatter gives the JSON of the mapping between two lines of --- at the beginning, and the
// text behind. Without one it gives {} and the whole text.
func frontMatter(text []byte, l Limits, add func(int64) bool) (front string, rest []byte, err error) {
	const line = "\n---\n"
	if !bytes.HasPrefix(text, []byte(line[1:])) {
		return "{}", text, nil
	}
	end := bytes.Index(text[3:], []byte(line))
	after := 3 + end + len(line)
	if end < 0 {
		if !bytes.HasSuffix(text, []byte(line[:4])) {
			return "{}", text, nil
		}
		end, after = len(text)-3-4, len(text)
	}
	if len(bytes.TrimSpace(text[3:3+end])) == 0 {
		return "{}", text[after:], nil
	}
	w := newWriter(l, end)
	w.add = add
	switch err := writeYAML(text[4:3+end], w, l); {
	case err != nil && inFormat(Markdown, err).Limit:
		return "", nil, err
	case err != nil || w.buf[0] != '{':
		return "{}", text, nil
	}
	return string(w.buf), text[after:], nil
}

// section is a heading and the text until the next one.
type section struct {
	heading string
	level   int
	lines   []string
}

// markdown is a text while its parts are collected.
type markdown struct {
	text     []byte
	prefix   string
	grids    []*grid
	sections []*section
}

// read collects the tables and sections at the top level.
func (m *markdown) read(doc ast.Node) {
	var current *section
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Heading:
			heading := strings.TrimSpace(strings.ReplaceAll(m.plain(n), "\n", " "))
			current = &section{heading: heading, level: n.Level}
			if strings.HasPrefix(heading, m.prefix) {
				m.sections = append(m.sections, current)
			}
		case *tables.Table:
			m.grids = append(m.grids, m.grid(n))
		default:
			if current != nil {
				current.lines = m.addBlock(current.lines, n)
			}
		}
	}
}

// addBlock adds the text of a block and of those inside of it.
func (m *markdown) addBlock(lines []string, n ast.Node) []string {
	switch n.(type) {
	case *ast.Paragraph, *ast.TextBlock, *ast.Heading:
		if text := strings.TrimSpace(m.plain(n)); text != "" {
			lines = append(lines, text)
		}
	case *ast.List, *ast.ListItem, *ast.Blockquote:
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			lines = m.addBlock(lines, c)
		}
	}
	return lines
}

func (m *markdown) grid(table *tables.Table) *grid {
	g := &grid{}
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		var cells []string
		for c := row.FirstChild(); c != nil; c = c.NextSibling() {
			var b strings.Builder
			addWords(&b, m.plain(c))
			cells = append(cells, strings.TrimSuffix(b.String(), " "))
		}
		if _, ok := row.(*tables.TableHeader); ok {
			g.header = cells
		} else {
			g.rows = append(g.rows, cells)
		}
	}
	return g
}

// plain gives the text of a block without its markup.
func (m *markdown) plain(n ast.Node) string {
	var b strings.Builder
	m.addInline(&b, n)
	return b.String()
}

func (m *markdown) addInline(b *strings.Builder, parent ast.Node) {
	for n := parent.FirstChild(); n != nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			b.WriteString(m.unescaped(n))
			if n.HardLineBreak() {
				b.WriteByte('\n')
			} else if n.SoftLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.String:
			b.Write(n.Value)
		case *ast.CodeSpan:
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				if t, ok := c.(*ast.Text); ok {
					b.WriteString(strings.ReplaceAll(string(t.Segment.Value(m.text)), "\n", " "))
				}
			}
		case *ast.AutoLink:
			b.Write(n.Label(m.text))
		case *ast.RawHTML:
		default:
			m.addInline(b, n)
		}
	}
}

// unescaped gives a text as a reader sees it: \* is *, &amp; is &.
func (m *markdown) unescaped(t *ast.Text) string {
	raw := t.Segment.Value(m.text)
	if t.IsRaw() || !bytes.ContainsAny(raw, `\&`) {
		return string(raw)
	}
	var b strings.Builder
	w := bufio.NewWriter(&b)
	render.DefaultWriter.Write(w, raw)
	if w.Flush() != nil {
		return string(raw)
	}
	return html.UnescapeString(b.String())
}

func (m *markdown) write(w *writer, front string, l Limits) error {
	if err := w.open('{'); err != nil {
		return err
	}
	if err := w.member("frontMatter"); err != nil {
		return err
	}
	w.raw(front)
	if err := writeTables(w, m.grids, l); err != nil {
		return err
	}
	if err := m.writeSections(w); err != nil {
		return err
	}
	w.close('}')
	return w.room(0)
}

func (m *markdown) writeSections(w *writer) error {
	if err := w.member("sections"); err != nil {
		return err
	}
	w.raw("[")
	for _, s := range m.sections {
		if err := w.next(); err != nil {
			return err
		}
		w.raw("{")
		if err := w.stringMember("heading", s.heading); err != nil {
			return err
		}
		w.raw(`,"level":`)
		w.int(int64(s.level))
		if err := w.stringMember("content", strings.Join(s.lines, "\n")); err != nil {
			return err
		}
		w.raw("}")
	}
	w.raw("]")
	return nil
}

// blockParser makes a parser that leaves the text of blocks alone.
func blockParser() parser.Parser {
	return parser.NewParser(parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithParagraphTransformers(append(parser.DefaultParagraphTransformers(), tableTransformer())...))
}
