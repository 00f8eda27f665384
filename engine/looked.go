package engine

import (
	"sync"
	"time"
)

// looked is a file as it was just before it was read. Reading thousands of files that are as
// they were is most of what a load of unchanged documents would cost.
type looked struct {
	stamp
	// stands: a file with this stamp is the one that was read.
	stands bool
}

// racyTime is how old the last change of a file must be when it is read, for its stamp to stand
// for what was read: within the steps of the file system's clock a second change leaves no mark.
const racyTime = 2 * time.Second

// lookAt looks at a file; nothing is known of one that cannot be looked at.
func lookAt(path string) looked {
	at := time.Now()
	now, err := stampOf(path)
	if err != nil {
		return looked{}
	}
	return now.lookedAt(at)
}

// lookedAt gives what is known of a file that is read after a moment.
func (s stamp) lookedAt(at time.Time) looked { return looked{s, s.wasStill(at, racyTime)} }

// isCertainly reports whether a file is what was read then.
func (l *looked) isCertainly(now stamp) bool { return l.stands && l.stamp == now }

// untouched gives the version of a file that need not be read to be known; nil otherwise.
func (l *loader) untouched(src *source, prev *record) *version {
	if prev == nil || src.err != nil || src.stdin || !src.trust && !l.local.holds(src.file, src.now) {
		return nil
	}
	for _, known := range []*version{prev.current, prev.served} {
		if known.hash != "" && known.file == src.file && known.named == src.named &&
			known.looked.isCertainly(src.now) && known.files.unchanged(src.trust, l.local) {
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
func (s *localSystems) holds(path string, now stamp) bool {
	if s == nil || !now.isThere() {
		return false
	}
	device, known := now.system()
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
