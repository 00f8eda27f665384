package spec_test

import (
	"os"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"capd/engine/spec"
)

// BenchmarkParseInMemory reads documents one after the other, as a load does. The metric "of-yaml" is the
// time of that as a multiple of what a bare yaml.v3 parse takes, the least of all rounds each.
func BenchmarkParseInMemory(b *testing.B) {
	text, err := os.ReadFile("../../testdata/mcp/conformance.yaml")
	if err != nil {
		b.Fatal(err)
	}
	const documents = 10
	var m spec.Memory
	parse, bare := time.Hour, time.Hour
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		for range documents {
			if doc, found := m.Parse("f.yaml", string(text), spec.Limits{}); doc == nil {
				b.Fatal(found)
			}
		}
		m.Reset()
		parse = min(parse, time.Since(begin))
		b.StopTimer()
		begin = time.Now()
		for range documents {
			var n yaml.Node
			if err := yaml.Unmarshal(text, &n); err != nil {
				b.Fatal(err)
			}
		}
		bare = min(bare, time.Since(begin))
		b.StartTimer()
	}
	b.ReportMetric(float64(parse)/float64(bare), "of-yaml")
}
