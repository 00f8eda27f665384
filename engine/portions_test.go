package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestPortions: every document is worked on once and in order, large ones do not wait together, and
// few documents are enough for every job.
func TestPortions(t *testing.T) {
	t.Parallel()
	sources, work := make([]source, 3000), make([]int, 3000)
	file := filepath.Join(t.TempDir(), "a.yaml")
	sized := func(n int64) stamp {
		t.Helper()
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, n)); err != nil {
			t.Fatal(err)
		}
		return baselineOf(file).stamp
	}
	usual, large := sized(1000), sized(4<<20)
	for i := range sources {
		sources[i].now, work[i] = usual, i
	}
	sources[10].now, sources[11].now = large, large
	sources[12].now = stamp{}
	var all []int
	for _, part := range portions(sources, work, 2) {
		all = append(all, part...)
		bytes := int64(0)
		for _, i := range part[:len(part)-1] {
			bytes += sources[i].now.bytes()
		}
		if len(part) > portionDocuments || bytes >= portionBytes {
			t.Errorf("%d documents and %d bytes before the last", len(part), bytes)
		}
	}
	if !slices.Equal(all, work) {
		t.Error("not every document once and in order")
	}
	for _, n := range []int{0, 1, 7, 40} {
		if got := len(portions(sources, work[100:100+n], 4)); got < min(n, 4) {
			t.Errorf("%d documents make %d portions for 4 jobs", n, got)
		}
	}
}
