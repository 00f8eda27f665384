//go:build !linux || race

package scripts_test

const limited = false
