// Package redis keeps in a Redis what replicas share: answers, token buckets and claims. While
// the Redis cannot be reached each replica goes on by itself, with a store of its own.
package redis

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"capd/engine/plan"
)

const (
	// DefaultPrefix begins the keys of a store whose options say none.
	DefaultPrefix = "capd:"
	// defaultTimeout bounds one operation, connecting included.
	defaultTimeout = 500 * time.Millisecond
	// defaultPool bounds the connections to one server.
	defaultPool = 64
	// defaultAgain is how often a Redis that does not answer is tried.
	defaultAgain = time.Second
	// maxKey is the longest key that is sent as it is.
	maxKey = 160
)

// The tables of a store: the same key in two of them is two things.
const (
	valueTable  = "v:"
	bucketTable = "b:"
	claimTable  = "c:"
)

// Options are the settings of a [Store]. URL and Local must be given.
type Options struct {
	// URL says where the Redis is; see README. It holds a password.
	URL plan.Secret
	// Prefix begins all keys; empty means [DefaultPrefix].
	Prefix string
	// RootCAs are trusted for rediss; nil means those of the system.
	RootCAs *x509.CertPool
	// Local stands in while the Redis cannot be reached, and remembers the claims of this
	// replica at all times.
	Local plan.Store
	// Again is how often a Redis that does not answer is tried; 0 means every second. One that
	// answers is tried ten times less often.
	Again time.Duration
	// Failed is told of each operation that the Redis did not do: load, save, delete, take or
	// claim. Nil: nobody is.
	Failed func(operation string)
	// Logger is told when the Redis is lost and found; nil: nobody is.
	Logger *slog.Logger
}

// Store is a [plan.Store] in a Redis. It is safe for concurrent use.
type Store struct {
	opts   Options
	script *redis.Script // takes a token
	up     atomic.Bool   // operations go to the Redis
	link   atomic.Pointer[link]
	// outage counts the times that the Redis was lost. It is a part of the keys in Local, so that
	// a value of one outage is not taken for one of the next: meanwhile others may have deleted it.
	outage atomic.Uint64

	mu     sync.Mutex
	state  Status
	trying bool // somebody is looking whether the Redis answers
	later  *time.Timer
	debts  debts

	closed chan struct{}
	ended  sync.WaitGroup
}

// link is the connections to one place.
type link struct {
	*place
	client redis.UniversalClient
	url    string
}

//go:embed take.lua
var takeSource string

