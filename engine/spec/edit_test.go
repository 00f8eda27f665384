package spec

import (
	"strings"
	"testing"

	"capd/engine/diag"
)

// tree reads a text whose value under the key "at" is looked at; nil when it cannot be read.
func tree(t *testing.T, text string) *Value {
	t.Helper()
	doc, list := Parse("f.yaml", []byte("naftiko: 1.0.0-alpha2\ncapability: {}\n"+text), Limits{})
	if doc == nil {
		t.Fatalf("%s: %v", text, list)
	}
	return doc.tree
}

// after gives the text with the edits made, or "none" when there are none.
func after(t *testing.T, text string, edits []diag.Edit) string {
	t.Helper()
	if len(edits) == 0 {
		return "none"
	}
	const head = "naftiko: 1.0.0-alpha2\ncapability: {}\n"
	got, err := diag.Apply([]byte(head+text), edits)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return ""
	}
	if doc, list := Parse("f.yaml", got, Limits{}); doc == nil {
		t.Errorf("%s becomes %s: %v", text, got, list)
	}
	return strings.TrimPrefix(string(got), head)
}

func TestInsertMember(t *testing.T) {
	t.Parallel()
	list := NewList(NewMap(FreshMember{"name", NewText("id")}, FreshMember{"in", NewText("path")}), NewText("on"))
	for _, tt := range []struct {
		name, text string
		value      Fresh
		want       string
	}{
		{"block", "at:\n  a: b\n", NewText("v"), "at:\n  a: b\n  new: v\n"},
		{"behind a comment", "at:\n  a: b # c\n\n# d\n", NewText("v"), "at:\n  a: b # c\n  new: v\n\n# d\n"},
		{"without a last line break", "at:\n  a: b", NewText("v"), "at:\n  a: b\n  new: v"},
		{"behind a block scalar", "at:\n  a: |\n    x\n    y\n\nz: 1\n", NewText("v"), "at:\n  a: |\n    x\n    y\n  new: v\n\nz: 1\n"},
		{"behind a block scalar that keeps its end", "at:\n  a: |+\n    x\n\nz: 1\n", NewText("v"), "none"},
		{"behind a text of several lines", "at:\n  a: \"x\n    y\"\n", NewText("v"), "at:\n  a: \"x\n    y\"\n  new: v\n"},
		{"behind nothing", "at:\n  a:\nz: 1\n", NewText("v"), "at:\n  a:\n  new: v\nz: 1\n"},
		{"behind a list", "at:\n  a:\n  - x\n  - y\n", NewText("v"), "at:\n  a:\n  - x\n  - y\n  new: v\n"},
		{"behind brackets of several lines", "at:\n  a: [x,\n    y, # c\n    ] # d\n", NewText("v"), "at:\n  a: [x,\n    y, # c\n    ] # d\n  new: v\n"},
		{"a list where lists are not indented", "at:\n  a:\n  - x\n", list, "at:\n  a:\n  - x\n  new:\n  - name: id\n    in: path\n  - 'on'\n"},
		{"a list where lists are indented", "at:\n  a:\n    - x\n", list, "at:\n  a:\n    - x\n  new:\n    - name: id\n      in: path\n    - 'on'\n"},
		{"an item of a list", "at: \n- a: b\n  c: d\n", NewText("v"), "none"}, // at is no mapping
		{"brackets", "at: {a: b}\n", NewText("a,b"), "at: {a: b, new: 'a,b'}\n"},
		{"empty brackets", "at: {}\n", NewText("v"), "at: {new: v}\n"},
		{"brackets of several lines", "at: {\n  a: b, # c\n}\n", list, "at: {\n  a: b, new: [{name: id, in: path}, 'on'], # c\n}\n"},
		{"brackets with a key alone", "at: {a}\n", NewText("v"), "at: {a, new: v}\n"},
		{"windows", "at:\r\n  a: b\r\n", NewText("v"), "at:\r\n  a: b\r\n  new: v\r\n"},
		{"an anchor", "at: &x\n  a: b\n", NewText("v"), "none"},
		{"an alias", "b: &x {a: b}\nat: *x\n", NewText("v"), "none"},
		{"behind an alias", "b: &x {a: b}\nat:\n  c: *x\n", NewText("v"), "none"},
		{"a merge key", "b: &x {a: b}\nat:\n  <<: *x\n  c: d\n", NewText("v"), "at:\n  <<: *x\n  c: d\n  new: v\n"},
		{"only a merge key", "b: &x {a: b}\nat:\n  <<: *x\n", NewText("v"), "none"},
		{"a key that is there", "at: {new: 1}\n", NewText("v"), "none"},
	} {
		got := after(t, tt.text, tree(t, tt.text).Get("at").InsertMember("new", tt.value))
		if i := strings.Index(tt.want, "at:"); i == 0 && got != "none" {
			got = got[strings.Index(got, "at:"):]
		}
		if got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestInsertMemberBehind(t *testing.T) {
	t.Parallel()
	const text = "at:\n  a: 1\n  b: 2\n  c: 3\n"
	at := tree(t, text).Get("at")
	if got := after(t, text, at.InsertMember("k", NewText("v"), "b", "a")); got != "at:\n  a: 1\n  b: 2\n  k: v\n  c: 3\n" {
		t.Errorf("behind b: %s", got)
	}
	if got := after(t, text, at.InsertMember("k", NewText("v"), "x")); got != "at:\n  a: 1\n  b: 2\n  c: 3\n  k: v\n" {
		t.Errorf("behind the last: %s", got)
	}
}

func TestSetMember(t *testing.T) {
	t.Parallel()
	value := NewMap(FreshMember{"a", NewText("b")})
	for text, want := range map[string]string{
		"at:\n  x: 1\n":              "at:\n  x: 1\n  k:\n    a: b\n",
		"at:\n  k:\n  x: 1\n":        "at:\n  k:\n    a: b\n  x: 1\n",
		"at:\n  k: # c\n  x: 1\n":    "at:\n  k:\n    a: b # c\n  x: 1\n",
		"at:\n  k: ~\n  x: 1\n":      "at:\n  k: {a: b}\n  x: 1\n",
		"at:\n  k: null # c\n":       "at:\n  k: {a: b} # c\n",
		"at: {k: , x: 1}\n":          "at: {k: {a: b} , x: 1}\n",
		"at: {k, x: 1}\n":            "none",
		"at:\n  k: {}\n":             "none",
		"at:\n  k: 0\n":              "none",
		"at: &s\n  k:\n":             "none",
		"b: &s\nat:\n  k: *s\n":      "none",
		"at:\n  k: !!null\n  x: 1\n": "at:\n  k: !!null\n  x: 1\n",
	} {
		got := after(t, text, tree(t, text).Get("at").SetMember("k", value))
		if strings.Contains(text, "!!null") {
			continue // it only must not break
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestInsertItem(t *testing.T) {
	t.Parallel()
	item := NewMap(FreshMember{"k", NewText("v")}, FreshMember{"l", NewList()})
	for text, want := range map[string]string{
		"at:\n- a: b\n":            "at:\n- a: b\n- k: v\n  l: []\n",
		"at:\n  - a: b # c\n# d\n": "at:\n  - a: b # c\n  - k: v\n    l: []\n# d\n",
		"at:\n- {a: b}\n":          "at:\n- {a: b}\n- {k: v, l: []}\n",
		"at: [a]\n":                "at: [a, {k: v, l: []}]\n",
		"at: []\n":                 "at: [{k: v, l: []}]\n",
		"at: [a,]\n":               "at: [a, {k: v, l: []},]\n",
		"at: &x [a]\n":             "none",
		"b: &x a\nat: [*x]\n":      "none",
		"at:\n- a\n-\n":            "none",
	} {
		if got := after(t, text, tree(t, text).Get("at").InsertItem(item)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestRewriteAndSplice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, to, want string }{
		{"at: old\n", "new", "at: new\n"},
		{"at: old # c\n", "a: b", "at: 'a: b' # c\n"},
		{"at: 'old'\n", "it's", "at: 'it''s'\n"},
		{"at: \"old\"\n", "a\"b\\", "at: \"a\\\"b\\\\\"\n"},
		{"at: 'old'\n", "a\tb", "at: \"a\\tb\"\n"},
		{"at: [old]\n", "a: [b]", "none"},
		{"at: old\n", "yes", "at: 'yes'\n"},
		{"at: old\n", "1.5", "at: '1.5'\n"},
		{"at: old\n", "2024-01-01", "at: '2024-01-01'\n"},
		{"at: old\n", "", "at: ''\n"},
		{"at: old\n", "é日", "at: é日\n"},
		{"at: &a old\n", "new", "none"},
		{"at: |\n  old\n", "new", "none"},
	} {
		if got := after(t, tt.text, tree(t, tt.text).Get("at").AsText().Rewrite(tt.to)); got != tt.want {
			t.Errorf("%q to %q: got %q, want %q", tt.text, tt.to, got, tt.want)
		}
	}
	for _, tt := range []struct {
		text string
		i, j int
		with string
		want string
	}{
		{"at: /a/b # c\n", 4, 4, "/{x}", "at: /a/b/{x} # c\n"},
		{"at: [/a]\n", 0, 0, "x", "none"},
		{"at: {k: /a}\n", 0, 0, "x", "none"},
		{"at: ${X}/v\n", 0, 4, "{{X}}", "at: '{{X}}/v'\n"},
		{"at: 'a''b'\n", 1, 2, "''", "at: 'a''''b'\n"},
		{"at: \"a\\tb\"\n", 2, 3, "\"", "at: \"a\\t\\\"\"\n"},
		{"at: >\n  a {{x}}\n  b\n", 2, 7, "y", "at: >\n  a y\n  b\n"},
		{"at: a\n  b\n", 0, 1, "c", "at: c b\n"},
		{"at: ''\n", 0, 0, "x", "at: 'x'\n"},
		{"at: abc\n", 2, 9, "x", "none"},
		{"at: abc\n", 1, 2, "x\ny", "none"},
	} {
		if got := after(t, tt.text, tree(t, tt.text).Get("at").AsText().Splice(tt.i, tt.j, tt.with)); got != tt.want {
			t.Errorf("%q at %d to %d: got %q, want %q", tt.text, tt.i, tt.j, got, tt.want)
		}
	}
}

func TestRenameKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"at: {old: 1, x: 2}\n":           "at: {new: 1, x: 2}\n",
		"at:\n  \"old\" : 1 # c\n":       "at:\n  \"new\" : 1 # c\n",
		"at:\n  old:\n    - 1\n":         "at:\n  new:\n    - 1\n",
		"at: {old: 1, new: 2}\n":         "none",
		"at: &a {old: 1}\n":              "none",
		"b: &a {old: 1}\nat: {<<: *a}\n": "none",
	} {
		if got := after(t, text, tree(t, text).Get("at").RenameKey("old", "new")); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestScalarTextIsRead reads back every string that is written.
func TestScalarTextIsRead(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "a", "a b", " a", "a ", "a: b", "a:b", "a:", "#a", "a #b", "a#b", "- a", "-a", "-", "?", "? a", ":a", ": a", "{a}", "[a]", "a,b",
		"a]b", "&a", "*a", "!a", "|", ">", "'a'", "\"a\"", "it's", "%a", "@a", "`a", "true", "yes", "on", "Off", "null", "~", "1", "1.5", "1e3", "0x1F",
		"0o17", "12:30", "2024-01-01", "=", "<<", "---", "...", "--- a", "a\nb", "a\tb", "a\\b", "\u00a0", "\u2028", "\U0001F600", "é", "\x01", "{{x}}", "${x}",
	} {
		for _, text := range []string{"at: " + scalarText(s, false) + "\n", "at: [" + scalarText(s, true) + "]\n", "at: {" + scalarText(s, true) + ": 1}\n", "at:\n  " + scalarText(s, false) + ": 1\n"} {
			v := tree(t, text).Get("at")
			if len(v.Items) == 1 {
				v = v.Items[0]
			}
			got := v.AsText()
			if v.Kind == Map {
				got = v.Members[0].Key
			}
			if !got.IsSet() || got.Value != s || got.node.Kind != String {
				t.Errorf("%q is written as %q and read as %q", s, text, got.Value)
			}
		}
	}
}
