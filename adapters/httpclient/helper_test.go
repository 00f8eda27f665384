package httpclient_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"capd/adapters/httpclient"
	"capd/adapters/secrets"
	"capd/engine/plan"
)

// newClient makes a client that ignores the proxy variables of the machine.
func newClient(t testing.TB, o httpclient.Options) *httpclient.Client {
	t.Helper()
	if o.Proxy == nil {
		o.Proxy = func(*url.URL) (*url.URL, error) { return nil, nil }
	}
	o.OpenKey = secrets.OpenKey
	c, err := httpclient.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// request makes a request to base, a URL without a path.
func request(t testing.TB, method, base, target string, header ...string) *plan.Request {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	req := &plan.Request{Method: method, Base: &plan.Base{Scheme: u.Scheme, Host: u.Host}, Target: target}
	for i := 0; i < len(header); i += 2 {
		req.Header = append(req.Header, plan.Field{Name: header[i], Value: header[i+1]})
	}
	return req
}

func do(t testing.TB, up plan.Upstream, req *plan.Request) (*plan.Response, string) {
	t.Helper()
	resp, err := up.Do(t.Context(), req)
	if err != nil {
		t.Fatalf("%s %s: %v (%v)", req.Method, req.URL(), err, errors.Unwrap(err))
	}
	body, err := io.ReadAll(resp.Body.Reader())
	if err != nil {
		t.Fatalf("reading the answer: %v (%v)", err, errors.Unwrap(err))
	}
	_ = resp.Body.Close()
	return resp, string(body)
}

// failure sends the request, reads its answer and gives the error of either.
func failure(t testing.TB, ctx context.Context, up plan.Upstream, req *plan.Request) *plan.Error {
	t.Helper()
	resp, err := up.Do(ctx, req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body.Reader())
		_ = resp.Body.Close()
	}
	var e *plan.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want a *plan.Error", err, err)
	}
	return e
}

// tcp listens on the loopback and hands every connection to serve, in its own goroutine.
func tcp(t testing.TB, serve func(n int, c net.Conn)) (base string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { defer c.Close(); serve(n, c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// raw listens for requests, and answers each connection's first one with text. It gives
// what arrived: the head as it stood on the wire, and the body.
func raw(t testing.TB, answer string) (base string, arrived <-chan wire) {
	t.Helper()
	got := make(chan wire, 16)
	return tcp(t, func(_ int, c net.Conn) {
		w, err := readWire(bufio.NewReader(c))
		if err != nil {
			return
		}
		got <- w
		_, _ = io.WriteString(c, answer)
	}), got
}

// wire is a request as it arrived.
type wire struct {
	head string // request line and headers, without the empty line
	body string
}

func (w wire) line() string {
	line, _, _ := strings.Cut(w.head, "\r\n")
	return line
}

// headers gives the header lines without Host, sorted as sent.
func (w wire) headers() []string { return strings.Split(w.head, "\r\n")[1:] }

func readWire(r *bufio.Reader) (wire, error) {
	var w wire
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return w, err
		}
		if line == "\r\n" {
			break
		}
		head.WriteString(line)
	}
	w.head = strings.TrimSuffix(head.String(), "\r\n")
	// net/http reads the body, and must not judge the target.
	method, _, _ := strings.Cut(w.head, " ")
	_, lines, _ := strings.Cut(head.String(), "\r\n")
	plain := io.MultiReader(strings.NewReader(method+" / HTTP/1.1\r\n"+lines+"\r\n"), r)
	parsed, err := http.ReadRequest(bufio.NewReader(plain))
	if err != nil {
		return w, err
	}
	body, err := io.ReadAll(parsed.Body)
	w.body = string(body)
	return w, err
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