// New makes a store. It fails only for a URL that is none: whether the Redis answers is found out
// in the background, and told by the log and by [Store.Status].
func New(o Options) (*Store, error) {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Again <= 0 {
		o.Again = defaultAgain
	}
	if o.Failed == nil {
		o.Failed = func(string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	// The library has one logger for the whole process. What matters is told by ours.
	redis.SetLogger(&logging.VoidLogger{})
	s := &Store{opts: o, script: redis.NewScript(takeSource), closed: make(chan struct{})}
	l, err := s.dial(o.URL)
	if err != nil {
		return nil, err
	}
	s.link.Store(l)
	s.up.Store(true) // until it is known better
	s.state = Status{Up: true, Since: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	return s, nil
}

// dial makes ready to connect; nothing is sent yet.
func (s *Store) dial(to plan.Secret) (*link, error) {
	text := strings.TrimSpace(to.Reveal())
	p, err := parseURL(text, s.opts.RootCAs)
	if err != nil {
		return nil, err
	}
	return &link{p, redis.NewUniversalClient(p.options), text}, nil
}

// Move goes on with another URL, as when a password was changed. The same one changes nothing.
func (s *Store) Move(to plan.Secret) error {
	next, err := s.dial(to)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.link.Load()
	if last.url == next.url {
		return next.client.Close()
	}
	s.link.Store(next)
	s.look()
	// Operations that are under way have ended by then.
	time.AfterFunc(4*last.timeout, func() { _ = last.client.Close() })
	return nil
}

// Close ends the connections. What is asked for then is done here, as if the Redis were gone.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.isClosed() {
		s.mu.Unlock()
		return nil
	}
	close(s.closed)
	if s.later != nil {
		s.later.Stop()
	}
	s.mu.Unlock()
	s.ended.Wait()
	s.up.Store(false)
	return s.link.Load().client.Close()
}

func (s *Store) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// key gives the key of a table for a key of any length.
func (s *Store) key(table, key string) string {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		return s.opts.Prefix + table + "#" + base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return s.opts.Prefix + table + key
}

// local gives the key of a value in the store that stands in.
func (s *Store) local(key string) string {
	return strconv.FormatUint(s.outage.Load(), 10) + " " + key
}

// Load gives a value; nil when there is none. While the Redis cannot be reached it gives what was
// saved here since.
func (s *Store) Load(ctx context.Context, key string) (value []byte, err error) {
	err = s.ask(ctx, "load", func(ctx context.Context, c redis.UniversalClient) (err error) {
		value, err = c.Get(ctx, s.key(valueTable, key)).Bytes()
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return value, err
	case errors.Is(err, redis.Nil):
		return nil, nil
	}
	return s.opts.Local.Load(ctx, s.local(key))
}

// Save keeps a value for at most that time.
func (s *Store) Save(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return s.Delete(ctx, key)
	}
	err := s.ask(ctx, "save", func(ctx context.Context, c redis.UniversalClient) error {
		return c.Set(ctx, s.key(valueTable, key), value, inMilliseconds(ttl)).Err()
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return s.opts.Local.Save(ctx, s.local(key), value, ttl)
}

// Delete forgets a value. A Redis that cannot be reached is told later.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.opts.Local.Delete(ctx, s.local(key)); err != nil {
		return err
	}
	err := s.ask(ctx, "delete", func(ctx context.Context, c redis.UniversalClient) error {
		return c.Del(ctx, s.key(valueTable, key)).Err()
	})
	if err != nil {
		s.owe(s.key(valueTable, key), debt{delete: true})
	}
	return nil
}

// Take takes one token of a bucket, by the clock of the Redis. While it cannot be reached each
// replica has the whole rate for itself.
func (s *Store) Take(ctx context.Context, bucket string, r plan.Rate) (wait time.Duration, err error) {
	if !r.Limits() {
		return 0, nil
	}
	err = s.ask(ctx, "take", func(ctx context.Context, c redis.UniversalClient) error {
		wait, err = s.take(ctx, c, s.key(bucketTable, bucket), r)
		return err
	})
	if err == nil || ctx.Err() != nil {
		return wait, err
	}
	return s.opts.Local.Take(ctx, bucket, r)
}

// take runs the script.
func (s *Store) take(ctx context.Context, c redis.UniversalClient, key string, r plan.Rate) (time.Duration, error) {
	one := float64(r.Period) / float64(time.Microsecond) / float64(r.Count)
	wait, err := s.script.Run(ctx, c, []string{key}, strconv.FormatFloat(one, 'f', -1, 64), max(r.Burst, 1)).Int64()
	return time.Duration(wait) * time.Microsecond, err
}

// Claim reports whether nobody claimed the key before. This replica remembers its own claims
// too: those stay claimed, whatever becomes of the Redis.
func (s *Store) Claim(ctx context.Context, key string, ttl time.Duration) (first bool, err error) {
	first, err = s.opts.Local.Claim(ctx, key, ttl)
	if err != nil || !first {
		return false, err
	}
	err = s.ask(ctx, "claim", func(ctx context.Context, c redis.UniversalClient) error {
		first, err = c.SetNX(ctx, s.key(claimTable, key), 1, inMilliseconds(ttl)).Result()
		return err
	})
	if err == nil || ctx.Err() != nil {
		return first, err
	}
	s.owe(s.key(claimTable, key), debt{until: time.Now().Add(ttl)})
	return true, nil
}

// inMilliseconds gives a time that Redis can keep: whole milliseconds, and at least one.
func inMilliseconds(d time.Duration) time.Duration {
	return max(d.Truncate(time.Millisecond), time.Millisecond)
}

// errLost is why an operation was not tried.
var errLost = errors.New("the Redis cannot be used")

// ask has the Redis do something, soon or not at all. redis.Nil is an answer.
func (s *Store) ask(ctx context.Context, operation string, do func(context.Context, redis.UniversalClient) error) error {
	if !s.up.Load() {
		s.opts.Failed(operation)
		return errLost
	}
	l := s.link.Load()
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	err := do(bounded, l.client)
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return err
	case ctx.Err() != nil: // whoever asked is gone; that says nothing of the Redis
		return ctx.Err()
	}
	s.opts.Failed(operation)
	s.doubt(err)
	return err
}

var _ plan.Store = (*Store)(nil)
