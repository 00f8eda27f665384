package format

import "strconv"

// columns are the members that the rows of a table have: the quoted name and the colon.
type columns []string

// newColumns names the columns of a table. A name that was there before gets the number of its
// occurrence, so that no value is lost: a, b, a is a, b, a_2.
func newColumns(header []string) columns {
	taken := make(map[string]bool, len(header))
	for _, name := range header {
		taken[name] = true
	}
	count := make(map[string]int, len(header))
	out := make(columns, len(header))
	for i, name := range header {
		unique := name
		if count[name]++; count[name] > 1 {
			for unique = numbered(name, count[name]); taken[unique]; unique = numbered(name, count[name]) {
				count[name]++
			}
			taken[unique] = true
		}
		out[i] = string(append(appendString(nil, unique), ':'))
	}
	return out
}

func numbered(name string, n int) string { return name + "_" + strconv.Itoa(n) }

// appendCell appends the member of column i.
func appendCell[S string | []byte](dst []byte, c columns, i int, value S) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return appendString(append(dst, c[i]...), value)
}

// grid is a table of a page or of a markdown text.
type grid struct {
	header []string
	rows   [][]string
}

// write adds the table as a list of objects: short rows are filled with "", long ones cut.
func (g *grid) write(w *writer) error {
	c := newColumns(g.header)
	if err := w.open('['); err != nil {
		return err
	}
	for _, row := range g.rows {
		if err := w.next(); err != nil {
			return err
		}
		w.buf = append(w.buf, '{')
		for i := range c {
			value := ""
			if i < len(row) {
				value = row[i]
			}
			w.buf = appendCell(w.buf, c, i, value)
		}
		w.buf = append(w.buf, '}')
	}
	w.close(']')
	return nil
}

// isNamed reports whether a column of the table has a name. A table without is left out.
func (g *grid) isNamed() bool {
	for _, name := range g.header {
		if name != "" {
			return true
		}
	}
	return false
}

// writeTables adds the value of the member "tables".
func writeTables(w *writer, tables []*grid, l Limits) error {
	if err := w.member("tables"); err != nil {
		return err
	}
	if err := w.open('['); err != nil {
		return err
	}
	for _, g := range tables {
		if len(g.header) > l.Columns {
			return tooMuch("a table has more than %d columns", l.Columns)
		}
		if !g.isNamed() {
			continue
		}
		if err := w.next(); err != nil {
			return err
		}
		if err := g.write(w); err != nil {
			return err
		}
	}
	w.close(']')
	return nil
}
