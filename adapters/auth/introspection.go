package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"capd/engine/plan"
)

const (
	// activeFor is how long a token counts as active without asking again, at most: so long it
	// may take until a token that was withdrawn is refused.
	activeFor = 30 * time.Second
	// inactiveFor is the same for a token that is not active.
	inactiveFor = 5 * time.Second
	// maxKnown bounds the tokens that are remembered of one issuer, maxAsking the questions
	// under way, and maxWaiting those that wait for that too.
	maxKnown   = 4096
	maxAsking  = 64
	maxWaiting = 512
)

// inspector asks an issuer about tokens (RFC 7662), as one client.
type inspector struct {
	server  server
	lock    *plan.TokenLock
	now     func() time.Time
	timeout time.Duration
	log     *slog.Logger
	asking  chan struct{} // holds a token for each question under way

	mu    sync.Mutex
	at    *endpoint // where to ask; nil: not known yet
	known map[[sha256.Size]byte]*finding
	open  int       // questions under way or waiting
	retry time.Time // nobody is asked before
}

// endpoint is where and how an issuer is asked.
type endpoint struct {
	url  string
	post bool // the client's secret stands in the form
}

// finding is what an issuer says of a token, or is being asked.
type finding struct {
	done   chan struct{} // closed when the rest is set
	claims *claims       // nil: the token is not active
	err    error
	until  time.Time
}

func (k *Keeper) inspector(t *plan.TokenLock) *inspector {
	id := sha256.Sum256([]byte(strings.Join([]string{t.ClientID.Reveal(), t.ClientSecret.Reveal(), t.ClientAuth}, "\x00")))
	key := strings.Join([]string{t.Issuer, t.IntrospectionURL, t.Grant.Key(), hex.EncodeToString(id[:])}, "\x00")
	return k.inspectors.get(key, func() *inspector {
		return &inspector{
			server: server{k.opts.Client, t.Issuer, t.Grant}, lock: t, now: k.opts.Now, timeout: k.opts.Timeout, log: k.opts.Logger,
			asking: make(chan struct{}, maxAsking), known: map[[sha256.Size]byte]*finding{},
		}
	})
}

// introspected checks tokens by asking their issuer.
type introspected struct {
	lock *plan.TokenLock
	*inspector
}

func (i *introspected) check(ctx context.Context, token string) (*plan.Caller, error) {
	f, err := i.find(ctx, token)
	if err != nil {
		return nil, errUnavailable
	}
	return i.judge(f)
}

// recall checks a token by what its issuer was asked about it before.
func (i *introspected) recall(_ context.Context, token string) (*plan.Caller, error) {
	i.mu.Lock()
	f, now := i.known[sha256.Sum256([]byte(token))], i.now()
	i.mu.Unlock()
	switch {
	case f == nil:
		return nil, errUnasked
	case !f.isOver(now) && f.isDone():
		return i.judge(f)
	case f.isDone() && f.err == nil:
		return nil, errUnasked
	}
	return nil, errUnavailable
}

func (i *introspected) asks(_ context.Context, token string) (*plan.Caller, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if f := i.known[sha256.Sum256([]byte(token))]; f == nil || f.isOver(i.now()) {
		return nil, errUnasked
	}
	return nil, nil
}

// judge gives whom a token lets in of which the issuer has said something.
func (i *introspected) judge(f *finding) (*plan.Caller, error) {
	c, now := f.claims, i.now()
	switch {
	case c == nil,
		c.hasEnded(now),
		c.NotBefore != nil && now.Before(c.NotBefore.Add(-leeway)),
		c.Issuer != "" && !sameIssuer(c.Issuer, i.lock.Issuer),
		!isFor(c.Audience, i.lock.Audience):
		return nil, errToken
	}
	return c.caller(i.lock.Issuer), nil
}

