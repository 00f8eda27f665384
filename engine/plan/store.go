package plan

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Store keeps state that replicas share when they have a common one (D15). Keys are text of any
// length; whoever makes one keeps secrets out of it. It is safe for concurrent use, and answers
// soon: a store that cannot be reached gives an error, and the one who asks goes on without.
//
// Values, buckets and claims are three tables: the same key in two of them is two
// things. What a Store has to do is in adapters/storetest.
type Store interface {
	// Load gives a value, which must not be changed; nil when there is none.
	Load(ctx context.Context, key string) ([]byte, error)
	// Save keeps a value for at most that time; it may be dropped before. The value must not be
	// changed any more. Without a positive time it is forgotten.
	Save(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets a value.
	Delete(ctx context.Context, key string) error
	// Take takes one token of a bucket, as [Rate.Take] does. A positive wait says after which
	// time there will be one; then none was taken.
	Take(ctx context.Context, bucket string, r Rate) (wait time.Duration, err error)
	// Claim reports whether nobody claimed the key during that time before: for what may be
	// used once. A claim that is refused does not make the first one last longer.
	Claim(ctx context.Context, key string, ttl time.Duration) (first bool, err error)
}

// Take takes one token of a bucket, which is known by the instant at which it will be full
// again: one that is full is the zero time, or any that has passed. It gives that instant
// afterwards. A positive wait says after which time there will be a token; then none was taken.
// Of a rate that counts nothing there is always one. (It is the generic cell rate algorithm:
// all state is one instant, and a bucket nobody remembers is a full one.)
func (r Rate) Take(full, now time.Time) (_ time.Time, wait time.Duration) {
	if !r.Limits() {
		return full, 0
	}
	one := max(r.Period/time.Duration(r.Count), 1)
	burst := min(time.Duration(max(r.Burst, 1)), math.MaxInt64/4/one)
	if full.Before(now) {
		full = now
	}
	// A clock that was set back must not make a bucket wait for longer than it takes to fill it.
	if most := now.Add(one * burst); full.After(most) {
		full = most
	}
	if wait := full.Add(one - one*burst).Sub(now); wait > 0 {
		return full, wait
	}
	return full.Add(one), 0
}

// ParseRate reads a rate such as 100/1m or 5/s. As many as it counts may come at once.
func ParseRate(text string) (Rate, bool) {
	count, period, _ := strings.Cut(text, "/")
	return parseRate(count, period)
}

func parseRate(count, period string) (Rate, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(count))
	if period = strings.TrimSpace(period); slices.Contains([]string{"ms", "s", "m", "h"}, period) {
		period = "1" + period
	}
	d, ok := shortTime(period)
	return Rate{Count: n, Period: d, Burst: n}, ok && err == nil && n > 0 && n <= maxRateCount
}

// String gives the rate as [ParseRate] reads it.
func (r Rate) String() string {
	period := r.Period.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(period, zero) {
			period = period[:len(period)-2]
		}
	}
	return strconv.Itoa(r.Count) + "/" + period
}

// Limits reports whether the rate limits anything.
func (r Rate) Limits() bool { return r.Count > 0 && r.Period > 0 }
