package spec_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/spec"
)

// label parses a document whose info.label is written as given, and gives the label.
func label(t *testing.T, before, written string) spec.Text {
	t.Helper()
	doc, list := spec.Parse("f.yaml", []byte(before+"naftiko: 1.0.0-alpha2\ninfo:\n  label: "+written+"\ncapability: {}\n"), spec.Limits{})
	if doc == nil {
		t.Fatalf("not read: %v", list)
	}
	if !doc.Label.IsSet() {
		t.Fatalf("no label: %v", list)
	}
	return doc.Label
}

// where gives the place of the first "HERE" in a text, in the form line:col-line:col.
func where(t *testing.T, text spec.Text) string {
	t.Helper()
	i := strings.Index(text.Value, "HERE")
	if i < 0 {
		t.Fatalf("no HERE in %q", text.Value)
	}
	s := text.Sub(i, i+len("HERE"))
	return fmt.Sprintf("%d:%d-%d:%d", s.Start.Line, s.Start.Col, s.End.Line, s.End.Col)
}

// The value stands in line 3, behind the nine characters of "  label: ".
func TestSub(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, written, value, want string }{
		{"plain", "a HERE b", "a HERE b", "3:12-3:16"},
		{"plain with a comment", "a HERE # b", "a HERE", "3:12-3:16"},
		{"code points", "é日 HERE", "é日 HERE", "3:13-3:17"},
		{"plain over lines", "a\n    b HERE\n    c", "a b HERE c", "4:7-4:11"},
		{"plain with an empty line", "a\n\n    HERE", "a\nHERE", "5:5-5:9"},
		{"single quotes", "'it''s HERE'", "it's HERE", "3:17-3:21"},
		{"single quotes over lines", "'a  \n    it''s HERE'", "a it's HERE", "4:11-4:15"},
		{"double quotes", `"a HERE"`, "a HERE", "3:13-3:17"},
		{"escapes", `"\u00e9\x41\U0001F600\t\"\\ HERE"`, "éA😀\t\"\\ HERE", "3:38-3:42"},
		{"all escapes", `"\a\b\t\n\v\f\r\e\0\ \"\\\N\_\L\P HERE"`, "\a\b\t\n\v\f\r\x1b\x00 \"\\\u0085\u00a0\u2028\u2029 HERE", "3:44-3:48"},
		{"an escape inside", `"H\u0045RE"`, "HERE", "3:11-3:20"},
		{"escaped line break", "\"a \\\n     HERE\"", "a HERE", "4:6-4:10"},
		{"escaped blanks", "\"a\\  \\\n   \\ HERE\"", "a   HERE", "4:6-4:10"},
		{"double quotes over lines", "\"a\n\n  b HERE\"", "a\nb HERE", "5:5-5:9"},
		{"literal", "|\n    a\n     HERE b\n", "a\n HERE b\n", "5:6-5:10"},
		{"literal stripped", "|-\n    a\n\n    HERE\n", "a\n\nHERE", "6:5-6:9"},
		{"literal kept", "|+\n    HERE\n\n", "HERE\n\n\n", "4:5-4:9"},
		{"literal with indicator", "|1\n    HERE\n", " HERE\n", "4:5-4:9"},
		{"literal with a comment", "| # why\n    HERE\n", "HERE\n", "4:5-4:9"},
		{"folded", ">\n    a\n    HERE\n\n    b\n", "a HERE\nb\n", "5:5-5:9"},
		{"folded, more indented", ">\n    a\n      x\n    HERE\n", "a\n  x\nHERE\n", "6:5-6:9"},
		{"folded stripped", ">-\n    a\n    b HERE\n", "a b HERE", "5:7-5:11"},
		{"folded kept with indicator", ">1+\n    a\n    HERE\n", " a\n HERE\n\n", "5:5-5:9"},
		{"anchor and tag", "&a !!str HERE", "HERE", "3:19-3:23"},
		{"anchor before a block", "&a |\n    HERE\n", "HERE\n", "4:5-4:9"},
		{"template without quotes", "{{HERE}}", "{{HERE}}", "3:12-3:16"},
		{"CRLF", "'a\r\n    HERE'", "a HERE", "4:5-4:9"},
		{"CRLF literal", "|\r\n    a\r\n    HERE\r\n", "a\nHERE\n", "5:5-5:9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := label(t, "", tt.written)
			if text.Value != tt.value {
				t.Fatalf("the value is %q, want %q", text.Value, tt.value)
			}
			if got := where(t, text); got != tt.want {
				t.Errorf("HERE is at %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSubBehindOddLines(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{
		"byte order mark": "\ufeff",
		"other breaks":    "x-a: 'a\u0085b\u2028c\u2029d'\n",
		"CR alone":        "# a\r",
	} {
		text := label(t, before, "'a HERE'")
		want := "3:13-3:17"
		if name != "byte order mark" {
			want = "4:13-4:17" // to an editor, U+0085 and its kind break no line
		}
		if got := where(t, text); got != want {
			t.Errorf("%s: HERE is at %s, want %s", name, got, want)
		}
	}
}

func TestSubOutOfRange(t *testing.T) {
	t.Parallel()
	text := label(t, "", "'abc'")
	for _, tt := range []struct {
		i, j int
		want string
	}{
		{0, 3, "3:11-3:14"}, {-5, 99, "3:11-3:14"}, {2, 1, "3:13-3:13"}, {3, 3, "3:14-3:14"}, {9, 9, "3:14-3:14"}, {0, 0, "3:11-3:11"},
	} {
		s := text.Sub(tt.i, tt.j)
		if got := fmt.Sprintf("%d:%d-%d:%d", s.Start.Line, s.Start.Col, s.End.Line, s.End.Col); got != tt.want {
			t.Errorf("Sub(%d, %d) = %s, want %s", tt.i, tt.j, got, tt.want)
		}
	}
	if s := (spec.Text{}).Sub(0, 1); s.File != "" || s.Start.IsValid() {
		t.Errorf("a text that is not given stands at %v", s)
	}
	empty := label(t, "", "''")
	if s := empty.Sub(0, 0); s.Start.Col != 11 || s.End.Col != 11 {
		t.Errorf("the empty text stands at %v to %v", s.Start, s.End)
	}
}

func TestSpanCoversTheScalar(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"abc # c":          "3:10-3:13",
		"'a''b'":           "3:10-3:16",
		"\"a\\n\n    b\"":  "3:10-4:7",
		"|\n    ab\n\n":    "3:10-4:7",
		"&x 'ab'":          "3:13-3:17",
		"a\n    b\n    cd": "3:10-5:7",
	} {
		s := label(t, "", written).Span()
		if got := fmt.Sprintf("%d:%d-%d:%d", s.Start.Line, s.Start.Col, s.End.Line, s.End.Col); got != want {
			t.Errorf("%q stands at %s, want %s", written, got, want)
		}
	}
}
