package format_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"capd/engine/format"
)

// rule is one line of the documentation: what an answer becomes, or why it is refused.
type rule struct {
	name   string
	answer string
	kind   string // Content-Type
	gives  string // JSON
	says   string // the error, whole
}

// check decodes each answer.
func check(t *testing.T, f format.Format, o format.Options, rules []rule) {
	t.Helper()
	d, err := format.New(f, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			tree, err := d.Decode([]byte(r.answer), r.kind)
			if got := text(err); got != r.says {
				t.Fatalf("error %q, want %q", got, r.says)
			}
			if string(tree.JSON) != r.gives {
				t.Errorf("%s\ngives %s\nwant  %s", short(r.answer), tree.JSON, r.gives)
			}
			if err == nil && !json.Valid(tree.JSON) {
				t.Error("the result is not JSON")
			}
			var e *format.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("the error is a %T", err)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func TestCSV(t *testing.T) {
	t.Parallel()
	check(t, format.CSV, format.Options{Limits: format.Limits{Columns: 6}}, []rule{
		{name: "rows are objects of strings", answer: "id,name\n1,Alice\n2,\n", gives: `[{"id":"1","name":"Alice"},{"id":"2","name":""}]`},
		{name: "blanks stay", answer: "a , b\n 1 ,2 ", gives: `[{"a ":" 1 "," b":"2 "}]`},
		{name: "quotes", answer: "a,b\n\"x, \"\"y\"\"\",\"two\nlines\"\n", gives: `[{"a":"x, \"y\"","b":"two\nlines"}]`},
		{name: "a quote inside a field", answer: "a\n5\" pipe\n", gives: `[{"a":"5\" pipe"}]`},
		{name: "text behind a quote", answer: "a,b\n\"x\" y,2\n", gives: `[{"a":"x y","b":"2"}]`},
		{name: "a short row lacks members", answer: "a,b,c\n1\n", gives: `[{"a":"1"}]`},
		{name: "a long row", answer: "a,b\n1,2\n\n\"x\ny\",2\n1,2,3\n", says: "the answer is not valid CSV: row 4 (line 6) has 3 columns, the header has 2"},
		{name: "separators at the end of a row", answer: "a,b\n1,2,,\n", gives: `[{"a":"1","b":"2"}]`},
		{name: "empty lines are no rows", answer: "\n\r\na\n\n1\n\n", gives: `[{"a":"1"}]`},
		{name: "line ends", answer: "a,b\r\n1,2\r3,4\n\"5\r\n\",6", gives: `[{"a":"1","b":"2"},{"a":"3","b":"4"},{"a":"5\r\n","b":"6"}]`},
		{name: "columns of one name", answer: "a,a_2,a,a,b\n1,2,3,4,5\n", gives: `[{"a":"1","a_2":"2","a_3":"3","a_4":"4","b":"5"}]`},
		{name: "a header alone", answer: "a,b\n", gives: `[]`},
		{name: "nothing", answer: "", gives: `[]`},
		{name: "a byte order mark", answer: "\ufeffa\n1", gives: `[{"a":"1"}]`},
		{name: "UTF-16", answer: "\xff\xfea\x00\n\x00\xe9\x00", gives: `[{"a":"é"}]`},
		{name: "a charset", answer: "a\n\xe4", kind: "text/csv; charset=ISO-8859-1", gives: `[{"a":"ä"}]`},
		{name: "no charset and no UTF-8", answer: "a\n\x80", kind: "text/csv", gives: `[{"a":"€"}]`},
		{name: "an unknown charset", answer: "a\n", kind: "text/csv; charset=klingon", says: "the answer is not valid CSV: its charset is not known"},
		{name: "no UTF-8 though it says so", answer: "a\n\x80", kind: "text/csv; charset=utf-8", gives: `[{"a":"` + "\uFFFD" + `"}]`},
		{name: "a quote that is not closed", answer: "a\n1\n\"2\n3\n", says: "the answer is not valid CSV: row 3 (line 3) has a quotation mark that is not closed"},
		{name: "too many columns", answer: "a,b,c,d,e,f,g\n", says: "the answer is too much to be read as CSV: row 1 (line 1) has more than 6 columns"},
	})
	check(t, format.TSV, format.Options{}, []rule{{name: "TSV", answer: "a\tb,c\n1\t2", gives: `[{"a":"1","b,c":"2"}]`}})
	check(t, format.PSV, format.Options{}, []rule{{name: "PSV", answer: "a|b\n1|\"2|3\"", gives: `[{"a":"1","b":"2|3"}]`}})
}

func TestHugeCSV(t *testing.T) {
	t.Parallel()
	row := strings.Repeat("x", 1<<20)
	check(t, format.CSV, format.Options{Limits: format.Limits{Bytes: 8 << 20}}, []rule{
		{name: "a million columns", answer: strings.Repeat("a,", 1_000_000), says: "the answer is too much to be read as CSV: row 1 (line 1) has more than 16384 columns"},
		{name: "long names on many rows", answer: row[:100_000] + "\n" + strings.Repeat("1\n", 1000), says: "the answer is too much to be read as CSV: its JSON would have more than 4312608 bytes"},
		{name: "more than the limit", answer: strings.Repeat(row, 8) + "\n", says: "the answer is too much to be read as CSV: it has more than 8388608 bytes"},
	})
}
