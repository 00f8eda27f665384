package engine

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/engine/plan"
)

// authority issues certificates for this machine and for callers.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	a.cert = a.sign(template, template, a.key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue gives a certificate of a name, good for days, and its key, as PEM.
func (a *authority) issue(name string, days int) (cert, key string) {
	a.t.Helper()
	private := newKey(a.t)
	spiffe := &url.URL{Scheme: "spiffe", Host: "example.org", Path: "/" + name}
	c := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-30 * 24 * time.Hour),
		NotAfter:    time.Now().Add(time.Duration(days) * 24 * time.Hour),
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, URIs: []*url.URL{spiffe},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, private)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return pemOf("CERTIFICATE", c.Raw), pemOf("PRIVATE KEY", der)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *authority) pem() string { return pemOf("CERTIFICATE", a.cert.Raw) }

// client gives a client that trusts the authority, of HTTP/2 or of HTTP/1.1, with connections
// of its own.
func (a *authority) client(version int, own ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: own}, ForceAttemptHTTP2: version == 2}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// both gives what issue does as one text.
func (a *authority) both(name string) string {
	cert, key := a.issue(name, 90)
	return cert + key
}

// pairOf makes what a client shows of a certificate and its key.
func pairOf(t *testing.T, text string) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(text), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// sealed is an engine that speaks TLS.
type sealed struct {
	*rig
	*authority
	cert, key string // files
	log       *syncBuffer
}

// seal starts an engine with a certificate of the name "first"; serve answers calls.
func seal(t *testing.T, w waits, rest, mcp http.HandlerFunc, change func(*TLSOptions)) *sealed {
	t.Helper()
	dir := t.TempDir()
	s := &sealed{authority: newAuthority(t, "root"), cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), log: &syncBuffer{}}
	s.renew("first", 90)
	o := TLSOptions{CertFile: s.cert, KeyFile: s.key, Logger: logTo(s.log)}
	if change != nil {
		change(&o)
	}
	speaks, err := NewTLS(o)
	if err != nil {
		t.Fatal(err)
	}
	s.rig = newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.DrainTimeout = time.Millisecond
		o.TLS = speaks
		o.MaxHeader = 8 << 10
		o.Adapters = map[plan.Kind]Adapter{plan.REST: handlerAdapter{rest}, plan.MCP: handlerAdapter{mcp}}
	})
	s.engine.waits = w
	s.start()
	return s
}

// renew writes another certificate.
func (s *sealed) renew(name string, days int) {
	s.authority.t.Helper()
	cert, key := s.issue(name, days)
	writeTo(s.authority.t, s.cert, cert)
	writeTo(s.authority.t, s.key, key)
}

func (s *sealed) url(path string) string { return "https://" + s.engine.Addr(loopback) + path }

// shown gives the name in the certificate that a new connection gets.
func (s *sealed) shown() string {
	s.authority.t.Helper()
	resp, err := s.client(1).Get(s.url("/apis/a"))
	if err != nil {
		s.authority.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.TLS.PeerCertificates[0].Subject.CommonName
}

func idle(http.ResponseWriter, *http.Request) {}

var patient = waits{call: long, answer: long, unread: long, taken: long}

// TestTLSVersions: both versions of HTTP, nothing older than TLS 1.2, and plain HTTP is told
// what is wrong.
func TestTLSVersions(t *testing.T) {
	t.Parallel()
	s := seal(t, patient, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }, idle, nil)
	for version, want := range map[int]string{1: "HTTP/1.1", 2: "HTTP/2.0"} {
		resp, err := s.client(version).Get(s.url("/apis/a"))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(text) != want || resp.Header.Get(requestIDHeader) == "" || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("got %q with %+v", text, resp.Header)
		}
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", s.engine.Addr(loopback), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
	resp, text := hear(t, bufio.NewReader(say(t, s.engine.Addr(loopback), "GET /apis/a HTTP/1.1\nHost: localhost\n\n")))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "HTTP request to an HTTPS server") {
		t.Errorf("plain HTTP gets %s %s", resp.Status, text)
	}
}

