package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// issuer is a real authorization server: the provider of zitadel/oidc with a store in memory.
type issuer struct {
	*httptest.Server
	store *issuerStore

	mu    sync.Mutex
	asked map[string]int // by path
	isOff bool
}

// startIssuer starts one. Its clients are all whose secret is "secret of <name>"; those named
// opaque-… get opaque tokens. The subject of a token is its client.
func startIssuer(t *testing.T, audience ...string) *issuer {
	t.Helper()
	i := &issuer{asked: map[string]int{}, store: &issuerStore{audience: audience, issued: map[string]*grantedToken{}}}
	i.store.rotate(t)
	var provider http.Handler
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked[r.URL.Path]++
		off := i.isOff
		i.mu.Unlock()
		if off {
			panic(http.ErrAbortHandler)
		}
		provider.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	var err error
	provider, err = op.NewProvider(&op.Config{CryptoKey: [32]byte{1}, CodeMethodS256: true, AuthMethodPost: true}, i.store, op.StaticIssuer(i.URL),
		op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// off makes the server answer nothing, or answer again.
func (i *issuer) off(is bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.isOff = is
}

func (i *issuer) count(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// token gets an access token of a client (RFC 6749 section 4.4).
func (i *issuer) token(t *testing.T, client string, scopes ...string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {strings.Join(scopes, " ")}}
	req, err := http.NewRequest(http.MethodPost, i.URL+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, url.QueryEscape("secret of "+client))
	got := send(t, req)
	var said struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.Body), &said); err != nil || said.AccessToken == "" {
		t.Fatalf("the issuer answered %d %s", got.Status, got.Body)
	}
	return said.AccessToken
}

// forged signs claims with the issuer's own key.
func (i *issuer) forged(t *testing.T, claims map[string]any) string {
	t.Helper()
	key := i.store.current()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	token.Header["kid"] = key.id
	text, err := token.SignedString(key.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// issuerStore is what the provider stores. Methods it does not need are not there.
type issuerStore struct {
	op.Storage
	audience []string

	mu       sync.Mutex
	keys     []*issuerKey // the last one signs
	issued   map[string]*grantedToken
	revoked  bool
	exchange []string // audience and scopes of each exchange
}

// rotate makes a new key, and forgets all others.
func (s *issuerStore) rotate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = []*issuerKey{{id: rand.Text(), key: key}}
}

func (s *issuerStore) current() *issuerKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1]
}

type issuerKey struct {
	id  string
	key *ecdsa.PrivateKey
}

func (k *issuerKey) ID() string                                  { return k.id }
func (k *issuerKey) Key() any                                    { return k.key }
func (k *issuerKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }

type issuerPublicKey struct{ *issuerKey }

func (k issuerPublicKey) Key() any                           { return &k.key.PublicKey }
func (k issuerPublicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k issuerPublicKey) Use() string                        { return "sig" }

func (s *issuerStore) Health(context.Context) error { return nil }

func (s *issuerStore) SigningKey(context.Context) (op.SigningKey, error) { return s.current(), nil }

func (s *issuerStore) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}

func (s *issuerStore) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []op.Key
	for _, k := range s.keys {
		out = append(out, issuerPublicKey{k})
	}
	return out, nil
}

// grantedToken is a token that was issued.
type grantedToken struct {
	client, subject  string
	scopes, audience []string
	ends             time.Time
}

func (g *grantedToken) GetSubject() string    { return g.subject }
func (g *grantedToken) GetAudience() []string { return g.audience }
func (g *grantedToken) GetScopes() []string   { return g.scopes }

func (s *issuerStore) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return issuerClient(id), nil
}

func (s *issuerStore) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &grantedToken{client: id, subject: id, scopes: scopes, audience: s.audience}, nil
}

func (s *issuerStore) CreateAccessToken(_ context.Context, req op.TokenRequest) (string, time.Time, error) {
	id, ends := rand.Text(), time.Now().Add(time.Hour)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued[id] = &grantedToken{subject: req.GetSubject(), scopes: req.GetScopes(), audience: req.GetAudience(), ends: ends}
	return id, ends, nil
}

func (s *issuerStore) GetPrivateClaimsFromRequest(_ context.Context, req op.TokenRequest, _ []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(req.GetScopes(), " ")}, nil
}

func (s *issuerStore) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if secret != "secret of "+id {
		return errors.New("wrong secret")
	}
	return nil
}

func (s *issuerStore) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	return issuerClient(id), nil
}

func (s *issuerStore) SetIntrospectionFromToken(_ context.Context, out *oidc.IntrospectionResponse, id, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.issued[id]
	if g == nil || s.revoked {
		return errors.New("unknown token")
	}
	out.Subject, out.Scope, out.Audience, out.Expiration, out.ClientID = subject, g.scopes, g.audience, oidc.FromTime(g.ends), subject
	return nil
}

// revoke makes every token that was issued inactive.
func (s *issuerStore) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = true
}

func (s *issuerStore) ValidateTokenExchangeRequest(_ context.Context, req op.TokenExchangeRequest) error {
	if req.GetRequestedTokenType() == "" {
		req.SetRequestedTokenType(oidc.AccessTokenType)
	}
	return nil
}

func (s *issuerStore) CreateTokenExchangeRequest(_ context.Context, req op.TokenExchangeRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exchange = append(s.exchange, fmt.Sprint(req.GetSubject(), req.GetAudience(), req.GetResourses(), req.GetScopes(), req.GetClientID()))
	return nil
}

func (s *issuerStore) exchanges() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.exchange)
}

func (s *issuerStore) GetPrivateClaimsFromTokenExchangeRequest(_ context.Context, req op.TokenExchangeRequest) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(req.GetScopes(), " ")}, nil
}

func (s *issuerStore) SetUserinfoFromTokenExchangeRequest(context.Context, *oidc.UserInfo, op.TokenExchangeRequest) error {
	return nil
}

// issuerClient is a client, by its name.
type issuerClient string

func (c issuerClient) GetID() string                       { return string(c) }
func (c issuerClient) RedirectURIs() []string              { return nil }
func (c issuerClient) PostLogoutRedirectURIs() []string    { return nil }
func (c issuerClient) ApplicationType() op.ApplicationType { return op.ApplicationTypeWeb }
func (c issuerClient) AuthMethod() oidc.AuthMethod         { return oidc.AuthMethodBasic }
func (c issuerClient) ResponseTypes() []oidc.ResponseType  { return nil }
func (c issuerClient) GrantTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantTypeClientCredentials, oidc.GrantTypeTokenExchange}
}
func (c issuerClient) LoginURL(string) string { return "" }
func (c issuerClient) AccessTokenType() op.AccessTokenType {
	if strings.HasPrefix(string(c), "opaque") {
		return op.AccessTokenTypeBearer
	}
	return op.AccessTokenTypeJWT
}
func (c issuerClient) IDTokenLifetime() time.Duration { return time.Hour }
func (c issuerClient) DevMode() bool                  { return true }
func (c issuerClient) RestrictAdditionalIdTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}
func (c issuerClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(s []string) []string { return s }
}
func (c issuerClient) IsScopeAllowed(string) bool           { return true }
func (c issuerClient) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c issuerClient) ClockSkew() time.Duration             { return 0 }
