package spec_test

import (
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

// library opens files of a map by their location.
func library(files map[string]string) spec.Opener {
	return func(_, location string) (spec.Opened, *spec.OpenError) {
		text, ok := files[location]
		if !ok {
			return spec.Opened{}, &spec.OpenError{Missing: true, Text: location + " does not exist"}
		}
		return spec.Opened{Name: "lib/" + location, ID: location, Text: []byte(text)}, nil
	}
}

func resolve(t *testing.T, text string, files map[string]string) (doc, whole *spec.Document, list diag.List) {
	t.Helper()
	doc, found := spec.Parse("doc.yaml", []byte(text), spec.Limits{})
	if doc == nil {
		t.Fatal(found)
	}
	whole, list = doc.Resolve("doc.yaml", library(files))
	return doc, whole, list
}

const threeAPIs = "ikanos: 1.0.0-beta5\nconsumes:\n- {namespace: a, baseUri: 'https://a.example', resources: {r: {path: /a, operations: {get: {method: GET}}}}}\n" +
	"- {namespace: b, baseUri: 'https://b.example'}\n- {namespace: c, baseUri: 'https://c.example'}\n"

// TestResolveKeepsOrderAndPlaces: imported entries stand where their import stands, in a list and in
// a mapping, know their own file, and share nothing with the document as it was.
func TestResolveKeepsOrderAndPlaces(t *testing.T) {
	t.Parallel()
	for name, consumes := range map[string]string{
		"list": "[{from: x, import: a}, {namespace: m, baseUri: 'https://m.example'}, {from: x, import: c, as: z}, {from: x, import: a, as: again}]",
		"map":  "{a: {from: x}, m: {baseUri: 'https://m.example'}, z: {from: x, import: c}, again: {location: x, import: a}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, whole, list := resolve(t, "ikanos: 1.0.0-beta5\ncapability:\n  consumes: "+consumes+"\n  exposes: [{type: mcp, namespace: t, port: 1}]\n",
				map[string]string{"x": threeAPIs})
			if len(list) > 0 || len(whole.Imports) > 0 {
				t.Fatalf("findings %v, left %v", list, whole.Imports)
			}
			var got []string
			for _, c := range whole.Consumes {
				got = append(got, c.Namespace.Value+" "+c.BaseURI.Span().String())
			}
			want := []string{"a lib/x:3:27", "m doc.yaml", "z lib/x:5:27", "again lib/x:3:27"}
			if len(got) == len(want) {
				got[1], _, _ = strings.Cut(got[1], ":")
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if len(doc.Consumes) != 1 || len(doc.Imports) != 3 || doc.Consumes[0].Namespace.Value != "m" {
				t.Errorf("the document was changed: %+v", doc.Consumes)
			}
			if at := whole.PathAt(whole.Consumes[0].BaseURI.Span()); at != "consumes[0].baseUri" {
				t.Errorf("the path in the other file is %q", at)
			}
		})
	}
}

// TestResolvePublishedForms: what documents of the catalogue write.
func TestResolvePublishedForms(t *testing.T) {
	t.Parallel()
	one := "naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n  - {namespace: a, baseUri: 'https://a.example'}\n"
	for imports, want := range map[string]string{
		"imports: [one]": "a",
		"import: one":    "a",
		"imports: [{url: one, namespace: other}]":        "other",
		"import: [{name: a, location: one}]":             "a",
		"imports: {other: one}":                          "other",
		"imports: [three]":                               "a b c",
		"imports: [{location: three, import: b, as: x}]": "x",
		"imports: [{location: three, namespace: c}]":     "c",
		"consumes: [one]":                                "a",
		"consumes: [{namespace: a, ref: one}]":           "a",
		"imports: [gone, one]":                           "a",
	} {
		_, whole, list := resolve(t, "naftiko: 1.0.0-alpha2\n"+imports+"\ncapability:\n  exposes: [{type: mcp, namespace: t, port: 1}]\n", map[string]string{"one": one, "three": threeAPIs})
		var got []string
		for _, c := range whole.Consumes {
			got = append(got, c.Namespace.Value)
		}
		if strings.Join(got, " ") != want || list.HasErrors() {
			t.Errorf("%s: %v, want %s; %v", imports, got, want, list)
		}
	}
}