// TestTLSDoor: what keeps web pages out over plain HTTP does so in HTTP/2.
func TestTLSDoor(t *testing.T) {
	t.Parallel()
	s := seal(t, patient, idle, idle, nil)
	for _, version := range []int{1, 2} {
		for host, want := range map[string]int{"localhost": http.StatusOK, "evil.example": http.StatusForbidden} {
			r, err := http.NewRequest(http.MethodGet, s.url("/apis/a"), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			resp, err := s.client(version).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want || resp.ProtoMajor != version {
				t.Errorf("%s in HTTP/%d: %s", host, resp.ProtoMajor, resp.Status)
			}
		}
	}
}

// TestTLSReload: new connections get the new certificate, old ones and their calls go on, and
// what cannot be used leaves the last good one.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	s := seal(t, patient, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "wait" {
			close(entered)
			<-release
		}
		_, _ = io.WriteString(w, "whole")
	}, idle, nil)
	old, answered := s.client(2), make(chan string, 1)
	go func() {
		resp, err := old.Get(s.url("/apis/a?wait"))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		answered <- string(text) + " " + resp.TLS.PeerCertificates[0].Subject.CommonName
	}()
	<-entered

	s.renew("second", 90)
	if got := s.shown(); got != "first" {
		t.Errorf("before a reload %s is shown", got)
	}
	s.reload()
	if got := s.shown(); got != "second" {
		t.Errorf("%s is shown, want the second", got)
	}
	close(release)
	if got := <-answered; got != "whole first" {
		t.Errorf("the call in flight got %q", got)
	}
	resp, err := old.Get(s.url("/apis/a")) // on the connection of before
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := resp.TLS.PeerCertificates[0].Subject.CommonName; got != "first" {
		t.Errorf("the old connection was closed: another one has the certificate %s", got)
	}

	cert, key := s.issue("third", 90)
	ended, endedKey := s.issue("ended", -1)
	for name, texts := range map[string][2]string{
		"no longer there": {"", ""}, "half written": {cert[:len(cert)/2], key}, "another key": {cert, endedKey}, "exchanged": {key, cert},
		"ended": {ended, endedKey}, "huge": {cert + strings.Repeat("\n", maxTLSFile), key},
	} {
		s.exchange(texts)
		s.reload()
		if got := s.shown(); got != "second" {
			t.Errorf("%s: %s is shown", name, got)
		}
		if !strings.Contains(s.log.String(), "TLS goes on with the certificate of before") {
			t.Errorf("%s: the log does not say so: %s", name, s.log)
		}
		s.log.reset()
	}
	s.exchange([2]string{cert, key})
	s.reload()
	if got := s.shown(); got != "third" {
		t.Errorf("%s is shown, want the third", got)
	}
	if strings.Contains(s.log.String(), strings.Split(key, "\n")[1]) {
		t.Error("the key is in the log")
	}
}

// exchange writes a pair; an empty one is no file.
func (s *sealed) exchange(texts [2]string) {
	s.authority.t.Helper()
	if texts[0] == "" {
		if err := os.Remove(s.cert); err != nil {
			s.authority.t.Fatal(err)
		}
		return
	}
	writeTo(s.authority.t, s.cert, texts[0])
	writeTo(s.authority.t, s.key, texts[1])
}

func (b *syncBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// TestTLSReloadWithBadDocuments: a certificate does not wait for them.
func TestTLSReloadWithBadDocuments(t *testing.T) {
	t.Parallel()
	s := seal(t, patient, idle, idle, nil)
	s.engine.opts.OnInvalid = Fail
	s.write("a.yaml", "panic")
	s.renew("second", 90)
	if err := s.engine.Reload(t.Context()); err == nil {
		t.Fatal("the reload did not fail")
	}
	if got := s.shown(); got != "second" {
		t.Errorf("%s is shown", got)
	}
}

// TestTLSExpiry: what ends soon or has ended is said once per certificate, and served.
func TestTLSExpiry(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t, "root"), t.TempDir()
	for days, want := range map[int]string{-1: "has expired", 1: "expires soon", 13: "expires soon", 15: ""} {
		var log syncBuffer
		cert, key := a.issue("x", days)
		file := filepath.Join(dir, fmt.Sprint(days))
		writeTo(t, file, cert+key)
		speaks, err := NewTLS(TLSOptions{CertFile: file, KeyFile: file, Logger: logTo(&log)})
		if err != nil {
			t.Fatal(err)
		}
		speaks.Reload()
		text := log.String()
		if want == "" && text != "" || strings.Count(text, "level=WARN") != min(len(want), 1) || !strings.Contains(text, want) {
			t.Errorf("%d days: got %q, want %q", days, text, want)
		}
	}
}

