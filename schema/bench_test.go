package schema_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"capd/engine/spec"
	"capd/schema"
)

// BenchmarkValidate checks a good and a bad document, as a load does. The metric "of-parse" is its time as
// a part of the time that reading the same text takes in the same run.
func BenchmarkValidate(b *testing.B) {
	v := newValidator(b)
	for _, file := range []string{"testdata/ok/list-form.yaml", "testdata/err/kinds.yaml"} {
		b.Run(filepath.Base(filepath.Dir(file)), func(b *testing.B) {
			text, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			const rounds = 50
			start := time.Now()
			for range rounds {
				spec.Parse(file, text, spec.Limits{})
			}
			reading := time.Since(start) / rounds
			doc := parse(b, file)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if !schema.Fits(v, doc.Tree()) {
					v.Validate(doc.JSON(), doc.Locate)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(reading), "of-parse")
		})
	}
}

// BenchmarkNew is what a process pays once.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := schema.New(); err != nil {
			b.Fatal(err)
		}
	}
}
