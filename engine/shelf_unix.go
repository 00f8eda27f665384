//go:build unix

package engine

import (
	"io/fs"
	"os"
	"syscall"
)

// isPrivate reports whether a folder is of the user of this process alone.
func isPrivate(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o077 == 0
}
