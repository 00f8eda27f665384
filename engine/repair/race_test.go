//go:build race

package repair_test

// every says which of the documents are looked at: the race detector makes each ten times as slow.
const every = 5
