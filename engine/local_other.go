//go:build !linux

package engine

// isLocal is not known here.
func isLocal(string) bool { return false }
