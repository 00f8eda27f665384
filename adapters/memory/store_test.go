package memory_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/memory"
	"capd/adapters/storetest"
	"capd/engine/plan"
)

// clock is one that a test moves.
type clock struct{ passed atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC).Add(time.Duration(c.passed.Load()))
}

func (c *clock) Advance(d time.Duration) { c.passed.Add(int64(d)) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) *storetest.Subject {
		c := &clock{}
		return &storetest.Subject{Store: memory.New(memory.Options{Now: c.Now}), Advance: c.Advance}
	})
	t.Run("the machine's clock", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) *storetest.Subject { return &storetest.Subject{Store: memory.New(memory.Options{})} })
	})
}

func save(t *testing.T, s *memory.Store, key string, size int) {
	t.Helper()
	if err := s.Save(t.Context(), key, make([]byte, size), time.Hour); err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, s *memory.Store, key string) bool {
	t.Helper()
	got, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return got != nil
}

func TestValuesAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	s := memory.New(memory.Options{Bytes: most})
	for i := range 10_000 {
		save(t, s, fmt.Sprint("key ", i), i%3000)
		if i%3 == 0 {
			has(t, s, fmt.Sprint("key ", i-i%7))
		}
		if got := s.Bytes(); got > most {
			t.Fatalf("%d bytes after %d values, more than %d", got, i, most)
		}
	}
	if got := s.Bytes(); got < most*9/10 {
		t.Errorf("only %d bytes of %d are used", got, most)
	}
	for i := range 10_000 {
		_ = s.Delete(t.Context(), fmt.Sprint("key ", i))
	}
	if got := s.Bytes(); got != 0 {
		t.Errorf("%d bytes are left of nothing", got)
	}
}

func TestValuesAreBoundedInNumber(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{Values: 100})
	for i := range 1000 {
		save(t, s, fmt.Sprint(i), 0)
		has(t, s, fmt.Sprint(i-1))
	}
	left := 0
	for i := range 1000 {
		if has(t, s, fmt.Sprint(i)) {
			left++
		}
	}
	if left > 100 || left < 50 {
		t.Errorf("%d values are left of 1000, at most 100 may be", left)
	}
	if !has(t, s, "999") {
		t.Error("the last value is gone")
	}
}

func TestLargeValueIsNotKept(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{Bytes: 1 << 20})
	save(t, s, "small", 1000)
	save(t, s, "large", 1000)
	save(t, s, "large", 1<<20)
	if has(t, s, "large") {
		t.Error("a value as large as the store is kept, or the one before it")
	}
	if !has(t, s, "small") {
		t.Error("the small value was pushed out")
	}
}

// Whoever asks for a million things once must not push out what others use.
func TestManyValuesLeaveTheUsedOnes(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{Bytes: 1 << 20})
	for i := range 100 {
		save(t, s, fmt.Sprint("used ", i), 1000)
		has(t, s, fmt.Sprint("used ", i))
	}
	for i := range 100_000 {
		save(t, s, fmt.Sprint("once ", i), 1000)
	}
	for i := range 100 {
		if !has(t, s, fmt.Sprint("used ", i)) {
			t.Fatalf("value %d was pushed out", i)
		}
	}
}

func TestUnusedValuesMakeRoom(t *testing.T) {
	t.Parallel()
	s := memory.New(memory.Options{Bytes: 1 << 20})
	for i := range 10_000 { // all are used once, and the last ones are what is left
		save(t, s, fmt.Sprint(i), 1000)
		has(t, s, fmt.Sprint(i))
	}
	if has(t, s, "0") || !has(t, s, "9999") || !has(t, s, "9500") {
		t.Error("not the values that were used last are kept")
	}
}

func TestExpiredValueIsForgotten(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := memory.New(memory.Options{Now: c.Now})
	save(t, s, "a", 10)
	c.Advance(time.Hour)
	if has(t, s, "a") || s.Bytes() != 0 {
		t.Errorf("an hour later it has %d bytes", s.Bytes())
	}
}

