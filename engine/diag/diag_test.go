package diag_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/engine/diag"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// at gives a span in file f.yaml; endCol 0 leaves the end open.
func at(line, col, endCol int) diag.Span {
	s := diag.Span{File: "f.yaml", Start: diag.Pos{Line: line, Col: col}}
	if endCol > 0 {
		s.End = diag.Pos{Line: line, Col: endCol}
	}
	return s
}

// samples are problems in a text with everything that is hard to show.
func samples() (diag.List, []byte) {
	text := strings.Join([]string{
		"first: line",
		"\tkey:\tvalue # tabs",
		"title: 日本語 wide",
		"color: \x1b[31mred\x1b[0m\u009b2J \u202ereversed",
		"long: " + strings.Repeat("x", 300) + "HERE" + strings.Repeat("y", 300),
		"cafe\u0301: combined",
		"crlf: here\r",
		"",
		"last: line",
	}, "\n")
	return diag.List{
		{Code: diag.CodeUnknownKey, Severity: diag.Info, Span: at(1, 1, 6), Message: "an ordinary key"},
		{Code: diag.CodeWrongType, Severity: diag.Warning, Span: at(2, 7, 12), Message: "behind tabs", Hint: "use spaces"},
		{Code: diag.CodeWrongType, Severity: diag.Warning, Span: at(3, 8, 11), Message: "wide characters"},
		{Code: diag.CodeOutput, Severity: diag.Error, Span: at(4, 8, 12), Message: "colour of \x1b[31mthe text\nis not ours"},
		{Code: diag.CodeOutput, Severity: diag.Error, Span: at(5, 307, 311), Message: "in the middle of a long line"},
		{Code: diag.CodeOutput, Severity: diag.Error, Span: at(5, 1, 5), Message: "at the start of a long line"},
		{Code: diag.CodeOutput, Severity: diag.Error, Span: at(5, 608, 611), Message: "at the end of a long line"},
		{Code: diag.CodeOutput, Severity: diag.Error, Span: at(6, 8, 16), Message: "behind a combining mark"},
		{
			Code: diag.CodeDuplicateKey, Severity: diag.Error, Span: at(7, 1, 5), Message: "given twice",
			Related: []diag.Related{{Span: at(1, 1, 6), Message: "first given here"}, {Span: at(7, 1, 5), Message: "the same place"}},
		},
		{Code: diag.CodeYAML, Severity: diag.Error, Span: at(8, 1, 0), Message: "an empty line"},
		{Code: diag.CodeYAML, Severity: diag.Error, Span: diag.Span{File: "f.yaml", Start: diag.Pos{Line: 9, Col: 7}, End: diag.Pos{Line: 12, Col: 1}}, Message: "over several lines"},
		{Code: diag.CodeYAML, Severity: diag.Error, Span: at(40, 3, 4), Message: "outside of the text"},
		{Code: diag.CodeUnreadable, Severity: diag.Error, Span: diag.Span{File: "g.yaml"}, Message: "about a whole file"},
		{Code: diag.CodeRouteConflict, Severity: diag.Warning, Message: "about no file"},
	}, []byte(text)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run with -update to accept)\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestWriteText(t *testing.T) {
	t.Parallel()
	list, text := samples()
	source := func(file string) []byte {
		if file == "f.yaml" {
			return text
		}
		return nil
	}
	for name, o := range map[string]diag.TextOptions{
		"plain.txt":   {Source: source},
		"excerpt.txt": {Source: source, Excerpt: true},
		"color.txt":   {Source: source, Excerpt: true, Color: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := diag.WriteText(&b, list, o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.Bytes())
			if !o.Color && bytes.ContainsAny(b.Bytes(), "\x1b\r\t\u009b\u202e") {
				t.Error("a control character of the document reaches the terminal")
			}
		})
	}
}

func TestWriteTextLongLine(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Repeat("é", 1<<20))
	list := diag.List{{Code: diag.CodeYAML, Severity: diag.Error, Span: at(1, 1<<19, 1<<20), Message: "far"}}
	var b strings.Builder
	err := diag.WriteText(&b, list, diag.TextOptions{Excerpt: true, Source: func(string) []byte { return text }})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if n := len([]rune(lines[1])); n > 120 {
		t.Errorf("the excerpt is %d characters wide, want it to fit a terminal", n)
	}
	if !strings.Contains(lines[2], "^~~~") {
		t.Errorf("no mark under the excerpt: %q", lines[2])
	}
}

