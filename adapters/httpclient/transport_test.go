package httpclient_test

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// wants gives a request whose document says how the API is reached.
func wants(t *testing.T, base string, way plan.Transport) *plan.Request {
	t.Helper()
	req := request(t, "GET", base, "/x")
	req.Transport = &way
	return req
}

func tlsServer(t *testing.T) (srv *httptest.Server, roots string) {
	t.Helper()
	srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "HTTP/%d %s %s", r.ProtoMajor, r.TLS.ServerName, strings.Join(r.Header.Values("Accept-Encoding"), ","))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
}

func TestTLSSettings(t *testing.T) {
	t.Parallel()
	srv, roots := tlsServer(t)
	c := newClient(t, httpclient.Options{})
	for _, tc := range []struct {
		name string
		way  plan.Transport
		want string // the answer; empty: the certificate is not accepted
	}{
		{"the system's roots", plan.Transport{}, ""},
		{"own roots", plan.Transport{Roots: roots}, "HTTP/2  gzip"},
		{"own roots and name", plan.Transport{Roots: roots, ServerName: "example.com"}, "HTTP/2 example.com gzip"},
		{"another name", plan.Transport{Roots: roots, ServerName: "other.test"}, ""},
		{"HTTP/1.1", plan.Transport{Roots: roots, HTTP1: true}, "HTTP/1  gzip"},
		{"TLS 1.3", plan.Transport{Roots: roots, TLS13: true}, "HTTP/2  gzip"},
		{"no compression", plan.Transport{Roots: roots, Plain: true}, "HTTP/2  identity"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			req := wants(t, srv.URL, tc.way)
			if tc.want == "" {
				if e := failure(t, t.Context(), c, req); e.Code != plan.CodeUpstreamFailed {
					t.Errorf("got %s: %s", e.Code, e.Message)
				}
				return
			}
			if _, body := do(t, c, req); body != tc.want {
				t.Errorf("got %q, want %q", body, tc.want)
			}
		})
	}
}

// TestOldTLS: a server that only speaks an older version is refused when 1.3 is wanted.
func TestOldTLS(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	c := newClient(t, httpclient.Options{})
	do(t, c, wants(t, srv.URL, plan.Transport{Roots: roots}))
	if e := failure(t, t.Context(), c, wants(t, srv.URL, plan.Transport{Roots: roots, TLS13: true})); e.Code != plan.CodeUpstreamFailed {
		t.Errorf("got %s: %s", e.Code, e.Message)
	}
}

func TestProxyOfADocument(t *testing.T) {
	t.Parallel()
	answer := func(who string) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, who+" "+r.URL.String())
		}))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	upstream, proxy := answer("upstream"), answer("proxy")
	c := newClient(t, httpclient.Options{Proxy: fixedProxy(t, answer("process"))})
	for _, tc := range []struct {
		way  plan.Transport
		want string
	}{
		{plan.Transport{Timeout: time.Minute}, "process " + upstream + "/x"},
		{plan.Transport{Proxy: proxy}, "proxy " + upstream + "/x"},
		{plan.Transport{Direct: true}, "upstream /x"},
	} {
		if _, body := do(t, c, wants(t, upstream, tc.way)); body != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.way, body, tc.want)
		}
	}
	// A proxy that a document names is dialled like an upstream.
	if e := failure(t, t.Context(), c, wants(t, upstream, plan.Transport{Proxy: "http://169.254.169.254:80"})); e.Code != plan.CodeUpstreamFailed {
		t.Errorf("got %s: %s", e.Code, e.Message)
	}
}

// TestTimeoutsOfADocument: the server answers when its client has given up, and not before.
func TestTimeoutsOfADocument(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/head" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	c := newClient(t, httpclient.Options{})
	for _, tc := range []struct {
		target string
		way    plan.Transport
	}{
		{"/none", plan.Transport{Response: 20 * time.Millisecond}},
		{"/none", plan.Transport{Timeout: 20 * time.Millisecond}},
		{"/head", plan.Transport{Timeout: 200 * time.Millisecond}},
	} {
		req := wants(t, srv.URL, tc.way)
		req.Target = tc.target
		if e := failure(t, t.Context(), c, req); e.Code != plan.CodeUpstreamTimeout {
			t.Errorf("%s %+v: got %s: %s", tc.target, tc.way, e.Code, e.Message)
		}
	}
}

// TestContentWithHead: content that is in memory goes out with the head, in one write. Over TLS
// each write is a record of its own, which can be counted.
func TestContentWithHead(t *testing.T) {
	t.Parallel()
	var records atomic.Int64
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	srv.Listener = recordListener{srv.Listener, &records}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, httpclient.Options{TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig})
	post := request(t, "POST", srv.URL, "/", "Content-Type", "application/json")
	post.Body = plan.BytesBody([]byte(`{"a":1}`))
	do(t, c, post) // opens the connection
	before := records.Load()
	do(t, c, post)
	if got := records.Load() - before; got != 1 {
		t.Errorf("a request came in %d records, want 1", got)
	}
}

// recordListener counts the TLS records that come in.
type recordListener struct {
	net.Listener
	records *atomic.Int64
}

func (l recordListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &recordConn{Conn: conn, records: l.records}, err
}

type recordConn struct {
	net.Conn
	records *atomic.Int64
	head    []byte // of a record, as far as it was read
	rest    int    // of its content
}

func (c *recordConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for p = p[:n]; len(p) > 0; {
		if c.rest > 0 {
			skip := min(c.rest, len(p))
			c.rest, p = c.rest-skip, p[skip:]
			continue
		}
		if c.head, p = append(c.head, p[0]), p[1:]; len(c.head) == 5 {
			c.rest, c.head = int(binary.BigEndian.Uint16(c.head[3:])), nil
			c.records.Add(1)
		}
	}
	return n, err
}
