//go:build !race

package scripts

import "syscall"

// rlimitData is RLIMIT_DATA: private memory that can be written, which is what a program
// takes. The address space says nothing of a Go program, which reserves more than it takes.
const rlimitData = 2

// limitMemory bounds the memory of this process. What takes more ends it.
func limitMemory(most int64) error {
	return syscall.Setrlimit(rlimitData, &syscall.Rlimit{Cur: uint64(most), Max: uint64(most)})
}
