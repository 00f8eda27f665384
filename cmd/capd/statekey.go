package main

import (
	"bytes"
	"os"
)

// minStateKey is the shortest key that signs states, in bytes.
const minStateKey = 16

// readStateKey reads the key of --state-key-file; nil without one. What the file holds is
// never repeated.
func readStateKey(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, failure("--state-key-file: %w", err)
	}
	key := bytes.TrimSpace(text)
	if len(key) < minStateKey {
		return nil, failure("--state-key-file: the key has %d bytes, fewer than the %d that it needs; make one with: openssl rand -hex 32", len(key), minStateKey)
	}
	return key, nil
}
