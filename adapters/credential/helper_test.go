package credential_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/credential"
	"capd/adapters/httpclient"
	"capd/adapters/secrets"
	"capd/engine/plan"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newClient makes an authenticator in front of a real client, as capd wires them.
func newClient(t testing.TB, o credential.Options) *credential.Authenticator {
	t.Helper()
	client, err := httpclient.New(httpclient.Options{Proxy: func(*url.URL) (*url.URL, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.OpenKey = secrets.OpenKey
	return credential.New(client, o)
}

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// request makes a request to base, a URL without a path.
func request(t testing.TB, method, base, target, body string, auth plan.Credential, header ...string) *plan.Request {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	req := &plan.Request{Method: method, Base: &plan.Base{Scheme: u.Scheme, Host: u.Host}, Target: target, Auth: auth, Body: plan.BytesBody([]byte(body))}
	for i := 0; i < len(header); i += 2 {
		req.Header = append(req.Header, plan.Field{Name: header[i], Value: header[i+1]})
	}
	return req
}

// stream gives a request's body the form that a caller's has.
func stream(req *plan.Request, known bool) *plan.Request {
	n := int64(len(req.Body.Bytes))
	if !known {
		n = -1
	}
	req.Body = plan.Body{Stream: io.NopCloser(strings.NewReader(string(req.Body.Bytes))), Len: n}
	return req
}

// do gives "status body".
func do(t testing.TB, up plan.Upstream, req *plan.Request) (*plan.Response, string) {
	t.Helper()
	resp, err := up.Do(t.Context(), req)
	if err != nil {
		t.Errorf("%s %s: %v (%v)", req.Method, req.Target, err, errors.Unwrap(err))
		return &plan.Response{}, ""
	}
	b, err := io.ReadAll(resp.Body.Reader())
	if err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
	return resp, string(b)
}

func fails(t testing.TB, up plan.Upstream, req *plan.Request, code plan.Code, words ...string) *plan.Error {
	t.Helper()
	_, err := up.Do(context.Background(), req)
	var e *plan.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *plan.Error", err)
	}
	if e.Code != code {
		t.Errorf("got %s: %v (%v), want %s", e.Code, e, e.Cause, code)
	}
	for _, w := range words {
		if !strings.Contains(e.Message, w) {
			t.Errorf("%q does not say %q", e.Message, w)
		}
	}
	return e
}

func secret(s string) plan.Secret { return plan.NewSecret(s) }

func bodyOf(r *http.Request) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
