package httpclient_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"capd/adapters/httpclient"
	"capd/adapters/porttest"
	"capd/engine/plan"
)

func TestFaultsOfAnUpstream(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\n"
	for _, tc := range []struct {
		name    string
		answer  string
		message string // after "upstream host:port: "
	}{
		{"nothing", "", "connection closed before an answer"},
		{"half a head", head + "X-A: b\r\n", "connection closed before an answer"},
		{"not HTTP", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "malformed answer"},
		{"bad header", head + "no colon\r\n\r\n", "malformed answer"},
		{"bad length", head + "Content-Length: x\r\n\r\n", "malformed answer"},
		{"contradicting lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "malformed answer"},
		{"unknown framing", head + "Transfer-Encoding: odd\r\n\r\n", "malformed answer"},
		{"uninvited upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "malformed answer"},
		{"huge headers", head + "X-Big: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", "the answer's headers are too large"},
		{"many headers", head + strings.Repeat("X-Many: some value\r\n", 5000) + "\r\n", "the answer's headers are too large"},
		{"truncated", head + "Content-Length: 10\r\n\r\nhalf", "connection closed before the end of the answer"},
		{"truncated chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "connection closed before the end of the answer"},
		{"no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "connection closed before the end of the answer"},
		{"broken chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "malformed answer"},
		{"broken gzip", head + "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot gzip at ", "malformed answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			base, _ := raw(t, tc.answer)
			e := failure(t, t.Context(), newClient(t, httpclient.Options{}), request(t, "GET", base, "/secret-path?q"))
			want := "upstream " + strings.TrimPrefix(base, "http://") + ": " + tc.message
			if e.Code != plan.CodeUpstreamFailed || e.Message != want {
				t.Errorf("%v %q (%v), want %q", e.Code, e.Message, e.Cause, want)
			}
		})
	}
}

// reset makes the kernel answer with RST instead of FIN.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

func TestFaultResets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ before, message string }{
		"before the answer": {"", "connection reset before an answer"},
		"in the answer":     {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "connection reset before the end of the answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan struct{})
			base := tcp(t, func(_ int, c net.Conn) {
				_, _ = readWire(bufio.NewReader(c))
				_, _ = io.WriteString(c, tc.before)
				if tc.before != "" {
					<-seen // what was sent before a reset may get lost
				}
				reset(c)
			})
			resp, err := newClient(t, httpclient.Options{}).Do(t.Context(), request(t, "POST", base, "/"))
			close(seen)
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body.Reader())
				_ = resp.Body.Close()
			}
			e := plan.AsError(err)
			if e.Code != plan.CodeUpstreamFailed || !strings.HasSuffix(e.Message, ": "+tc.message) {
				t.Errorf("%v %q (%v)", e.Code, e.Message, e.Cause)
			}
		})
	}
}

func TestFaultsOfConnecting(t *testing.T) {
	t.Parallel()
	closed := tcp(t, func(_ int, c net.Conn) {
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c) // closing before everything is read would be a reset
	})
	refusing := porttest.Reserve(t)
	selfSigned := httptest.NewTLSServer(http.NotFoundHandler())
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(selfSigned.Close)
	plain := server(t, func(http.ResponseWriter, *http.Request) {})

	c := newClient(t, httpclient.Options{})
	for _, tc := range []struct{ base, message string }{
		{"http://" + refusing, "connection refused"},
		{"http://not..a.name", "the name does not resolve"}, // refused by the resolver without a query
		{selfSigned.URL, "TLS certificate not trusted"},
		{strings.Replace(plain.URL, "http:", "https:", 1), "TLS handshake failed"},
		{strings.Replace(closed, "http:", "https:", 1), "connection closed before an answer"},
	} {
		e := failure(t, t.Context(), c, request(t, "GET", tc.base, "/p?key=1"))
		_, host, _ := strings.Cut(tc.base, "://")
		if want := "upstream " + host + ": " + tc.message; e.Code != plan.CodeUpstreamFailed || e.Message != want {
			t.Errorf("%s: %v %q (%v), want %q", tc.base, e.Code, e.Message, e.Cause, want)
		}
	}
	e := failure(t, t.Context(), c, request(t, "GET", "http://"+refusing, "/"))
	if !errors.Is(e, syscall.ECONNREFUSED) {
		t.Errorf("the cause %v is no longer known as what it is", e.Cause)
	}
}

// silent accepts connections and says nothing.
func silent(t *testing.T) string {
	return tcp(t, func(_ int, c net.Conn) { _, _ = io.Copy(io.Discard, c) })
}

