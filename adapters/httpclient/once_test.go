package httpclient_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// dying answers the first request of every connection, and dies after reading the second.
func dying(t *testing.T, arrivals *atomic.Int32) string {
	return tcp(t, func(_ int, c net.Conn) {
		r := bufio.NewReader(c)
		if _, err := readWire(r); err != nil {
			return
		}
		arrivals.Add(1)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if _, err := readWire(r); err == nil {
			arrivals.Add(1)
		}
	})
}

func TestNeverTwiceOnAReusedConnection(t *testing.T) {
	t.Parallel()
	key := []string{"Idempotency-Key", "abc"}
	xkey := []string{"x-idempotency-key", "abc"}
	bytes := plan.BytesBody([]byte("hello"))
	for _, tc := range []struct {
		name, method string
		header       []string
		body         plan.Body
		arrivals     int32 // the first call's included
	}{
		{"post without content", "POST", nil, plan.Body{}, 2},
		{"post without content, with a key", "POST", key, plan.Body{}, 2},
		{"post without content, with an x key", "POST", xkey, plan.Body{}, 2},
		{"post with bytes", "POST", nil, bytes, 2},
		{"post with bytes and a key", "POST", key, bytes, 2},
		{"patch with a key", "PATCH", key, plan.Body{}, 2},
		{"post with a stream and a key", "POST", key,
			plan.Body{Stream: io.NopCloser(strings.NewReader("hello")), Len: 5}, 2},
		// The second connection answers its first request.
		{"get may be repeated", "GET", nil, plan.Body{}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var arrivals atomic.Int32
			base := dying(t, &arrivals)
			c := newClient(t, httpclient.Options{})
			do(t, c, request(t, "GET", base, "/warm"))

			req := request(t, tc.method, base, "/", tc.header...)
			req.Body = tc.body
			resp, err := c.Do(t.Context(), req)
			if err == nil {
				_ = resp.Body.Close()
			}
			if (err == nil) != (tc.method == "GET") {
				t.Errorf("error %v", err)
			}
			if err != nil && plan.AsError(err).Code != plan.CodeUpstreamFailed {
				t.Errorf("code %v", plan.AsError(err).Code)
			}
			if got := arrivals.Load(); got != tc.arrivals {
				t.Errorf("%d requests arrived, want %d", got, tc.arrivals)
			}
		})
	}
}

func TestIdempotencyKeyArrives(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Idempotency-Key")
	}))
	t.Cleanup(srv.Close)
	do(t, newClient(t, httpclient.Options{}), request(t, "POST", srv.URL, "/", "Idempotency-Key", "abc"))
	if k := <-got; k != "abc" {
		t.Errorf("key %q arrived", k)
	}
}

// TestNeverTwiceOverHTTP2 has a peer that takes every request and resets its stream in the
// ways that make net/http send a request again.
func TestNeverTwiceOverHTTP2(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method string
		code         http2.ErrCode
		once         bool
	}{
		{"post, protocol error", "POST", http2.ErrCodeProtocol, true},
		{"post, refused stream", "POST", http2.ErrCodeRefusedStream, true},
		{"patch, protocol error", "PATCH", http2.ErrCodeProtocol, true},
		{"get, protocol error", "GET", http2.ErrCodeProtocol, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var arrivals atomic.Int32
			base, roots := resetting(t, tc.code, &arrivals)
			c := newClient(t, httpclient.Options{TLS: &tls.Config{RootCAs: roots}})
			req := request(t, tc.method, base, "/", "Idempotency-Key", "abc")
			resp, err := c.Do(t.Context(), req)
			if tc.once {
				if err == nil || arrivals.Load() != 1 {
					t.Fatalf("%d requests arrived, error %v; want one and an error", arrivals.Load(), err)
				}
				if e := plan.AsError(err); e.Code != plan.CodeUpstreamFailed || !strings.HasSuffix(e.Message, "connection lost before an answer") {
					t.Errorf("%v %q", e.Code, e.Message)
				}
				return
			}
			if err != nil || arrivals.Load() != 2 {
				t.Fatalf("%d requests arrived, error %v; want the second one answered", arrivals.Load(), err)
			}
			_ = resp.Body.Close()
		})
	}
}

// resetting resets the first stream it is sent and answers 204 to the others.
func resetting(t *testing.T, code http2.ErrCode, arrivals *atomic.Int32) (string, *x509.CertPool) {
	srv := httptest.NewTLSServer(nil) // for its certificate
	config := &tls.Config{Certificates: srv.TLS.Certificates, NextProtos: []string{"h2"}}
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	srv.Close()
	base := tcp(t, func(_ int, plain net.Conn) {
		c := tls.Server(plain, config)
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(c, preface); err != nil {
			return
		}
		fr := http2.NewFramer(c, c)
		_ = fr.WriteSettings()
		for {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			h, ok := f.(*http2.HeadersFrame)
			switch {
			case !ok:
			case arrivals.Add(1) == 1:
				_ = fr.WriteRSTStream(h.StreamID, code)
			default:
				var block strings.Builder
				_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "204"})
				_ = fr.WriteHeaders(http2.HeadersFrameParam{
					StreamID: h.StreamID, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true})
			}
		}
	})
	return "https" + strings.TrimPrefix(base, "http"), roots
}
