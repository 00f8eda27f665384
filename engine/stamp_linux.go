package engine

import (
	"errors"
	"io/fs"
	"syscall"
	"time"
)

// stamp tells two states of a file apart without reading it. It is the zero value for one that is
// not there. Two that are equal are of one state of one file, as far as the system tells.
type stamp struct {
	device, inode     uint64
	size              int64
	modified, changed int64 // in nanoseconds of Unix time: its text, and anything about it
	mode              uint32
}

// stampOf looks at a file, links followed.
func stampOf(path string) (stamp, error) {
	var s syscall.Stat_t
	err := syscall.Stat(path, &s)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Stat(path, &s)
	}
	if err != nil {
		return stamp{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stamp{s.Dev, s.Ino, s.Size, s.Mtim.Nano(), s.Ctim.Nano(), s.Mode}, nil
}

func (s stamp) isThere() bool   { return s.mode != 0 }
func (s stamp) isFolder() bool  { return s.mode&syscall.S_IFMT == syscall.S_IFDIR }
func (s stamp) isRegular() bool { return s.mode&syscall.S_IFMT == syscall.S_IFREG }
func (s stamp) bytes() int64    { return s.size }

// isStill reports whether nothing at all happened to a file since: text of the same size, written with the time of its
// last change set back, leaves the time of the change itself.
func (s stamp) isStill(now stamp) bool { return s == now }

// isFile reports whether both are of one file.
func (s stamp) isFile(o stamp) bool {
	return s.isThere() && s.device == o.device && s.inode == o.inode
}

// isOlder reports whether the last change of the file, as far as anything tells, was some time
// before a moment. The time of the last change of a file (ctime), unlike that of its text, is nobody's to set.
func (s stamp) isOlder(at time.Time, before time.Duration) bool {
	return at.Sub(time.Unix(0, s.changed)) > before && at.Sub(time.Unix(0, s.modified)) > before
}

// system gives what tells file systems apart.
func (s stamp) system() (uint64, bool) { return s.device, true }
