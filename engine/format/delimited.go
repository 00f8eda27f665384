package format

import "bytes"

// delimited reads rows of fields that a separator is between. encoding/csv is not used for it:
// it takes a quotation mark inside a field, as TSV has them everywhere, either for an error or for
// text that never ends, and changes line ends inside of fields.
func delimited(separator byte) reading {
	return func(in *answer, w *writer) (string, error) {
		text, err := in.utf8Text("")
		if err != nil {
			return "", err
		}
		s := &rowScanner{text: text, separator: separator, line: 1, columns: in.limits.Columns}
		return "", s.write(w)
	}
}

// rowScanner goes through the rows of a text.
type rowScanner struct {
	text      []byte
	separator byte
	columns   int // how many a row may have
	at, line  int // where the next row begins
	row       int // how many rows there were
	fields    [][]byte
	start     int // line of the row in fields
}

// write adds all rows but the first as a list of objects.
func (s *rowScanner) write(w *writer) error {
	more, err := s.next()
	if err != nil {
		return err
	}
	names := make([]string, len(s.fields))
	for i, name := range s.fields {
		names[i] = string(name)
	}
	header := newColumns(names)
	w.expect(2 * len(s.text))
	if err := w.open('['); err != nil {
		return err
	}
	for more {
		if more, err = s.next(); err != nil {
			return err
		} else if !more {
			break
		}
		if err := s.writeRow(w, header); err != nil {
			return err
		}
	}
	w.close(']')
	return w.room(0)
}

func (s *rowScanner) writeRow(w *writer, header columns) error {
	n := len(s.fields)
	for n > len(header) && len(s.fields[n-1]) == 0 {
		n--
	}
	if n > len(header) {
		return invalid("row %d (line %d) has %d columns, the header has %d", s.row, s.start, n, len(header))
	}
	if err := w.next(); err != nil {
		return err
	}
	w.buf = append(w.buf, '{')
	for i, value := range s.fields[:n] {
		w.buf = appendCell(w.buf, header, i, value)
	}
	w.buf = append(w.buf, '}')
	return nil
}

// next reads the next row that is not an empty line into s.fields. It gives false at the end.
func (s *rowScanner) next() (bool, error) {
	s.fields = s.fields[:0]
	for s.at < len(s.text) && s.lineEnd() > 0 {
		s.at += s.lineEnd()
		s.line++
	}
	if s.at >= len(s.text) {
		return false, nil
	}
	s.row++
	s.start = s.line
	for {
		field, err := s.field()
		if err != nil {
			return false, err
		}
		if len(s.fields) == s.columns {
			return false, tooMuch("row %d (line %d) has more than %d columns", s.row, s.start, s.columns)
		}
		s.fields = append(s.fields, field)
		if s.at >= len(s.text) {
			return true, nil
		}
		if n := s.lineEnd(); n > 0 {
			s.at += n
			s.line++
			return true, nil
		}
		s.at++ // the separator
	}
}

// lineEnd gives the length of the line end at s.at, 0 when there is none.
func (s *rowScanner) lineEnd() int {
	switch s.text[s.at] {
	case '\n':
		return 1
	case '\r':
		if s.at+1 < len(s.text) && s.text[s.at+1] == '\n' {
			return 2
		}
		return 1
	}
	return 0
}

// field reads up to the next separator or line end outside of quotation marks, and stops there.
func (s *rowScanner) field() ([]byte, error) {
	if s.at < len(s.text) && s.text[s.at] == '"' {
		return s.quoted()
	}
	return s.bare(), nil
}

func (s *rowScanner) bare() []byte {
	from := s.at
	for s.at < len(s.text) {
		if c := s.text[s.at]; c == s.separator || c == '\n' || c == '\r' {
			break
		}
		s.at++
	}
	return s.text[from:s.at]
}

// quoted reads a field in quotation marks. What stands behind the closing one is part of it.
func (s *rowScanner) quoted() ([]byte, error) {
	var value []byte
	for s.at++; ; s.at++ {
		n := bytes.IndexByte(s.text[s.at:], '"')
		if n < 0 {
			return nil, invalid("row %d (line %d) has a quotation mark that is not closed", s.row, s.start)
		}
		value = append(value, s.text[s.at:s.at+n]...)
		s.at += n + 1
		if s.at >= len(s.text) || s.text[s.at] != '"' {
			break
		}
		value = append(value, '"')
	}
	s.line += bytes.Count(value, []byte("\n"))
	return append(value, s.bare()...), nil
}
