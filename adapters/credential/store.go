package credential

import (
	"sync"

	"capd/engine/plan"
)

// maxKept bounds what is kept for credentials that are no longer in use.
const maxKept = 4096

// stateKey is what a piece of state belongs to: a credential, and where that makes a
// difference, a host.
type stateKey struct {
	credential plan.CredentialKey
	origin     string
	grant      string // of a token: what the policy lets the document do that asks for it
}

// store keeps one T for each key, the ones used last. The zero store is empty.
type store[T any] struct {
	mu    sync.Mutex
	clock uint64
	items map[stateKey]*stored[T]
}

type stored[T any] struct {
	value *T
	used  uint64
}

// get gives what is kept for a key, made by fresh when there is nothing.
func (s *store[T]) get(key stateKey, fresh func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	if got := s.items[key]; got != nil {
		got.used = s.clock
		return got.value
	}
	if s.items == nil {
		s.items = map[stateKey]*stored[T]{}
	}
	if len(s.items) >= maxKept {
		s.evict()
	}
	v := fresh()
	s.items[key] = &stored[T]{v, s.clock}
	return v
}

func (s *store[T]) evict() {
	var oldest stateKey
	age := s.clock
	for k, v := range s.items {
		if v.used < age {
			oldest, age = k, v.used
		}
	}
	delete(s.items, oldest)
}
