//go:build !unix

package engine

import "io/fs"

// isPrivate leaves it to the folder above who may write there.
func isPrivate(fs.FileInfo) bool { return true }
