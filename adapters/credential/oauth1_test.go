package credential_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"syscall"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"capd/adapters/credential"
	"capd/engine/plan"
)

// oauth1Server verifies signatures as section 3.2 of RFC 5849 wants it. It is written from
// the RFC and the Request Body Hash extension, and shares nothing with the signer.
type oauth1Server struct {
	mu              sync.Mutex
	consumer, token string // their secrets
	public          *rsa.PublicKey
	seen            map[string]bool // nonces
}

var oauthParam = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// rfc3986 encodes as section 3.6 says.
func rfc3986(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}

func (s *oauth1Server) verify(r *http.Request, body string) error {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "OAuth" {
		return fmt.Errorf("scheme %q", scheme)
	}
	oauth := map[string]string{}
	var all [][2]string
	for _, m := range oauthParam.FindAllStringSubmatch(rest, -1) {
		v, err := url.PathUnescape(m[2])
		if err != nil {
			return err
		}
		if _, twice := oauth[m[1]]; twice {
			return fmt.Errorf("%s twice", m[1])
		}
		oauth[m[1]] = v
		if m[1] != "realm" && m[1] != "oauth_signature" {
			all = append(all, [2]string{m[1], v})
		}
	}
	s.mu.Lock()
	fresh := !s.seen[oauth["oauth_nonce"]]
	s.seen[oauth["oauth_nonce"]] = true
	s.mu.Unlock()
	if !fresh || oauth["oauth_consumer_key"] != "consumer" || oauth["oauth_version"] != "1.0" {
		return fmt.Errorf("parameters %v", oauth)
	}
	form := r.Header.Get("Content-Type") == "application/x-www-form-urlencoded"
	sources := []string{r.URL.RawQuery}
	if form {
		sources = append(sources, body)
	}
	for _, source := range sources {
		values, err := url.ParseQuery(source)
		if err != nil {
			return err
		}
		for name, list := range values {
			for _, v := range list {
				all = append(all, [2]string{name, v})
			}
		}
	}
	h, kind := sha1.New, crypto.SHA1
	if strings.HasSuffix(oauth["oauth_signature_method"], "SHA256") {
		h, kind = sha256.New, crypto.SHA256
	}
	if sum, ok := oauth["oauth_body_hash"]; ok && (form || sum != base64.StdEncoding.EncodeToString(digestOf(h, body))) {
		return fmt.Errorf("body hash %q", sum)
	} else if !ok && !form && body != "" && oauth["oauth_signature_method"] != "PLAINTEXT" {
		return fmt.Errorf("no body hash")
	}
	lines := make([]string, len(all))
	for i, p := range all {
		lines[i] = rfc3986(p[0]) + "=" + rfc3986(p[1])
	}
	// Sorting whole pairs differs from sorting names first only where a name is the beginning
	// of another one that goes on with a byte below "=", which no test here has.
	sort.Strings(lines)
	path, _, _ := strings.Cut(r.RequestURI, "?")
	base := r.Method + "&" + rfc3986("http://"+r.Host+path) + "&" + rfc3986(strings.Join(lines, "&"))
	key := rfc3986(s.consumer) + "&" + rfc3986(s.token)
	given := oauth["oauth_signature"]
	raw, err := base64.StdEncoding.DecodeString(given)
	switch oauth["oauth_signature_method"] {
	case "PLAINTEXT":
		if given != key {
			return fmt.Errorf("plain text %q", given)
		}
		return nil
	case "HMAC-SHA1", "HMAC-SHA256":
		m := hmac.New(h, []byte(key))
		m.Write([]byte(base))
		if err != nil || !hmac.Equal(raw, m.Sum(nil)) {
			return fmt.Errorf("signature of %s", base)
		}
		return nil
	}
	if err == nil {
		err = rsa.VerifyPKCS1v15(s.public, kind, digestOf(h, base), raw)
	}
	return err
}

func digestOf(h func() hash.Hash, text string) []byte {
	d := h()
	d.Write([]byte(text))
	return d.Sum(nil)
}

func (s *oauth1Server) start(t *testing.T) string {
	s.seen = map[string]bool{}
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := s.verify(r, bodyOf(r)); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})
}

