package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

// long is a wait that no test reaches.
const long = time.Hour

// waiting serves two handlers, REST's and MCP's, to callers with limited time.
func waiting(t *testing.T, w waits, rest, mcp http.HandlerFunc) (addr string) {
	t.Helper()
	r := newRig(t, map[string]string{"a.yaml": "serve " + loopback + " one"}, func(o *Options) {
		o.DrainTimeout = time.Millisecond
		o.Adapters = map[plan.Kind]Adapter{plan.REST: handlerAdapter{rest}, plan.MCP: handlerAdapter{mcp}}
	})
	r.engine.waits = w
	r.start()
	return r.engine.Addr(loopback)
}

// say opens a connection and sends a text on it, in which HOST stands for the address.
func say(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	send(t, conn, text)
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
}

// hear reads an answer and its whole body.
func hear(t *testing.T, in *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

const stalled = "Host: localhost\nContent-Length: 100\n\n12345"

func TestStalledBody(t *testing.T) {
	t.Parallel()
	read := func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		e := plan.AsError(err)
		if strings.HasPrefix(r.URL.Path, "/apis/") && r.Context().Err() != nil {
			e = plan.Errorf(plan.CodeCanceled, "the caller is there, but the call was canceled")
		}
		writeProblem(w, http.StatusBadRequest, e, "ID")
	}
	addr := waiting(t, waits{call: time.Millisecond, answer: long, unread: long}, read, read)
	for _, path := range []string{"/apis/a", "/mcp/a"} {
		resp, text := hear(t, bufio.NewReader(say(t, addr, "POST "+path+" HTTP/1.1\n"+stalled)))
		var p problem
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if p.Code != "invalid-input" || p.Detail != "the request body did not arrive in time" || !resp.Close {
			t.Errorf("%s: got %+v, closing %t", path, p, resp.Close)
		}
	}
}

// TestStalledUnreadBody: what nobody reads keeps no answer back.
func TestStalledUnreadBody(t *testing.T) {
	t.Parallel()
	flushed := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_ = http.NewResponseController(w).Flush()
	}
	closed := func(w http.ResponseWriter, r *http.Request) { _ = r.Body.Close() }
	addr := waiting(t, waits{call: long, answer: long, unread: time.Millisecond}, flushed, closed)
	for path, want := range map[string]int{
		"/apis/a": http.StatusTeapot, "/mcp/a": http.StatusOK, "/.well-known/x": http.StatusNotFound,
	} {
		if resp, _ := hear(t, bufio.NewReader(say(t, addr, "POST "+path+" HTTP/1.1\n"+stalled))); resp.StatusCode != want || !resp.Close {
			t.Errorf("%s: got %s, closing %t", path, resp.Status, resp.Close)
		}
	}
	conn := say(t, addr, "POST /apis/a HTTP/1.1\nHost: evil.example\nContent-Length: 9\n\n1")
	if resp, _ := hear(t, bufio.NewReader(conn)); resp.StatusCode != http.StatusForbidden {
		t.Errorf("got %s", resp.Status)
	}
}

// TestStreamOutlivesDeadlines: once a body has arrived, or there is none, no deadline ends what
// is streamed, neither in the call that set it nor in the next one on the connection.
func TestStreamOutlivesDeadlines(t *testing.T) {
	t.Parallel()
	const call, unread = 300 * time.Millisecond, 50 * time.Millisecond
	read := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
	stream := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Unread") == "" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_ = http.NewResponseController(w).Flush()
		// Every deadline has passed when this one has: it is the last of all.
		select {
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "cut")
		case <-time.After(2 * call):
			_, _ = io.WriteString(w, "whole")
		}
	}
	addr := waiting(t, waits{call: call, answer: time.Nanosecond, unread: unread}, read, stream)
	for name, request := range map[string]string{
		"read":           "POST /mcp/a HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc",
		"chunked":        "POST /mcp/a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
		"unread":         "POST /mcp/a HTTP/1.1\nHost: localhost\nUnread: 1\nContent-Length: 3\n\nabc",
		"unread chunked": "POST /mcp/a HTTP/1.1\nHost: localhost\nUnread: 1\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n",
		"none":           "GET /mcp/a HTTP/1.1\nHost: localhost\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := say(t, addr, "POST /apis/a HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc")
			in := bufio.NewReader(conn)
			if resp, _ := hear(t, in); resp.StatusCode != http.StatusOK || resp.Close {
				t.Fatalf("got %s, closing %t", resp.Status, resp.Close)
			}
			send(t, conn, request)
			if _, text := hear(t, in); text != "whole" {
				t.Errorf("got %q", text)
			}
		})
	}
}

// TestAnswerNotRead: a caller that does not take its answer does not hold the call.
func TestAnswerNotRead(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				failed <- err
				return
			}
		}
	}
	addr := waiting(t, waits{call: time.Millisecond, answer: time.Millisecond, unread: long}, endless, endless)
	say(t, addr, "GET /apis/a HTTP/1.1\nHost: localhost\n\n")
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestExpectContinue: nobody waits for a body that its sender was never asked for.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	none := func(http.ResponseWriter, *http.Request) {}
	addr := waiting(t, waits{call: long, answer: long, unread: long}, none, none)
	conn := say(t, addr, "POST /apis/a HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 100\n\n")
	if resp, _ := hear(t, bufio.NewReader(conn)); resp.StatusCode != http.StatusOK {
		t.Errorf("got %s", resp.Status)
	}
}

// TestCallerGone: the end of the connection still ends a call whose body has arrived.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	entered, canceled := make(chan struct{}), make(chan struct{})
	addr := waiting(t, waits{call: long, answer: long, unread: long}, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		close(entered)
		<-r.Context().Done()
		close(canceled)
	}, func(http.ResponseWriter, *http.Request) {})
	conn := say(t, addr, "POST /apis/a HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc")
	<-entered
	_ = conn.Close()
	<-canceled
}

func TestNoCallTimeout(t *testing.T) {
	t.Parallel()
	addr := waiting(t, waits{unread: long}, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		_, _ = w.Write(text)
	}, func(http.ResponseWriter, *http.Request) {})
	conn := say(t, addr, "POST /apis/a HTTP/1.1\nHost: localhost\nContent-Length: 6\n\nabc")
	send(t, conn, "def")
	if _, text := hear(t, bufio.NewReader(conn)); text != "abcdef" {
		t.Errorf("got %q", text)
	}
}

func TestWaitsFollowTheCallTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(o *Options) { o.CallTimeout = 7 * time.Second })
	if got, want := r.engine.waits, (waits{call: 7 * time.Second, answer: 5 * time.Second, unread: time.Second, taken: 30 * time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	_ = r.engine.Stop(context.Background())
}
