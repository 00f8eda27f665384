package spec_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

// placed is a document in which many places have the same line or the same start.
const placed = `naftiko: 1.0.0-alpha2
info: { title: "Café 🏨", tags: [a, [b], {c: d}] }
shared: &shared
  port: 8080
capability:
  consumes:
  - type: http
    namespace: rooms
    description: |
      text
      more
    baseUri: https://rooms.example.com # where it is
  exposes:
  - <<: *shared
    "odd key": &value x
    type: rest
    again: *value
  - namespace: empty
    tools:
`

func TestPathAt(t *testing.T) {
	t.Parallel()
	doc, _ := spec.Parse("f.yaml", []byte(placed), spec.Limits{})
	if doc == nil {
		t.Fatal("the document is refused")
	}
	span := func(line, col, endLine, endCol int) diag.Span {
		return diag.Span{File: "f.yaml", Start: diag.Pos{Line: line, Col: col}, End: diag.Pos{Line: endLine, Col: endCol}}
	}
	tests := []struct {
		name string
		at   diag.Span
		want string
	}{
		{"nowhere", diag.Span{File: "f.yaml"}, ""},
		{"the document", span(1, 1, 0, 0), ""},
		{"a key", span(1, 1, 1, 8), "naftiko"},
		{"a value", span(1, 10, 1, 23), "naftiko"},
		{"a point in a value", span(1, 12, 0, 0), "naftiko"},
		{"behind wide characters", span(2, 33, 2, 34), "info.tags[0]"},
		{"a flow list in a flow list", span(2, 36, 2, 39), "info.tags[1]"},
		{"its item", span(2, 37, 2, 38), "info.tags[1][0]"},
		{"a flow mapping", span(2, 41, 2, 47), "info.tags[2]"},
		{"its key", span(2, 42, 2, 43), "info.tags[2].c"},
		{"several values", span(2, 32, 2, 40), "info.tags"},
		{"an anchored value", span(4, 3, 4, 7), "shared.port"},
		{"an item", span(7, 5, 12, 39), "capability.consumes[0]"},
		{"an item by its start", span(7, 5, 0, 0), "capability.consumes[0]"},
		{"the first key of an item", span(7, 5, 7, 9), "capability.consumes[0].type"},
		{"inside a block scalar", span(11, 8, 11, 10), "capability.consumes[0].description"},
		{"an item with a merge key", span(14, 5, 0, 0), "capability.exposes[0]"},
		{"an odd key", span(15, 5, 15, 14), `capability.exposes[0]["odd key"]`},
		{"a key with an alias", span(17, 5, 17, 10), "capability.exposes[0].again"},
		{"a key without a value", span(19, 5, 19, 10), "capability.exposes[1].tools"},
		{"a comment behind a value", span(12, 42, 12, 55), ""},
		{"behind the text", span(99, 1, 99, 4), ""},
	}
	for _, tt := range tests {
		if got := doc.PathAt(tt.at); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestPathAtAgreesWithTheTree: the place of every name leads back to it, except where a value
// stands at its anchor and is used elsewhere.
func TestPathAtAgreesWithTheTree(t *testing.T) {
	t.Parallel()
	n := 0
	for _, name := range files(t, "ok") {
		doc, _ := parseFile(t, name)
		if doc == nil {
			t.Fatalf("%s is refused", name)
		}
		if filepath.Base(name) == "anchors.yaml" {
			continue
		}
		check := func(span diag.Span, want string) {
			n++
			if got := doc.PathAt(span); got != want {
				t.Errorf("%s: %q is found at %s, want %q", filepath.Base(name), got, span, want)
			}
		}
		for _, e := range doc.Exposes {
			check(e.Type.Span(), e.Type.Path())
			check(e.Namespace.Span(), e.Namespace.Path())
			for _, o := range e.Tools {
				check(o.Name.Span(), o.Name.Path())
				check(o.Call.Span(), o.Call.Path())
			}
		}
		for _, c := range doc.Consumes {
			check(c.BaseURI.Span(), c.BaseURI.Path())
			for _, r := range c.Resources {
				for _, o := range r.Operations {
					check(o.Name.Span(), o.Name.Path())
					check(o.Method.Span(), o.Method.Path())
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d places to check", n)
	}
}

const commented = `# mark first of all
---
# an ordinary comment
naftiko: 1.0.0-alpha2 # mark on the line
# mark above

  # mark of the same line
capability: # mark: no, this is another word
  a: "# mark in quotes" # mark behind quotes
  b: no#mark
  c: | # mark behind a header
    text # mark in text
    # mark in text
  d: >
    # mark in text
  e: plain
     # mark behind
  f: [x, # mark in a list
    y]
#mark without a blank
`

func TestComments(t *testing.T) {
	t.Parallel()
	doc, _ := spec.Parse("f.yaml", []byte(commented), spec.Limits{})
	if doc == nil {
		t.Fatal("the document is refused")
	}
	type found struct {
		text      string
		at, about int
		first     bool
	}
	want := []found{
		{"first of all", 1, 4, true},
		{"on the line", 4, 4, false},
		{"above", 5, 8, false},
		{"of the same line", 7, 8, false},
		{"behind quotes", 9, 9, false},
		{"behind a header", 11, 11, false},
		{"behind", 17, 18, false},
		{"in a list", 18, 18, false},
		{"without a blank", 20, 20, false},
	}
	for name, text := range map[string]string{
		"LF": commented, "CRLF": strings.ReplaceAll(commented, "\n", "\r\n"), "BOM": "\ufeff" + commented,
	} {
		doc, _ := spec.Parse("f.yaml", []byte(text), spec.Limits{})
		var got []found
		for _, c := range spec.Comments("f.yaml", text, doc, "mark") {
			got = append(got, found{c.Text, c.Span.Start.Line, c.Line, c.First})
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
	unread := spec.Comments("f.yaml", "# mark first\nnaftiko: [\n", nil, "mark")
	if len(unread) != 1 || unread[0].Text != "first" || unread[0].Line != 2 || unread[0].Span.String() != "f.yaml:1:1" {
		t.Errorf("of a text that cannot be read: %+v", unread)
	}
	many := spec.Comments("f.yaml", strings.Repeat("# mark\n", 5000), nil, "mark")
	if len(many) == 0 || len(many) > 1000 {
		t.Errorf("%d comments of a hostile text", len(many))
	}
}

// FuzzPlaces looks for texts whose comments and paths cannot be found.
func FuzzPlaces(f *testing.F) {
	for _, seed := range []string{placed, commented, "naftiko: 1\ncapability: {a: &x [b, *x]}"} {
		f.Add([]byte(seed), 4, 7)
	}
	for _, dir := range []string{"ok", "err"} {
		names, err := filepath.Glob(filepath.Join(specs, dir, "*.yaml"))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text, 9, 3)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, line, col int) {
		doc, list := spec.Parse("f.yaml", text, spec.Limits{Bytes: 1 << 16, Depth: 50, Nodes: 1 << 12})
		lines := strings.Count(strings.ReplaceAll(string(text), "\r", "\n"), "\n") + 1
		for _, c := range spec.Comments("f.yaml", string(text), doc, "mark") {
			if c.Line < c.Span.Start.Line || c.Line > lines {
				t.Errorf("a comment in line %d of %d is about line %d", c.Span.Start.Line, lines, c.Line)
			}
		}
		if doc == nil {
			return
		}
		for _, d := range list {
			doc.PathAt(d.Span)
		}
		p := diag.Pos{Line: line, Col: col}
		if p.IsValid() && col > 0 {
			doc.PathAt(diag.Span{File: "f.yaml", Start: p, End: p})
		}
	})
}
