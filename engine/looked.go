package engine

import (
	"os"
	"sync"
	"time"
)

// looked is a file as it was just before it was read. Reading thousands of files that are as
// they were is most of what a load of unchanged documents would cost.
type looked struct {
	info stamp // nil: nothing is known
	at   time.Time
}

// racyTime is how old the last change of a file must be when it is read, for its stamp to stand
// for what was read: within the steps of the file system's clock a second change leaves no mark.
const racyTime = 2 * time.Second

// lookAt looks at a file; nothing is known of one that cannot be looked at.
func lookAt(path string) looked {
	now := time.Now()
	info, err := os.Stat(path)
	if err != nil {
		return looked{}
	}
	return looked{info, now}
}

// isCertainly reports whether a file is what was read then. The time of the last change of a
// file (ctime), unlike that of its text, is nobody's to set.
func (l looked) isCertainly(now stamp) bool {
	if l.info == nil || now == nil || !same(l.info, now) {
		return false
	}
	was, known := changeTime(l.info)
	is, _ := changeTime(now)
	return known && was.Equal(is) && l.at.Sub(was) > racyTime && l.at.Sub(l.info.ModTime()) > racyTime
}

// untouched gives the version of a file that need not be read to be known; nil otherwise.
func (l *loader) untouched(src *source, prev *record) *version {
	if prev == nil || src.err != nil || src.stdin || !src.trust && !l.local.holds(src.file, src.info) {
		return nil
	}
	for _, known := range []*version{prev.current, prev.served} {
		if known.hash != "" && known.file == src.file && known.named == src.named &&
			known.looked.isCertainly(src.info) && known.files.unchanged(src.trust, l.local) {
			return known
		}
	}
	return nil
}

// localSystems knows which file systems are of this machine alone, so that a stamp is that of
// the file: what others write to over a network may have been kept since a moment ago, and is
// only asked for when a file is opened. It is safe for concurrent use.
type localSystems struct {
	isLocal func(path string) bool

	mu       sync.RWMutex
	byDevice map[uint64]bool
}

// refresh forgets what was known: a folder may have been mounted.
func (s *localSystems) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byDevice)
}

// holds reports whether a file, which is at a path, is on such a file system.
func (s *localSystems) holds(path string, info stamp) bool {
	if s == nil || info == nil {
		return false
	}
	device, known := deviceOf(info)
	if !known {
		return false
	}
	s.mu.RLock()
	local, known := s.byDevice[device]
	s.mu.RUnlock()
	if known {
		return local
	}
	local = s.isLocal(path)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byDevice == nil {
		s.byDevice = map[uint64]bool{}
	}
	s.byDevice[device] = local
	return local
}