func TestOAuth1(t *testing.T) {
	t.Parallel()
	key := newRSAKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	methods := map[string]*plan.OAuth1{
		"HMAC-SHA1":             {Method: "HMAC-SHA1", ConsumerSecret: secret("c&s cret")},
		"HMAC-SHA1 with token":  {Method: "HMAC-SHA1", ConsumerSecret: secret("c"), Token: secret("tök=n"), TokenSecret: secret("t%s"), Realm: secret("Photos")},
		"HMAC-SHA256":           {Method: "HMAC-SHA256", ConsumerSecret: secret("c"), TokenSecret: secret("t")},
		"PLAINTEXT":             {Method: "PLAINTEXT", ConsumerSecret: secret("c"), TokenSecret: secret("t")},
		"RSA-SHA256":            {Method: "RSA-SHA256", SigningKey: secret(pemKey)},
		"RSA-SHA256, on a line": {Method: "RSA-SHA256", SigningKey: secret(strings.ReplaceAll(pemKey, "\n", `\n`))},
		"RSA-SHA1, DER":         {Method: "RSA-SHA1", SigningKey: secret(base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key)))},
		"RSA-SHA256, PKCS#12":   {Method: "RSA-SHA256", SigningKey: secret(base64.StdEncoding.EncodeToString(keyStore(t, key, "pass"))), KeyPassword: secret("pass")},
		"RSA-SHA256, file":      {Method: "RSA-SHA256", SigningKeyFile: keyFile(t, keyStore(t, key, "pass")), KeyPassword: secret("pass")},
	}
	for name, c := range methods {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.ConsumerKey = secret("consumer")
			base := (&oauth1Server{consumer: c.ConsumerSecret.Reveal(), token: c.TokenSecret.Reveal(), public: &key.PublicKey}).start(t)
			up := newClient(t, credential.Options{})
			const form, json = "application/x-www-form-urlencoded", "application/json"
			for _, req := range []*plan.Request{
				request(t, "GET", base, "/x", "", c),
				request(t, "GET", base, "/a%2Fb/c%20d/;e=f?z=1&a=%26&a=+b&a=%C3%A4&empty=&flag", "", c),
				request(t, "GET", base, "/x?q=~*'()!", "", c),
				request(t, "DELETE", base, "/x/1", "", c, "Authorization", "Bearer of another"),
				request(t, "POST", base, "/x?a=1", "b=2&a=3+4&c=%2B", c, "Content-Type", form),
				request(t, "POST", base, "/x", `{"a": "é"}`, c, "Content-Type", json),
				stream(request(t, "PUT", base, "/x", `{"a": 1}`, c, "Content-Type", json), true),
				stream(request(t, "PATCH", base, "/x", `{"a": 1}`, c, "Content-Type", json), false),
				stream(request(t, "POST", base, "/x", `a=1&b=2`, c, "Content-Type", form), false),
			} {
				resp, text := do(t, up, req)
				if resp.Status != 200 {
					t.Errorf("%s %s: %d %s", req.Method, req.Target, resp.Status, text)
				}
				if resp.Attempts != 1 {
					t.Errorf("sent %d times", resp.Attempts)
				}
			}
		})
	}
}

// TestBodyHashOfRequestsWithoutBody: Mastercard's services want it with RSA-SHA256; what is
// signed with HMAC gets none, nor does a server that knows no such parameter.
func TestBodyHashOfRequestsWithoutBody(t *testing.T) {
	t.Parallel()
	key := newRSAKey(t)
	pemKey := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, strings.Contains(r.Header.Get("Authorization"), "oauth_body_hash"))
	})
	for _, x := range []struct {
		c    *plan.OAuth1
		body string
		want string
	}{
		{&plan.OAuth1{Method: "RSA-SHA256", SigningKey: secret(pemKey)}, "", "true"},
		{&plan.OAuth1{Method: "RSA-SHA256", SigningKey: secret(pemKey), NoBodyHash: true}, "{}", "false"},
		{&plan.OAuth1{Method: "HMAC-SHA1"}, "", "false"},
		{&plan.OAuth1{Method: "HMAC-SHA1"}, "{}", "true"},
	} {
		if _, got := do(t, newClient(t, credential.Options{}), request(t, "POST", base, "/", x.body, x.c)); got != x.want {
			t.Errorf("%s %q: body hash %s, want %s", x.c.Method, x.body, got, x.want)
		}
	}
}

