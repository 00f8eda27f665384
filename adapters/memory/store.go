// Package memory keeps in this process what replicas share when they have a common store:
// answers, token buckets and claims. All of it is bounded, and nothing runs in the background:
// what is over is dropped when something new needs its place.
package memory

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"capd/engine/plan"
)

// The bounds of a store whose options say none.
const (
	DefaultBytes  = 64 << 20
	defaultValues = 1 << 16
	// defaultTimes bounds buckets and claims, each; full, a table takes about 16 MiB.
	defaultTimes = 1 << 17
)

// Options are the settings of a [Store]. The zero value is ready to use.
type Options struct {
	// Bytes bounds the values, keys and what it takes to keep them included; 0 means
	// [DefaultBytes]. One value may take an eighth of it.
	Bytes int64
	// Values, Buckets and Claims bound how many there are; 0 means 65,536 values and 131,072 of
	// the others.
	Values, Buckets, Claims int
	// Now is the clock; nil means the machine's.
	Now func() time.Time
}

// Store is a [plan.Store] of one process. It is safe for concurrent use.
type Store struct {
	now func() time.Time

	mu      sync.Mutex
	values  *values
	buckets *times // when each will be full again
	claims  *times // when each ends
}

// New makes an empty store.
func New(o Options) *Store {
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	or := func(n, usual int) int {
		if n <= 0 {
			return usual
		}
		return n
	}
	s := &Store{
		now:     o.Now,
		values:  newValues(o.Bytes, or(o.Values, defaultValues)),
		buckets: newTimes(or(o.Buckets, defaultTimes), o.Now()),
		claims:  newTimes(or(o.Claims, defaultTimes), o.Now()),
	}
	s.buckets.spilled = make([]time.Duration, spills)
	return s
}

// Load gives a value that was saved; nil when there is none any more.
func (s *Store) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values.get(key, s.now()), nil
}

// Save keeps a value. One that is too large for the store is not kept, and neither is what was
// there under its key.
func (s *Store) Save(_ context.Context, key string, value []byte, ttl time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ttl <= 0 {
		s.values.remove(key)
		return nil
	}
	s.values.put(key, value, s.now().Add(ttl))
	return nil
}

// Delete forgets a value.
func (s *Store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values.remove(key)
	return nil
}

// Take takes one token of a bucket.
//
// A bucket that is full again is as one that never was, so it is dropped. When there are too
// many that are not, the one goes that would be full soonest, and what it lacked is remembered in
// a place that it shares with others. So no bucket ever gives more than its rate allows; those
// that come when there are too many may have to do without their burst. Whoever uses another key
// for each call gets rid of those keys first, and not of the buckets of others.
func (s *Store) Take(_ context.Context, bucket string, r plan.Rate) (wait time.Duration, err error) {
	if !r.Limits() {
		return 0, nil
	}
	id := idOf(bucket)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	full, wait := r.Take(s.buckets.get(id), now)
	s.buckets.set(id, full, now)
	return wait, nil
}

// Claim reports whether nobody claimed the key before. When there are too many claims, the one
// goes that would end soonest.
func (s *Store) Claim(_ context.Context, key string, ttl time.Duration) (first bool, err error) {
	id := idOf(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.claims.get(id).After(now) {
		return false, nil
	}
	s.claims.set(id, now.Add(ttl), now)
	return true, nil
}

// Bytes gives how many bytes the values take, their keys included.
func (s *Store) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values.bytes()
}

// id stands for a key of any length, so that the tables are bounded in bytes too.
type id [sha256.Size]byte

func idOf(key string) id { return sha256.Sum256([]byte(key)) }

var _ plan.Store = (*Store)(nil)
