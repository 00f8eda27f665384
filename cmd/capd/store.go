package main

import (
	"crypto/x509"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"capd/adapters/control"
	"capd/adapters/memory"
	"capd/adapters/redis"
	"capd/adapters/telemetry"
	"capd/engine/plan"
)

// storeFlags say where the state is that replicas share. A zero one: there is one replica, and its
// state is in memory.
type storeFlags struct {
	url     string
	urlFile string
	prefix  string
	ca      string
	// memory bounds the answers that this process keeps.
	memory size
}

func (s *storeFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.url, "redis", "", "share rate limits, cached answers and used answers of users with other replicas in the Redis at `URL`: redis://HOST:6379, rediss:// for TLS, unix:///PATH; a password is better off in --redis-url-file")
	f.StringVar(&s.urlFile, "redis-url-file", "", "`FILE` with the URL of --redis, which may hold a password; read again when it changes")
	f.StringVar(&s.prefix, "redis-prefix", redis.DefaultPrefix, "`TEXT` that begins every key in Redis, the same for replicas that share")
	s.memory = memory.DefaultBytes
	f.Var(&s.memory, "cache-size", "most memory for answers that specs have capd keep")
	f.StringVar(&s.ca, "redis-ca", "", "`FILE` of certificates to trust for rediss:// beside those of the system (PEM)")
}

// isShared reports whether there is a store beside this process.
func (s *storeFlags) isShared() bool { return s.url != "" || s.urlFile != "" }

// read gives the URL.
func (s *storeFlags) read() (plan.Secret, error) {
	if s.urlFile == "" {
		return plan.NewSecret(s.url), nil
	}
	text, err := os.ReadFile(s.urlFile)
	if err != nil {
		return plan.Secret{}, failure("--redis-url-file: %w", err)
	}
	return plan.NewSecret(strings.TrimSpace(string(text))), nil
}

// source names the flag that the URL comes from.
func (s *storeFlags) source() string {
	if s.urlFile != "" {
		return "--redis-url-file"
	}
	return "--redis"
}

func (s *storeFlags) roots() (*x509.CertPool, error) {
	if s.ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		return nil, failure("--redis-ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, failure("--redis-ca: %s holds no certificate", s.ca)
	}
	return pool, nil
}

// store is the state that calls have in common: in memory, and in Redis when there is one.
type store struct {
	plan.Store
	memory *memory.Store
	redis  *redis.Store // nil: there is none
	flags  *storeFlags
	log    *slog.Logger
}

// store makes the store that the flags want. Nothing is asked of the network before it is used,
// and nothing at all when check is set.
func (c *command) store(f *storeFlags, check bool, watch *telemetry.Telemetry, log *slog.Logger) (*store, error) {
	s := &store{memory: memory.New(memory.Options{Bytes: int64(f.memory)}), flags: f, log: log}
	s.Store = s.memory
	switch {
	case f.url != "" && f.urlFile != "":
		return nil, failure("--redis and --redis-url-file exclude each other: both say where the Redis is")
	case !f.isShared() && f.ca != "":
		return nil, failure("--redis-ca needs --redis or --redis-url-file: the URL of the Redis")
	case !f.isShared():
		return s, nil
	}
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	at, err := f.read()
	if err != nil {
		return nil, err
	}
	if err := redis.CheckURL(at); err != nil {
		return nil, failure("%s %w", f.source(), err)
	}
	if check {
		return s, nil
	}
	if twin, _ := c.env.lookup(twin("redis")); f.url != "" && f.url != twin && redis.HasPassword(at) {
		log.Warn("--redis holds a password, which every user of this machine sees in the list of processes; --redis-url-file and CAPD_REDIS hide it")
	}
	if s.redis, err = redis.New(redis.Options{URL: at, Prefix: f.prefix, RootCAs: roots, Local: s.memory, Failed: watch.StoreFailed, Logger: log}); err != nil {
		return nil, failure("%s %w", f.source(), err)
	}
	s.Store = s.redis
	watch.WatchStore(func() bool { return s.redis.Status().Up })
	log.Info("state is shared in Redis", "store", s.redis.Status().Address)
	return s, nil
}

// reload takes a URL that changed. One that cannot be read leaves the last.
func (s *store) reload() {
	if s.redis == nil || s.flags.urlFile == "" {
		return
	}
	at, err := s.flags.read()
	if err == nil {
		err = s.redis.Move(at)
	}
	if err != nil {
		s.log.Error("the Redis is the one of before", "error", err)
	}
}

// files gives the files to watch.
func (s *store) files() []string {
	if s.flags.urlFile == "" {
		return nil
	}
	return []string{s.flags.urlFile}
}

// facts tells how the store is; nil when nothing is shared.
func (s *store) facts() *control.Store {
	if s.redis == nil {
		return nil
	}
	now := s.redis.Status()
	out := &control.Store{Kind: "redis", Address: now.Address, State: control.StoreUp, Since: now.Since.UTC(), Error: now.Reason}
	if !now.Up {
		out.State = control.StoreDown
	}
	return out
}

// close ends the connections.
func (s *store) close() {
	if s.redis == nil {
		return
	}
	if err := s.redis.Close(); err != nil {
		s.log.Debug("closing the connections to Redis", "error", err)
	}
}
