package httpclient_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// authority issues client certificates.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	a.cert = a.sign(template, template, a.key.Public())
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// identity is a client certificate with its key, in the forms that people have.
type identity struct{ cert, key, encrypted, store string }

func (a *authority) issue(name string) identity {
	a.t.Helper()
	key := newKey(a.t)
	cert := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a.cert, key.Public())
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	//lint:ignore SA1019 an old form that is still handed out
	locked, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", ec, []byte("pass"), x509.PEMCipherAES256)
	if err != nil {
		a.t.Fatal(err)
	}
	store, err := pkcs12.Modern.Encode(key, cert, []*x509.Certificate{a.cert}, "pass")
	if err != nil {
		a.t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return identity{block("CERTIFICATE", cert.Raw), block("PRIVATE KEY", pkcs8), string(pem.EncodeToMemory(locked)), string(store)}
}

// start serves only those whom the authority knows, and greets them.
func (a *authority) start() (base string, client *httpclient.Client) {
	a.t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "hello "+r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	known := x509.NewCertPool()
	known.AddCert(a.cert)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: known}
	s.EnableHTTP2 = true
	s.StartTLS()
	a.t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, newClient(a.t, httpclient.Options{TLS: &tls.Config{RootCAs: roots}})
}

func secret(s string) plan.Secret { return plan.NewSecret(s) }

func keyFile(t testing.TB, content string) plan.KeyFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	replace(t, name, content)
	return plan.KeyFile{Path: secret(name)}
}

