package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"capd/engine/plan"
)

// TestToken: what a token must be, whatever signs it.
func TestToken(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	rs, es := is.signWith(t, "rs", jwt.SigningMethodRS256), is.signWith(t, "es", jwt.SigningMethodES256)
	ed, ps := is.signWith(t, "ed", jwt.SigningMethodEdDSA), is.signWith(t, "ps", jwt.SigningMethodPS384)
	bare := is.signWith(t, "", jwt.SigningMethodRS256)
	foreign := newIssuer(t).signWith(t, "rs", jwt.SigningMethodRS256)
	public, err := x509.MarshalPKIXPublicKey(rs.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	hs := func(key any, m jwt.SigningMethod) string {
		tok := jwt.NewWithClaims(m, jwt.MapClaims(is.claims(now, nil)))
		tok.Header["kid"] = "rs"
		text, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := func(s *signer, changes map[string]any) string { return s.sign(is.claims(now, changes), nil) }
	at := func(d time.Duration) int64 { return now.now().Add(d).Unix() }
	parts := strings.Split(good(rs, nil), ".")
	tests := []struct {
		name, token string
		want        int
	}{
		{"RS256", good(rs, nil), 200},
		{"ES256", good(es, nil), 200},
		{"EdDSA", good(ed, nil), 200},
		{"PS384", good(ps, nil), 200},
		{"no kid", bare.sign(is.claims(now, nil), map[string]any{"kid": nil}), 200},
		{"no kid, another key of the set", es.sign(is.claims(now, nil), map[string]any{"kid": nil}), 200},
		{"a key of somebody else", good(foreign, nil), 401},
		{"a key of somebody else, no kid", foreign.sign(is.claims(now, nil), map[string]any{"kid": nil}), 401},
		{"kid is no text", rs.sign(is.claims(now, nil), map[string]any{"kid": 7}), 401},
		{"alg none", hs(jwt.UnsafeAllowNoneSignatureType, jwt.SigningMethodNone), 401},
		{"HS256 with the public key as PEM", hs(pemKey, jwt.SigningMethodHS256), 401},
		{"HS256 with the public key as DER", hs(public, jwt.SigningMethodHS256), 401},
		{"HS512 with the modulus", hs(rs.key.Public().(*rsa.PublicKey).N.Bytes(), jwt.SigningMethodHS512), 401},
		{"an extension that must be understood", rs.sign(is.claims(now, nil), map[string]any{"crit": []string{"x"}, "x": 1}), 401},
		{"signature cut off", parts[0] + "." + parts[1] + ".", 401},
		{"other claims under the signature", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve"}`)) + "." + parts[2], 401},
		{"no JWT", "opaque", 401},
		{"dots", "..", 401},

		{"no exp", good(rs, map[string]any{"exp": nil}), 401},
		{"exp is text", good(rs, map[string]any{"exp": "tomorrow"}), 401},
		{"expired", good(rs, map[string]any{"exp": at(-31 * time.Second)}), 401},
		{"expired within the leeway", good(rs, map[string]any{"exp": at(-29 * time.Second)}), 200},
		{"not yet", good(rs, map[string]any{"nbf": at(31 * time.Second)}), 401},
		{"not yet, within the leeway", good(rs, map[string]any{"nbf": at(29 * time.Second)}), 200},

		{"issuer with a slash", good(rs, map[string]any{"iss": is.URL + "/"}), 200},
		{"issuer with two slashes", good(rs, map[string]any{"iss": is.URL + "//"}), 401},
		{"another issuer", good(rs, map[string]any{"iss": "https://login.example.com"}), 401},
		{"no issuer", good(rs, map[string]any{"iss": nil}), 401},
		{"empty issuer", good(rs, map[string]any{"iss": ""}), 401},

		{"several audiences", good(rs, map[string]any{"aud": []string{"x", resource}}), 200},
		{"audience with a slash", good(rs, map[string]any{"aud": resource + "/"}), 200},
		{"another audience", good(rs, map[string]any{"aud": "https://api.example.com/other"}), 401},
		{"the host alone", good(rs, map[string]any{"aud": "https://api.example.com"}), 401},
		{"a longer audience", good(rs, map[string]any{"aud": resource + "/x"}), 401},
		{"no audience", good(rs, map[string]any{"aud": nil}), 401},
		{"empty audience", good(rs, map[string]any{"aud": ""}), 401},

		{"scp as text", good(rs, map[string]any{"scope": nil, "scp": "rooms.read x"}), 200},
		{"scp as a list", good(rs, map[string]any{"scope": nil, "scp": []string{"x", "rooms.read"}}), 200},
		{"scope as a list", good(rs, map[string]any{"scope": []string{"rooms.read"}}), 200},
		{"scope that includes it", good(rs, map[string]any{"scope": "rooms"}), 403},
		{"no scope", good(rs, map[string]any{"scope": nil}), 403},
		{"scope is a number", good(rs, map[string]any{"scope": 7}), 403},
		{"no token", "", 401},
	}
	gate := keeper(t, now, nil).Gate(is.tokenLock(nil))
	for _, tt := range tests {
		who, w := show(gate, tt.token)
		switch {
		case tt.want == 200:
			if who == nil {
				t.Errorf("%s: refused with %d", tt.name, w.Code)
			} else if who.Subject != "ada" || who.ClientID != "agent" || who.Issuer != is.URL || who.Scopes[0] == "" {
				t.Errorf("%s: %+v came in", tt.name, who)
			}
		case tt.token == "":
			wantRefusal(t, tt.name, w, 401, noToken)
		case tt.want == 401:
			wantRefusal(t, tt.name, w, 401, badToken)
		default:
			wantRefusal(t, tt.name, w, 403, fewScopes)
		}
	}
	if n := is.count("/keys"); n > 2 {
		t.Errorf("the keys were read %d times", n)
	}
}

// TestTokenElsewhere: a token that is not in the one header it belongs in is none.
func TestTokenElsewhere(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	token := is.signWith(t, "k", jwt.SigningMethodES256).sign(is.claims(now, nil), nil)
	gate := keeper(t, now, nil).Gate(is.tokenLock(nil))
	for _, header := range [][]string{{"Basic " + token}, {token}, {"Bearer " + token, "Bearer " + token}} {
		r, _ := http.NewRequest(http.MethodGet, "/?access_token="+token, nil)
		r.Header["Authorization"] = header
		if gate.Admit(r) != nil {
			t.Errorf("%d values of Authorization let in", len(header))
		}
	}
	wantStatus(t, "the right place", gate, token, 200)
}

// TestAudienceOfItsOwn: audience stands in for the resource.
func TestAudienceOfItsOwn(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	s := is.signWith(t, "k", jwt.SigningMethodES256)
	gate := keeper(t, now, nil).Gate(is.tokenLock(func(l *plan.TokenLock) { l.Audience = "api://rooms" }))
	wantStatus(t, "audience", gate, s.sign(is.claims(now, map[string]any{"aud": "api://rooms"}), nil), 200)
	wantStatus(t, "resource", gate, s.sign(is.claims(now, nil), nil), 401)
	none := keeper(t, now, nil).Gate(is.tokenLock(func(l *plan.TokenLock) { l.Audience = "" }))
	wantStatus(t, "no audience is wanted", none, s.sign(is.claims(now, map[string]any{"aud": ""}), nil), 401)
}

// TestKeysThatAreLeftOut: weak keys, secret ones and those for encryption check no token.
func TestKeysThatAreLeftOut(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	good := is.signWith(t, "good", jwt.SigningMethodES256)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	crypts := is.signWith(t, "enc", jwt.SigningMethodRS256)
	is.with(func() {
		is.keys[1]["use"] = "enc"
		is.keys = append(is.keys, published("weak", weak.Public()),
			map[string]any{"kty": "oct", "kid": "secret", "k": base64.RawURLEncoding.EncodeToString([]byte("a shared secret of 32 bytes long"))},
			map[string]any{"kty": "XYZ", "kid": "new"}, map[string]any{"kty": "RSA", "kid": "broken", "n": "!"})
	})
	gate := keeper(t, now, nil).Gate(is.tokenLock(nil))
	wantStatus(t, "good", gate, good.sign(is.claims(now, nil), nil), 200)
	wantStatus(t, "weak", gate, (&signer{jwt.SigningMethodRS256, "weak", weak}).sign(is.claims(now, nil), nil), 401)
	wantStatus(t, "for encryption", gate, crypts.sign(is.claims(now, nil), nil), 401)
	wantStatus(t, "for encryption, no kid", gate, crypts.sign(is.claims(now, nil), map[string]any{"kid": nil}), 401)
}

// TestKeyRotation: a new key is found at once, a withdrawn one is forgotten, and tokens with
// made-up keys do not make capd ask again and again.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	first := is.signWith(t, "1", jwt.SigningMethodES256)
	k := keeper(t, now, nil)
	gate := k.Gate(is.tokenLock(nil))
	wantStatus(t, "first key", gate, first.sign(is.claims(now, nil), nil), 200)
	second := is.signWith(t, "2", jwt.SigningMethodES256)
	wantStatus(t, "second key", gate, second.sign(is.claims(now, nil), nil), 200)
	if n := is.count("/keys"); n != 2 {
		t.Fatalf("the keys were read %d times, want 2", n)
	}
	var flood sync.WaitGroup
	for n := range 200 {
		flood.Go(func() {
			wantStatus(t, "made-up key", gate, second.sign(is.claims(now, nil), map[string]any{"kid": fmt.Sprint("x", n)}), 401)
		})
	}
	flood.Wait()
	if n := is.count("/keys"); n != 2 {
		t.Errorf("after 200 made-up keys the keys were read %d times, want 2", n)
	}
	third := is.signWith(t, "3", jwt.SigningMethodES256)
	now.move(31 * time.Second)
	wantStatus(t, "third key", gate, third.sign(is.claims(now, nil), nil), 200)
	// Another gate of the same issuer, as after a reload, reads nothing.
	wantStatus(t, "after a reload", k.Gate(is.tokenLock(nil)), third.sign(is.claims(now, nil), nil), 200)
	if n := is.count("/keys"); n != 3 {
		t.Errorf("the keys were read %d times, want 3", n)
	}
	is.with(func() { is.keys = is.keys[2:] })
	now.move(6 * time.Minute)
	// The first call after the time goes on with what is known, and has it read again.
	wantStatus(t, "a withdrawn key, once", gate, first.sign(is.claims(now, nil), nil), 200)
	for is.count("/keys") < 4 { // the reading runs beside the calls
		wantStatus(t, "third key", gate, third.sign(is.claims(now, nil), nil), 200)
	}
	now.move(31 * time.Second)
	wantStatus(t, "a made-up key waits for the reading", gate, third.sign(is.claims(now, nil), map[string]any{"kid": "y"}), 401)
	wantStatus(t, "a withdrawn key", gate, first.sign(is.claims(now, nil), nil), 401)
}

// TestIssuerDown: while the keys cannot be had, nobody comes in and nobody is told that a token
// is bad; then all goes on. Keys that are known go on being used for a day.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	is, now, log := newIssuer(t), newClock(), &strings.Builder{}
	s := is.signWith(t, "1", jwt.SigningMethodES256)
	is.down()
	gate := keeper(t, now, log).Gate(is.tokenLock(nil))
	token := s.sign(is.claims(now, map[string]any{"exp": now.now().Add(72 * time.Hour).Unix()}), nil)
	_, w := show(gate, token)
	wantRefusal(t, "down", w, 503, "")
	_, w = show(gate, "")
	wantRefusal(t, "down, no token", w, 401, noToken)
	asked := is.count("/.well-known/oauth-authorization-server")
	for range 20 {
		wantStatus(t, "still down", gate, token, 503)
	}
	if n := is.count("/.well-known/oauth-authorization-server"); n != asked || n == 0 {
		t.Errorf("a server that is down was asked %d times more", n-asked)
	}
	is.up()
	now.move(2 * time.Second)
	wantStatus(t, "up", gate, token, 200)
	is.down()
	for range 5 {
		now.move(4 * time.Hour)
		wantStatus(t, "down with keys", gate, token, 200)
	}
	now.move(5 * time.Hour)
	wantStatus(t, "down for more than a day", gate, token, 503)
	is.up()
	now.move(time.Minute)
	wantStatus(t, "up again", gate, token, 200)
	if strings.Contains(log.String(), token) || !strings.Contains(log.String(), "the keys of an issuer of tokens cannot be read") {
		t.Errorf("the log says %s", log)
	}
}

// TestIssuerThatCannotBeTrusted: answers that are too long, of another issuer, or that point to
// plain http elsewhere give no keys.
func TestIssuerThatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	for name, instead := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"another issuer": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = fmt.Fprintf(w, `{"issuer":"https://login.example.com","jwks_uri":"http://%s/keys"}`, r.Host)
			return r.URL.Path != "/keys"
		},
		"plain http": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"http://keys.example.com/keys"}`, r.Host)
			return true
		},
		"metadata service": func(w http.ResponseWriter, r *http.Request) bool {
			_, _ = fmt.Fprintf(w, `{"issuer":"http://%s","jwks_uri":"https://169.254.169.254/keys"}`, r.Host)
			return true
		},
		"too long": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys" {
				_, _ = w.Write([]byte(`{"keys":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`))
				return true
			}
			return false
		},
		"no keys": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/keys" {
				_, _ = w.Write([]byte(`{"keys":[]}`))
			}
			return r.URL.Path == "/keys"
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write([]byte("<html>"))
			return true
		},
	} {
		is, now := newIssuer(t), newClock()
		s := is.signWith(t, "1", jwt.SigningMethodES256)
		is.with(func() { is.instead = instead })
		wantStatus(t, name, keeper(t, now, nil).Gate(is.tokenLock(nil)), s.sign(is.claims(now, nil), nil), 503)
	}
}

// TestIntrospection: the issuer is asked, and what it says holds for a while.
func TestIntrospection(t *testing.T) {
	t.Parallel()
	is, now, log := newIssuer(t), newClock(), &strings.Builder{}
	k := keeper(t, now, log)
	gate := k.Gate(is.tokenLock(func(l *plan.TokenLock) {
		l.Introspect, l.ClientID, l.ClientSecret = true, plan.NewSecret("capd"), plan.NewSecret("the secret")
	}))
	active := func(changes map[string]any) map[string]any {
		out := is.claims(now, changes)
		out["active"] = true
		return out
	}
	is.with(func() {
		is.says = map[string]map[string]any{
			"good":      active(nil),
			"short":     active(map[string]any{"exp": now.now().Add(10 * time.Second).Unix()}),
			"expired":   active(map[string]any{"exp": now.now().Add(-time.Minute).Unix()}),
			"no exp":    active(map[string]any{"exp": nil, "iss": nil}),
			"not yet":   active(map[string]any{"nbf": now.now().Add(time.Minute).Unix()}),
			"issuer":    active(map[string]any{"iss": "https://login.example.com"}),
			"audience":  active(map[string]any{"aud": "https://api.example.com/other"}),
			"for none":  active(map[string]any{"aud": nil}),
			"too few":   active(map[string]any{"scope": "x"}),
			"not said":  {"sub": "ada", "aud": resource},
			"withdrawn": {"active": false, "sub": "ada", "aud": resource, "scope": "rooms.read"},
		}
	})
	for token, want := range map[string]int{
		"good": 200, "short": 200, "no exp": 200, "too few": 403,
		"expired": 401, "not yet": 401, "issuer": 401, "audience": 401, "for none": 401, "not said": 401, "withdrawn": 401, "unknown": 401,
	} {
		who, w := show(gate, token)
		switch {
		case want == 200 && (who == nil || who.Subject != "ada" || who.ClientID != "agent"):
			t.Errorf("%s: %+v %v", token, who, w)
		case want == 401:
			wantRefusal(t, token, w, 401, badToken)
		case want == 403:
			wantRefusal(t, token, w, 403, fewScopes)
		}
	}
	asked := is.count("/introspect")
	if asked != 12 {
		t.Errorf("12 tokens were asked about %d times", asked)
	}
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() { wantStatus(t, "good", gate, "good", 200) })
	}
	crowd.Wait()
	if n := is.count("/introspect"); n != asked {
		t.Errorf("what was known was asked %d times", n-asked)
	}
	is.with(func() { is.says["short"] = nil })
	now.move(11 * time.Second)
	wantStatus(t, "at the end of the token's time", gate, "short", 401)
	is.with(func() { is.says["good"] = nil })
	wantStatus(t, "withdrawn a moment ago", gate, "good", 200)
	now.move(20 * time.Second)
	wantStatus(t, "withdrawn for a while", gate, "good", 401)
	for _, form := range is.forms {
		if !strings.HasPrefix(form, "capd:the+secret ") && !strings.HasPrefix(form, "capd:the secret ") {
			t.Errorf("asked as %q", form)
		}
	}

	is.down()
	now.move(time.Minute)
	_, w := show(gate, "no exp")
	wantRefusal(t, "down", w, 503, "")
	is.up()
	now.move(2 * time.Second)
	wantStatus(t, "up", gate, "no exp", 200)
	for _, secret := range []string{"the secret", "the+secret", "no exp", "withdrawn"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q: %s", secret, log)
		}
	}
}

// TestMadeUpTokensPushNobodyOut: who shows thousands of tokens that are none makes nobody's
// token forgotten.
func TestMadeUpTokensPushNobodyOut(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	gate := keeper(t, now, &strings.Builder{}).Gate(is.tokenLock(func(l *plan.TokenLock) {
		l.Introspect, l.ClientID, l.ClientSecret = true, plan.NewSecret("capd"), plan.NewSecret("the secret")
	}))
	good := is.claims(now, nil)
	good["active"] = true
	is.with(func() { is.says = map[string]map[string]any{"good": good} })
	wantStatus(t, "a good token", gate, "good", 200)
	const kept = 4096
	for n := range 3 * kept {
		wantStatus(t, "a made-up token", gate, "made-up-"+strconv.Itoa(n), 401)
	}
	asked := is.count("/introspect")
	wantStatus(t, "a good token among many others", gate, "good", 200)
	if n := is.count("/introspect"); n != asked {
		t.Error("a token that is active was forgotten for made-up ones")
	}
}

// TestGateThatAsksNobody: what lists many things shows no token to an issuer, and knows what
// was asked before.
func TestGateThatAsksNobody(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	gate := keeper(t, now, nil).Gate(is.tokenLock(func(l *plan.TokenLock) {
		l.Introspect, l.ClientID, l.ClientSecret = true, plan.NewSecret("capd"), plan.NewSecret("the secret")
	}))
	claims := is.claims(now, nil)
	claims["active"] = true
	is.with(func() { is.says = map[string]map[string]any{"good": claims, "bad": {"active": false}} })
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	shows := func(token string, of int) bool {
		r.Header.Set("Authorization", "Bearer "+token)
		return plan.Shows(gate, r, of)
	}
	if shows("good", 2) || is.count("/introspect") != 0 {
		t.Errorf("a token that nobody knows yet: the issuer was asked %d times", is.count("/introspect"))
	}
	w := httptest.NewRecorder()
	gate.Refuse(w, r)
	wantRefusal(t, "not asked", w, 401, strings.Replace(badToken, `error="invalid_token", `, "", 1))
	if is.count("/introspect") != 0 {
		t.Error("a refusal asks the issuer")
	}
	wantStatus(t, "good", gate, "good", 200)
	wantStatus(t, "bad", gate, "bad", 401)
	asked := is.count("/introspect")
	if !shows("good", 2) || shows("bad", 2) || is.count("/introspect") != asked {
		t.Errorf("tokens that are known: the issuer was asked %d times more", is.count("/introspect")-asked)
	}
	now.move(time.Minute)
	if shows("good", 2) || is.count("/introspect") != asked {
		t.Error("what was known a minute ago still holds, or was asked again")
	}
	if !shows("good", 1) {
		t.Error("the only thing of a list is not shown")
	}
}

// TestGateOfAShutLock: without its values nobody comes in, and nothing is told.
func TestGateOfAShutLock(t *testing.T) {
	t.Parallel()
	g := keeper(t, newClock(), nil).Gate(plan.Lock{Scheme: plan.SchemeOAuth2, Realm: "tools", Shut: true})
	_, w := show(g, "x.y.z")
	wantRefusal(t, "shut", w, 401, `Bearer realm="tools", error="invalid_token"`)
	if d := g.(plan.Described); d.Metadata() != nil {
		t.Errorf("it tells %s", d.Metadata())
	}
}

// TestMetadata: what clients are told (RFC 9728).
func TestMetadata(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	k := keeper(t, newClock(), nil)
	d := k.Gate(is.tokenLock(nil)).(plan.Described)
	want := `{"resource":"https://api.example.com/tools","authorization_servers":["` + is.URL + `/"],"scopes_supported":["rooms.read","rooms.write"],"bearer_methods_supported":["header"]}` + "\n"
	if got := string(d.Metadata()); got != want || d.Resource() != resource {
		t.Errorf("got %s want %s", got, want)
	}
	for resource, want := range map[string]string{
		"https://api.example.com":             `/.well-known/oauth-protected-resource"`,
		"https://api.example.com/":            `/.well-known/oauth-protected-resource"`,
		"https://api.example.com:8443/a%2Fb/": `https://api.example.com:8443/.well-known/oauth-protected-resource/a%2Fb"`,
	} {
		_, w := show(k.Gate(is.tokenLock(func(l *plan.TokenLock) { l.Resource = resource })), "")
		if got := w.Header().Get("WWW-Authenticate"); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", resource, got)
		}
	}
}

