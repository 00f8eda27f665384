// Package storetest says by tests what a [plan.Store] has to do. The tests of each store run it.
package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"capd/engine/plan"
)

// Subject is a store to test. It may hold what others put there, under other keys.
type Subject struct {
	plan.Store
	// Advance lets time pass for the store; nil when nobody can: what needs it is not tested.
	Advance func(time.Duration)
	// Prefix is put before every key, so that a store that lasts can be tested again.
	Prefix string
}

// Run tests the stores that fresh makes, one for each test.
func Run(t *testing.T, fresh func(t *testing.T) *Subject) {
	for name, test := range map[string]func(*testing.T, *Subject){
		"values":                  values,
		"values that end":         valuesThatEnd,
		"buckets":                 buckets,
		"buckets that fill":       bucketsThatFill,
		"buckets of another rate": bucketsOfAnotherRate,
		"buckets without a limit": bucketsWithoutLimit,
		"claims":                  claims,
		"claims that end":         claimsThatEnd,
		"three tables":            tables,
		"claims of many at once":  claimsAtOnce,
		"buckets of many at once": bucketsAtOnce,
		"keys of any text":        keysOfAnyText,
		"values of many at once":  valuesAtOnce,
		"a wait takes no token":   waitTakesNothing,
		"a wait is long enough":   waitIsEnough,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func (s *Subject) key(name string) string { return s.Prefix + name }

func (s *Subject) advance(t *testing.T, d time.Duration) {
	t.Helper()
	if s.Advance == nil {
		t.Skip("the clock of this store cannot be moved")
	}
	s.Advance(d)
}

func (s *Subject) holds(t *testing.T, key string, want []byte) {
	t.Helper()
	got, err := s.Load(t.Context(), s.key(key))
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("Load(%q) = %q, %v; want %q", key, got, err, want)
	}
}

func (s *Subject) save(t *testing.T, key string, value []byte, ttl time.Duration) {
	t.Helper()
	if err := s.Save(t.Context(), s.key(key), value, ttl); err != nil {
		t.Fatalf("Save(%q): %v", key, err)
	}
}

// take takes a token, or reports the wait.
func (s *Subject) take(t *testing.T, bucket string, r plan.Rate) time.Duration {
	t.Helper()
	wait, err := s.Take(t.Context(), s.key(bucket), r)
	if err != nil || wait < 0 {
		t.Fatalf("Take(%q) = %v, %v", bucket, wait, err)
	}
	return wait
}

func (s *Subject) claims(t *testing.T, key string, ttl time.Duration, want bool) {
	t.Helper()
	if first, err := s.Claim(t.Context(), s.key(key), ttl); err != nil || first != want {
		t.Errorf("Claim(%q) = %t, %v; want %t", key, first, err, want)
	}
}

func values(t *testing.T, s *Subject) {
	s.holds(t, "a", nil)
	s.save(t, "a", []byte("one"), time.Minute)
	s.save(t, "b", []byte("two\x00\xff"), time.Minute)
	s.holds(t, "a", []byte("one"))
	s.holds(t, "b", []byte("two\x00\xff"))
	s.save(t, "a", []byte("three"), time.Minute)
	s.holds(t, "a", []byte("three"))
	for range 2 { // what is not there can be deleted too
		if err := s.Delete(t.Context(), s.key("a")); err != nil {
			t.Fatal(err)
		}
	}
	s.holds(t, "a", nil)
	s.holds(t, "b", []byte("two\x00\xff"))
	s.save(t, "b", []byte("gone"), 0)
	s.holds(t, "b", nil)
}

func valuesThatEnd(t *testing.T, s *Subject) {
	s.save(t, "a", []byte("one"), time.Minute)
	s.save(t, "b", []byte("two"), time.Minute)
	s.advance(t, 40*time.Second)
	s.save(t, "b", []byte("three"), time.Minute) // begins again
	s.advance(t, 40*time.Second)
	s.holds(t, "a", nil)
	s.holds(t, "b", []byte("three"))
	s.advance(t, 40*time.Second)
	s.holds(t, "b", nil)
}

// slow is a rate that gives nothing back while a test runs.
func slow(burst int) plan.Rate { return plan.Rate{Count: 1, Period: time.Hour, Burst: burst} }

func buckets(t *testing.T, s *Subject) {
	for i := range 3 {
		if wait := s.take(t, "a", slow(3)); wait > 0 {
			t.Fatalf("token %d of 3 has to wait for %v", i+1, wait)
		}
	}
	if wait := s.take(t, "a", slow(3)); wait <= 59*time.Minute || wait > time.Hour {
		t.Errorf("the fourth token of 3 waits for %v, not for an hour", wait)
	}
	if wait := s.take(t, "b", slow(3)); wait > 0 {
		t.Errorf("another bucket waits for %v", wait)
	}
	if wait := s.take(t, "no burst", slow(0)); wait > 0 {
		t.Errorf("a bucket has at least one token; it waits for %v", wait)
	}
	if wait := s.take(t, "no burst", slow(0)); wait <= 0 {
		t.Error("a bucket without a burst gave two tokens at once")
	}
}

func bucketsThatFill(t *testing.T, s *Subject) {
	r := plan.Rate{Count: 60, Period: time.Hour, Burst: 2} // one a minute
	for range 2 {
		s.take(t, "a", r)
	}
	s.advance(t, time.Minute)
	if wait := s.take(t, "a", r); wait > 0 {
		t.Fatalf("after a minute it waits for %v", wait)
	}
	if wait := s.take(t, "a", r); wait <= 0 {
		t.Error("a minute gave two tokens")
	}
	s.advance(t, 10*time.Hour)
	taken := 0
	for range 10 {
		if s.take(t, "a", r) == 0 {
			taken++
		}
	}
	if taken != 2 {
		t.Errorf("a bucket of 2 that had time to fill gave %d", taken)
	}
}

func bucketsOfAnotherRate(t *testing.T, s *Subject) {
	for range 1000 {
		s.take(t, "a", plan.Rate{Count: 1, Period: time.Hour, Burst: 1000})
	}
	// A reload made the bucket smaller: nobody waits for longer than it takes to fill it.
	if wait := s.take(t, "a", plan.Rate{Count: 1, Period: time.Minute, Burst: 2}); wait <= 0 || wait > time.Minute {
		t.Errorf("it waits for %v, not for a minute at most", wait)
	}
}

func bucketsWithoutLimit(t *testing.T, s *Subject) {
	for _, r := range []plan.Rate{{}, {Burst: 1}, {Count: 1}, {Period: time.Hour}} {
		for range 3 {
			if wait := s.take(t, "a", r); wait > 0 {
				t.Errorf("%+v limits nothing, and waits for %v", r, wait)
			}
		}
	}
}

func claims(t *testing.T, s *Subject) {
	s.claims(t, "a", time.Minute, true)
	s.claims(t, "a", time.Minute, false)
	s.claims(t, "b", time.Minute, true)
	s.claims(t, "a", time.Minute, false)
}

func claimsThatEnd(t *testing.T, s *Subject) {
	s.claims(t, "a", time.Minute, true)
	s.advance(t, 40*time.Second)
	s.claims(t, "a", time.Minute, false)
	s.advance(t, 40*time.Second) // the second did not make the first last longer
	s.claims(t, "a", time.Minute, true)
	s.claims(t, "a", time.Minute, false)
}

func tables(t *testing.T, s *Subject) {
	s.save(t, "a", []byte("one"), time.Minute)
	s.claims(t, "a", time.Minute, true)
	if wait := s.take(t, "a", slow(1)); wait > 0 {
		t.Errorf("the bucket waits for %v", wait)
	}
	s.holds(t, "a", []byte("one"))
	if err := s.Delete(t.Context(), s.key("a")); err != nil {
		t.Fatal(err)
	}
	s.claims(t, "a", time.Minute, false)
	if wait := s.take(t, "a", slow(1)); wait <= 0 {
		t.Error("the bucket was filled by a Delete")
	}
}

// together runs f in many goroutines at once.
func together(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

func claimsAtOnce(t *testing.T, s *Subject) {
	var first atomic.Int32
	together(50, func(int) {
		if ok, err := s.Claim(t.Context(), s.key("a"), time.Minute); err != nil {
			t.Error(err)
		} else if ok {
			first.Add(1)
		}
	})
	if first.Load() != 1 {
		t.Errorf("%d of 50 were the first", first.Load())
	}
}

func bucketsAtOnce(t *testing.T, s *Subject) {
	var taken atomic.Int32
	together(50, func(int) {
		if wait, err := s.Take(t.Context(), s.key("a"), slow(7)); err != nil {
			t.Error(err)
		} else if wait == 0 {
			taken.Add(1)
		}
	})
	if taken.Load() != 7 {
		t.Errorf("a bucket of 7 gave %d", taken.Load())
	}
}

func valuesAtOnce(t *testing.T, s *Subject) {
	together(50, func(i int) {
		want := bytes.Repeat([]byte{byte(i)}, 100)
		key := s.key(fmt.Sprint("k", i%5))
		if err := s.Save(t.Context(), key, want, time.Minute); err != nil {
			t.Error(err)
		}
		got, err := s.Load(t.Context(), key)
		if err != nil || len(got) != 100 || bytes.Count(got, got[:1]) != 100 {
			t.Errorf("got %v, %v: not what anybody saved", got, err)
		}
		if i%7 == 0 {
			_ = s.Delete(t.Context(), s.key("other"))
		}
	})
}

func keysOfAnyText(t *testing.T, s *Subject) {
	keys := []string{"", " ", "a b", "a\nb", "a\x00b", "\xff", "ä/{x}*?[", strings.Repeat("long", 5000)}
	for i, key := range keys {
		s.save(t, key, fmt.Append(nil, i), time.Minute)
		s.claims(t, key, time.Minute, true)
		s.take(t, key, slow(1))
	}
	for i, key := range keys {
		s.holds(t, key, fmt.Append(nil, i))
		s.claims(t, key, time.Minute, false)
		if s.take(t, key, slow(1)) <= 0 {
			t.Errorf("bucket %.20q gave two tokens", key)
		}
	}
}

func waitTakesNothing(t *testing.T, s *Subject) {
	r := plan.Rate{Count: 1, Period: time.Minute, Burst: 1}
	s.take(t, "a", r)
	for range 20 {
		if wait := s.take(t, "a", r); wait <= 0 || wait > time.Minute {
			t.Fatalf("it waits for %v: a wait took a token", wait)
		}
	}
}

func waitIsEnough(t *testing.T, s *Subject) {
	for _, r := range []plan.Rate{{Count: 3, Period: time.Second, Burst: 1}, {Count: 7, Period: time.Minute, Burst: 3}, {Count: 997, Period: time.Hour, Burst: 10}} {
		bucket := fmt.Sprint(r)
		for range 100 {
			if wait := s.take(t, bucket, r); wait > 0 {
				s.advance(t, wait)
				if wait := s.take(t, bucket, r); wait > 0 {
					t.Fatalf("%+v: after the wait it waits for another %v", r, wait)
				}
			}
		}
	}
}
