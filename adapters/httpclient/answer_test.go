package httpclient_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

func server(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

func show(r *plan.Response) string {
	var b strings.Builder
	for _, f := range r.Header {
		if f.Name != "Date" {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
	}
	return b.String()
}

func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	base, _ := raw(t, "HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Proxy-Authenticate: Basic\r\nTrailer: X-T\r\nUpgrade: h2c\r\nset-cookie: b=2\r\nset-cookie: a=1\r\nContent-Length: 4\r\n\r\nslow")
	resp, body := do(t, newClient(t, httpclient.Options{}), request(t, "POST", base, "/"))
	const want = "Content-Length: 4\nRetry-After: 7\nSet-Cookie: b=2\nSet-Cookie: a=1\n"
	if resp.Status != 429 || body != "slow" || show(resp) != want || resp.Attempts != 1 || resp.Body.Len != 4 {
		t.Errorf("%d %q attempts %d len %d\n%s", resp.Status, body, resp.Attempts, resp.Body.Len, show(resp))
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, method, answer, header string }{
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Type: a/b\r\n\r\n", "Content-Length: 99\nContent-Type: a/b\n"},
		{"204", "POST", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nEtag: x\r\n\r\n", "Etag: x\n"},
		{"length 0", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0\n"},
		{"after 100 and 103", "POST", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", "X-A: 1\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, _ := raw(t, tc.answer)
			resp, _ := do(t, newClient(t, httpclient.Options{}), request(t, tc.method, base, "/"))
			if !resp.Body.IsEmpty() || resp.Body.Len != 0 || show(resp) != tc.header {
				t.Errorf("body %+v, headers\n%s", resp.Body, show(resp))
			}
		})
	}
}

func TestAnswerOfUnknownLength(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"chunked":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"until close": "HTTP/1.0 200 OK\r\n\r\nhello",
	} {
		base, _ := raw(t, answer)
		resp, body := do(t, newClient(t, httpclient.Options{}), request(t, "GET", base, "/"))
		if body != "hello" || resp.Body.Len != -1 || show(resp) != "" {
			t.Errorf("%s: %q, length %d, %s", name, body, resp.Body.Len, show(resp))
		}
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(w, "hello")
	_ = w.Close()
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(zipped.Bytes())
	})
	c := newClient(t, httpclient.Options{})

	resp, body := do(t, c, request(t, "GET", srv.URL, "/"))
	if body != "hello" || resp.Body.Len != -1 || resp.Get("Content-Encoding") != "" || resp.Get("Content-Length") != "" {
		t.Errorf("decoded: %q, length %d\n%s", body, resp.Body.Len, show(resp))
	}

	req := request(t, "GET", srv.URL, "/")
	req.Accept.Encoding = "gzip"
	resp, body = do(t, c, req)
	if body != zipped.String() || resp.Body.Len != int64(zipped.Len()) || resp.Get("Content-Encoding") != "gzip" {
		t.Errorf("untouched: %q, length %d\n%s", body, resp.Body.Len, show(resp))
	}
}

// TestStreams shows that nothing is gathered: what is compressed a thousandfold can be read
// piece by piece, and a large upload arrives while it is still being made.
func TestStreams(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != size {
			t.Errorf("the upload ended after %d bytes: %v", n, err)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.CopyN(z, zeroes{}, size)
		_ = z.Close()
	})
	req := request(t, "POST", srv.URL, "/")
	req.Body = plan.Body{Stream: io.NopCloser(io.LimitReader(zeroes{}, size)), Len: -1}
	resp, err := newClient(t, httpclient.Options{}).Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, resp.Body.Stream)
	if cerr := resp.Body.Close(); err != nil || cerr != nil || n != size {
		t.Errorf("read %d bytes, %v, %v", n, err, cerr)
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHTTP2(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s %s %s cl=%d key=%s %s", r.Proto, r.Method, r.RequestURI, r.Header.Get("User-Agent"), r.ContentLength, r.Header.Get("Idempotency-Key"), body)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := newClient(t, httpclient.Options{TLS: &tls.Config{RootCAs: srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}})

	req := request(t, "POST", srv.URL, "/a%2Fb?x=%20", "Idempotency-Key", "abc")
	_, body := do(t, c, req)
	if want := "HTTP/2.0 POST /a%2Fb?x=%20 capd cl=0 key=abc "; body != want {
		t.Errorf("%q, want %q", body, want)
	}
	req.Body = plan.BytesBody([]byte("hello"))
	_, body = do(t, c, req)
	if want := "HTTP/2.0 POST /a%2Fb?x=%20 capd cl=5 key=abc hello"; body != want {
		t.Errorf("%q, want %q", body, want)
	}
	for _, target := range []string{"//d//e/", "/%e4?", "/bare|pipe"} {
		if _, body = do(t, c, request(t, "GET", srv.URL, target)); !strings.HasPrefix(body, "HTTP/2.0 GET "+target+" ") {
			t.Errorf("%q arrived as %q", target, body)
		}
	}
}

func TestConcurrentCallsShareThePool(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	srv := server(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.RemoteAddr] = true
		mu.Unlock()
		_, _ = io.Copy(w, r.Body)
	})
	c := newClient(t, httpclient.Options{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 50 {
				want := fmt.Sprint(g, " ", i)
				req := request(t, "POST", srv.URL, "/")
				req.Body = plan.BytesBody([]byte(want))
				resp, err := c.Do(context.Background(), req)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body.Reader())
				_ = resp.Body.Close()
				if err != nil || string(got) != want {
					t.Errorf("%q, %v, want %q", got, err, want)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) > 8 {
		t.Errorf("200 calls by 4 callers used %d connections", len(seen))
	}
}
