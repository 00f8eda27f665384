package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"capd/adapters/auth"
	"capd/adapters/httpclient"
	"capd/engine/plan"
)

const resource = "https://api.example.com/tools"

// issuer is an authorization server of which a test says every word.
type issuer struct {
	*httptest.Server

	mu      sync.Mutex
	asked   map[string]int // by path
	keys    []map[string]any
	instead func(w http.ResponseWriter, r *http.Request) bool // answers instead
	says    map[string]map[string]any                         // of tokens, by token
	forms   []string
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{asked: map[string]int{}, says: map[string]map[string]any{}}
	i.Server = httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked[r.URL.Path]++
	if i.instead != nil && i.instead(w, r) {
		return
	}
	var body any
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		body = map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "introspection_endpoint": i.URL + "/introspect"}
	case "/keys":
		body = map[string]any{"keys": i.keys}
	case "/introspect":
		id, secret, _ := r.BasicAuth()
		i.forms = append(i.forms, id+":"+secret+" "+r.FormValue("token"))
		said := i.says[r.FormValue("token")]
		if said == nil {
			said = map[string]any{"active": false}
		}
		body = said
	default:
		http.NotFound(w, r)
		return
	}
	_ = json.NewEncoder(w).Encode(body)
}

// with changes what the issuer does.
func (i *issuer) with(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// down makes the issuer answer nothing.
func (i *issuer) down() {
	i.with(func() {
		i.instead = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
	})
}

func (i *issuer) up() { i.with(func() { i.instead = nil }) }

// count gives how often the issuer was asked at a path.
func (i *issuer) count(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// signer signs tokens.
type signer struct {
	method jwt.SigningMethod
	id     string
	key    crypto.Signer
}

// signWith makes a key and publishes it.
func (i *issuer) signWith(t *testing.T, id string, method jwt.SigningMethod) *signer {
	t.Helper()
	s := &signer{method: method, id: id}
	var err error
	switch method.(type) {
	case *jwt.SigningMethodECDSA:
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case *jwt.SigningMethodEd25519:
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	default:
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.with(func() { i.keys = append(i.keys, published(id, s.key.Public())) })
	return s
}

// published gives a key as a set has it.
func published(id string, key crypto.PublicKey) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	out := map[string]any{"use": "sig"}
	if id != "" {
		out["kid"] = id
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		maps.Copy(out, map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())})
	case *ecdsa.PublicKey:
		raw, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		maps.Copy(out, map[string]any{"kty": "EC", "crv": "P-256", "x": b64(raw[1:33]), "y": b64(raw[33:])})
	case ed25519.PublicKey:
		maps.Copy(out, map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(k)})
	}
	return out
}

// sign writes a token; header members of the value nil are left out.
func (s *signer) sign(claims map[string]any, header map[string]any) string {
	t := jwt.NewWithClaims(s.method, jwt.MapClaims(claims))
	t.Header["kid"] = s.id
	for k, v := range header {
		if t.Header[k] = v; v == nil {
			delete(t.Header, k)
		}
	}
	text, err := t.SignedString(s.key)
	if err != nil {
		panic(err)
	}
	return text
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// claims gives those of a good token, with changes: nil leaves a claim out.
func (i *issuer) claims(c *clock, changes map[string]any) map[string]any {
	out := map[string]any{
		"iss": i.URL, "sub": "ada", "aud": resource, "client_id": "agent", "scope": "rooms.read rooms.write",
		"exp": c.now().Add(time.Hour).Unix(), "iat": c.now().Unix(),
	}
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// keeper makes one with a real client. What it logs is text.
func keeper(t *testing.T, c *clock, log *strings.Builder, change ...func(*auth.Options)) *auth.Keeper {
	t.Helper()
	client, err := httpclient.New(httpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o := auth.Options{Client: client, Now: c.now, Timeout: 5 * time.Second}
	if log != nil {
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	for _, f := range change {
		f(&o)
	}
	return auth.New(o)
}

// tokenLock gives a lock that wants tokens of the issuer.
func (i *issuer) tokenLock(change func(*plan.TokenLock)) plan.Lock {
	l := &plan.TokenLock{Issuer: i.URL + "/", Resource: resource, Audience: resource, Scopes: []string{"rooms.read"}, Offered: []string{"rooms.read", "rooms.write", "offline_access"}}
	if change != nil {
		change(l)
	}
	return plan.Lock{Scheme: plan.SchemeOAuth2, Realm: "tools", Tokens: l}
}

// show asks a gate. It gives who came in, or the answer.
func show(g plan.Gate, token string) (*plan.Caller, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(http.MethodPost, "/mcp/tools", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if in := g.Admit(r); in != nil {
		if in.Header.Get("Authorization") != "" {
			panic("the token came in")
		}
		return plan.CallerOf(in.Context()), nil
	}
	w := httptest.NewRecorder()
	g.Refuse(w, r)
	return nil, w
}

// wantStatus wants a token to let in (200) or to be refused.
func wantStatus(t *testing.T, what string, g plan.Gate, token string, want int) {
	t.Helper()
	who, w := show(g, token)
	got := http.StatusOK
	if who == nil {
		got = w.Code
	}
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

const (
	metadataURL = `resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/tools"`
	noToken     = `Bearer realm="tools", scope="rooms.read", ` + metadataURL
	badToken    = `Bearer realm="tools", error="invalid_token", scope="rooms.read", ` + metadataURL
	fewScopes   = `Bearer realm="tools", error="insufficient_scope", scope="rooms.read", ` + metadataURL
)

func wantRefusal(t *testing.T, what string, w *httptest.ResponseRecorder, status int, challenge string) {
	t.Helper()
	if w == nil {
		t.Errorf("%s: came in", what)
		return
	}
	bodies := map[int]string{
		401: `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"the credentials are missing or wrong","code":"unauthorized"}`,
		403: `{"type":"about:blank","title":"Forbidden","status":403,"detail":"the access token does not have every scope that this needs","code":"forbidden"}`,
		503: `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"access tokens cannot be checked now; try again later"}`,
	}
	if got := strings.TrimSpace(w.Body.String()); w.Code != status || w.Header().Get("WWW-Authenticate") != challenge || got != bodies[status] {
		t.Errorf("%s: %d %s %s\nwant %d %s", what, w.Code, w.Header().Get("WWW-Authenticate"), got, status, challenge)
	}
	if (w.Header().Get("Retry-After") != "") != (status == 503) || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s: %v", what, w.Header())
	}
}

func describeCaller(c *plan.Caller) string {
	return fmt.Sprintf("%s %q %q %q", c.Scheme, c.Subject, c.ClientID, c.Scopes)
}
