package auth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"capd/engine/plan"
)

// leeway is how far clocks may be apart.
const leeway = 30 * time.Second

// errToken says that a token lets nobody in. Nothing that is wrong with it is told.
var errToken = errors.New("auth: the token is not valid")

// algorithms gives the signatures that are taken. None of them can be made with a public key.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// claims are what an issuer says of a token, in a JWT (RFC 9068) or when it is asked (RFC
// 7662).
type claims struct {
	Issuer    string           `json:"iss"`
	Subject   string           `json:"sub"`
	Audience  jwt.ClaimStrings `json:"aud"`
	Expires   *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Issued    *jwt.NumericDate `json:"iat"`
	ClientID  string           `json:"client_id"`
	Party     string           `json:"azp"`
	Scope     words            `json:"scope"`
	SCP       words            `json:"scp"`
}

// words are a text of words, or a list of them: issuers write scopes in both ways.
type words []string

// UnmarshalJSON takes what is neither for nothing.
func (w *words) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*w = strings.Fields(text)
		return nil
	}
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*w = list
	}
	return nil
}

// The methods make claims what the parser checks times of.

// GetExpirationTime gives exp.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.Expires, nil }

// GetNotBefore gives nbf.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.NotBefore, nil }

// GetIssuedAt gives iat.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.Issued, nil }

// GetAudience gives aud.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.Audience, nil }

// GetIssuer gives iss.
func (c *claims) GetIssuer() (string, error) { return c.Issuer, nil }

// GetSubject gives sub.
func (c *claims) GetSubject() (string, error) { return c.Subject, nil }

// hasEnded reports whether the time of the token is over, for clocks that are apart too.
func (c *claims) hasEnded(now time.Time) bool {
	return c.Expires != nil && !now.Before(c.Expires.Add(leeway))
}

// caller gives whom a token with these claims lets in.
func (c *claims) caller(issuer string) *plan.Caller {
	out := &plan.Caller{Scheme: plan.SchemeOAuth2, Subject: c.Subject, ClientID: c.ClientID, Issuer: strings.TrimSuffix(issuer, "/")}
	if out.ClientID == "" {
		out.ClientID = c.Party
	}
	for _, s := range slices.Concat(c.Scope, c.SCP) {
		if !slices.Contains(out.Scopes, s) {
			out.Scopes = append(out.Scopes, s)
		}
	}
	return out
}

// errUnasked says that nobody was asked about a token yet.
var errUnasked = errors.New("auth: nobody was asked about the token")

// verifier checks the tokens of one lock. The error of check is errToken, errUnavailable or
// that of the context. recall shows the token to nobody; its error may be errUnasked too. asks
// gives errUnasked, and nothing else, when check would show the token to somebody.
type verifier interface {
	check(ctx context.Context, token string) (*plan.Caller, error)
	recall(ctx context.Context, token string) (*plan.Caller, error)
	asks(ctx context.Context, token string) (*plan.Caller, error)
}

// signed checks JWTs by the keys of their issuer.
type signed struct {
	lock   *plan.TokenLock
	keys   *keyring
	parser *jwt.Parser
}

func newSigned(t *plan.TokenLock, keys *keyring, now func() time.Time) *signed {
	return &signed{t, keys, jwt.NewParser(
		jwt.WithValidMethods(algorithms()), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(now),
	)}
}

func (s *signed) check(ctx context.Context, token string) (*plan.Caller, error) {
	var c claims
	if _, err := s.parser.ParseWithClaims(token, &c, s.keys.key(ctx)); err != nil {
		if errors.Is(err, errUnavailable) || ctx.Err() != nil {
			return nil, errUnavailable
		}
		return nil, errToken
	}
	if !sameIssuer(c.Issuer, s.lock.Issuer) || !isFor(c.Audience, s.lock.Audience) {
		return nil, errToken
	}
	return c.caller(s.lock.Issuer), nil
}

// recall is check: it shows a token to nobody.
func (s *signed) recall(ctx context.Context, token string) (*plan.Caller, error) {
	return s.check(ctx, token)
}

func (s *signed) asks(context.Context, string) (*plan.Caller, error) { return nil, nil }

// isFor reports whether a token is for an audience. Of that too people leave out the slash at
// the end, where it is a URL.
func isFor(audience []string, want string) bool {
	return want != "" && slices.ContainsFunc(audience, func(a string) bool {
		return a == want || strings.Contains(want, "://") && strings.TrimSuffix(a, "/") == strings.TrimSuffix(want, "/")
	})
}
