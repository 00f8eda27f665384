package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"capd/engine/plan"
)

// provider reads the values of one kind of location.
type provider interface {
	// key tells locations with different values apart.
	key(at *plan.Location) string
	// read gives what is at a location. What is wrong is a [*plan.LookError], in a
	// [*silentProvider] when none of its locations can be read now.
	read(ctx context.Context, at *plan.Location) (values, error)
	// remote reports whether reading asks another machine.
	remote() bool
}

// values gives the value that a key has at a location. What is wrong is a [*plan.LookError].
type values func(source string) (string, error)

// silentProvider is the error of a provider that does not answer at all. It is not asked again
// before the next Reload: waiting for each location would take the time of all documents.
type silentProvider struct{ why *plan.LookError }

func (e *silentProvider) Error() string { return e.why.Error() }
func (e *silentProvider) Unwrap() error { return e.why }

// readTimeout bounds how long one location may take.
const readTimeout = 15 * time.Second

// maxValue bounds a file of values and a value.
const maxValue = 1 << 20

// Options are where values come from, beside the process environment.
type Options struct {
	// EnvFiles are read below the process environment (see [NewEnvironment]).
	EnvFiles []string
	// Vault is the server behind vault:// locations; nil when there is none.
	Vault *Vault
	// LocalOnly asks no other machine: what one would say is [plan.ErrUnread].
	LocalOnly bool
	// Own are files and folders of capd itself, of which no value is given.
	Own []string
	// Logger is told when values that could be read before cannot be read now; nil means
	// nobody is.
	Logger *slog.Logger
}

// Sources gives the values of the process environment, of files and of a Vault. What it has read
// stays until [Sources.Reload]. It is safe for concurrent use.
type Sources struct {
	env       *Environment
	providers map[string]provider // by scheme
	localOnly bool
	withheld  string // a variable of the environment that is capd's own credential
	log       *slog.Logger

	mu     sync.Mutex
	read   map[string]*reading // since the last Reload
	silent map[string]error    // by scheme, since the last Reload
	last   map[string]values   // of former reads that went well
}

// reading is what came of reading one location.
type reading struct {
	values values
	err    error
	got    map[string]answer // by key
}

type answer struct {
	value string
	err   error
}

// New reads the env files. It touches no other place before a variable wants a value.
func New(environ []string, o Options) (*Sources, error) {
	env, err := NewEnvironment(environ, o.EnvFiles...)
	if err != nil {
		return nil, err
	}
	s := &Sources{
		env: env, localOnly: o.LocalOnly, log: o.Logger, read: map[string]*reading{}, silent: map[string]error{}, last: map[string]values{},
		providers: map[string]provider{"file": fileProvider{own: o.Own}, "vault": o.Vault},
	}
	if o.Vault != nil && o.Vault.usesToken() {
		s.withheld = "VAULT_TOKEN"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Look gives the value of a variable, [plan.ErrUnset], [plan.ErrUnread] or a [*plan.LookError].
func (s *Sources) Look(doc string, v *plan.Variable) (plan.Secret, error) {
	if v.Location == nil {
		if s.withheld != "" && cmp.Or(v.Source, v.Name) == s.withheld {
			return plan.Secret{}, &plan.LookError{Unset: true, Hint: s.withheld + " is the credential of capd itself here; bind another name, or give capd its token with --vault-token-file"}
		}
		return s.env.Look(doc, v)
	}
	p := s.providers[v.Location.Scheme]
	if p == nil {
		return plan.Secret{}, &plan.LookError{
			Unset:    true,
			Provider: fmt.Sprintf("capd has no provider for %s locations", v.Location.Scheme),
			Hint:     "built in are the environment (no location), " + strings.Join(slices.Sorted(maps.Keys(s.providers)), ":// and ") + "://",
		}
	}
	if s.localOnly && p.remote() {
		return plan.Secret{}, plan.ErrUnread
	}
	value, err := s.value(p, v)
	if err != nil {
		return plan.Secret{}, err
	}
	return plan.NewSecret(value), nil
}

// value gives a value as it was when its location was read.
func (s *Sources) value(p provider, v *plan.Variable) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := v.Location.Scheme + "\x00" + p.key(v.Location)
	r := s.read[key]
	if r == nil {
		r = s.readAt(p, v.Location, key)
		s.read[key] = r
	}
	if r.err != nil {
		return "", r.err
	}
	source := cmp.Or(v.Source, v.Name)
	got, known := r.got[source]
	if !known {
		got.value, got.err = r.values(source)
		if len(got.value) > maxValue {
			got = answer{err: &plan.LookError{Hint: fmt.Sprintf("the value of %s in %s is larger than 1 MiB", source, v.Location)}}
		}
		r.got[source] = got
	}
	return got.value, got.err
}

// readAt reads a location. When that fails, the values of the last good read stay.
func (s *Sources) readAt(p provider, at *plan.Location, key string) *reading {
	r := &reading{got: map[string]answer{}}
	if r.err = s.silent[at.Scheme]; r.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		r.values, r.err = p.read(ctx, at)
	}
	if _, ok := errors.AsType[*silentProvider](r.err); ok {
		s.silent[at.Scheme] = r.err
	}
	switch before := s.last[key]; {
	case r.err == nil:
		s.last[key] = r.values
	case before != nil && !errors.Is(r.err, plan.ErrUnset):
		s.log.Warn("secrets cannot be read, their last values stay", "location", at.Text, "error", r.err)
		r.values, r.err = before, nil
	}
	return r
}

// Reload reads the env files again and forgets everything else, so that the next look reads it
// anew. When an env file cannot be read, everything stays as it was.
func (s *Sources) Reload() error {
	if err := s.env.Reload(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.read)
	clear(s.silent)
	return nil
}

// Edition is another number whenever a variable without a location may have another value.
func (s *Sources) Edition() uint64 { return s.env.edition.Load() }

// String says how much there is, and no value.
func (s *Sources) String() string { return s.env.String() + " and what locations hold" }

// GoString hides the values from %#v.
func (s *Sources) GoString() string { return s.String() }
