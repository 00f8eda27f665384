package repair_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"capd/engine/repair"
	"capd/engine/spec"
)

// FuzzFix repairs and migrates any text: what could be read can be read afterwards, what was
// served is served, and a second run changes nothing.
func FuzzFix(f *testing.F) {
	archives, err := filepath.Glob("../../testdata/fix/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatalf("no archives: %v", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data, strings.HasPrefix(filepath.Base(path), "migrate"))
		}
	}
	lim := spec.Limits{Bytes: 64 << 10, Nodes: 20_000}
	f.Fuzz(func(t *testing.T, text []byte, migrate bool) {
		mend := repair.Fix
		if migrate {
			mend = repair.Migrate
		}
		given := bytes.Clone(text)
		res, err := mend("fuzz.yaml", text, repair.Options{Limits: lim})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(given, text) {
			t.Fatal("the text that was given is changed")
		}
		if !res.Changed() && !bytes.Equal(res.Text, text) {
			t.Fatal("a change that nobody says")
		}
		before, _ := spec.Parse("fuzz.yaml", text, lim)
		after, found := spec.Parse("fuzz.yaml", res.Text, lim)
		if before != nil && after == nil {
			t.Fatalf("the result cannot be read: %v\n%s", found, res.Text)
		}
		again, err := mend("fuzz.yaml", res.Text, repair.Options{Limits: lim})
		if err != nil {
			t.Fatal(err)
		}
		if again.Changed() {
			t.Fatalf("a second run repairs %v of\n%s", again.Fixed, res.Text)
		}
	})
}
