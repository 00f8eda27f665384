package schema_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
	"capd/schema"
)

var update = flag.Bool("update", false, "write the expected findings anew")

func newValidator(t testing.TB) *schema.Validator {
	t.Helper()
	v, err := schema.New()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// parse reads a YAML file of testdata, named by its base name in what is found.
func parse(t testing.TB, file string) *spec.Document {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, found := spec.Parse(filepath.Base(file), text, spec.Limits{})
	if doc == nil {
		t.Fatalf("%s is not read: %v", file, found)
	}
	return doc
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil || len(list) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return list
}

func lines(found diag.List) string {
	var b strings.Builder
	for _, d := range found {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

// plain locates a value by its pointer alone.
func plain(pointer string) (diag.Span, string) { return diag.Span{}, pointer }

func TestGoodDocumentsHaveNoFinding(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for _, file := range files(t, "testdata/ok/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			doc := parse(t, file)
			if found := v.Validate(doc.JSON(), doc.Locate); len(found) > 0 {
				t.Errorf("findings in a good document:\n%s", lines(found))
			}
			if !schema.Fits(v, doc.Tree()) {
				t.Error("it is not seen at once that the document is good")
			}
		})
	}
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for _, file := range files(t, "testdata/err/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			doc := parse(t, file)
			got := lines(v.Validate(doc.JSON(), doc.Locate))
			if schema.Fits(v, doc.Tree()) {
				t.Error("the document passes for a good one")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got == "" || got != string(want) {
				t.Errorf("findings differ from %s\ngot:\n%s\nwant:\n%s", golden, got, want)
			}
			for range 5 {
				if again := lines(v.Validate(doc.JSON(), doc.Locate)); again != got {
					t.Fatalf("findings are not the same each time:\n%s\nand\n%s", got, again)
				}
			}
			if strings.Contains(got, "hush-hush") {
				t.Errorf("a finding shows a secret:\n%s", got)
			}
		})
	}
}

func TestFindingsAreWarnings(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"naftiko": true, "capability": []any{}}
	found := newValidator(t).Validate(doc, func(pointer string) (diag.Span, string) {
		return diag.Span{File: "a.yaml", Start: diag.Pos{Line: len(pointer), Col: 1}}, pointer
	})
	want := diag.List{
		{
			Code: diag.CodeSchema, Severity: diag.Warning, Path: "/naftiko",
			Span:    diag.Span{File: "a.yaml", Start: diag.Pos{Line: 8, Col: 1}},
			Message: `"/naftiko" is a boolean; expected text`, Hint: "put quotes around it",
		},
		{
			Code: diag.CodeSchema, Severity: diag.Warning, Path: "/capability",
			Span:    diag.Span{File: "a.yaml", Start: diag.Pos{Line: 11, Col: 1}},
			Message: `"/capability" is a list; expected a mapping`,
		},
	}
	if lines(found) != lines(want) || found[0].Path != want[0].Path || found[1].Span != want[1].Span {
		t.Errorf("got\n%swant\n%s", lines(found), lines(want))
	}
}

func TestWholeDocument(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for _, c := range []struct {
		name string
		doc  any
		want string
	}{
		{"no mapping", []any{}, "warning [schema] the document is a list; expected a mapping\n"},
		{"no version", map[string]any{}, "warning [schema] the document has neither \"naftiko\" nor \"ikanos\"; expected one of them\n"},
		{"section file", map[string]any{"ikanos": "1.0.0-beta5", "consumes": []any{}}, ""},
		{"not JSON", map[string]any{"naftiko": struct{}{}}, "warning [internal] the document could not be checked against the schema\n"},
	} {
		if got := lines(v.Validate(c.doc, plain)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Numbers that exact arithmetic cannot hold must neither take long nor bring the process down.
func TestWildNumbers(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	for _, c := range []struct{ port, want string }{
		{"8080", ""},
		{"8080.0", ""},
		{"8.08e3", ""},
		{"8080.5", "is a number; expected an integer"},
		{"-1", "is out of range; expected 0 to 65535"},
		{"65536", "is out of range; expected 0 to 65535"},
		{"1e999999999", "is a number; expected an integer"},
		{strings.Repeat("9", 100_000), "is out of range; expected 0 to 65535"},
		{"-" + strings.Repeat("9", 100_000), "is out of range; expected 0 to 65535"},
		{"no number", "is a number; expected an integer"},
	} {
		doc := map[string]any{
			"naftiko": "1.0.0-alpha2",
			"capability": map[string]any{"exposes": []any{
				map[string]any{"type": "rest", "port": json.Number(c.port), "address": []any{}},
			}},
		}
		got := lines(v.Validate(doc, plain))
		want := "warning [schema] \"/capability/exposes/0/address\" is a list; expected a string\n"
		if c.want != "" {
			want += "warning [schema] \"/capability/exposes/0/port\" " + c.want + "\n"
		}
		if got != want {
			t.Errorf("port %.20s:\ngot  %swant %s", c.port, got, want)
		}
	}
}

func TestDocumentIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	doc := map[string]any{"naftiko": json.Number("1e999999"), "info": []any{}}
	newValidator(t).Validate(doc, plain)
	if doc["naftiko"] != json.Number("1e999999") {
		t.Errorf("the document was changed: %v", doc)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	v := newValidator(t)
	var group sync.WaitGroup
	for _, file := range slices.Concat(files(t, "testdata/ok/*.yaml"), files(t, "testdata/err/*.yaml")) {
		doc := parse(t, file)
		want := lines(v.Validate(doc.JSON(), doc.Locate))
		for range 4 {
			group.Go(func() {
				if got := lines(v.Validate(doc.JSON(), doc.Locate)); got != want {
					t.Errorf("%s: got\n%swant\n%s", file, got, want)
				}
			})
		}
	}
	group.Wait()
}

func TestSourceIsACopy(t *testing.T) {
	t.Parallel()
	first := schema.Source()
	first[0] = 'x'
	if second := schema.Source(); bytes.Equal(first, second) || !json.Valid(second) {
		t.Error("changing what Source gives changes the schema")
	}
}

// FuzzLocate proves that the pointer given to locate is plain RFC 6901, whatever the keys on
// the way are called.
func FuzzLocate(f *testing.F) {
	for _, key := range []string{"X-Key", "a b", "a/b", "m~n", "~1", "%41", "%", "ü", "a#b", "", "\x00", "\x00\x00a", "\xff", "?x=1&y"} {
		f.Add(key)
	}
	v := newValidator(f)
	f.Fuzz(func(t *testing.T, key string) {
		doc := map[string]any{
			"naftiko": "1.0.0-alpha2",
			"capability": map[string]any{"consumes": map[string]any{key: map[string]any{
				"authentication": map[string]any{"type": "apikey", "headers": map[string]any{key: []any{}}},
			}}},
		}
		token := strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		want := "/capability/consumes/" + token + "/authentication/headers/" + token
		found := v.Validate(doc, plain)
		if len(found) != 1 || found[0].Path != want {
			t.Errorf("key %q: found %v, want one finding at %q", key, found, want)
		}
	})
}
