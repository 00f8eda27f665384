package schema_test

import (
	"os"
	"path/filepath"
	"testing"

	"capd/engine/spec"
	"capd/schema"
)

// corpus holds published documents. It stands beside the repository and not in it.
const corpus = "../../shared/corpus/specs"

// TestPublishedDocuments proves that the schema takes whatever is published: only in a text
// that was cut off may a value be of a wrong kind, and there it is the last one.
func TestPublishedDocuments(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the published documents are not here: %v", err)
	}
	v := newValidator(t)
	read := 0
	for _, file := range files(t, filepath.Join(corpus, "*.yaml")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, _ := spec.Parse(filepath.Base(file), text, spec.Limits{})
		if doc == nil {
			continue
		}
		read++
		found := v.Validate(doc.JSON(), doc.Locate)
		if len(found) > 0 && schema.Fits(v, doc.Tree()) {
			t.Errorf("%s passes for a good document", file)
		}
		for _, d := range found {
			if doc.Truncation == nil || d.Span.Start != doc.Truncation.Last.Start {
				t.Errorf("%s", d)
			}
		}
	}
	if read < 400 {
		t.Errorf("only %d documents were read", read)
	}
}
