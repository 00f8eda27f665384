package plan

import (
	"context"
	"time"
)

// Store keeps state that replicas share when they have a common one (D15). Keys are text of any
// length; whoever makes one keeps secrets out of it. It is safe for concurrent use, and answers
// soon: a store that cannot be reached gives an error, and the one who asks goes on without.
type Store interface {
	// Load gives a value; nil when there is none.
	Load(ctx context.Context, key string) ([]byte, error)
	// Save keeps a value for at most that time; it may be dropped before.
	Save(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets a value.
	Delete(ctx context.Context, key string) error
	// Take takes one token of a bucket. A positive wait says after which time there will be
	// one; then none was taken.
	Take(ctx context.Context, bucket string, r Rate) (wait time.Duration, err error)
	// Claim reports whether nobody claimed the key during that time before: for what may be
	// used once.
	Claim(ctx context.Context, key string, ttl time.Duration) (first bool, err error)
}
