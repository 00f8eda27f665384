package credential

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"capd/engine/plan"
)

const (
	// renewBefore is how long before its end a token is renewed, at most; see isFresh.
	renewBefore = time.Minute
	// youngToken is the age below which a token is not blamed for a 401, so that an upstream
	// that refuses everything does not cause a new token for every call.
	youngToken = 10 * time.Second
	// smallBody is the size up to which a streamed body is held, so that it can be sent again
	// with another token.
	smallBody = 64 << 10
)

// token is an issued access token.
type token struct {
	value   plan.Secret
	issued  time.Time
	expires time.Time // zero: it does not say
}

// isFresh reports whether no new one is needed yet: that is so until a minute before the end, or
// a tenth of a short life.
func (t *token) isFresh(now time.Time) bool {
	return t.expires.IsZero() || now.Before(t.expires.Add(-min(renewBefore, t.expires.Sub(t.issued)/10)))
}

func (t *token) isUsable(now time.Time) bool { return t.expires.IsZero() || now.Before(t.expires) }

// tokenSource is all that is known of one OAuth 2 credential. Whoever needs a token while one
// is being fetched waits for that one.
type tokenSource struct {
	mu       sync.Mutex
	token    *token
	refresh  plan.Secret // the refresh token that was issued last; empty: the configured one
	server   *server     // found by discovery; nil until then
	fetching *fetch
}

// fetch is one request for a token, which may have many waiters.
type fetch struct {
	done  chan struct{}
	token *token
	err   error
}

// bearer sends the request with an access token. When the upstream does not take a token
// that was issued for an earlier call, the request is sent again with a new one: a server
// that answers 401 has not acted on it.
func (a *Authenticator) bearer(ctx context.Context, req *plan.Request, c *plan.OAuth2) (*plan.Response, error) {
	tokens := &a.tokens
	if c.Grant == plan.GrantTokenExchange {
		tokens = &a.exchanged
	}
	source := tokens.get(stateKey{credential: c.Key(), grant: req.Grant.Key()}, func() *tokenSource { return &tokenSource{} })
	t, err := a.token(ctx, source, req, c, nil)
	if err != nil {
		return nil, err
	}
	if b := req.Body; b.Stream != nil && b.Len >= 0 && b.Len <= smallBody {
		if req, err = a.hold(req); err != nil {
			return nil, err
		}
	}
	first, err := a.withToken(ctx, req, t)
	if err != nil || first.Status != http.StatusUnauthorized || req.Body.Stream != nil || a.opts.Now().Sub(t.issued) < youngToken {
		return first, err
	}
	fresh, err := a.token(ctx, source, req, c, t)
	if err != nil || fresh == t {
		return first, nil // the answer that is there says more
	}
	discard(first)
	second, err := a.withToken(ctx, req, fresh)
	if err != nil {
		return nil, err
	}
	second.Attempts += first.Attempts
	second.Secrets = append(second.Secrets, t.value)
	return second, nil
}

func (a *Authenticator) withToken(ctx context.Context, req *plan.Request, t *token) (*plan.Response, error) {
	out := *req
	out.Auth = nil
	out.Header = withHeader(req.Header, plan.Field{Name: "Authorization", Value: "Bearer " + t.value.Reveal(), Secret: true})
	secrets := []plan.Secret{t.value}
	out.Secrets = append(append([]plan.Secret{}, req.Secrets...), secrets...)
	return a.send(ctx, &out, secrets)
}

// token gives the token of a credential, fetched when there is none, when it is about to
// end, or when it is the refused one.
func (a *Authenticator) token(ctx context.Context, s *tokenSource, req *plan.Request, c *plan.OAuth2, refused *token) (*token, error) {
	now := a.opts.Now()
	s.mu.Lock()
	old := s.token
	if old != nil && old != refused && old.isFresh(now) {
		s.mu.Unlock()
		return old, nil
	}
	f := s.fetching
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		s.fetching = f
		// The caller who happens to be the first may go away; the others still wait.
		go a.fetch(context.WithoutCancel(ctx), s, f, req, c)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, plan.AsError(context.Cause(ctx))
	}
	if f.err != nil && old != nil && old != refused && old.isUsable(now) {
		return old, nil
	}
	return f.token, f.err
}

func (a *Authenticator) fetch(ctx context.Context, s *tokenSource, f *fetch, req *plan.Request, c *plan.OAuth2) {
	ctx, cancel := context.WithTimeout(ctx, a.opts.TokenTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			f.err = &plan.Error{Code: plan.CodeInternal, Message: "internal error", Cause: fmt.Errorf("panic while a token was fetched: %T", r)}
		}
		s.mu.Lock()
		if f.err == nil {
			s.token = f.token
		}
		s.fetching = nil
		s.mu.Unlock()
		close(f.done)
	}()
	f.token, f.err = a.issue(ctx, s, req, c)
}
