package auth_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	digests "github.com/icholy/digest"

	"capd/adapters/auth"
	"capd/adapters/memory"
	"capd/engine/plan"
)

func digestLock(algorithms ...string) plan.Lock {
	l := lock(plan.SchemeDigest, "", "", "Mufasa", "Circle of Life")
	l.Realm, l.Algorithms = "http-auth@example.org", algorithms
	return l
}

// rfcAnswer is the answer of RFC 7616 section 3.9.1 to a challenge that is not ours.
func rfcAnswer(algorithm, response string) string {
	return `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=` + algorithm +
		`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="` +
		response + `", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
}

// knockDigest shows an answer. It gives who came in, or the first challenge.
func knockDigest(g plan.Gate, target string, header ...string) (who *plan.Caller, challenge string) {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for _, h := range header {
		r.Header.Add("Authorization", h)
	}
	if in := g.Admit(r); in != nil {
		if in.Header.Get("Authorization") != "" {
			panic("the answer came in")
		}
		return plan.CallerOf(in.Context()), ""
	}
	w := httptest.NewRecorder()
	g.Refuse(w, r)
	return nil, strings.Join(w.Header()["Www-Authenticate"], "\n")
}

// TestDigestVectors: the answers of RFC 7616 are right, though for an old challenge. Nothing that
// differs is.
func TestDigestVectors(t *testing.T) {
	t.Parallel()
	const sha, md = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", "8ca523f5e9506fed4657c9700eebdbec"
	g := auth.New(auth.Options{}).Gate(digestLock(plan.DigestSHA256, plan.DigestMD5))
	const target = "/dir/index.html"
	good := rfcAnswer("SHA-256", sha)
	for _, tt := range []struct {
		what, target, header string
		right                bool
	}{
		{"SHA-256", target, good, true},
		{"MD5", target, rfcAnswer("MD5", md), true},
		{"MD5 by not naming it", target, strings.Replace(rfcAnswer("MD5", md), "algorithm=MD5, ", "", 1), true},
		{"lower case", target, strings.Replace(good, "Digest", "digest", 1), true},
		{"upper case digits", target, rfcAnswer("SHA-256", strings.ToUpper(sha)), true},
		{"quoted", target, strings.NewReplacer("=auth,", `="auth",`, "=SHA-256", `="SHA-256"`).Replace(good), true},
		{"absolute request", "http://example.com/dir/index.html", good, true},
		{"the name in its other form", target, strings.Replace(good, `username="Mufasa"`, "username*=UTF-8''Mufas%61", 1), true},
		{"another target", "/dir/other.html", good, false},
		{"a query", "/dir/index.html?a", good, false},
		{"another password", target, rfcAnswer("SHA-256", md), false},
		{"another algorithm", target, rfcAnswer("SHA-512-256", sha), false},
		{"another name", target, strings.Replace(good, "Mufasa", "Simba", 1), false},
		{"both names", target, good + `, username*=UTF-8''Mufasa`, false},
		{"no name", target, strings.Replace(good, `username="Mufasa", `, "", 1), false},
		{"another realm", target, strings.Replace(good, "http-auth@", "x@", 1), false},
		{"no qop", target, strings.Replace(good, "qop=auth, ", "", 1), false},
		{"another qop", target, strings.Replace(good, "qop=auth,", "qop=auth-int,", 1), false},
		{"a short count", target, strings.Replace(good, "nc=00000001", "nc=1", 1), false},
		{"a parameter twice", target, good + `, nc=00000001`, false},
		{"half of it", target, good[:len(good)-1], false},
	} {
		who, challenge := knockDigest(g, tt.target, tt.header)
		if who != nil {
			t.Errorf("%s: came in with a challenge of somebody else", tt.what)
		}
		if got := strings.Contains(challenge, "stale=true"); got != tt.right {
			t.Errorf("%s: right is %v: %s", tt.what, got, challenge)
		}
	}
	if who, challenge := knockDigest(g, target, good, good); who != nil || strings.Contains(challenge, "stale") {
		t.Errorf("two answers: %s", challenge)
	}
	if dump := fmt.Sprintf("%+v %#v", g, g); strings.Contains(dump, "Circle") {
		t.Errorf("a gate prints %s", dump)
	}
}

// answerTo answers a challenge as a client does that people use.
func answerTo(t *testing.T, challenge, target, user, password string, count int) string {
	t.Helper()
	c, err := digests.ParseChallenge(challenge)
	if err != nil {
		t.Fatalf("%s: %v", challenge, err)
	}
	answer, err := digests.Digest(c, digests.Options{Method: http.MethodGet, URI: target, Count: count, Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	return answer.String()
}

// TestDigest: a challenge can be answered many times with counts of its own, each once, as long
// as it is fresh, at every replica with the key.
func TestDigest(t *testing.T) {
	t.Parallel()
	now, key := newClock(), []byte("the key of all replicas")
	gate := func(key []byte) plan.Gate {
		return auth.New(auth.Options{Now: now.now, Key: key}).Gate(digestLock(plan.DigestSHA256))
	}
	g, replica, stranger := gate(key), gate(key), gate([]byte("another key"))
	_, challenge := knockDigest(g, "/a")
	if !regexp.MustCompile(`^Digest realm="http-auth@example.org", qop="auth", algorithm=SHA-256, nonce="[\w-]{54}", charset=UTF-8$`).MatchString(challenge) {
		t.Fatalf("challenge %s", challenge)
	}
	answer := func(count int) string { return answerTo(t, challenge, "/a?b", "Mufasa", "Circle of Life", count) }
	want := func(what string, g plan.Gate, header string, in, stale bool) {
		t.Helper()
		who, challenge := knockDigest(g, "/a?b", header)
		if (who != nil) != in || in && (who.Scheme != plan.SchemeDigest || who.Subject != "Mufasa") || strings.Contains(challenge, "stale=true") != stale {
			t.Errorf("%s: %+v %s", what, who, challenge)
		}
	}
	want("the second answer", g, answer(2), true, false)
	want("the first answer", g, answer(1), true, false)
	want("an answer that is seen", g, answer(1), false, true)
	want("another password", g, answerTo(t, challenge, "/a?b", "Mufasa", "x", 3), false, false)
	want("another name", g, answerTo(t, challenge, "/a?b", "Simba", "Circle of Life", 3), false, false)
	want("at a replica", replica, answer(3), true, false)
	want("at one with another key", stranger, answer(4), false, true)
	other := digestLock(plan.DigestSHA256)
	other.Realm = "other"
	want("at another adapter", auth.New(auth.Options{Now: now.now, Key: key}).Gate(other), answer(4), false, false)
	now.move(5*time.Minute - time.Second)
	want("in time", g, answer(5), true, false)
	now.move(time.Second)
	want("too late", g, answer(6), false, true)
}

// TestDigestAfterRestart: who forgot which answers came takes none to the challenges of before,
// even with the same key. The client is told that it is late, and not that it is wrong.
func TestDigestAfterRestart(t *testing.T) {
	t.Parallel()
	now, key := newClock(), []byte("the key of all replicas")
	start := func() plan.Gate {
		return auth.New(auth.Options{Now: now.now, Key: key}).Gate(digestLock(plan.DigestSHA256))
	}
	g := start()
	_, challenge := knockDigest(g, "/a")
	answer := answerTo(t, challenge, "/a", "Mufasa", "Circle of Life", 1)
	if who, again := knockDigest(g, "/a", answer); who == nil {
		t.Fatalf("the answer is not taken: %s", again)
	}
	now.move(time.Second)
	g = start()
	who, challenge := knockDigest(g, "/a", answer)
	if who != nil || !strings.Contains(challenge, "stale=true") {
		t.Errorf("an answer of before the restart: %+v %s", who, challenge)
	}
	if who, again := knockDigest(g, "/a", answerTo(t, challenge, "/a", "Mufasa", "Circle of Life", 1)); who == nil {
		t.Errorf("the answer to a new challenge is not taken: %s", again)
	}
}

// TestDigestLooks: a list that looks whether an adapter may be shown uses no answer up.
func TestDigestLooks(t *testing.T) {
	t.Parallel()
	g := auth.New(auth.Options{}).Gate(digestLock(plan.DigestSHA256))
	_, challenge := knockDigest(g, "/a")
	r := httptest.NewRequest(http.MethodGet, "/a", nil)
	r.Header.Set("Authorization", answerTo(t, challenge, "/a", "Mufasa", "Circle of Life", 1))
	for range 2 {
		if !plan.Shows(g, r, 2) {
			t.Error("an answer must be good for looks")
		}
	}
	if g.Admit(r) == nil || g.Admit(r) != nil {
		t.Error("an answer must be good for looks, and for one call")
	}
}

// TestDigestOfReplicas: replicas with one store take each answer once between them.
func TestDigestOfReplicas(t *testing.T) {
	t.Parallel()
	store, key := memory.New(memory.Options{}), []byte("key")
	gate := func(s plan.Store) plan.Gate {
		return auth.New(auth.Options{Key: key, Store: s}).Gate(digestLock(plan.DigestSHA256))
	}
	one, two, alone := gate(store), gate(store), gate(failingStore{})
	_, challenge := knockDigest(one, "/")
	answer := answerTo(t, challenge, "/", "Mufasa", "Circle of Life", 1)
	if who, _ := knockDigest(one, "/", answer); who == nil {
		t.Error("the answer is not taken")
	}
	if who, _ := knockDigest(two, "/", answer); who != nil {
		t.Error("two replicas take one answer")
	}
	if who, _ := knockDigest(alone, "/", answer); who == nil {
		t.Error("a store that cannot be reached keeps everybody out")
	}
}

// TestDigestNames: a user name in any language comes through in both forms.
func TestDigestNames(t *testing.T) {
	t.Parallel()
	l := digestLock(plan.DigestSHA256)
	l.Username = plan.NewSecret("Jäsøn Doe")
	g := auth.New(auth.Options{}).Gate(l)
	_, challenge := knockDigest(g, "/")
	plain := answerTo(t, challenge, "/", "Jäsøn Doe", "Circle of Life", 1)
	extended := strings.Replace(answerTo(t, challenge, "/", "Jäsøn Doe", "Circle of Life", 2), `username="Jäsøn Doe"`, "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe", 1)
	for _, answer := range []string{plain, extended} {
		if who, again := knockDigest(g, "/", answer); who == nil || who.Subject != "Jäsøn Doe" {
			t.Errorf("%s: %s", answer, again)
		}
	}
}

// FuzzDigest: no header makes a gate fail or open, whatever it is.
func FuzzDigest(f *testing.F) {
	f.Add(rfcAnswer("SHA-256", fmt.Sprintf("%x", sha256.Sum256(nil))))
	f.Add(`Digest a="\",b=c`)
	f.Add("Digest ,,=,")
	f.Add(`Digest response=x, username*=UTF-8'%zz'%, nonce=AAAA`)
	g := auth.New(auth.Options{}).Gate(digestLock(plan.DigestSHA256, plan.DigestMD5))
	f.Fuzz(func(t *testing.T, header string) {
		if who, challenge := knockDigest(g, "/dir/index.html", header); who != nil || !strings.Contains(challenge, "nonce=") {
			t.Errorf("%q: %+v %s", header, who, challenge)
		}
	})
}
