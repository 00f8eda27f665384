package resilience

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxKept bounds what is kept of one sort. Documents name the hosts that are called, so there are
// as many as they name.
const maxKept = 4096

// idle is after which time what nobody uses may be forgotten: more than any window of a breaker
// that is in use, and less than a day.
const idle = time.Hour

// shelf keeps one V for each key, as long as it is in use. The zero shelf is empty.
type shelf[K comparable, V any] struct {
	mu    sync.RWMutex
	items map[K]*item[V]
	swept time.Time
}

type item[V any] struct {
	value *V
	used  atomic.Int64 // Unix seconds
}

// get gives what is kept for a key, made by fresh when there is nothing. now is the time: clocks
// cost something.
func (s *shelf[K, V]) get(now time.Time, key K, fresh func() *V) *V {
	s.mu.RLock()
	it := s.items[key]
	s.mu.RUnlock()
	if it == nil {
		it = s.add(key, fresh, now)
	}
	if at := now.Unix(); it.used.Load() != at {
		it.used.Store(at)
	}
	return it.value
}

func (s *shelf[K, V]) add(key K, fresh func() *V, now time.Time) *item[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if it := s.items[key]; it != nil {
		return it
	}
	if s.items == nil {
		s.items = map[K]*item[V]{}
	}
	if len(s.items) >= maxKept || now.Sub(s.swept) > idle {
		s.sweep(now)
	}
	it := &item[V]{value: fresh()}
	it.used.Store(now.Unix())
	s.items[key] = it
	return it
}

// sweep forgets what is not used any more, and when that makes no place, what was used longest
// ago. Calls in flight keep theirs.
func (s *shelf[K, V]) sweep(now time.Time) {
	s.swept = now
	var oldest K
	first := now.Unix() + 1
	for k, it := range s.items {
		used := it.used.Load()
		if used < now.Add(-idle).Unix() {
			delete(s.items, k)
		} else if used < first {
			oldest, first = k, used
		}
	}
	if len(s.items) >= maxKept {
		delete(s.items, oldest)
	}
}

// each visits everything that is kept.
func (s *shelf[K, V]) each(visit func(*V)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, it := range s.items {
		visit(it.value)
	}
}
