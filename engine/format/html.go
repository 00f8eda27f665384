package format

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// newHTML reads the tables of a page, or those that a CSS selector gives.
func newHTML(selector string) (reading, error) {
	var chosen cascadia.SelectorGroup
	if selector = strings.TrimSpace(selector); selector != "" {
		var err error
		if chosen, err = cascadia.ParseGroup(selector); err != nil {
			return nil, &SchemaError{Message: "it is not a CSS selector: " + err.Error()}
		}
	}
	slow := looksAtSiblings(selector)
	return func(in *answer, w *writer) (string, error) {
		page, err := parsePage(in, w)
		if err != nil {
			return "", err
		}
		if slow && mostChildren(page) > maxSiblings {
			return "", tooMuch("an element has more than %d children, which the selector of the document would compare", maxSiblings)
		}
		return "", writePage(w, chosenTables(page, chosen), in.limits)
	}, nil
}

// maxSiblings is how many children an element may have when the selector compares siblings, which
// takes the square of that.
const maxSiblings = 20_000

func looksAtSiblings(selector string) bool {
	return strings.ContainsAny(selector, "~:")
}

func mostChildren(n *html.Node) int {
	most, own := 0, 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		own++
		most = max(most, mostChildren(c))
	}
	return max(most, own)
}

// parsePage gives the tree of a page.
func parsePage(in *answer, w *writer) (*html.Node, error) {
	text, err := in.utf8Text(pageCharset(in.body))
	if err != nil {
		return nil, err
	}
	nodes, err := judgePage(text, in.limits.Nodes)
	if err != nil {
		return nil, err
	}
	if err := w.hold(nodes, pageSize); err != nil {
		return nil, err
	}
	page, err := html.Parse(bytes.NewReader(text))
	if err != nil {
		// The parser accepts everything but too deep a tree.
		return nil, tooMuch("it nests too deep")
	}
	return page, nil
}

// pageCharset gives the charset that a page names in a meta element. windows-1252 is what is taken
// for text that is not UTF-8 anyway.
func pageCharset(body []byte) string {
	_, name, _ := charset.DetermineEncoding(body[:min(len(body), 1024)], "")
	if name == "windows-1252" {
		return ""
	}
	return name
}

// chosenTables gives the tables that are selected, or that are inside of what is selected; all
// without a selector. Each comes once.
func chosenTables(page *html.Node, chosen cascadia.SelectorGroup) []*html.Node {
	if chosen == nil {
		return tablesIn(nil, page, nil)
	}
	seen := make(map[*html.Node]bool)
	var out []*html.Node
	for _, n := range cascadia.QueryAll(page, chosen) {
		if n.DataAtom != atom.Table {
			out = tablesIn(out, n, seen)
		} else if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

func tablesIn(out []*html.Node, n *html.Node, seen map[*html.Node]bool) []*html.Node {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.DataAtom == atom.Table && !seen[c] {
			if seen != nil {
				seen[c] = true
			}
			out = append(out, c)
		}
		out = tablesIn(out, c, seen)
	}
	return out
}

func writePage(w *writer, tables []*html.Node, l Limits) error {
	t := &pageText{left: w.max}
	var grids []*grid
	for _, table := range tables {
		grids = append(grids, t.grid(table))
		if t.left < 0 {
			return w.room(w.max)
		}
	}
	if err := w.open('{'); err != nil {
		return err
	}
	if err := writeTables(w, grids, l); err != nil {
		return err
	}
	w.close('}')
	return nil
}

// pageRow is a row and the part of the table it stands in.
type pageRow struct {
	part  atom.Atom // thead, tbody, tfoot or table
	cells []*html.Node
}

// pageText reads cells, as long as there are bytes left.
type pageText struct{ left int }

// grid reads a table: its own rows, not those of tables in its cells.
func (t *pageText) grid(table *html.Node) *grid {
	rows := ownRows(nil, table)
	g := &grid{}
	header := firstRow(rows, atom.Thead)
	if !hasCell(header, atom.Th) {
		header = firstRow(rows, 0)
	}
	for _, c := range header.cells {
		if c.DataAtom == atom.Th {
			g.header = append(g.header, t.text(c))
		}
	}
	if !g.isNamed() {
		return g
	}
	body := hasPart(rows, atom.Tbody)
	for _, r := range rows {
		if body && r.part != atom.Tbody || hasCell(r, atom.Th) || !hasCell(r, atom.Td) {
			continue
		}
		cells := make([]string, 0, len(r.cells))
		for _, c := range r.cells {
			cells = append(cells, t.text(c))
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

func ownRows(out []pageRow, part *html.Node) []pageRow {
	for c := part.FirstChild; c != nil; c = c.NextSibling {
		switch c.DataAtom {
		case atom.Thead, atom.Tbody, atom.Tfoot:
			out = ownRows(out, c)
		case atom.Tr:
			r := pageRow{part: part.DataAtom}
			for cell := c.FirstChild; cell != nil; cell = cell.NextSibling {
				if cell.DataAtom == atom.Th || cell.DataAtom == atom.Td {
					r.cells = append(r.cells, cell)
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// firstRow gives the first row of a part; of the table when part is 0.
func firstRow(rows []pageRow, part atom.Atom) pageRow {
	for _, r := range rows {
		if part == 0 || r.part == part {
			return r
		}
	}
	return pageRow{}
}

func hasPart(rows []pageRow, part atom.Atom) bool {
	return firstRow(rows, part).part == part
}

func hasCell(r pageRow, kind atom.Atom) bool {
	for _, c := range r.cells {
		if c.DataAtom == kind {
			return true
		}
	}
	return false
}

// text gives what a reader sees of an element, white space as one blank.
func (t *pageText) text(n *html.Node) string {
	var b strings.Builder
	t.add(&b, n)
	return strings.TrimSuffix(b.String(), " ")
}

func (t *pageText) add(b *strings.Builder, n *html.Node) {
	for c := n.FirstChild; c != nil && t.left >= 0; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode:
			t.left -= len(c.Data)
			addWords(b, c.Data)
		case c.Type != html.ElementNode || isUnseen(c.DataAtom):
		case isInline(c.DataAtom):
			t.add(b, c)
		default:
			addWords(b, " ")
			t.add(b, c)
			addWords(b, " ")
		}
	}
}

// addWords adds text. White space, also at the border of two texts, becomes one blank; there is
// none at the beginning.
func addWords(b *strings.Builder, text string) {
	for _, r := range text {
		switch {
		case r == '\u200b' || r == '\u00ad':
		case !unicode.IsSpace(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), " "):
			b.WriteByte(' ')
		}
	}
}

func isUnseen(name atom.Atom) bool {
	switch name {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Head:
		return true
	}
	return false
}

// isInline reports whether text goes on across the borders of an element. Unknown elements are so.
func isInline(name atom.Atom) bool {
	switch name {
	case atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Br, atom.Caption, atom.Center, atom.Dd, atom.Details,
		atom.Dialog, atom.Div, atom.Dl, atom.Dt, atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Form,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Header, atom.Hr, atom.Li, atom.Main, atom.Nav,
		atom.Ol, atom.Option, atom.P, atom.Pre, atom.Section, atom.Summary, atom.Table, atom.Tbody, atom.Td, atom.Tfoot, atom.Th,
		atom.Thead, atom.Tr, atom.Ul:
		return false
	}
	return true
}
