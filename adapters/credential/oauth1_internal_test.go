package credential

import (
	"strings"
	"testing"

	"capd/engine/plan"
)

// TestBaseString has the examples of RFC 5849: section 3.4.1.1, and the signed request for
// photos of section 1.2.
func TestBaseString(t *testing.T) {
	t.Parallel()
	req := &plan.Request{
		Method: "post", Base: &plan.Base{Scheme: "HTTP", Host: "EXAMPLE.COM:80"}, Target: "/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
		Header: []plan.Field{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}},
	}
	req.Base.Scheme = "http"
	_, query := cutTarget(req)
	params := append(formPairs(query), formPairs("c2&a3=2+q")...)
	params = append(params, pair{"oauth_consumer_key", "9djdj82h48djs9d2"}, pair{"oauth_token", "kkk9d7dh3k39sjv7"},
		pair{"oauth_signature_method", "HMAC-SHA1"}, pair{"oauth_timestamp", "137131201"}, pair{"oauth_nonce", "7d8f3e4a"})
	want := "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if got := baseString(req, params); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !isForm(req) {
		t.Error("the form is not seen")
	}

	s := plan.NewSecret
	for _, x := range []struct {
		method, scheme, target string
		c                      plan.OAuth1
		params                 string
		want                   string
	}{
		{
			"GET", "http", "/photos?file=vacation.jpg&size=original", plan.OAuth1{ConsumerSecret: s("kd94hf93k423kf44"), TokenSecret: s("pfkkdhi9sl3r4s00")},
			"oauth_consumer_key=dpf43f3p2l4k3l03&oauth_token=nnch734d00sl2jdk&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131202&oauth_nonce=chapoH",
			"MdpQcU8iPSUjWoN/UDMsK2sui9I=",
		},
	} {
		x.c.Method = "HMAC-SHA1"
		host := "photos.example.net"
		req := &plan.Request{Method: x.method, Base: &plan.Base{Scheme: x.scheme, Host: host}, Target: x.target}
		_, query := cutTarget(req)
		got, err := New(nil, Options{}).oauth1Signature(&x.c, baseString(req, append(formPairs(x.params), formPairs(query)...)))
		if err != nil || got != x.want {
			t.Errorf("%s: got %s, %v, want %s", x.target, got, err, x.want)
		}
	}
}

// TestBodyHash has the value of the Request Body Hash extension for no content.
func TestBodyHash(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ method, body, want string }{
		{"HMAC-SHA1", "", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="},
		{"HMAC-SHA1", "Hello World!", "Lve95gjOVATpfV8EL5X4nxwjKHE="},
		{"RSA-SHA256", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
	} {
		if got := bodyHash(x.method, []byte(x.body)); got != x.want {
			t.Errorf("%s %q: got %s, want %s", x.method, x.body, got, x.want)
		}
	}
}

func TestSplitChallenges(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ header, want string }{
		{`Digest realm="a", nonce="b"`, `Digest realm="a", nonce="b"`},
		{`Basic realm="a, b", Digest realm="c", qop="auth,auth-int", nonce="\"x, Digest y"`, `Basic realm="a, b"|Digest realm="c", qop="auth,auth-int", nonce="\"x, Digest y"`},
		{`Negotiate, Digest realm=a`, `Negotiate|Digest realm=a`},
		{`Digest realm="a",nonce=b,,Bearer`, `Digest realm="a", nonce=b|Bearer`},
		{`, Digest a=b,`, `Digest a=b`},
		{``, ``},
		{`"`, `"`},
	} {
		if got := strings.Join(splitChallenges(x.header), "|"); got != x.want {
			t.Errorf("%s: got %s, want %s", x.header, got, x.want)
		}
	}
}

// FuzzChallenge: no answer of an upstream breaks the reader.
func FuzzChallenge(f *testing.F) {
	f.Add(`Basic realm="a, b", Digest realm="c", qop="auth,auth-int", nonce="x"`)
	f.Add(`Digest nonce=,qop="`)
	f.Fuzz(func(t *testing.T, header string) {
		c := findChallenge(&plan.Response{Header: []plan.Field{{Name: "WWW-Authenticate", Value: header}}})
		if c != nil && c.Nonce == "" {
			t.Error("a challenge without a nonce")
		}
	})
}

// FuzzToken: no answer of a token endpoint breaks the reader, and none of its text gets into
// an error.
func FuzzToken(f *testing.F) {
	f.Add(200, `{"access_token":"a","expires_in":"60"}`, "application/json")
	f.Add(400, `{"error":"invalid_client"}`, "")
	f.Add(200, `access_token=a&expires_in=1e99`, "application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, status int, body, media string) {
		got, err := readToken(&serverAnswer{status, media, []byte(body)})
		if err == nil && (got.access == "" || got.lifetime < 0) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestStoreForgetsWhatIsNotUsed(t *testing.T) {
	t.Parallel()
	var s store[int]
	key := func(i int) stateKey { return stateKey{origin: strings.Repeat("x", i)} }
	made := 0
	fresh := func() *int { made++; return new(int) }
	first := s.get(key(0), fresh)
	for i := 1; i <= maxKept+10; i++ {
		s.get(key(i), fresh)
		if s.get(key(0), fresh) != first {
			t.Fatal("what is in use was forgotten")
		}
	}
	if len(s.items) > maxKept || made != maxKept+11 {
		t.Errorf("%d kept, %d made", len(s.items), made)
	}
}