// No excerpt shows a credential that the list knows, whichever finding it belongs to.
func TestWriteTextHidesCredentials(t *testing.T) {
	t.Parallel()
	text := []byte("é: { token: s3cr3t, x: 1 }\ntoken: >\n  s3cr3t\n  s3cr3t\nend: 1\n")
	several := at(2, 8, 0)
	several.End = diag.Pos{Line: 4, Col: 9}
	list := diag.List{
		{Code: diag.CodeUnknownKey, Severity: diag.Warning, Span: at(1, 21, 22), Message: "x", Related: []diag.Related{{Span: at(3, 3, 4), Message: "y"}}},
		{Code: diag.CodeAuthLiteral, Severity: diag.Info, Span: at(1, 13, 19), Message: "a credential"},
		{Code: diag.CodeAuthLiteral, Severity: diag.Info, Span: several, Message: "a credential"},
		{Code: diag.CodeYAML, Severity: diag.Error, Span: at(4, 4, 0), Message: "z"},
		{Code: diag.CodeYAML, Severity: diag.Error, Span: at(5, 1, 4), Message: "z"},
	}
	var b strings.Builder
	err := diag.WriteText(&b, list, diag.TextOptions{Excerpt: true, Source: func(string) []byte { return text }})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "3cr") {
		t.Errorf("a credential is shown:\n%s", b.String())
	}
	for _, want := range []string{"| é: { token: ******, x: 1 }\n", "|             ^~~~~~\n", "| end: 1\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWritersReportErrors(t *testing.T) {
	t.Parallel()
	list, _ := samples()
	broken := brokenWriter{errors.New("disk full")}
	if err := diag.WriteText(broken, list, diag.TextOptions{}); !errors.Is(err, broken.err) {
		t.Errorf("WriteText: got %v, want %v", err, broken.err)
	}
	if err := diag.WriteJSON(broken, list); !errors.Is(err, broken.err) {
		t.Errorf("WriteJSON: got %v, want %v", err, broken.err)
	}
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	list := diag.List{
		{
			Code: diag.CodeDuplicateKey, Severity: diag.Error, Span: at(7, 1, 5), Path: "capability.exposes[0]",
			Unit: diag.Unit{Doc: "team/rooms", Adapter: "rooms-mcp", Name: "list-rooms"}, Rule: "C6b",
			Message: "a <b> & c", Hint: "mend it",
			Related: []diag.Related{{Span: at(1, 1, 6), Message: "first"}},
			Fixes:   []diag.Edit{{Span: at(7, 1, 5), New: "x: y\n"}},
		},
		{Code: diag.CodeUnreadable, Severity: diag.Warning, Span: diag.Span{File: "g.yaml"}, Message: "a whole file"},
		{Code: diag.CodeRouteConflict, Severity: diag.Info, Message: "no file"},
	}
	var b bytes.Buffer
	if err := diag.WriteJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.Bytes())
	b.Reset()
	if err := diag.WriteJSON(&b, nil); err != nil {
		t.Fatal(err)
	}
	var empty struct {
		Findings []any `json:"findings"`
	}
	if err := json.Unmarshal(b.Bytes(), &empty); err != nil || empty.Findings == nil {
		t.Errorf("no findings are not an empty list: %s", b.Bytes())
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := []string{"namespace", "inputParameters", "outputParameters", "description", "method", "name", "path", "port", "with", "call"}
	for _, tt := range []struct{ name, want string }{
		{"namspace", "namespace"},
		{"Namespace", "namespace"},
		{"inputparameters", "inputParameters"},
		{"inputParamters", "inputParameters"},
		{"desciption", "description"},
		{"methdo", "method"},
		{"nane", "name"},
		{"descripción", "description"},
		{"namespace", ""}, // itself is no near miss
		{"cal", "call"},
		{"id", ""}, // too short to guess
		{"part", "port"},
		{"pame", "name"},
		{"tools", ""},
		{"", ""},
	} {
		got, ok := diag.Nearest(tt.name, keys)
		if !ok {
			got = ""
		}
		if got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
	if got, ok := diag.Nearest("mame", []string{"name", "same"}); ok {
		t.Errorf("Nearest gives %q although another candidate is as close", got)
	}
}

func TestDedupe(t *testing.T) {
	t.Parallel()
	unit := func(name string) diag.Unit { return diag.Unit{Adapter: "rooms", Name: name} }
	same := diag.Diagnostic{Code: diag.CodeNoPath, Severity: diag.Warning, Span: at(3, 5, 9), Message: "no path"}
	var list diag.List
	for _, name := range []string{"a", "b", "a", "c", "d", "e", "f", "g"} {
		d := same
		d.Unit = unit(name)
		list.Add(d)
	}
	list[3].Severity = diag.Error
	list[4].Hint = "write one"
	other := same
	other.Message = "another problem"
	list.Add(other)

	got := list.Dedupe()
	if len(got) != 2 || got[1].Message != "another problem" {
		t.Fatalf("got %d problems %v, want the merged one and the other", len(got), got)
	}
	if got[0].Severity != diag.Error || got[0].Hint != "write one" || got[0].Unit != unit("a") {
		t.Errorf("the merged problem is %+v, want the worst severity, the hint and the first unit", got[0])
	}
	var places []string
	for _, r := range got[0].Related {
		places = append(places, r.Message)
	}
	want := "also concerns rooms b, also concerns rooms c, also concerns rooms d, also concerns rooms e, also concerns rooms f, and 1 more"
	if s := strings.Join(places, ", "); s != want {
		t.Errorf("related: %s\nwant:    %s", s, want)
	}
	if list[0].Severity != diag.Warning || list[0].Related != nil {
		t.Error("Dedupe changed the list it was given")
	}
}

func TestSortIsStable(t *testing.T) {
	t.Parallel()
	list, _ := samples()
	list.Sort()
	var first bytes.Buffer
	if err := diag.WriteText(&first, list, diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	list.Sort()
	var second bytes.Buffer
	if err := diag.WriteText(&second, list, diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Errorf("the order depends on the order before:\n%s\n%s", first.String(), second.String())
	}
}
