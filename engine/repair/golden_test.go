package repair_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"capd/engine/diag"
	"capd/engine/repair"
)

var update = flag.Bool("update", false, "rewrite what repairs give")

// TestGolden repairs each document NAME.yaml of the archives in testdata/fix and compares it
// with NAME.fixed, with what was done behind it. Documents of migrate.txtar are migrated.
func TestGolden(t *testing.T) {
	t.Parallel()
	archives, err := filepath.Glob("../../testdata/fix/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		mend := repairer(repair.Fix)
		if strings.HasPrefix(filepath.Base(path), "migrate") {
			mend = repair.Migrate
		}
		want := map[string][]byte{}
		for _, f := range archive.Files {
			want[f.Name] = f.Data
		}
		fresh := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			if !strings.HasSuffix(f.Name, ".yaml") {
				continue
			}
			name := strings.TrimSuffix(f.Name, ".yaml") + ".fixed"
			got := mended(t, mend, f.Name, f.Data)
			fresh.Files = append(fresh.Files, f, txtar.File{Name: name, Data: got})
			if !*update && !bytes.Equal(got, want[name]) {
				t.Errorf("%s: %s differs (run with -update to accept)\n%s", filepath.Base(path), name, got)
			}
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(fresh), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// mended gives the repaired text and, as comments, what was done and what is left.
func mended(t *testing.T, mend repairer, name string, text []byte) []byte {
	t.Helper()
	res, err := mend(name, text, repair.Options{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	again, err := mend(name, res.Text, repair.Options{})
	if err != nil || again.Changed() {
		t.Errorf("%s: a second run gives %v %v", name, again, err)
	}
	// Windows' line breaks and a byte order mark must come through as well.
	crlf := append([]byte("\ufeff"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
	same, err := mend(name, crlf, repair.Options{})
	if want := append([]byte("\ufeff"), bytes.ReplaceAll(res.Text, []byte("\n"), []byte("\r\n"))...); err != nil || !bytes.Equal(same.Text, want) {
		t.Errorf("%s with other line breaks: %v\n%s", name, err, same.Text)
	}
	var out bytes.Buffer
	out.Write(res.Text)
	for _, part := range []struct {
		word string
		list diag.List
	}{{"fixed", res.Fixed}, {"left", res.Unmigrated}} {
		for _, d := range part.list {
			fmt.Fprintf(&out, "# %s: %s [%s] %s\n", d.Span, part.word, d.Code, d.Message)
		}
	}
	return out.Bytes()
}
