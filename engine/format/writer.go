package format

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// writer collects one JSON text of limited size. Its caller puts values where JSON has them;
// commas are added by next.
type writer struct {
	buf             []byte
	max             int
	depth, maxDepth int
	add             func(bytes int64) bool // nil: nobody counts
}

// hold counts what a parser will hold: so many parts of a size.
func (w *writer) hold(parts, size int) error {
	if w.add != nil && !w.add(int64(parts)*int64(size)) {
		return tooMuch("it takes more memory than there is for it")
	}
	return nil
}

func newWriter(l Limits, input int) *writer {
	return &writer{max: min(l.Result, 1<<20+32*input), maxDepth: l.Depth}
}

// expect makes place for as many bytes as will probably be written.
func (w *writer) expect(n int) { w.buf = slices.Grow(w.buf, min(n, w.max)) }

// next makes room for the next element or member of what was opened last, and looks whether
// the text has become too long.
func (w *writer) next() error {
	if n := len(w.buf); n > 0 && w.buf[n-1] != '[' && w.buf[n-1] != '{' {
		w.buf = append(w.buf, ',')
	}
	return w.room(0)
}

// room reports whether n more bytes are within the limit.
func (w *writer) room(n int) error {
	if len(w.buf)+n > w.max {
		return tooMuch("its JSON would have more than %d bytes", w.max)
	}
	return nil
}

// open begins an object or a list.
func (w *writer) open(bracket byte) error {
	if w.depth++; w.depth > w.maxDepth {
		return tooMuch("it nests deeper than %d levels", w.maxDepth)
	}
	w.buf = append(w.buf, bracket)
	return nil
}

// close ends what open began.
func (w *writer) close(bracket byte) {
	w.depth--
	w.buf = append(w.buf, bracket)
}

// member begins the next member of an object.
func (w *writer) member(name string) error {
	if err := w.next(); err != nil {
		return err
	}
	w.buf = append(appendString(w.buf, name), ':')
	return nil
}

// stringMember adds a member that is a string.
func (w *writer) stringMember(name, value string) error {
	if err := w.member(name); err != nil {
		return err
	}
	w.string(value)
	return nil
}

// raw adds text that is JSON already.
func (w *writer) raw(text string) { w.buf = append(w.buf, text...) }

func (w *writer) string(s string) { w.buf = appendString(w.buf, s) }

func (w *writer) int(n int64) { w.buf = strconv.AppendInt(w.buf, n, 10) }

func (w *writer) uint(n uint64) { w.buf = strconv.AppendUint(w.buf, n, 10) }

func (w *writer) bool(b bool) { w.buf = strconv.AppendBool(w.buf, b) }

// float adds the shortest number that reads as x again; bits is 32 or 64.
func (w *writer) float(x float64, bits int) {
	switch {
	case math.IsNaN(x):
		w.raw(`"NaN"`)
	case math.IsInf(x, 1):
		w.raw(`"Infinity"`)
	case math.IsInf(x, -1):
		w.raw(`"-Infinity"`)
	default:
		form := byte('f')
		if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) {
			form = 'e'
		}
		w.buf = strconv.AppendFloat(w.buf, x, form, -1, bits)
	}
}

func (w *writer) base64(b []byte) {
	w.buf = append(w.buf, '"')
	w.buf = base64.StdEncoding.AppendEncode(w.buf, b)
	w.buf = append(w.buf, '"')
}

// appendString appends s as a JSON string. Bytes that are no UTF-8 become U+FFFD.
func appendString[S string | []byte](dst []byte, s S) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[start:i]...), "\uFFFD"...)
				start = i + 1
			}
			i += size
			continue
		}
		i++
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i-1]...)
		start = i
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}
