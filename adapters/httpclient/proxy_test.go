package httpclient_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// tunnel is a proxy that connects whatever it is asked for to addr.
func tunnel(t *testing.T, addr string) (base string, asked <-chan string) {
	got := make(chan string, 4)
	return tcp(t, func(_ int, c net.Conn) {
		w, err := readWire(bufio.NewReader(c))
		if err != nil {
			return
		}
		got <- w.head
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer up.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, c); _ = up.Close() }()
		_, _ = io.Copy(c, up)
	}), got
}

func TestTunnel(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+" "+r.RequestURI)
	}))
	t.Cleanup(srv.Close)
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	proxy, asked := tunnel(t, srv.Listener.Addr().String())
	proxy = strings.Replace(proxy, "//", "//user:pass@", 1)
	// The proxy is at the loopback, which is no reason to refuse it.
	c := newClient(t, httpclient.Options{Proxy: fixedProxy(t, proxy), DenyPrivate: true, TLS: &tls.Config{RootCAs: roots}})
	for _, target := range []string{"/a%2Fb?x=1", "/bare|pipe"} {
		if _, body := do(t, c, request(t, "GET", "https://example.com", target)); body != "example.com "+target {
			t.Errorf("%q came through the tunnel", body)
		}
	}
	head := <-asked
	if !strings.HasPrefix(head, "CONNECT example.com:443 HTTP/1.1\r\n") || !strings.Contains(head, "Proxy-Authorization: Basic dXNlcjpwYXNz") {
		t.Errorf("the proxy was asked %q", head)
	}
}

func TestFaultsOfAProxy(t *testing.T) {
	t.Parallel()
	wants, _ := raw(t, "HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n")
	refuses, _ := raw(t, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
	for _, tc := range []struct{ proxy, message string }{
		{wants, "the proxy wants a user and a password"},
		{refuses, "the proxy refused the connection"},
		{"http://user:hunter22@127.0.0.1:1", "the proxy cannot be reached"},
	} {
		c := newClient(t, httpclient.Options{Proxy: fixedProxy(t, tc.proxy)})
		e := failure(t, t.Context(), c, request(t, "GET", "https://example.com", "/"))
		if e.Code != plan.CodeUpstreamFailed || e.Message != "upstream example.com: "+tc.message {
			t.Errorf("%v %q (%v)", e.Code, e.Message, e.Cause)
		}
		if strings.Contains(e.Cause.Error(), "hunter22") {
			t.Errorf("the cause %q tells the proxy's password", e.Cause)
		}
	}
}

// TestProxyThatVanishes: the pool that dials without a check never dials an upstream.
func TestProxyThatVanishes(t *testing.T) {
	t.Parallel()
	proxy, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	first := true
	c := newClient(t, httpclient.Options{Proxy: func(*url.URL) (*url.URL, error) {
		if first {
			first = false
			return proxy, nil
		}
		return nil, nil
	}})
	e := failure(t, t.Context(), c, request(t, "GET", "http://example.com", "/"))
	if e.Message != "upstream example.com: the proxy refused the connection" {
		t.Errorf("%q (%v)", e.Message, e.Cause)
	}
}

// The variables of the environment are read when a client is made.
func TestEnvironmentProxy(t *testing.T) {
	proxy, arrived := raw(t, ok)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"} {
		t.Setenv(name, "")
	}
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("NO_PROXY", "direct.example")
	c, err := httpclient.New(httpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	do(t, c, request(t, "GET", "http://api.example.com", "/x"))
	if got := (<-arrived).line(); got != "GET http://api.example.com/x HTTP/1.1" {
		t.Errorf("%q arrived at the proxy", got)
	}
	srv := server(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	if _, body := do(t, c, request(t, "GET", srv.URL, "/direct")); body != "/direct" {
		t.Errorf("the loopback was called as %q", body)
	}

	t.Setenv("HTTPS_PROXY", "http://user:s3cret@host:port%zz/")
	_, err = httpclient.New(httpclient.Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "HTTPS_PROXY is not a URL") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []httpclient.Options{{DialTimeout: -1}, {TLSTimeout: -1}, {HeaderTimeout: -1}, {IdleTimeout: -1}, {MaxHeaderBytes: -1}, {MaxIdle: -1}} {
		if _, err := httpclient.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