func take(t *testing.T, s *memory.Store, bucket string, r plan.Rate) bool {
	t.Helper()
	wait, err := s.Take(t.Context(), bucket, r)
	if err != nil {
		t.Fatal(err)
	}
	return wait == 0
}

var hourly = plan.Rate{Count: 10, Period: time.Hour, Burst: 10}

// A caller with more keys than there is room for must not get the empty bucket of another
// forgotten, nor his own.
func TestManyBucketsLeaveTheEmptyOnes(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := memory.New(memory.Options{Now: c.Now, Buckets: 1000})
	for range 10 {
		take(t, s, "mine", hourly)
	}
	for i := range 100_000 {
		take(t, s, fmt.Sprint("other ", i), hourly)
	}
	if take(t, s, "mine", hourly) {
		t.Error("an empty bucket was full again because of others")
	}
}

// Whatever others do, no bucket gives more than its rate allows.
func TestNoBucketGivesTooMuch(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := memory.New(memory.Options{Now: c.Now, Buckets: 100})
	for i := range 1000 { // all places are taken for a long time
		for range 10 {
			take(t, s, fmt.Sprint("slow ", i), hourly)
		}
	}
	fast := plan.Rate{Count: 100, Period: time.Second, Burst: 100}
	given := map[string]int{}
	for i := range 50_000 { // in half a second
		bucket := fmt.Sprint("fast ", i%50)
		if take(t, s, bucket, fast) {
			given[bucket]++
		}
		c.Advance(10 * time.Microsecond)
	}
	for bucket, n := range given {
		if n > 100+50 {
			t.Errorf("%s gave %d tokens, 150 at most are allowed", bucket, n)
		}
	}
	if len(given) != 50 {
		t.Errorf("only %d of 50 buckets gave anything at all", len(given))
	}
	c.Advance(24 * time.Hour)
	for i := range 10 {
		if !take(t, s, "fast 1", fast) {
			t.Errorf("a day later token %d has to wait", i)
		}
	}
}

func TestManyClaimsForgetTheEarliest(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := memory.New(memory.Options{Now: c.Now, Claims: 1000})
	claim := func(key string) bool {
		first, err := s.Claim(t.Context(), key, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	for i := range 2000 {
		if !claim(fmt.Sprint(i)) {
			t.Fatalf("claim %d is not the first", i)
		}
		c.Advance(time.Millisecond)
	}
	for i := 1001; i < 2000; i++ {
		if claim(fmt.Sprint(i)) {
			t.Fatalf("claim %d was forgotten", i)
		}
	}
}

// A clock that is set back makes nobody wait for longer than it takes to fill the bucket.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	c := &clock{}
	s := memory.New(memory.Options{Now: c.Now})
	r := plan.Rate{Count: 1, Period: time.Second, Burst: 2}
	take(t, s, "a", r)
	c.Advance(-24 * time.Hour)
	wait, err := s.Take(t.Context(), "a", r)
	if err != nil || wait > time.Second {
		t.Errorf("it waits for %v, %v", wait, err)
	}
}

func BenchmarkTake(b *testing.B) {
	s := memory.New(memory.Options{})
	keys := make([]string, 1<<12)
	for i := range keys {
		keys[i] = fmt.Sprint("team-a/rooms caller ", i)
	}
	ctx, i := context.Background(), 0
	for b.Loop() {
		i++
		_, _ = s.Take(ctx, keys[i%len(keys)], hourly)
	}
}

func BenchmarkLoad(b *testing.B) {
	s := memory.New(memory.Options{})
	ctx, i := context.Background(), 0
	keys := make([]string, 1<<10)
	for i := range keys {
		keys[i] = fmt.Sprint("team-a/rooms answer ", i)
		_ = s.Save(ctx, keys[i], make([]byte, 1000), time.Hour)
	}
	for b.Loop() {
		i++
		_, _ = s.Load(ctx, keys[i%len(keys)])
	}
}
