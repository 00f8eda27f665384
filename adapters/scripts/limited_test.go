//go:build linux && !race

package scripts_test

// limited says whether the system bounds the memory of a worker.
const limited = true