// replace writes a file with a time of change that no earlier one had.
func replace(t testing.TB, name, content string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if old, err := os.Stat(name); err == nil {
		if err := os.Chtimes(name+".new", time.Time{}, old.ModTime().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func certified(t testing.TB, base string, c *plan.ClientCertificate) *plan.Request {
	req := request(t, "GET", base, "/")
	req.Certificate = c
	return req
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	base, client := a.start()
	bob := a.issue("bob")
	for name, c := range map[string]*plan.ClientCertificate{
		"PEM":                {Cert: secret(bob.cert), PrivateKey: secret(bob.key)},
		"PEM, one text":      {Cert: secret(bob.key + bob.cert)},
		"PEM, one line":      {Cert: secret(strings.ReplaceAll(bob.cert+bob.key, "\n", `\n`))},
		"PEM, old lock":      {Cert: secret(bob.cert), PrivateKey: secret(bob.encrypted), Password: secret("pass")},
		"PEM files":          {CertFile: keyFile(t, bob.cert), KeyFile: keyFile(t, bob.key)},
		"PEM file":           {CertFile: keyFile(t, bob.cert+bob.key)},
		"PKCS#12 file":       {CertFile: keyFile(t, bob.store), Password: secret("pass")},
		"PKCS#12 in base64":  {Cert: secret(base64.StdEncoding.EncodeToString([]byte(bob.store))), Password: secret("pass")},
		"base64 in a file":   {CertFile: keyFile(t, base64.StdEncoding.EncodeToString([]byte(bob.store))), Password: secret("pass")},
		"file and key apart": {CertFile: keyFile(t, bob.cert), PrivateKey: secret(bob.key)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, got := do(t, client, certified(t, base, c)); got != "hello bob" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestConnectionsOfCertificates: nobody gets a connection that another one made.
func TestConnectionsOfCertificates(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	base, client := a.start()
	bob, eve := a.issue("bob"), a.issue("eve")
	for range 3 {
		for name, id := range map[string]identity{"bob": bob, "eve": eve} {
			if _, got := do(t, client, certified(t, base, &plan.ClientCertificate{Cert: secret(id.cert), PrivateKey: secret(id.key)})); got != "hello "+name {
				t.Errorf("got %q, want %s", got, name)
			}
		}
		failure(t, context.Background(), client, request(t, "GET", base, "/"))
	}
}

func TestClientCertificateThatIsReplaced(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	base, client := a.start()
	old, fresh := a.issue("old"), a.issue("new")
	cert, key := keyFile(t, old.cert), keyFile(t, old.key)
	greets := func(want string) {
		t.Helper()
		// Each call has a certificate of its own making; what it says is the same.
		if _, got := do(t, client, certified(t, base, &plan.ClientCertificate{CertFile: cert, KeyFile: key})); got != "hello "+want {
			t.Errorf("got %q, want %s", got, want)
		}
	}
	greets("old")
	replace(t, cert.Path.Reveal(), fresh.cert)
	greets("old") // the key is still the old one
	if err := os.Remove(key.Path.Reveal()); err != nil {
		t.Fatal(err)
	}
	greets("old")
	replace(t, key.Path.Reveal(), fresh.key)
	greets("new")
}

func TestClientCertificateThatIsNone(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	base, client := a.start()
	bob, eve := a.issue("bob"), a.issue("eve")
	dir := t.TempDir()
	link := filepath.Join(dir, "link.pem")
	if err := os.Symlink(keyFile(t, bob.cert+bob.key).Path.Reveal(), link); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for name, c := range map[string]*plan.ClientCertificate{
		"a pipe":           {CertFile: plan.KeyFile{Path: secret(pipe)}}, // nobody ever writes into it
		"a pipe at hand":   {CertFile: plan.KeyFile{Path: secret(pipe), Root: dir}},
		"a device":         {CertFile: plan.KeyFile{Path: secret("/dev/zero")}},
		"no such file":     {CertFile: plan.KeyFile{Path: secret("/s3cret/no/such/file")}},
		"a folder":         {CertFile: plan.KeyFile{Path: secret(t.TempDir())}},
		"no certificate":   {Cert: secret("s3cret")},
		"no key":           {Cert: secret(bob.cert)},
		"another's key":    {Cert: secret(bob.cert), PrivateKey: secret(eve.key)},
		"wrong password":   {CertFile: keyFile(t, bob.store), Password: secret("s3cret")},
		"lock, no word":    {Cert: secret(bob.cert), PrivateKey: secret(bob.encrypted)},
		"out of its place": {CertFile: plan.KeyFile{Path: secret(link), Root: dir}},
	} {
		e := failure(t, context.Background(), client, certified(t, base, c))
		if e.Code != plan.CodeNotConfigured || !strings.Contains(e.Message, "client certificate") || strings.Contains(fmt.Sprint(e, e.Cause), "s3cret") {
			t.Errorf("%s: got %s %v (%v)", name, e.Code, e, e.Cause)
		}
	}
	t.Run("the upstream does not know it", func(t *testing.T) {
		other := newAuthority(t).issue("mallory")
		e := failure(t, context.Background(), client, certified(t, base, &plan.ClientCertificate{Cert: secret(other.cert), PrivateKey: secret(other.key)}))
		if e.Code != plan.CodeUpstreamFailed {
			t.Errorf("got %s %v", e.Code, e)
		}
	})
	t.Run("without TLS", func(t *testing.T) {
		plain := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(plain.Close)
		c := &plan.ClientCertificate{Cert: secret(bob.cert), PrivateKey: secret(bob.key)}
		if e := failure(t, context.Background(), client, certified(t, plain.URL, c)); e.Code != plan.CodeNotConfigured || !strings.Contains(e.Message, "https") {
			t.Errorf("got %s %v", e.Code, e)
		}
		to, err := url.Parse(plain.URL)
		if err != nil {
			t.Fatal(err)
		}
		if resp, _ := do(t, httpclient.Rebase(client, to), certified(t, "https://api.test", c)); resp.Status != 404 {
			t.Errorf("moved: got %d", resp.Status)
		}
	})
}

// TestNothingIsSentUnauthenticated: a request that wants a signature needs somebody who
// makes it.
func TestNothingIsSentUnauthenticated(t *testing.T) {
	t.Parallel()
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	t.Cleanup(s.Close)
	req := request(t, "GET", s.URL, "/")
	req.Auth = &plan.Digest{}
	if e := failure(t, context.Background(), newClient(t, httpclient.Options{}), req); e.Code != plan.CodeInternal || n != 0 {
		t.Errorf("got %s, sent %d times", e.Code, n)
	}
}

// TestSignedRequestsAreNotRedirected: the signature says where they go.
func TestSignedRequestsAreNotRedirected(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	t.Cleanup(s.Close)
	req := request(t, "GET", s.URL, "/")
	req.Signed = true
	if resp, _ := do(t, newClient(t, httpclient.Options{}), req); resp.Status != 302 || resp.Attempts != 1 || resp.Get("Location") != "/elsewhere" {
		t.Errorf("got %d after %d attempts", resp.Status, resp.Attempts)
	}
}
