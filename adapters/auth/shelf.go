package auth

import "sync"

// maxShelved bounds what is kept for authorization servers. Documents name them, so there are
// few; more than that are of documents that are no more.
const maxShelved = 256

// shelf keeps one T for each key, the ones used last. The zero shelf is empty.
type shelf[T any] struct {
	mu    sync.Mutex
	clock uint64
	items map[string]*shelved[T]
}

type shelved[T any] struct {
	value *T
	used  uint64
}

// get gives what is kept for a key, made by fresh when there is nothing.
func (s *shelf[T]) get(key string, fresh func() *T) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	if got := s.items[key]; got != nil {
		got.used = s.clock
		return got.value
	}
	if s.items == nil {
		s.items = map[string]*shelved[T]{}
	}
	if len(s.items) >= maxShelved {
		oldest, age := "", s.clock
		for k, v := range s.items {
			if v.used < age {
				oldest, age = k, v.used
			}
		}
		delete(s.items, oldest)
	}
	v := fresh()
	s.items[key] = &shelved[T]{v, s.clock}
	return v
}
