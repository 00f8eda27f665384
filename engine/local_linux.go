package engine

import (
	"slices"
	"syscall"
)

// localTypes are file systems as statfs(2) tells them.
var localTypes = []int64{
	0xef53,     // ext2, ext3 and ext4
	0x58465342, // xfs
	0x9123683e, // btrfs
	0xf2f52010, // f2fs
	0x01021994, // tmpfs
	0x794c7630, // overlayfs, of containers
}

// isLocal reports whether a path is on a file system of this machine alone. One that is not
// known here counts as shared.
func isLocal(path string) bool {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return false
	}
	return slices.Contains(localTypes, int64(fs.Type))
}
