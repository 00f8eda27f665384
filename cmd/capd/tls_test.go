//go:build unix

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// certificates are files of a self-signed certificate and its key.
type certificates struct {
	t         *testing.T
	cert, key string
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	dir := t.TempDir()
	c := &certificates{t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
	c.renew("first")
	return c
}

// renew writes another pair of a name, each file at once.
func (c *certificates) renew(name string) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(c.key, "PRIVATE KEY", private)
	c.write(c.cert, "CERTIFICATE", cert)
}

func (c *certificates) write(file, kind string, der []byte) {
	c.t.Helper()
	if err := os.WriteFile(file+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		c.t.Fatal(err)
	}
}

// shown gives the name that a new connection is shown.
func (c *certificates) shown(addr string) string {
	c.t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// protocol remembers with which version of HTTP a client was answered last.
type protocol struct {
	next http.RoundTripper
	last string
}

func (p *protocol) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost {
		p.last = resp.Proto
	}
	return resp, err
}

// TestTLS: REST and MCP are called in both versions of HTTP, and what is said of addresses is
// https.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"id":"7"}`) }))
	t.Cleanup(server.Close)
	c := newCertificates(t)
	i := start(t, []string{"UPSTREAM=" + server.URL}, "--control-address", "127.0.0.1:0", "--tls-cert", c.cert, "--tls-key", c.key, specFile(t, "spec.yaml", mappedSpec))
	for _, d := range i.report.Documents {
		for _, a := range d.Adapters {
			if !strings.HasPrefix(a.URL, "https://127.0.0.1:") {
				t.Errorf("the report says %s", a.URL)
			}
		}
	}
	if !strings.Contains(i.printed(), "the TLS certificate expires soon") {
		t.Error("nobody is told that the certificate ends")
	}
	url := "https" + strings.TrimPrefix(i.url, "http")
	// The control address stays plain, and knows where to call.
	if routes := asks(t, "GET", i.controlURL(t)+"/routes", "", 200, nil); !strings.Contains(routes, url+"/apis/spec/things") || strings.Contains(routes, "http://") {
		t.Errorf("the routes are %s", routes)
	}
	if status := asks(t, "GET", i.controlURL(t)+"/status", "", 200, nil); !strings.Contains(status, url+"/apis/spec") {
		t.Errorf("the status is %s", status)
	}
	for _, want := range []string{"HTTP/1.1", "HTTP/2.0"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: want == "HTTP/2.0"}
		t.Cleanup(tr.CloseIdleConnections)
		p := &protocol{next: tr}
		client := &http.Client{Transport: p}
		resp, err := client.Post(url+"/apis/spec/things", "application/json", strings.NewReader(`{"title":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(text) != `"7"` || resp.Proto != want {
			t.Errorf("REST answers %s %s with %s", resp.Proto, resp.Status, text)
		}
		p.last = ""
		session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).
			Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url + "/mcp/spec", MaxRetries: -1, HTTPClient: client}, nil)
		if err != nil {
			t.Fatal(err)
		}
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"title": "x"}})
		if err != nil || result.IsError || len(result.Content) != 1 || result.Content[0].(*mcp.TextContent).Text != `"7"` || p.last != want {
			t.Errorf("MCP in %s answers %s (%v)", p.last, asJSON(t, result), err)
		}
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestTLSRotation: a new certificate is shown after SIGHUP, and without it where files are
// watched; one that is broken changes nothing.
func TestTLSRotation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args   []string
		signal bool
	}{"signal": {[]string{"--watch", "off"}, true}, "watch": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCertificates(t)
			p := spawn(t, []string{"UPSTREAM=http://upstream.example"}, append(tt.args, "--tls-cert", c.cert, "--tls-key", c.key, specFile(t, "spec.yaml", mappedSpec))...)
			addr := strings.TrimPrefix(p.url, "http://")
			reload := func(message string) {
				t.Helper()
				if tt.signal {
					p.signal(t, syscall.SIGHUP)
				}
				p.await(t, message)
			}
			c.renew("second")
			reload("new connections get another certificate")
			p.await(t, "reloaded")
			if got := c.shown(addr); got != "second" {
				t.Errorf("%s is shown", got)
			}
			c.write(c.cert, "CERTIFICATE", []byte("broken"))
			reload("TLS goes on with the certificate of before")
			if got := c.shown(addr); got != "second" {
				t.Errorf("%s is shown", got)
			}
		})
	}
}

// TestTLSReloadWithBadEnvFile: a certificate does not wait for it.
func TestTLSReloadWithBadEnvFile(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	env := filepath.Join(t.TempDir(), "env")
	write := func(text string) {
		if err := os.WriteFile(env, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("UPSTREAM=http://upstream.example\n")
	p := spawn(t, nil, "--watch", "off", "--env-file", env, "--tls-cert", c.cert, "--tls-key", c.key, specFile(t, "spec.yaml", mappedSpec))
	write("no line of an env file")
	c.renew("second")
	p.signal(t, syscall.SIGHUP)
	p.await(t, "reload failed, serving what was served before")
	if got := c.shown(strings.TrimPrefix(p.url, "http://")); got != "second" {
		t.Errorf("%s is shown", got)
	}
}

// TestTLSFlags: what cannot be meant ends with 2 and a message, also under --check.
func TestTLSFlags(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	spec := specFile(t, "spec.yaml", mappedSpec)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"--tls-cert needs --tls-key":                               {"--tls-cert", c.cert},
		"--tls-key needs --tls-cert":                               {"--tls-key", c.key},
		"--tls-client-ca needs --tls-cert and --tls-key":           {"--tls-client-ca", c.cert},
		"--tls-client-auth needs --tls-client-ca":                  {"--tls-client-auth", "optional"},
		"must be one of require, optional":                         {"--tls-client-auth", "never"},
		"TLS: cannot read nowhere.pem: no such file":               {"--tls-cert", "nowhere.pem", "--tls-key", c.key},
		"TLS: cannot read " + fifo + ": not a regular file":        {"--tls-cert", c.cert, "--tls-key", fifo},
		"TLS: the certificate " + c.key + " and the key " + c.cert: {"--tls-cert", c.key, "--tls-key", c.cert},
	} {
		for _, mode := range [][]string{{"--check"}, {"--listen", "127.0.0.1:0"}} {
			text := &output{}
			code := run(context.Background(), append(append([]string{"serve", spec}, mode...), args...), nil, strings.NewReader(""), text, text)
			if code != exitFailed || !strings.Contains(text.String(), want) {
				t.Errorf("%q: exit code %d, %q, want %q", args, code, text.String(), want)
			}
		}
	}
}

// TestTLSInLists: addresses are those of serve with the same flags.
func TestTLSInLists(t *testing.T) {
	t.Parallel()
	c := newCertificates(t)
	spec := specFile(t, "spec.yaml", mappedSpec)
	for name, args := range map[string][]string{
		"list":    {"list", spec, "--tls-cert", c.cert},
		"inspect": {"inspect", spec, "--tls-cert", c.cert},
		"views":   {"list", spec, "--tls-cert", c.cert, "--mcp-combined", "--format", "json"},
		"check":   {"serve", spec, "--check", "--tls-cert", c.cert, "--tls-key", c.key},
	} {
		text := &output{}
		if code := run(context.Background(), args, []string{"UPSTREAM=http://upstream.example"}, strings.NewReader(""), text, text); code != exitOK {
			t.Errorf("%s: exit code %d: %s", name, code, text)
		}
		if !strings.Contains(text.String(), "https://127.0.0.1:9090/mcp") || strings.Contains(text.String(), "http://127.0.0.1") || strings.Contains(text.String(), ", https://") {
			t.Errorf("%s: %s", name, text)
		}
	}
}