// FuzzResolve: whatever a document and a file hold, nothing breaks, every finding has a place in one
// of the two, and the document stays as it is.
func FuzzResolve(f *testing.F) {
	f.Add("ikanos: 1\ncapability:\n  consumes: [{from: x, import: a}, y]\n  exposes: [{from: x, import: b}]\nbinds: [{from: x, import: c}]\nimports: [x, {url: x}]\n", threeAPIs)
	f.Add("naftiko: 1\nimport: x\ncapability: {aggregates: {a: {from: x}}}\n", "capability: {aggregates: [{namespace: a, flows: {x: {}}}], consumes: {from: doc.yaml, import: a}}")
	f.Add("ikanos: 1\ncapability: {consumes: [{from: x, import: a}]}\n", "consumes: &a [*a]")
	f.Fuzz(func(t *testing.T, text, other string) {
		doc, _ := spec.Parse("doc.yaml", []byte(text), spec.Limits{})
		if doc == nil {
			return
		}
		before := len(doc.Consumes) + len(doc.Imports) + len(doc.Exposes) + len(doc.Binds) + len(doc.Aggregates)
		whole, list := doc.Resolve("doc.yaml", library(map[string]string{"x": other, "y": threeAPIs}))
		for _, d := range list {
			if d.Severity == 0 || d.Message == "" || !strings.HasPrefix(d.Span.File, "lib/") && d.Span.File != "doc.yaml" {
				t.Errorf("finding %+v", d)
			}
			whole.PathAt(d.Span)
		}
		for _, part := range whole.Parts {
			if tree := part.Tree(); tree != nil {
				tree.JSON()
			}
		}
		if after := len(doc.Consumes) + len(doc.Imports) + len(doc.Exposes) + len(doc.Binds) + len(doc.Aggregates); after != before {
			t.Error("the document was changed")
		}
	})
}

// TestResolveIsBounded: few lines can import much, and often. What is over a limit is left out
// with one finding, and what was imported before stays.
func TestResolveIsBounded(t *testing.T) {
	t.Parallel()
	nameless := "naftiko: 1.0.0-alpha2\nconsumes:\n" + strings.Repeat("- {baseUri: 'https://a.example', resources: [{path: /a, operations: [{name: a}]}]}\n", 2000)
	const head, tail = "naftiko: 1.0.0-alpha2\nimports:\n", "capability:\n  exposes: [{type: mcp, namespace: t, port: 1}]\n"
	for name, c := range map[string]struct {
		imports, says string
		most          int // entries
	}{
		"many imports":           {strings.Repeat("- one\n", 20_000), "more than 1000 imports", 1000},
		"much in each":           {strings.Repeat("- many\n", 900), "more than 1000000 values", 150_000},
		"much text":              {strings.Repeat("- comment\n", 5) + "- comment1\n- comment2\n- comment3\n- comment4\n- comment5\n", "more than 16777216 bytes", 10},
		"one text, named often":  {strings.Repeat("- comment\n", 100), "", 100},
		"a file that is missing": {strings.Repeat("- gone\n", 10), "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := "naftiko: 1.0.0-alpha2\nconsumes: [{baseUri: 'https://a.example'}]\n"
			comment := one + "# " + strings.Repeat("x", 4_000_000) + "\n"
			files := map[string]string{"one": one, "many": nameless, "comment": comment}
			for _, n := range []string{"1", "2", "3", "4", "5"} {
				files["comment"+n] = comment
			}
			_, whole, list := resolve(t, head+c.imports+tail, files)
			if len(whole.Consumes) > c.most {
				t.Errorf("%d entries were imported", len(whole.Consumes))
			}
			var over []string
			for _, d := range list {
				if d.Code == diag.CodeTooLarge {
					over = append(over, d.Message)
				}
			}
			if len(over) > 1 || (len(over) == 1) != (c.says != "") || c.says != "" && !strings.Contains(over[0], c.says) {
				t.Errorf("found %q, want %q", over, c.says)
			}
		})
	}
}
