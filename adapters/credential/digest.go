package credential

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	digests "github.com/icholy/digest"

	"capd/engine/plan"
)

// challenge is what a server wants to see, and how often that was used (RFC 7616 section
// 3.4).
type challenge struct {
	mu    sync.Mutex
	last  *digests.Challenge
	count int
}

// learn keeps a newer challenge.
func (c *challenge) learn(fresh *digests.Challenge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || c.last.Nonce != fresh.Nonce {
		c.count = 0
	}
	c.last = fresh
}

// use counts a request that answers a challenge. Another request may have learnt a newer one
// meanwhile; what was about to be answered is then used no more than once.
func (c *challenge) use() (*digests.Challenge, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return nil, 0
	}
	c.count++
	return c.last, c.count
}

// digest answers the challenge that is known. When there is none, or when the server wants
// another one answered, the request is sent a second time: a server that answers 401 has not
// acted on it.
func (a *Authenticator) digest(ctx context.Context, req *plan.Request, c *plan.Digest) (*plan.Response, error) {
	state := a.challenges.get(stateKey{credential: c.Key(), origin: req.Base.Scheme + "://" + hostOf(req)}, func() *challenge { return &challenge{} })
	held, err := a.hold(req)
	if errors.Is(err, errTooLong) {
		return a.digestStream(ctx, held, c, state)
	}
	if err != nil {
		return nil, err
	}
	first, used, err := a.answer(ctx, held, c, state)
	if err != nil || first.Status != http.StatusUnauthorized {
		return first, err
	}
	fresh := findChallenge(first)
	if fresh == nil || used != nil && fresh.Nonce == used.Nonce && !fresh.Stale {
		return first, nil
	}
	discard(first)
	state.learn(fresh)
	second, _, err := a.answer(ctx, held, c, state)
	if err != nil {
		return nil, err
	}
	second.Attempts += first.Attempts
	return second, nil
}

// digestStream sends a body that cannot be sent twice: a request without one asks for the
// challenge first.
func (a *Authenticator) digestStream(ctx context.Context, req *plan.Request, c *plan.Digest, state *challenge) (*plan.Response, error) {
	probe := *req
	probe.Method, probe.Body, probe.Header = http.MethodHead, plan.Body{}, nil
	for _, f := range req.Header {
		if !strings.HasPrefix(strings.ToLower(f.Name), "content-") {
			probe.Header = append(probe.Header, f)
		}
	}
	asked, _, err := a.answer(ctx, &probe, c, state)
	if err != nil {
		return nil, err
	}
	discard(asked)
	if fresh := findChallenge(asked); fresh != nil && asked.Status == http.StatusUnauthorized {
		state.learn(fresh)
	}
	resp, _, err := a.answer(ctx, req, c, state)
	if err != nil {
		return nil, err
	}
	resp.Attempts += asked.Attempts
	return resp, nil
}

// answer sends the request with the answer to the known challenge, if there is one, and
// gives the challenge.
func (a *Authenticator) answer(ctx context.Context, req *plan.Request, c *plan.Digest, state *challenge) (*plan.Response, *digests.Challenge, error) {
	known, count := state.use()
	if known == nil {
		out := *req
		out.Auth = nil
		resp, err := a.next.Do(ctx, &out)
		return resp, nil, err
	}
	if !known.SupportsQOP("auth") && len(known.QOP) > 0 && req.Body.Stream != nil {
		return nil, nil, a.tooLong()
	}
	cred, err := digests.Digest(known, digests.Options{
		Method: req.Method, URI: req.Target, Count: count, Username: c.Username.Reveal(), Password: c.Password.Reveal(),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body.Bytes)), nil },
	})
	if err != nil {
		return nil, nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "the upstream's challenge cannot be answered", Cause: err}
	}
	sig := &signature{
		header:  []plan.Field{{Name: "Authorization", Value: cred.String(), Secret: true}},
		secrets: []plan.Secret{plan.NewSecret(cred.Response)},
	}
	resp, err := a.send(ctx, sig.apply(req), sig.secrets)
	return resp, known, err
}

// findChallenge gives the first digest challenge of an answer that can be met.
func findChallenge(resp *plan.Response) *digests.Challenge {
	for _, f := range resp.Header {
		if !strings.EqualFold(f.Name, "WWW-Authenticate") {
			continue
		}
		for _, text := range splitChallenges(f.Value) {
			c, err := digests.ParseChallenge(text)
			if err != nil || c.Nonce == "" {
				continue
			}
			for i := range c.QOP {
				c.QOP[i] = strings.ToLower(strings.TrimSpace(c.QOP[i]))
			}
			if digests.CanDigest(c) {
				return c
			}
		}
	}
	return nil
}

var challengeStart = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+( +[!#$%&'*+.^_`|~0-9A-Za-z-]+ *=.*)?$")

// splitChallenges takes apart a header with several challenges: both they and their
// parameters are separated by commas (RFC 9110 section 11.6.1).
func splitChallenges(s string) []string {
	var out []string
	start, quoted := 0, false
	item := func(end int) {
		text := strings.TrimSpace(s[start:end])
		switch {
		case text == "":
		case len(out) == 0 || challengeStart.MatchString(text):
			out = append(out, text)
		default:
			out[len(out)-1] += ", " + text
		}
	}
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			item(i)
			start = i + 1
		}
	}
	item(len(s))
	return out
}

// discard ends an answer that nobody will see, reading a little of it so that its connection
// can be used again.
func discard(resp *plan.Response) {
	if resp.Body.Stream != nil {
		_, _ = io.CopyN(io.Discard, resp.Body.Stream, 4<<10)
	}
	_ = resp.Body.Close()
}
