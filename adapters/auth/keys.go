package auth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"

	"capd/engine/plan"
)

const (
	// keysFresh is how long keys are used before they are read again, beside the calls.
	keysFresh = 5 * time.Minute
	// keysUsable is how long they are used while they cannot be read again. A key that was
	// withdrawn must not live for ever.
	keysUsable = 24 * time.Hour
	// rereadAfter is the time between two readings because of a key that nobody knows. Anybody
	// can make up names of keys.
	rereadAfter = 30 * time.Second
	// retryFirst and retryMost bound the time before a reading that failed is tried again.
	retryFirst = time.Second
	retryMost  = 30 * time.Second

	maxKeys    = 100  // of one issuer
	minRSABits = 2048 // NIST SP 800-131A
)

// keyring holds the keys of one issuer. A reading runs beside the calls and under no lock;
// calls that have no key to go on with wait for it.
type keyring struct {
	server  server
	at      string // URL of the keys, as configured; empty: the metadata say it
	now     func() time.Time
	timeout time.Duration
	log     *slog.Logger

	mu       sync.Mutex
	keys     *keySet // the last good ones; nil before
	reading  chan struct{}
	failures int
	retry    time.Time // no reading before
	reread   time.Time // none because of an unknown key before
}

// keySet is what was read at one time. It is immutable.
type keySet struct {
	keyfunc.Keyfunc
	ids  map[string]bool
	read time.Time
}

func (k *Keeper) keyring(t *plan.TokenLock) *keyring {
	return k.keyrings.get(t.Issuer+"\x00"+t.KeysURL+"\x00"+t.Grant.Key(), func() *keyring {
		return &keyring{
			server: server{k.opts.Client, t.Issuer, t.Grant}, at: t.KeysURL,
			now: k.opts.Now, timeout: k.opts.Timeout, log: k.opts.Logger,
		}
	})
}

// errUnknownKey says that no key of the issuer has signed the token.
var errUnknownKey = errors.New("auth: no such key")

// find gives the keys among which the one with that ID is; with an empty ID any will do. The
// error is [errUnavailable], [errUnknownKey] or that of the context.
func (k *keyring) find(ctx context.Context, id string) (*keySet, error) {
	for attempt := 0; ; attempt++ {
		keys, wait := k.look(id, attempt == 0)
		switch {
		case keys.has(id):
			return keys, nil
		case wait == nil && keys == nil:
			return nil, errUnavailable
		case wait == nil || attempt > 0 && keys != nil:
			return nil, errUnknownKey
		case attempt > 0:
			return nil, errUnavailable
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// has reports whether a key with that ID is among the keys.
func (s *keySet) has(id string) bool {
	return s != nil && (s.ids[id] || id == "" && len(s.ids) > 0)
}

// look gives the keys that can be used now, nil for none, and a reading under way that may
// find the one with that ID, nil for none. It begins one where it is time and may is set.
func (k *keyring) look(id string, may bool) (*keySet, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, keys := k.now(), k.keys
	if keys != nil && now.Sub(keys.read) > keysUsable {
		keys = nil
	}
	known := keys.has(id)
	switch {
	case !may || k.reading != nil || now.Before(k.retry):
	case known && now.Sub(keys.read) < keysFresh:
	case keys != nil && !known && now.Before(k.reread) && now.Sub(keys.read) < keysFresh:
	default:
		if keys != nil && !known {
			k.reread = now.Add(rereadAfter)
		}
		k.reading = make(chan struct{})
		go k.read(k.reading)
	}
	return keys, k.reading
}

// read reads the keys. The calls that began it may go away; others wait.
func (k *keyring) read(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), k.timeout)
	defer cancel()
	var keys *keySet
	err := errors.New("panic")
	defer func() {
		if v := recover(); v != nil {
			k.log.Error("panic while the keys of an issuer were read", "issuer", k.server.issuer, "panic", fmt.Sprintf("%T", v))
		}
		k.finish(keys, err)
		close(done)
	}()
	keys, err = k.fetch(ctx)
}

// finish keeps what came of a reading.
func (k *keyring) finish(keys *keySet, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reading = nil
	if err == nil {
		k.keys, k.failures, k.retry = keys, 0, time.Time{}
		return
	}
	k.failures++
	k.retry = k.now().Add(min(retryMost, retryFirst<<min(k.failures-1, 10)))
	k.log.Warn("the keys of an issuer of tokens cannot be read", "issuer", k.server.issuer, "error", err.Error())
}

// fetch asks the issuer where its keys are, and then for them: they may move.
func (k *keyring) fetch(ctx context.Context) (*keySet, error) {
	at := k.at
	if at == "" {
		m, err := k.server.discover(ctx)
		if err != nil {
			return nil, err
		}
		if at = m.KeysURL; at == "" {
			return nil, errors.New("the metadata name no jwks_uri")
		}
	}
	read := k.now()
	raw, err := k.server.get(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	keys, err := readKeys(raw)
	if err != nil {
		return nil, err
	}
	keys.read = read
	return keys, nil
}

// readKeys takes the keys that may sign tokens out of a set (RFC 7517). What it cannot use
// it leaves out: keys of kinds it does not know, for encryption, secret ones and weak ones.
func readKeys(raw []byte) (*keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("the keys are no JSON object")
	}
	store, out := jwkset.NewMemoryStorage(), &keySet{ids: map[string]bool{}}
	for _, one := range set.Keys[:min(len(set.Keys), maxKeys)] {
		key, err := jwkset.NewJWKFromRawJSON(one, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil || !signs(key) {
			continue
		}
		if err := store.KeyWrite(context.Background(), key); err != nil {
			return nil, err
		}
		out.ids[key.Marshal().KID] = true
	}
	if len(out.ids) == 0 {
		return nil, errors.New("the issuer has no key that can be used")
	}
	var err error
	out.Keyfunc, err = keyfunc.New(keyfunc.Options{Storage: store})
	return out, err
}

// signs reports whether a key is public, made for signatures, and strong enough.
func signs(key jwkset.JWK) bool {
	m := key.Marshal()
	if m.USE != "" && m.USE != jwkset.UseSig {
		return false
	}
	switch m.KTY {
	case jwkset.KtyEC, jwkset.KtyOKP:
		return true
	case jwkset.KtyRSA:
		public, ok := key.Key().(*rsa.PublicKey)
		return ok && public.N.BitLen() >= minRSABits
	}
	return false
}

// key gives the key of a token to the parser.
func (k *keyring) key(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		if _, ok := t.Header["crit"]; ok {
			return nil, errors.New("auth: the token has an extension that must be understood") // RFC 7515 section 4.1.11
		}
		id, _ := t.Header["kid"].(string)
		keys, err := k.find(ctx, id)
		if err != nil {
			return nil, err
		}
		return keys.Keyfunc.Keyfunc(t)
	}
}
