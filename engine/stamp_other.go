//go:build !linux

package engine

import (
	"io/fs"
	"os"
	"time"
)

// stamp tells two states of a file apart without reading it. It is the zero value for one that is
// not there.
type stamp struct{ info fs.FileInfo }

// stampOf looks at a file, links followed.
func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	return stamp{info}, err
}

func (s stamp) isThere() bool   { return s.info != nil }
func (s stamp) isFolder() bool  { return s.info != nil && s.info.IsDir() }
func (s stamp) isRegular() bool { return s.info != nil && s.info.Mode().IsRegular() }

func (s stamp) bytes() int64 {
	if s.info == nil {
		return 0
	}
	return s.info.Size()
}

// isStill reports whether a file is as it was. The time of a file is coarse, so that two files of
// one size that were exchanged may have the same.
func (s stamp) isStill(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	a, b := s.info, o.info
	return a.Size() == b.Size() && a.Mode() == b.Mode() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// isFile reports whether both are of one file.
func (s stamp) isFile(o stamp) bool {
	return s.info != nil && o.info != nil && os.SameFile(s.info, o.info)
}

// isOlder is never certain here, so that every file is read: the time of the last change of a
// file is not known.
func (stamp) isOlder(time.Time, time.Duration) bool { return false }

func (stamp) system() (uint64, bool) { return 0, false }
