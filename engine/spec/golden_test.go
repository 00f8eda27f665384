package spec_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const specs = "../../testdata/spec"

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(specs, dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	return names
}

func parseFile(t *testing.T, name string) (*spec.Document, diag.List) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return spec.Parse(filepath.Base(name), text, spec.Limits{})
}

func TestGoodFilesAreSilent(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "ok") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			doc, list := parseFile(t, name)
			if doc == nil || len(list) > 0 {
				t.Errorf("document %v, findings %v", doc != nil, list)
			}
		})
	}
}

// Each bad file has its exact findings beside it, one per line, with related places
// indented below.
func TestBadFilesAreExplained(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "err") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			doc, list := parseFile(t, name)
			if len(list) == 0 {
				t.Fatal("nothing is found")
			}
			if doc == nil && !list.HasErrors() {
				t.Error("the file is refused without an error")
			}
			var got bytes.Buffer
			if err := diag.WriteText(&got, list, diag.TextOptions{}); err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".out"
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("got:\n%swant:\n%s", got.Bytes(), want)
			}
		})
	}
}
