//go:build unix

package main

import "syscall"

// mostFiles gives how many descriptors the process may have.
func mostFiles() (n uint64, ok bool) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return uint64(r.Cur), true
}
