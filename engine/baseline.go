package engine

import (
	"sync"
	"time"
)

// baseline is the stamp of a file or folder just before it was read: what later looks at it are compared with. Reading
// thousands of files that are as they were is most of what a load of unchanged documents would cost.
type baseline struct {
	stamp
	// conclusive: a file that has this stamp still has what was read.
	conclusive bool
}

// racyTime is how old the last change of a file must be when it is read, for its stamp to be
// conclusive: within the steps of the file system's clock a second change leaves no mark.
const racyTime = 2 * time.Second

// baselineOf looks at a file that is about to be read; nothing is known of one that cannot be looked at.
func baselineOf(path string) baseline {
	at := time.Now()
	now, err := stampOf(path)
	if err != nil {
		return baseline{}
	}
	return now.baseline(at)
}

// baseline gives that of a file which is read after a moment.
func (s stamp) baseline(at time.Time) baseline { return baseline{s, s.isOlder(at, racyTime)} }

// isUnchanged reports whether a file certainly has what was read.
func (b *baseline) isUnchanged(now stamp) bool { return b.conclusive && b.stamp == now }

// stampTrust says of which files an equal stamp is believed.
type stampTrust struct {
	everywhere bool // else of those on file systems of this machine alone
	local      *localSystems
}

// covers reports whether the stamp of a file, which is at a path, is believed.
func (t stampTrust) covers(path string, now stamp) bool {
	return t.everywhere || t.local.has(path, now)
}

// versionByStamp gives the version of a file that need not be read to be known; nil otherwise.
func (l *loader) versionByStamp(src *source, before past) *version {
	if src.err != nil || src.stdin || !src.trust.covers(src.file, src.now) {
		return nil
	}
	return before.find(func(v *version) bool {
		return v.hash != "" && v.file == src.file && v.named == src.named && v.baseline.isUnchanged(src.now) && v.files.isUnchanged(src.trust)
	})
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

// has reports whether a file, which is at a path, is on such a file system.
func (s *localSystems) has(path string, now stamp) bool {
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