// TestCallerHidesTheToken: whoever is told of a caller is not told the token.
func TestCallerHidesTheToken(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	token := is.signWith(t, "k", jwt.SigningMethodES256).sign(is.claims(now, nil), nil)
	g := keeper(t, now, nil).Gate(is.tokenLock(nil))
	who, _ := show(g, token)
	if who == nil {
		t.Fatal("refused")
	}
	if got := fmt.Sprintf("%v %+v %#v %s %v", who, who, who, describeCaller(who), *who); strings.Contains(got, token) || strings.Contains(got, token[len(token)-20:]) {
		t.Errorf("a caller prints %s", got)
	}
	if got := fmt.Sprintf("%+v %#v", g, g); strings.Contains(got, token) {
		t.Errorf("a gate prints %s", got)
	}
}

// TestCallerID: a caller stays the same with another token, and is nobody else.
func TestCallerID(t *testing.T) {
	t.Parallel()
	is, now := newIssuer(t), newClock()
	s := is.signWith(t, "k", jwt.SigningMethodES256)
	g := keeper(t, now, nil).Gate(is.tokenLock(nil))
	id := func(changes map[string]any) plan.CallerID {
		t.Helper()
		who, _ := show(g, s.sign(is.claims(now, changes), nil))
		if who == nil {
			t.Fatalf("%v: refused", changes)
		}
		return who.ID()
	}
	ada := id(nil)
	if id(map[string]any{"scope": "rooms.read", "jti": "2"}) != ada {
		t.Error("another token makes another caller")
	}
	for _, changes := range []map[string]any{{"sub": "eve"}, {"client_id": "other"}, {"sub": nil, "client_id": nil}, {"sub": nil}} {
		if id(changes) == ada {
			t.Errorf("%v makes no other caller", changes)
		}
	}
	if id(map[string]any{"sub": nil, "client_id": nil, "jti": "1"}) == id(map[string]any{"sub": nil, "client_id": nil, "jti": "2"}) {
		t.Error("tokens of nobody are one caller")
	}
}