func TestFaultsOfTime(t *testing.T) {
	t.Parallel()
	base := silent(t)
	soon, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	t.Cleanup(cancel)
	gone, leave := context.WithCancel(t.Context())
	leave()
	tooSlow := plan.Errorf(plan.CodeUpstreamTimeout, "the call took too long")
	caused, stop := context.WithCancelCause(t.Context())
	stop(tooSlow)
	half := tcp(t, func(_ int, c net.Conn) {
		_, _ = readWire(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		_, _ = io.Copy(io.Discard, c)
	})
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		base    string
		options httpclient.Options
		code    plan.Code
		message string
	}{
		{"deadline", soon, base, httpclient.Options{}, plan.CodeUpstreamTimeout, ": no answer in time"},
		{"deadline in the answer", soon, half, httpclient.Options{}, plan.CodeUpstreamTimeout, ": the answer did not end in time"},
		{"caller gone", gone, base, httpclient.Options{}, plan.CodeCanceled, ": the call was canceled"},
		{"ended for a reason", caused, base, httpclient.Options{}, plan.CodeUpstreamTimeout, "the call took too long"},
		{"no head", t.Context(), base, httpclient.Options{HeaderTimeout: 20 * time.Millisecond}, plan.CodeUpstreamTimeout, ": no answer in time"},
		{"no handshake", t.Context(), strings.Replace(base, "http:", "https:", 1),
			httpclient.Options{TLSTimeout: 20 * time.Millisecond}, plan.CodeUpstreamTimeout, ": TLS handshake took too long"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// Whichever of head and deadline comes first, "half" may only end in time.
			e := failure(t, tc.ctx, newClient(t, tc.options), request(t, "GET", tc.base, "/"))
			late := tc.base == half && strings.HasSuffix(e.Message, ": no answer in time")
			if e.Code != tc.code || !strings.HasSuffix(e.Message, tc.message) && !late {
				t.Errorf("%v %q (%v), want %v %q", e.Code, e.Message, e.Cause, tc.code, tc.message)
			}
		})
	}
}

func TestFaultNamesNoSecret(t *testing.T) {
	t.Parallel()
	base, _ := raw(t, "s3cret-value-"+strings.Repeat("x", 180)+"-s3cret-value\r\n\r\n")
	req := request(t, "GET", base, "/?key=s3cret-value", "Authorization", "Bearer s3cret-value")
	req.Secrets = []plan.Secret{plan.NewSecret("s3cret-value")}
	e := failure(t, t.Context(), newClient(t, httpclient.Options{}), req)
	if strings.Contains(e.Cause.Error(), "s3c") || !strings.Contains(e.Cause.Error(), plan.Masked) {
		t.Errorf("the cause is %q", e.Cause)
	}
	if errors.Unwrap(e.Cause) != nil {
		t.Error("the cause gives the original error away")
	}
	if strings.Contains(e.Message, "key") || strings.Contains(e.Message, "s3c") {
		t.Errorf("the message is %q", e.Message)
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestFaultsOfTheCallersBody(t *testing.T) {
	t.Parallel()
	own := plan.Errorf(plan.CodeBodyTooLarge, "over 10 bytes")
	for _, tc := range []struct {
		name string
		err  error
		code plan.Code
	}{
		{"own error", own, plan.CodeBodyTooLarge},
		{"over a limit", &http.MaxBytesError{Limit: 10}, plan.CodeBodyTooLarge},
		{"gone", io.ErrUnexpectedEOF, plan.CodeCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			srv := server(t, func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.Copy(io.Discard, r.Body); err == nil {
					t.Error("the broken body had a clean end")
				}
			})
			req := request(t, "POST", srv.URL, "/")
			req.Body = plan.Body{Stream: io.NopCloser(io.MultiReader(strings.NewReader("hello"), brokenReader{tc.err})), Len: -1}
			e := failure(t, t.Context(), newClient(t, httpclient.Options{}), req)
			if e.Code != tc.code {
				t.Errorf("%v %q (%v), want %v", e.Code, e.Message, e.Cause, tc.code)
			}
		})
	}
}

// closing reports that it was closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

func (c closing) Close() error { close(c.closed); return nil }

func TestBodyIsClosedWhateverHappens(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpclient.Options{})
	for name, req := range map[string]*plan.Request{
		"bad target":   request(t, "POST", "http://127.0.0.1:1", "x"),
		"refused":      request(t, "POST", "http://127.0.0.1:1", "/"),
		"not allowed":  request(t, "POST", "http://169.254.169.254", "/"),
		"bad header":   request(t, "POST", "http://127.0.0.1:1", "/", "X", "a\r\nb"),
		"empty stream": request(t, "POST", "http://127.0.0.1:1", "/"),
	} {
		body := closing{strings.NewReader("hello"), make(chan struct{})}
		req.Body = plan.Body{Stream: body, Len: 5}
		if name == "empty stream" {
			req.Body.Len = 0
		}
		if e := failure(t, t.Context(), c, req); e.Code != plan.CodeUpstreamFailed {
			t.Errorf("%s: %v", name, e.Code)
		}
		<-body.closed
	}
}

func TestHeaderLimitOverHTTP2(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			w.Header().Add("X-Big", strings.Repeat("x", 1000))
		}
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c := newClient(t, httpclient.Options{TLS: &tls.Config{RootCAs: roots}})
	e := failure(t, t.Context(), c, request(t, "GET", srv.URL, "/"))
	if !strings.HasSuffix(e.Message, ": the answer's headers are too large") {
		t.Errorf("%q (%v)", e.Message, e.Cause)
	}
}
