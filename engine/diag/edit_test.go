package diag_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/diag"
)

func edit(line, col, endLine, endCol int, text string) diag.Edit {
	return diag.Edit{Span: diag.Span{File: "f.yaml", Start: diag.Pos{Line: line, Col: col}, End: diag.Pos{Line: endLine, Col: endCol}}, New: text}
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		edits      []diag.Edit
		want       string
	}{
		{"nothing", "a: b\n", nil, "a: b\n"},
		{"replace", "a: b\nc: d\n", []diag.Edit{edit(2, 4, 2, 5, "e")}, "a: b\nc: e\n"},
		{"insert at the end of a line", "a: b\nc: d\n", []diag.Edit{edit(1, 5, 1, 5, "\nx: y")}, "a: b\nx: y\nc: d\n"},
		{"insert at the end of the text", "a: b", []diag.Edit{edit(1, 5, 1, 5, "\nx: y")}, "a: b\nx: y"},
		{"insert behind the last line break", "a: b\n", []diag.Edit{edit(2, 1, 2, 1, "x: y\n")}, "a: b\nx: y\n"},
		{"delete lines", "a\nb\nc\n", []diag.Edit{edit(1, 1, 3, 1, "")}, "c\n"},
		{"any order", "abcd\n", []diag.Edit{edit(1, 4, 1, 5, "D"), edit(1, 1, 1, 2, "A")}, "AbcD\n"},
		{"neighbours", "abcd\n", []diag.Edit{edit(1, 1, 1, 3, "x"), edit(1, 3, 1, 5, "y")}, "xy\n"},
		{"insertions at one place keep their order", "ad\n", []diag.Edit{edit(1, 2, 1, 2, "b"), edit(1, 2, 1, 2, "c")}, "abcd\n"},
		{"an insertion stands in front of what is replaced", "ac\n", []diag.Edit{edit(1, 2, 1, 3, "C"), edit(1, 2, 1, 2, "b")}, "abC\n"},
		{"columns are code points", "日本: x\n", []diag.Edit{edit(1, 3, 1, 5, "=")}, "日本=x\n"},
		{"carriage returns", "a\r\nb\r\n", []diag.Edit{edit(2, 1, 2, 2, "c")}, "a\r\nc\r\n"},
		{"a byte order mark", "\ufeffa: b\n", []diag.Edit{edit(1, 1, 1, 2, "x")}, "\ufeffx: b\n"},
		{"an empty text", "", []diag.Edit{edit(1, 1, 1, 1, "a: b\n")}, "a: b\n"},
	} {
		given := []byte(tt.text)
		got, err := diag.Apply(given, tt.edits)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %q %v, want %q", tt.name, got, err, tt.want)
		}
		if string(given) != tt.text {
			t.Errorf("%s: the text that was given is changed", tt.name)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		edits   []diag.Edit
		overlap bool
	}{
		{"overlapping edits", []diag.Edit{edit(1, 1, 1, 3, "x"), edit(1, 2, 1, 4, "y")}, true},
		{"the same edit twice", []diag.Edit{edit(1, 1, 1, 3, "x"), edit(1, 1, 1, 3, "x")}, true},
		{"an insertion inside of what is replaced", []diag.Edit{edit(1, 1, 1, 4, "x"), edit(1, 2, 1, 2, "y")}, true},
		{"a line that is not there", []diag.Edit{edit(9, 1, 9, 1, "x")}, false},
		{"a column that is not there", []diag.Edit{edit(1, 1, 1, 90, "x")}, false},
		{"an end before the start", []diag.Edit{edit(1, 3, 1, 1, "x")}, false},
		{"a place that is not known", []diag.Edit{{New: "x"}}, false},
	} {
		got, err := diag.Apply([]byte("abcd\n"), tt.edits)
		if err == nil || got != nil || errors.Is(err, diag.ErrOverlap) != tt.overlap {
			t.Errorf("%s: got %q %v", tt.name, got, err)
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		a, b diag.Edit
		want bool
	}{
		{"neighbours", edit(1, 1, 1, 3, ""), edit(1, 3, 1, 4, ""), false},
		{"the same text", edit(1, 1, 1, 3, ""), edit(1, 1, 1, 2, ""), true},
		{"parts of it", edit(1, 1, 1, 3, ""), edit(1, 2, 1, 4, ""), true},
		{"inside", edit(1, 1, 1, 9, ""), edit(1, 3, 1, 3, "x"), true},
		{"insertions at one place", edit(1, 2, 1, 2, "x"), edit(1, 2, 1, 2, "y"), true},
		{"insertions at two places", edit(1, 2, 1, 2, "x"), edit(1, 3, 1, 3, "y"), false},
		{"an insertion in front", edit(1, 2, 1, 2, "x"), edit(1, 2, 1, 4, "y"), false},
		{"an insertion behind", edit(1, 4, 1, 4, "x"), edit(1, 2, 1, 4, "y"), false},
	} {
		if got := tt.a.Overlaps(&tt.b); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
		if got := tt.b.Overlaps(&tt.a); got != tt.want {
			t.Errorf("%s, the other way round: got %v", tt.name, got)
		}
	}
}

// FuzzApply makes two edits of any text: what is not replaced stays.
func FuzzApply(f *testing.F) {
	f.Add("a: b\nc: d\n", 1, 1, 1, 2, 2, 4, "x")
	f.Add("\ufeff日本\r\n\rx", 1, 1, 2, 1, 3, 2, "")
	f.Fuzz(func(t *testing.T, text string, line, col, line2, col2, line3, col3 int, with string) {
		if !utf8.ValidString(text) {
			return
		}
		edits := []diag.Edit{edit(line, col, line2, col2, with), edit(line2, col2, line3, col3, with)}
		got, err := diag.Apply([]byte(text), edits)
		if err != nil {
			if got != nil {
				t.Fatal("a text beside an error")
			}
			return
		}
		mark := ""
		if strings.HasPrefix(text, "\ufeff") {
			mark = "\ufeff"
		}
		if !bytes.HasPrefix(got, []byte(mark)) || len(got) > len(text)+2*len(with) || strings.Count(string(got), with) < 1 {
			t.Fatalf("%q becomes %q", text, got)
		}
	})
}