// TestTLSFilesThatCannotBeUsed are named with the reason.
func TestTLSFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t, "root"), t.TempDir()
	cert, key := a.issue("x", 90)
	_, other := a.issue("y", 90)
	file := func(name, text string) string {
		writeTo(t, filepath.Join(dir, name), text)
		return filepath.Join(dir, name)
	}
	good, goodKey := file("cert", cert), file("key", key)
	for want, o := range map[string]TLSOptions{
		"cannot read " + filepath.Join(dir, "none") + ": no such file or directory": {CertFile: filepath.Join(dir, "none"), KeyFile: goodKey},
		"does not match":          {CertFile: good, KeyFile: file("other", other)},
		"failed to find any PEM":  {CertFile: file("text", "text"), KeyFile: goodKey},
		"the key is encrypted":    {CertFile: good, KeyFile: file("locked", pemOf("ENCRYPTED PRIVATE KEY", []byte("x")))},
		"no certificate (PEM)":    {CertFile: good, KeyFile: goodKey, ClientCAFile: file("empty", "nothing")},
		"it has a PRIVATE KEY":    {CertFile: good, KeyFile: goodKey, ClientCAFile: file("mixed", cert+key)},
		"malformed certificate":   {CertFile: good, KeyFile: goodKey, ClientCAFile: file("broken", cert+pemOf("CERTIFICATE", []byte("x")))},
		"it is larger than 1 MiB": {CertFile: good, KeyFile: file("large", key+strings.Repeat(" ", maxTLSFile))},
	} {
		if _, err := NewTLS(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestTLSClients: who must show a certificate, and what a call learns of it.
func TestTLSClients(t *testing.T) {
	t.Parallel()
	clients := newAuthority(t, "clients")
	ca := filepath.Join(t.TempDir(), "ca")
	writeTo(t, ca, clients.pem())
	names := func(w http.ResponseWriter, r *http.Request) {
		c := plan.CallerOf(r.Context()).Certificate
		if c == nil {
			_, _ = io.WriteString(w, "nobody")
			return
		}
		_, _ = fmt.Fprintf(w, "%v of %s, %s", c, c.Issuer, c.URIs)
	}
	own, foreign := pairOf(t, clients.both("team-a")), pairOf(t, newAuthority(t, "strangers").both("team-a"))
	const known = "CN=team-a of CN=clients, [spiffe://example.org/team-a]"
	for _, optional := range []bool{false, true} {
		s := seal(t, patient, names, names, func(o *TLSOptions) { o.ClientCAFile, o.ClientOptional = ca, optional })
		for _, version := range []int{1, 2} {
			if got := s.ask(version, own); got != known {
				t.Errorf("HTTP/%d: got %q", version, got)
			}
			if got := s.ask(version); optional && got != "nobody" || !optional && !strings.HasPrefix(got, "Get ") {
				t.Errorf("HTTP/%d without a certificate, optional %t: got %q", version, optional, got)
			}
			// Clients show no certificate of an authority that is not asked for, unless told to.
			forced := s.client(version)
			forced.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &foreign, nil
			}
			if got := s.askBy(forced); !strings.HasPrefix(got, "Get ") {
				t.Errorf("HTTP/%d with the certificate of a stranger: got %q", version, got)
			}
		}
	}
}

// TestTLSClientAuthoritiesChange: who is trusted no more cannot come back by a resumed session.
func TestTLSClientAuthoritiesChange(t *testing.T) {
	t.Parallel()
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	ca := filepath.Join(t.TempDir(), "ca")
	writeTo(t, ca, first.pem())
	in := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }
	s := seal(t, patient, in, idle, func(o *TLSOptions) { o.ClientCAFile = ca })
	client := s.client(1, pairOf(t, first.both("team-a")))
	client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	if got := s.askBy(client); got != "in" {
		t.Fatal(got)
	}
	writeTo(t, ca, second.pem())
	s.reload()
	if got := s.askBy(client); got != "in" {
		t.Errorf("the connection of before: %s", got)
	}
	client.CloseIdleConnections()
	if got := s.askBy(client); !strings.HasPrefix(got, "Get ") {
		t.Errorf("a new connection: %s", got)
	}
	if got := s.ask(1, pairOf(t, second.both("team-a"))); got != "in" {
		t.Errorf("a certificate of the new authority: %s", got)
	}
}

// ask gives the answer to a new client, or why there is none ("Get ...").
func (s *sealed) ask(version int, own ...tls.Certificate) string {
	return s.askBy(s.client(version, own...))
}

