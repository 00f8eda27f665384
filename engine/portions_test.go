package engine

import (
	"io/fs"
	"slices"
	"testing"
	"time"
)

type sized int64

func (s sized) Name() string     { return "" }
func (s sized) Size() int64      { return int64(s) }
func (sized) Mode() fs.FileMode  { return 0 }
func (sized) ModTime() time.Time { return time.Time{} }
func (sized) IsDir() bool        { return false }
func (sized) Sys() any           { return nil }

// TestPortions: every document is worked on once and in order, large ones do not wait together, and
// few documents are enough for every job.
func TestPortions(t *testing.T) {
	t.Parallel()
	sources, work := make([]source, 3000), make([]int, 3000)
	for i := range sources {
		sources[i].info, work[i] = sized(1000), i
	}
	sources[10].info, sources[11].info = sized(4<<20), sized(4<<20)
	sources[12].info = nil
	var all []int
	for _, part := range portions(sources, work, 2) {
		all = append(all, part...)
		bytes := int64(0)
		for _, i := range part[:len(part)-1] {
			if sources[i].info != nil {
				bytes += sources[i].info.Size()
			}
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
