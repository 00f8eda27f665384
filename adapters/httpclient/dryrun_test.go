package httpclient_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// TestDryRunIsTheWire sends requests for real and dry, and wants the same bytes of both.
func TestDryRunIsTheWire(t *testing.T) {
	t.Parallel()
	for name, req := range map[string]plan.Request{
		"get":         {Method: "GET", Target: "/rooms/a%2Fb?limit=5&q=%3Cx%3E"},
		"odd target":  {Method: "GET", Target: "/a|b/%zz?x"},
		"no path":     {Method: "DELETE", Target: "/"},
		"post":        {Method: "POST", Target: "/rooms", Header: []plan.Field{{Name: "x-Own-Name", Value: "1"}, {Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(`{"a":1}`))},
		"empty post":  {Method: "POST", Target: "/rooms"},
		"idempotency": {Method: "POST", Target: "/rooms", Header: []plan.Field{{Name: "Idempotency-Key", Value: "k"}}},
		"own agent":   {Method: "GET", Target: "/", Header: []plan.Field{{Name: "User-Agent", Value: "me"}, {Name: "Host", Value: "other.example.com"}}},
		"encoding":    {Method: "GET", Target: "/", Accept: plan.Accept{Encoding: "identity"}},
		"stream":      {Method: "PUT", Target: "/", Body: plan.Body{Stream: io.NopCloser(strings.NewReader("chunks")), Len: -1}},
		"known":       {Method: "PUT", Target: "/", Body: plan.Body{Stream: io.NopCloser(strings.NewReader("known")), Len: 5}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, wire := listen(t)
			client := newClient(t, httpclient.Options{})
			req.Base = &plan.Base{Scheme: "http", Host: addr}
			again := req
			if req.Body.Stream != nil {
				content, err := io.ReadAll(req.Body.Stream)
				if err != nil {
					t.Fatal(err)
				}
				req.Body.Stream = io.NopCloser(bytes.NewReader(content))
				again.Body.Stream = io.NopCloser(bytes.NewReader(content))
			}
			resp, err := client.Do(context.Background(), &req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			var dry []byte
			up := client.DryRun(func(got *plan.Request, b []byte) {
				if got != &again {
					t.Error("the dry run reports another request")
				}
				dry = b
			})
			if resp, err = up.Do(context.Background(), &again); err != nil || resp.Status != 204 {
				t.Fatalf("dry run gave %+v, %v", resp, err)
			}
			if sent := <-wire; string(dry) != sent {
				t.Errorf("dry run:\n%q\nsent:\n%q", dry, sent)
			}
		})
	}
}

// listen answers one connection with 204 and gives what came over it.
func listen(t *testing.T) (addr string, wire <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer conn.Close()
		var all bytes.Buffer
		buf := make([]byte, 4096)
		for !complete(all.String()) {
			n, err := conn.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				break
			}
		}
		got <- all.String()
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	}()
	return l.Addr().String(), got
}

// complete reports whether a request has come to its end.
func complete(s string) bool {
	head, body, ok := strings.Cut(s, "\r\n\r\n")
	switch {
	case !ok:
		return false
	case strings.Contains(head, "Transfer-Encoding: chunked"):
		return strings.HasSuffix(body, "0\r\n\r\n")
	case strings.Contains(head, "Content-Length: 7"):
		return len(body) == 7
	case strings.Contains(head, "Content-Length: 5"):
		return len(body) == 5
	}
	return true
}

// TestDryRunOfAnUnsetHost shows a host that is no host yet.
func TestDryRunOfAnUnsetHost(t *testing.T) {
	t.Parallel()
	client := newClient(t, httpclient.Options{})
	var dry string
	up := client.DryRun(func(_ *plan.Request, b []byte) { dry = string(b) })
	req := &plan.Request{Method: "GET", Base: &plan.Base{Scheme: "https", Host: "<ROOMS_URL>"}, Target: "/rooms"}
	if _, err := up.Do(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	if want := "GET /rooms HTTP/1.1\r\nHost: <ROOMS_URL>\r\n"; !strings.HasPrefix(dry, want) {
		t.Errorf("got %q, want it to begin with %q", dry, want)
	}
}