func (s *sealed) askBy(client *http.Client) string {
	resp, err := client.Get(s.url("/apis/a"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// TestHTTP2Limits: the size of a header, and how many calls run at once on a connection.
func TestHTTP2Limits(t *testing.T) {
	t.Parallel()
	const calls = maxStreams + 1
	entered, release := make(chan string, calls), make(chan struct{})
	s := seal(t, patient, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "wait" {
			entered <- r.RemoteAddr
			<-release
		}
	}, idle, nil)
	client := s.client(2)
	r, err := http.NewRequest(http.MethodGet, s.url("/apis/a"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Large", "Larger", "Largest"} {
		r.Header.Set(name, strings.Repeat("x", 3<<10))
	}
	// A client that has heard of the limit by then keeps to it.
	switch resp, err := client.Do(r); {
	case err != nil && !strings.Contains(err.Error(), "larger than peer's advertised limit"):
		t.Fatal(err)
	case err == nil:
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge || resp.ProtoMajor != 2 {
			t.Errorf("a large header gets %s of %s", resp.Status, resp.Proto)
		}
	}

	var done sync.WaitGroup
	for range calls {
		done.Go(func() {
			resp, err := client.Get(s.url("/apis/a?wait"))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	running := map[string]int{} // by connection
	for range calls {
		running[<-entered]++
	}
	close(release)
	done.Wait()
	for _, n := range running {
		if n > maxStreams {
			t.Errorf("%d calls run at once on a connection", n)
		}
	}
}

// TestTLSStalledBody: in HTTP/1.1 a body that does not arrive in time ends the connection, and
// its sender is told why before.
func TestTLSStalledBody(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			writeProblem(w, http.StatusBadRequest, plan.AsError(err), "ID")
		}
	}
	s := seal(t, waits{call: time.Millisecond, answer: long, unread: long, taken: long}, read, idle, nil)
	roots := x509.NewCertPool()
	roots.AddCert(s.authority.cert)
	conn, err := tls.Dial("tcp", s.engine.Addr(loopback), &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	send(t, conn, "POST /apis/a HTTP/1.1\n"+stalled)
	if resp, text := hear(t, bufio.NewReader(conn)); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, errBodyLate) || !resp.Close {
		t.Errorf("got %s %s, closing %t", resp.Status, text, resp.Close)
	}
}

// TestHTTP2StalledBody: a body that does not arrive in time is answered, and the other calls on
// the connection go on.
func TestHTTP2StalledBody(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			writeProblem(w, http.StatusBadRequest, plan.AsError(err), "ID")
		}
	}
	flushed := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }
	s := seal(t, waits{call: time.Millisecond, answer: long, unread: long, taken: long}, read, flushed, nil)
	client := s.client(2)
	var first string
	for path, want := range map[string]int{"/apis/a": http.StatusBadRequest, "/mcp/a": http.StatusTeapot} {
		never, keep := io.Pipe()
		t.Cleanup(func() { _ = keep.Close() })
		resp, err := client.Post(s.url(path), "text/plain", never)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != want || want == http.StatusBadRequest && !strings.Contains(string(text), errBodyLate) {
			t.Errorf("%s: got %s %s, %v", path, resp.Status, text, err)
		}
		local := localOf(t, client, s.url("/apis/a"))
		if first == "" {
			first = local
		}
		if local != first {
			t.Errorf("%s: the connection was given up", path)
		}
	}
}

// localOf gives which connection a call uses.
func localOf(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	var local string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) { local = i.Conn.LocalAddr().String() },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return local
}

// endless writes until it cannot.
func endless(failed chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "endless" {
			return
		}
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				failed <- err
				return
			}
		}
	}
}

// TestHTTP2AnswerNotRead: a caller that does not take its answer holds neither the call nor the
// others on the connection.
func TestHTTP2AnswerNotRead(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s := seal(t, waits{call: time.Second, answer: time.Millisecond, unread: long, taken: long}, endless(failed), idle, nil)
	client := s.client(2)
	resp, err := client.Get(s.url("/apis/a?endless"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	before := localOf(t, client, s.url("/apis/a"))
	<-failed
	if after := localOf(t, client, s.url("/apis/a")); after != before {
		t.Error("the connection was given up")
	}
	if _, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Error("a part of the answer passes for the whole")
	}
}

// deaf is a connection that reads nothing any more once it is told.
type deaf struct {
	net.Conn
	heard chan struct{}
	until context.Context
}

func (d *deaf) Read(p []byte) (int, error) {
	select {
	case <-d.heard:
		<-d.until.Done()
		return 0, errors.New("deaf")
	default:
		return d.Conn.Read(p)
	}
}

// TestHTTP2ConnectionNotRead: nor does one that takes nothing at all from the connection, in
// streams neither, although no end of its stream can be told to it.
func TestHTTP2ConnectionNotRead(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	s := seal(t, waits{call: long, answer: long, unread: long, taken: 500 * time.Millisecond}, idle, endless(failed), nil)
	client, heard := s.client(2), make(chan struct{})
	tr := client.Transport.(*http.Transport)
	tr.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 4<<20 - 1, MaxReceiveBufferPerConnection: 4<<20 - 1}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		return &deaf{Conn: conn, heard: heard, until: t.Context()}, err
	}
	resp, err := client.Get(s.url("/mcp/a?endless"))
	if err != nil {
		t.Fatal(err)
	}
	close(heard)
	go func() { _, _ = io.Copy(io.Discard, resp.Body) }() // gives the server leave to send on
	<-failed
}
