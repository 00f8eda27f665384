package httpclient_test

import (
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// targets are request targets of which not a byte may change.
var targets = []string{
	"/",
	"/a/b",
	"/a%2Fb/%2e%2E/%7euser/~user",
	"//double//slash/",
	"/a;b=c,d/e:f@g!$&'()*+=",
	"/%e4%BD%a0",
	"/q?a=b&flag&c=%20+%2B&d=[x]&e=?/&f={y}",
	"/q?",
	"/?",
	"/bare|pipe/{brace}/%zz/\"quote\"",
	"/ä/raw",
	"/[x]/a%5Bb",
	"/.",
	"/a/../b/./c",
}

func TestTargetVerbatim(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			base, arrived := raw(t, ok)
			do(t, newClient(t, httpclient.Options{}), request(t, "GET", base, target))
			if got, want := (<-arrived).line(), "GET "+target+" HTTP/1.1"; got != want {
				t.Errorf("direct: %q, want %q", got, want)
			}
		})
	}
}

func TestTargetVerbatimThroughProxy(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			proxy, arrived := raw(t, ok)
			c := newClient(t, httpclient.Options{Proxy: fixedProxy(t, proxy)})
			do(t, c, request(t, "GET", "http://api.example.com:8080", target))
			w := <-arrived
			if got, want := w.line(), "GET http://api.example.com:8080"+target+" HTTP/1.1"; got != want {
				t.Errorf("proxied: %q, want %q", got, want)
			}
			if !slices.Contains(w.headers(), "Host: api.example.com:8080") {
				t.Errorf("headers are %q, want the upstream's Host", w.headers())
			}
		})
	}
}

func TestTargetThatCannotBeSent(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpclient.Options{})
	for _, target := range []string{"", "no-slash", "/a b", "/a\r\nX: y", "//|"} {
		e := failure(t, t.Context(), c, request(t, "GET", "http://127.0.0.1:1", target))
		if e.Code != plan.CodeUpstreamFailed || e.Message != "upstream 127.0.0.1:1: the URL cannot be sent" {
			t.Errorf("%q: %v %q", target, e.Code, e.Message)
		}
	}
}

func TestHeadersExactlyAsGiven(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		req  func(base string) *plan.Request
		want []string // besides Host, in any order
	}{
		{"nothing given", func(b string) *plan.Request { return request(t, "GET", b, "/") },
			[]string{"User-Agent: capd", "Accept-Encoding: gzip"}},
		{"spelling and repetition", func(b string) *plan.Request {
			return request(t, "GET", b, "/", "X-API-key", "k", "accept", "a/b", "X-Many", "1", "X-Many", "2")
		}, []string{"User-Agent: capd", "Accept-Encoding: gzip", "X-API-key: k", "accept: a/b", "X-Many: 1", "X-Many: 2"}},
		{"own user agent", func(b string) *plan.Request { return request(t, "GET", b, "/", "user-agent", "mine/1") },
			[]string{"User-Agent: mine/1", "Accept-Encoding: gzip"}},
		{"caller's encoding", func(b string) *plan.Request {
			r := request(t, "GET", b, "/", "Accept-Encoding", "zstd")
			r.Accept.Encoding = "br, gzip"
			return r
		}, []string{"User-Agent: capd", "Accept-Encoding: br, gzip"}},
		{"framing is not the spec's", func(b string) *plan.Request {
			return request(t, "GET", b, "/", "Connection", "X-A", "TE", "trailers", "Upgrade", "h2c",
				"Transfer-Encoding", "chunked", "content-length", "7", "X-A", "kept")
		}, []string{"User-Agent: capd", "Accept-Encoding: gzip", "X-A: kept"}},
		{"post without content", func(b string) *plan.Request { return request(t, "POST", b, "/") },
			[]string{"User-Agent: capd", "Accept-Encoding: gzip", "Content-Length: 0"}},
		{"put without content", func(b string) *plan.Request { return request(t, "PUT", b, "/") },
			[]string{"User-Agent: capd", "Accept-Encoding: gzip", "Content-Length: 0"}},
		{"patch with an empty stream", func(b string) *plan.Request {
			r := request(t, "PATCH", b, "/")
			r.Body = plan.Body{Stream: io.NopCloser(strings.NewReader("")), Len: 0}
			return r
		}, []string{"User-Agent: capd", "Accept-Encoding: gzip", "Content-Length: 0"}},
		{"delete without content", func(b string) *plan.Request { return request(t, "DELETE", b, "/") },
			[]string{"User-Agent: capd", "Accept-Encoding: gzip"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, arrived := raw(t, ok)
			do(t, newClient(t, httpclient.Options{}), tc.req(base))
			got := slices.DeleteFunc((<-arrived).headers(), func(h string) bool { return strings.HasPrefix(h, "Host: ") })
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("headers %q\n   want %q", got, tc.want)
			}
		})
	}
}

func TestHostHeader(t *testing.T) {
	t.Parallel()
	base, arrived := raw(t, ok)
	do(t, newClient(t, httpclient.Options{}), request(t, "GET", base, "/", "host", "virtual.example"))
	if w := <-arrived; !slices.Contains(w.headers(), "Host: virtual.example") {
		t.Errorf("headers are %q", w.headers())
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	stream := func(s string, n int64) plan.Body {
		// A pipe-like reader: net/http must not find out its length by itself.
		return plan.Body{Stream: io.NopCloser(io.MultiReader(strings.NewReader(s))), Len: n}
	}
	for _, tc := range []struct {
		name, method, header string
		body                 plan.Body
	}{
		{"bytes", "POST", "Content-Length: 5", plan.BytesBody([]byte("hello"))},
		{"stream of known length", "PUT", "Content-Length: 5", stream("hello", 5)},
		{"stream of unknown length", "POST", "Transfer-Encoding: chunked", stream("hello", -1)},
		{"get with content", "GET", "Content-Length: 5", plan.BytesBody([]byte("hello"))},
		{"delete with a stream", "DELETE", "Transfer-Encoding: chunked", stream("hello", -1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, arrived := raw(t, ok)
			req := request(t, tc.method, base, "/")
			req.Body = tc.body
			do(t, newClient(t, httpclient.Options{}), req)
			w := <-arrived
			if w.body != "hello" || !slices.Contains(w.headers(), tc.header) {
				t.Errorf("body %q, headers %q, want hello and %q", w.body, w.headers(), tc.header)
			}
		})
	}
}

func TestRebase(t *testing.T) {
	t.Parallel()
	base, arrived := raw(t, ok)
	to, err := url.Parse(base + "/staging%2Fa/")
	if err != nil {
		t.Fatal(err)
	}
	req := request(t, "GET", "https://api.example.com", "/v1/rooms?x=1", "Host", "api.example.com", "X-A", "1")
	req.Base.Path = "/v1"
	do(t, httpclient.Rebase(newClient(t, httpclient.Options{}), to), req)
	w := <-arrived
	if w.line() != "GET /staging%2Fa/v1/rooms?x=1 HTTP/1.1" {
		t.Errorf("line %q", w.line())
	}
	if !slices.Contains(w.headers(), "Host: "+to.Host) || !slices.Contains(w.headers(), "X-A: 1") {
		t.Errorf("headers %q", w.headers())
	}
	if got := req.URL(); got != "https://api.example.com/v1/rooms?x=1" || len(req.Header) != 2 {
		t.Errorf("the request itself was changed: %s %v", got, req.Header)
	}
}

func fixedProxy(t testing.TB, to string) func(*url.URL) (*url.URL, error) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }
}