// find gives what the issuer says of a token. Who wants to know the same of the same token
// waits for one answer.
func (i *inspector) find(ctx context.Context, token string) (*finding, error) {
	id := sha256.Sum256([]byte(token))
	i.mu.Lock()
	now := i.now()
	f := i.known[id]
	if f == nil || f.isOver(now) {
		// Made-up tokens cost the callers who make them up an answer, not everybody.
		if now.Before(i.retry) || i.open == maxWaiting {
			i.mu.Unlock()
			return nil, errUnavailable
		}
		f = &finding{done: make(chan struct{})}
		i.remember(id, f, now)
		i.open++
		go i.ask(f, plan.NewSecret(token))
	}
	i.mu.Unlock()
	select {
	case <-f.done:
		return f, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// isOver reports whether a finding says nothing any more.
func (f *finding) isOver(now time.Time) bool {
	return f.isDone() && (f.err != nil || !now.Before(f.until))
}

// isDone reports whether the issuer has answered, or not in time.
func (f *finding) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// remember keeps a finding. Where there is no room, those that are over go, then tokens that
// are not active: anybody can make up those. Then any.
func (i *inspector) remember(id [sha256.Size]byte, f *finding, now time.Time) {
	if len(i.known) >= maxKnown {
		maps.DeleteFunc(i.known, func(_ [sha256.Size]byte, was *finding) bool { return was.isOver(now) })
	}
	if len(i.known) >= maxKnown {
		maps.DeleteFunc(i.known, func(_ [sha256.Size]byte, was *finding) bool { return was.isDone() && was.claims == nil })
	}
	for old := range i.known {
		if len(i.known) < maxKnown {
			break
		}
		delete(i.known, old)
	}
	i.known[id] = f
}

// errWaited says that a question had no turn in time.
var errWaited = errors.New("too many questions are under way")

// ask asks the issuer and closes the finding.
func (i *inspector) ask(f *finding, token plan.Secret) {
	ctx, cancel := context.WithTimeout(context.Background(), i.timeout)
	defer cancel()
	err := errors.New("panic")
	defer func() {
		if v := recover(); v != nil {
			i.log.Error("panic while an issuer was asked about a token", "issuer", i.server.issuer, "panic", fmt.Sprintf("%T", v))
		}
		i.finish(f, err)
	}()
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		err = errWaited
		return
	}
	f.claims, err = i.introspect(ctx, token)
}

func (i *inspector) finish(f *finding, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	defer close(f.done)
	i.open--
	now := i.now()
	switch f.err = err; {
	case errors.Is(err, errWaited): // that says nothing of the issuer
	case err != nil:
		if !now.Before(i.retry) { // of many questions that fail at once one is told
			i.log.Warn("an issuer cannot be asked about tokens", "issuer", i.server.issuer, "error", err.Error())
		}
		i.at, i.retry = nil, now.Add(retryFirst)
	case f.claims == nil || f.claims.hasEnded(now):
		f.until = now.Add(inactiveFor)
	default:
		f.until = now.Add(activeFor)
		if end := f.claims.Expires; end != nil && end.Before(f.until) {
			f.until = end.Time
		}
	}
}

// introspect asks about one token. It gives nil for one that is not active.
func (i *inspector) introspect(ctx context.Context, token plan.Secret) (*claims, error) {
	at, err := i.endpoint(ctx)
	if err != nil {
		return nil, err
	}
	body, err := i.server.ask(ctx, i.question(at, token), at.url)
	if err != nil {
		return nil, fmt.Errorf("introspection_endpoint: %w", err)
	}
	var said struct {
		Active bool `json:"active"`
		claims
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, errors.New("introspection_endpoint: its answer cannot be read")
	}
	if !said.Active {
		return nil, nil
	}
	return &said.claims, nil
}

func (i *inspector) question(at *endpoint, token plan.Secret) *plan.Request {
	id, secret := i.lock.ClientID.Reveal(), i.lock.ClientSecret.Reveal()
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {"access_token"}}
	req := &plan.Request{
		Method: http.MethodPost, Secrets: []plan.Secret{token, i.lock.ClientID, i.lock.ClientSecret},
		Header: []plan.Field{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}},
	}
	if at.post {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	} else {
		basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		req.Secrets = append(req.Secrets, plan.NewSecret(basic))
		req.Header = append(req.Header, plan.Field{Name: "Authorization", Value: "Basic " + basic, Secret: true})
	}
	req.Body = plan.BytesBody([]byte(form.Encode()))
	return req
}

// endpoint gives where to ask: as configured, else as the metadata say. It is looked up again
// after a failure.
func (i *inspector) endpoint(ctx context.Context) (*endpoint, error) {
	if i.lock.IntrospectionURL != "" {
		return &endpoint{i.lock.IntrospectionURL, i.lock.ClientAuth == plan.ClientPost}, nil
	}
	i.mu.Lock()
	at := i.at
	i.mu.Unlock()
	if at != nil {
		return at, nil
	}
	m, err := i.server.discover(ctx)
	if err != nil {
		return nil, err
	}
	if m.IntrospectionURL == "" {
		return nil, errors.New("the metadata name no introspection_endpoint")
	}
	at = &endpoint{m.IntrospectionURL, i.lock.ClientAuth == plan.ClientPost || i.lock.ClientAuth == "" &&
		slices.Contains(m.ClientMethods, "client_secret_post") && !slices.Contains(m.ClientMethods, "client_secret_basic")}
	i.mu.Lock()
	i.at = at
	i.mu.Unlock()
	return at, nil
}
