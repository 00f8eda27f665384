package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/adapters/auth"
	"capd/engine/plan"
)

func lock(scheme plan.Scheme, in, name, username, secret string) plan.Lock {
	return plan.Lock{Scheme: scheme, Realm: "a \"b\\\n", In: in, Name: name, Username: plan.NewSecret(username), Secret: plan.NewSecret(secret)}
}

// TestAdmitTakesOnlyTheCredential: what comes in is the request as it was without the
// credential, and the one that was sent is untouched.
func TestAdmitTakesOnlyTheCredential(t *testing.T) {
	t.Parallel()
	tests := []struct {
		lock           plan.Lock
		target, header string // "Name: value"
		want           string // target that comes in
	}{
		{lock(plan.SchemeBearer, "", "", "", "s"), "/a%2Fb?x=%20&y", "Authorization: Bearer s", "/a%2Fb?x=%20&y"},
		{lock(plan.SchemeAPIKey, "header", "x-api-key", "", "s"), "/a?x-api-key=s", "X-Api-Key: s", "/a?x-api-key=s"},
		{lock(plan.SchemeAPIKey, "query", "k", "", "s"), "/a%2Fb?x=%20&k=s&y;z&=&kk=s", "X: y", "/a%2Fb?x=%20&y;z&=&kk=s"},
		{lock(plan.SchemeAPIKey, "query", "k k", "", "s"), "/a?k+k=%73", "X: y", "/a"},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(http.MethodGet, tt.target, nil)
		name, value, _ := strings.Cut(tt.header, ": ")
		r.Header.Set(name, value)
		r.Header.Set("Other", "stays")
		in := auth.New(auth.Options{}).Gate(tt.lock).Admit(r)
		if in == nil {
			t.Errorf("%s %s: refused", tt.target, tt.header)
			continue
		}
		if in.URL.RequestURI() != tt.want || in.RequestURI != tt.want && in.RequestURI != tt.target || in.Header.Get("Other") != "stays" {
			t.Errorf("%s: %s %s %v came in, want %s", tt.target, in.URL, in.RequestURI, in.Header, tt.want)
		}
		if tt.lock.In != "query" && len(in.Header) != 1 {
			t.Errorf("%s: %v came in", tt.header, in.Header)
		}
		if r.URL.RequestURI() != tt.target || r.Header.Get(name) != value {
			t.Errorf("the request itself became %s %v", r.URL, r.Header)
		}
	}
}

// TestGateKeepsNoSecret: a gate cannot tell what opens it, and an empty or shut lock never opens.
func TestGateKeepsNoSecret(t *testing.T) {
	t.Parallel()
	g := auth.New(auth.Options{}).Gate(lock(plan.SchemeBasic, "", "", "the-user", "the-password"))
	if dump := fmt.Sprintf("%+v %#v", g, g); strings.Contains(dump, "the-") {
		t.Errorf("a gate prints %s", dump)
	}
	for _, l := range []plan.Lock{{Scheme: plan.SchemeBearer}, {Scheme: plan.SchemeBearer, Secret: plan.NewSecret("s"), Shut: true}, {Scheme: "", Secret: plan.NewSecret("s")}} {
		for _, header := range []string{"", "Bearer ", "Bearer s", "Basic Og=="} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Authorization", header)
			if auth.New(auth.Options{}).Gate(l).Admit(r) != nil {
				t.Errorf("%+v opens for %q", l, header)
			}
		}
	}
}

// TestRealm: the name of an adapter cannot end its place in the challenge.
func TestRealm(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	auth.New(auth.Options{}).Gate(lock(plan.SchemeBearer, "", "", "", "s")).Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="a \"b\\"` {
		t.Errorf("challenge %s", got)
	}
}