func keyStore(t testing.TB, key *rsa.PrivateKey, password string) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "signer"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	store, err := pkcs12.Modern.Encode(key, cert, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func keyFile(t testing.TB, content []byte) plan.KeyFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return plan.KeyFile{Path: secret(name)}
}

func TestSigningKeyFile(t *testing.T) {
	t.Parallel()
	old, fresh := newRSAKey(t), newRSAKey(t)
	s := &oauth1Server{public: &old.PublicKey}
	base := s.start(t)
	file := keyFile(t, x509.MarshalPKCS1PrivateKey(old))
	c := &plan.OAuth1{Method: "RSA-SHA256", ConsumerKey: secret("consumer"), SigningKeyFile: file}
	up := newClient(t, credential.Options{})
	status := func() int {
		resp, _ := do(t, up, request(t, "GET", base, "/x", "", c))
		return resp.Status
	}
	if got := status(); got != 200 {
		t.Fatal(got)
	}
	write := func(content []byte) {
		if err := os.WriteFile(file.Path.Reveal(), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("half of a k"))
	if got := status(); got != 200 {
		t.Errorf("while the file is replaced: %d", got)
	}
	write([]byte(base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(fresh))))
	s.public = &fresh.PublicKey
	if got := status(); got != 200 {
		t.Errorf("with the new key: %d", got)
	}
	t.Run("a link out of the folder", func(t *testing.T) {
		dir := t.TempDir()
		link := filepath.Join(dir, "key.pem")
		if err := os.Symlink(file.Path.Reveal(), link); err != nil {
			t.Skip(err)
		}
		c := &plan.OAuth1{Method: "RSA-SHA256", ConsumerKey: secret("consumer"), SigningKeyFile: plan.KeyFile{Path: secret(link), Root: dir}}
		fails(t, up, request(t, "GET", base, "/x", "", c), plan.CodeNotConfigured, "cannot be read")
	})
}

func TestSigningKeyThatIsNone(t *testing.T) {
	t.Parallel()
	up := newClient(t, credential.Options{})
	pipe := filepath.Join(t.TempDir(), "s3cret")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for _, c := range []*plan.OAuth1{
		{Method: "RSA-SHA256", SigningKeyFile: plan.KeyFile{Path: secret(pipe)}}, // nobody ever writes into it
		{Method: "RSA-SHA256", SigningKey: secret("s3cret-not-a-key")},
		{Method: "RSA-SHA256", SigningKey: secret("-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----")},
		{Method: "RSA-SHA256", SigningKeyFile: plan.KeyFile{Path: secret("/s3cret/no/such/file")}},
		{Method: "RSA-SHA256", SigningKeyFile: keyFile(t, []byte("s3cret"))},
		{Method: "RSA-SHA256", SigningKey: secret(base64.StdEncoding.EncodeToString(keyStore(t, newRSAKey(t), "pass"))), KeyPassword: secret("wrong")},
	} {
		e := fails(t, up, request(t, "GET", "http://127.0.0.1:1", "/", "", c), plan.CodeNotConfigured, "signing key")
		if text := fmt.Sprint(e, e.Cause); strings.Contains(text, "s3cret") {
			t.Errorf("shown: %s", text)
		}
	}
}

func TestBodyThatIsTooLongToBeSigned(t *testing.T) {
	t.Parallel()
	up := newClient(t, credential.Options{MaxBody: 4})
	c := &plan.OAuth1{Method: "HMAC-SHA1"}
	for _, known := range []bool{true, false} {
		fails(t, up, stream(request(t, "POST", "http://127.0.0.1:1", "/", "12345", c), known), plan.CodeBodyTooLarge, "4 bytes")
	}
	base := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, bodyOf(r)) })
	if _, got := do(t, up, stream(request(t, "POST", base, "/", "1234", c), false)); got != "1234" {
		t.Errorf("got %q", got)
	}
}
