//go:build !race

package repair_test

// every says which of the documents are looked at.
const every = 1
