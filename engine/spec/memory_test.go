package spec_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"capd/engine/spec"
)

// TestMemoryIsUsedAgain: a document that lies where others did is as one that lies alone, and what was
// held of the others is empty.
func TestMemoryIsUsedAgain(t *testing.T) {
	t.Parallel()
	var m spec.Memory
	for _, name := range append(append(files(t, "ok"), files(t, "err")...), files(t, "ok")...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, problems := spec.Parse(filepath.Base(name), text, spec.Limits{})
		got, found := m.Parse(filepath.Base(name), string(text), spec.Limits{})
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(found, problems) {
			t.Errorf("%s is another document in used memory", name)
		}
		m.Reset()
		if got == nil {
			continue
		}
		if v := got.Tree(); v.Kind != 0 || v.Members != nil || v.Path() != "" {
			t.Errorf("%s: the tree is not empty", name)
		}
		for _, x := range got.Exposes {
			if !reflect.ValueOf(x).IsZero() {
				t.Errorf("%s: what it exposes is not empty", name)
			}
		}
	}
}

// TestDocumentsBesideEachOther: documents of one memory do not touch each other, and one that needs much
// of it leaves nothing behind.
func TestDocumentsBesideEachOther(t *testing.T) {
	t.Parallel()
	const head = "naftiko: 1.0.0-alpha2\ncapability: {}\nlist: ["
	large := head + strings.Repeat("1,", 100_000)
	var m spec.Memory
	for range 3 {
		small, _ := m.Parse("small.yaml", head+"1]\n", spec.Limits{})
		big, _ := m.Parse("big.yaml", large+"1]\n", spec.Limits{})
		last, _ := m.Parse("last.yaml", head+"1, 2]\n", spec.Limits{})
		for i, doc := range []*spec.Document{small, big, last} {
			if got := len(doc.Tree().Get("list").Items); got != []int{1, 100_001, 2}[i] {
				t.Errorf("document %d has %d items", i, got)
			}
		}
		m.Reset()
	}
}
