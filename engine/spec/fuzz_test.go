package spec_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/spec"
)

// seeds are small documents that between them use every construct the reader knows.
var seeds = []string{
	"",
	"naftiko: 1.0.0-alpha2\ncapability: {}\n",
	"naftiko: 0.5\r\ninfo:\r\n  label: 'it''s'\r\ncapability:\r\n  exposes: []\r\n",
	"\ufeffikanos: \"1.0.0-beta5\"\ncapability:\n  exposes:\n    a:\n      type: mcp\n      tools:\n        t: {call: a.b, with: {x: \"\\u00e9\\n\\x41 \\\n   y\"}}\n",
	"naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n  - &c {namespace: c, baseUri: https://c.example, resources: []}\n  - <<: *c\n    namespace: d\n  exposes:\n  - type: rest\n    port: abc\n    resources:\n    - path: /a/{{x}}\n      operations:\n      - {method: GET, call: c.get, with: {true: tools.on, t: {{tools.x}}}}\n",
	"naftiko: 1.0.0-alpha2\ninfo:\n  label: >-\n    folded\n    text\n\n      more\n    end\n  description: |+2\n      kept\n    \n\ncapability: {}\n",
	"naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: mcp\n    tools:\n    - name: cut\n      call: a.b\n      hints: f\n\n# --- truncated at 32 KB (46 KB total) ---\n# Full source: https://example.com/a.yaml",
	"a: &a [*a, *a]\n", "a: b: c\n", "a: 'open\n", "a: [1, 2\n", "a:\n\tb: 1\n", "? [x]\n: y\n", "a: 1\na: 2\n", "--- a\n--- b\n",
	"a: \xe9\n", "a: \x00\n", "a: \u0085 \u2028b\n", "a: {{b}}/c\nd: 1\n", "x: *y\n", "%YAML 9.9\n---\na\n", "a: !foo bar\nb: !!int '7'\n",
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	lim := spec.Limits{Bytes: 1 << 16, Depth: 50, Nodes: 5000}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, list := spec.Parse("f.yaml", text, lim)
		if doc == nil && !list.HasErrors() {
			t.Fatal("the file is refused without a reason")
		}
		inside := newRuler(text)
		for _, d := range list {
			if d.Severity == 0 || d.Message == "" || d.Code == "" {
				t.Errorf("incomplete diagnostic %+v", d)
			}
			inside.check(t, d.Span)
			for _, r := range d.Related {
				inside.check(t, r.Span)
			}
			for _, e := range d.Fixes {
				inside.check(t, e.Span)
			}
			var b bytes.Buffer
			source := func(string) []byte { return text }
			if err := diag.WriteText(&b, diag.List{d}, diag.TextOptions{Source: source, Excerpt: true}); err != nil {
				t.Error(err)
			}
		}
		if doc != nil {
			checkDocument(t, inside, doc)
		}
	})
}

// checkDocument walks all values that a document leads to.
func checkDocument(t *testing.T, inside *ruler, doc *spec.Document) {
	if _, err := json.Marshal(doc.JSON()); err != nil {
		t.Error(err)
	}
	span, path := doc.Locate("/capability")
	inside.check(t, span)
	if path != "capability" {
		t.Errorf("the capability is at %q", path)
	}
	checkText(t, inside, doc.Label)
	checkText(t, inside, doc.Description)
	for _, x := range doc.Exposes {
		inside.check(t, x.Span)
		checkText(t, inside, x.Namespace)
		ops := x.Tools
		for _, r := range x.Resources {
			checkText(t, inside, r.URI)
			ops = append(ops, r.Operations...)
		}
		for _, o := range ops {
			inside.check(t, o.Span)
			checkText(t, inside, o.Name)
			checkValue(t, inside, o.Call)
			checkValue(t, inside, o.With)
		}
	}
	for _, c := range doc.Consumes {
		checkText(t, inside, c.BaseURI)
		checkValue(t, inside, c.Auth)
		for _, r := range c.Resources {
			for _, o := range r.Operations {
				checkText(t, inside, o.URI)
				checkValue(t, inside, o.Body)
			}
		}
	}
}

func checkValue(t *testing.T, inside *ruler, v *spec.Value) {
	if v == nil {
		return
	}
	inside.check(t, v.Span())
	if !json.Valid(v.JSON()) {
		t.Errorf("no JSON: %s", v.JSON())
	}
	checkText(t, inside, v.AsText())
	for _, item := range v.Items {
		checkValue(t, inside, item)
	}
	for _, m := range v.Members {
		checkText(t, inside, m.Key)
		checkValue(t, inside, m.Value)
	}
}

func checkText(t *testing.T, inside *ruler, text spec.Text) {
	if !text.IsSet() {
		return
	}
	whole := text.Span()
	inside.check(t, whole)
	if !utf8.ValidString(text.Value) {
		t.Errorf("the value %q is not UTF-8", text.Value)
	}
	last := whole.Start
	for i := range min(len(text.Value), 50) {
		s := text.Sub(i, i+1)
		inside.check(t, s)
		if s.Start.Compare(last) < 0 && s != whole {
			t.Errorf("byte %d of %q is before byte %d", i, text.Value, i-1)
		}
		last = s.Start
	}
	inside.check(t, text.Sub(-1, len(text.Value)+1))
}

// ruler knows how long the lines of a text are, in code points.
type ruler struct{ lengths []int }

func newRuler(text []byte) *ruler {
	s := strings.TrimPrefix(string(text), "\ufeff")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	r := &ruler{}
	for line := range strings.SplitSeq(s, "\n") {
		r.lengths = append(r.lengths, utf8.RuneCountInString(line))
	}
	return r
}

// check reports positions outside of the text. Behind the last character is inside; a line
// break has up to two characters.
func (r *ruler) check(t *testing.T, s diag.Span) {
	t.Helper()
	for _, p := range []diag.Pos{s.Start, s.End} {
		if !p.IsValid() {
			continue
		}
		if p.Line > len(r.lengths) || p.Col < 1 || p.Col > r.lengths[p.Line-1]+2 {
			t.Errorf("%v is outside of the text", p)
		}
	}
	if s.End.IsValid() && s.End.Compare(s.Start) < 0 {
		t.Errorf("span %v to %v ends before it starts", s.Start, s.End)
	}
}
