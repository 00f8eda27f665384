package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"capd/engine/plan"
)

func TestHeadersThatPass(t *testing.T) {
	t.Parallel()
	upstream := []plan.Field{
		{Name: "content-encoding", Value: "br"}, {Name: "Content-Language", Value: "de"},
		{Name: "Content-Disposition", Value: `attachment; filename="a"`}, {Name: "Content-Range", Value: "bytes 0-1/2"},
		{Name: "ACCEPT-RANGES", Value: "bytes"}, {Name: "ETag", Value: `"e"`}, {Name: "Last-Modified", Value: "Sat, 01 Jan 2000 00:00:00 GMT"},
		{Name: "Cache-Control", Value: "max-age=1"}, {Name: "Vary", Value: "Accept"}, {Name: "Vary", Value: "Origin"},
		{Name: "Age", Value: "3"}, {Name: "Cache-Status", Value: "capd; hit; ttl=7"}, {Name: "Cache-Status", Value: "inner.example; hit"},
		{Name: "Link", Value: `</x>; rel="next"`}, {Name: "Retry-After", Value: "7"}, {Name: "RateLimit", Value: "limit=1"},
		{Name: "RateLimit-Remaining", Value: "3"}, {Name: "x-ratelimit-reset", Value: "9"}, {Name: "Location", Value: "/v1/things/1?a=b"},

		{Name: "Set-Cookie", Value: "session=1"}, {Name: "Server", Value: "nginx"}, {Name: "X-Powered-By", Value: "php"},
		{Name: "Connection", Value: "keep-alive"}, {Name: "Transfer-Encoding", Value: "chunked"}, {Name: "Trailer", Value: "X"},
		{Name: "WWW-Authenticate", Value: `Basic realm="upstream"`}, {Name: "Content-Type", Value: "text/evil"},
		{Name: "Content-Length", Value: "999"}, {Name: "Access-Control-Allow-Origin", Value: "*"},
		{Name: "Location", Value: "https://upstream.example/v1/things/1"}, {Name: "Location", Value: "//upstream.example/x"},
		{Name: "Location", Value: `/\upstream.example`}, {Name: "ETag", Value: "hidden", Secret: true},
	}
	about := []string{"Content-Encoding", "Content-Language", "Content-Disposition", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified"}
	always := []string{"Cache-Control", "Age", "Cache-Status", "Vary", "Link", "Retry-After", "Ratelimit", "Ratelimit-Remaining", "X-Ratelimit-Reset", "Location"}
	own := []string{"Content-Type", "Content-Length", "Date", "X-Content-Type-Options"}

	for kind, want := range map[plan.ResultKind][]string{
		plan.Passthrough: slices.Concat(about, always, own),
		plan.Value:       slices.Concat(always, own),
	} {
		ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) {
			return &plan.Result{Kind: kind, Status: 200, Header: upstream, Body: plan.BytesBody([]byte("{}")), MediaType: "application/json", FromUpstream: true, Method: "GET"}, nil
		})
		got := do(t, "GET", ts.URL, nil)
		var names []string
		for name := range got.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		slices.Sort(want)
		if !slices.Equal(names, want) {
			t.Errorf("kind %d: headers\ngot  %q\nwant %q", kind, names, want)
		}
		for name, value := range map[string]string{
			"Vary": "Accept,Origin", "Location": "/v1/things/1?a=b", "Content-Type": "application/json", "Content-Length": "2",
			"Cache-Status": "capd; hit; ttl=7",
		} {
			if v := strings.Join(got.Header[name], ","); v != value {
				t.Errorf("kind %d: %s is %q, want %q", kind, name, v, value)
			}
		}
	}
}

func TestUpstreamErrorsPass(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 409, 429, 500, 503} {
		ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) {
			return &plan.Result{
				Kind: plan.Passthrough, Status: status, FromUpstream: true, Method: "POST", MediaType: "application/json",
				Header: []plan.Field{{Name: "Retry-After", Value: "3"}, {Name: "WWW-Authenticate", Value: "Bearer realm=upstream"}},
				Body:   stream(strings.NewReader(`{"error":"theirs"}`)),
			}, nil
		})
		got := do(t, "POST", ts.URL, nil)
		if got.StatusCode != status || got.body != `{"error":"theirs"}` || got.Header.Get("Retry-After") != "3" {
			t.Errorf("%d: got %d %s %v", status, got.StatusCode, got.body, got.Header)
		}
		if want := fmt.Sprintf("capd; received-status=%d", status); got.Header.Get("Proxy-Status") != want {
			t.Errorf("%d: Proxy-Status %q, want %q", status, got.Header.Get("Proxy-Status"), want)
		}
		challenge := map[bool]string{true: "Upstream"}[status == 401]
		if got.Header.Get("WWW-Authenticate") != challenge {
			t.Errorf("%d: WWW-Authenticate %q, want %q", status, got.Header.Get("WWW-Authenticate"), challenge)
		}
	}
}

func TestContentAndLength(t *testing.T) {
	t.Parallel()
	text := func() plan.Body { return sized(strings.NewReader("hello"), 5) }
	cases := []struct {
		name   string
		method string // of the request
		result plan.Result
		status int
		length string
		body   string
	}{
		{"known length", "GET", plan.Result{Status: 200, Body: text()}, 200, "5", "hello"},
		{"unknown length", "GET", plan.Result{Status: 201, Body: stream(strings.NewReader("hello"))}, 201, "", "hello"},
		{"bytes", "GET", plan.Result{Status: 200, Body: plan.BytesBody([]byte("hello"))}, 200, "5", "hello"},
		{"nothing", "GET", plan.Result{Status: 200}, 200, "0", ""},
		{"an empty stream", "GET", plan.Result{Status: 200, Body: stream(strings.NewReader(""))}, 200, "", ""},
		{"HEAD of a known length", "HEAD", plan.Result{Status: 200, Body: text(), Method: "GET"}, 200, "5", ""},
		{"HEAD of bytes", "HEAD", plan.Result{Status: 200, Body: plan.BytesBody([]byte("hello")), Method: "GET"}, 200, "5", ""},
		{"HEAD of an unknown length", "HEAD", plan.Result{Status: 200, Body: stream(strings.NewReader("hello")), Method: "GET"}, 200, "", ""},
		{"HEAD that the upstream answered", "HEAD", plan.Result{Status: 200, Body: plan.Body{Len: 5}, Method: "HEAD"}, 200, "5", ""},
		{"HEAD without a length", "HEAD", plan.Result{Status: 200, Method: "HEAD"}, 200, "", ""},
		{"GET of an operation that sends HEAD", "GET", plan.Result{Status: 200, Body: sized(strings.NewReader(""), 5), Method: "HEAD"}, 200, "0", ""},
		{"204", "DELETE", plan.Result{Status: 204, Body: stream(strings.NewReader("x"))}, 204, "", ""},
		{"205", "POST", plan.Result{Status: 205, Body: text()}, 205, "0", ""},
		{"304", "GET", plan.Result{Status: 304, Body: text()}, 304, "", ""},
		{"a redirect", "GET", plan.Result{Status: 302, Body: text()}, 302, "5", "hello"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.result.Kind = plan.Passthrough
			ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) { return &c.result, nil })
			got := do(t, c.method, ts.URL, nil)
			if got.err != nil || got.StatusCode != c.status || got.body != c.body || got.Header.Get("Content-Length") != c.length {
				t.Errorf("got %d, length %q, body %q, %v; want %d, %q, %q", got.StatusCode, got.Header.Get("Content-Length"), got.body, got.err, c.status, c.length, c.body)
			}
			if types, ok := got.Header["Content-Type"]; ok {
				t.Errorf("a content type was guessed: %q", types)
			}
		})
	}
}

func TestStatusThatIsNone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 99, 101, 103, 1000} {
		ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) {
			return &plan.Result{Kind: plan.Passthrough, Status: status, Body: plan.BytesBody([]byte("x"))}, nil
		})
		if got := do(t, "GET", ts.URL, nil); got.StatusCode != http.StatusBadGateway {
			t.Errorf("%d: got %d %s, want 502", status, got.StatusCode, got.body)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	slow := plan.Errorf(plan.CodeUpstreamTimeout, "too slow")
	const piece = 32 << 10
	short, long := strings.Repeat("x", piece), strings.Repeat("x", 100_000)
	cases := []struct {
		name string
		body plan.Body
		want int // status of a problem; 0: the connection is cut
		sent int // bytes of the answer that is cut
	}{
		{"before the first byte", stream(&errReader{broken}), 502, 0},
		{"before the first byte, of known length", sized(&errReader{io.ErrUnexpectedEOF}, 5), 502, 0},
		{"out of time before the first byte", stream(&errReader{plan.Errorf(plan.CodeUpstreamTimeout, "too slow")}), 504, 0},
		{"empty and not as long as it said", sized(strings.NewReader(""), 5), 502, 0},
		{"midway", stream(failing("hello", broken)), 0, 5},
		{"far on", stream(failing(long, broken)), 0, len(long)},
		{"reset midway in a short one", sized(failing("hello", broken), 10), 502, 0},
		{"closed midway in a short one", sized(failing("hello", io.ErrUnexpectedEOF), 1000), 502, 0},
		{"too slow midway in a short one", sized(failing("hello", slow), 1000), 504, 0},
		{"out of time midway in a short one", sized(failing("hello", context.DeadlineExceeded), 1000), 504, 0},
		{"just before the end of one that fills the buffer", sized(failing(short[1:], broken), piece), 502, 0},
		{"shorter than it said", sized(strings.NewReader("hello"), 10), 502, 0},
		{"longer than it said", sized(strings.NewReader(long), 10), 502, 0},
		{"early in a long one", sized(failing("hello", broken), piece+1), 0, 5},
		{"far on in a long one", sized(failing(short+"hello", slow), int64(len(long))), 0, piece + 5},
		{"a long one, shorter than it said", sized(strings.NewReader(long), int64(len(long))+1), 0, len(long)},
		{"events of known length", plan.Body{Stream: io.NopCloser(failing("hello", broken)), Len: 10}, 0, 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			log := &records{}
			mediaType := "text/plain"
			if strings.HasPrefix(c.name, "events") {
				mediaType = "text/event-stream"
			}
			ts := resultServer(t, log, func(*http.Request) (*plan.Result, error) {
				return &plan.Result{Kind: plan.Passthrough, Status: 200, Body: c.body, MediaType: mediaType, FromUpstream: true, Header: []plan.Field{{Name: "ETag", Value: "e"}}}, nil
			})
			got := do(t, "GET", ts.URL, nil)
			if c.want == 0 {
				if got.err == nil || got.StatusCode != 200 || len(got.body) != c.sent {
					t.Errorf("got %d, %d bytes, %v; want %d bytes of an answer that is cut", got.StatusCode, len(got.body), got.err, c.sent)
				}
			} else if got.StatusCode != c.want || got.Header.Get("Content-Type") != "application/problem+json" || got.Header.Get("ETag") != "" {
				t.Errorf("got %d %v %s; want a problem with status %d", got.StatusCode, got.Header, got.body, c.want)
			}
			want := fmt.Sprintf(`"msg":"call failed"|"status":%d|"message":"`, c.want)
			if c.want == 0 {
				want = fmt.Sprintf(`"msg":"answer cut off"|"status":200|"bytes_sent":%d|"message":"`, c.sent)
			}
			for part := range strings.SplitSeq(want+`|"level":"WARN"|"request_id":"`, "|") {
				if text := log.String(); strings.Count(text, part) != 1 {
					t.Errorf("want one record with %s, got %s", part, text)
				}
			}
		})
	}
}

// A short body that comes in pieces arrives whole, also one that fills the buffer.
func TestShortBodiesInPieces(t *testing.T) {
	t.Parallel()
	for _, length := range []int{0, 1, 7, 32<<10 - 1, 32 << 10, 32<<10 + 1} {
		want := strings.Repeat("x", length)
		body := iotest.OneByteReader(strings.NewReader(want))
		log := &records{}
		ts := resultServer(t, log, func(*http.Request) (*plan.Result, error) {
			return &plan.Result{Kind: plan.Passthrough, Status: 200, Body: sized(body, int64(length))}, nil
		})
		got := do(t, "GET", ts.URL, nil)
		if got.err != nil || got.StatusCode != 200 || got.body != want || got.Header.Get("Content-Length") != fmt.Sprint(length) {
			t.Errorf("%d: got %d, %d bytes, %v, %v", length, got.StatusCode, len(got.body), got.err, got.Header)
		}
		if text := log.String(); text != "" {
			t.Errorf("%d: the log has %s", length, text)
		}
	}
}

// A long body of known length is not held back: what has come is written before the next
// piece is asked for.
func TestLongBodyIsWrittenAsItComes(t *testing.T) {
	t.Parallel()
	const length = 1 << 20
	r, w := io.Pipe()
	ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) {
		return &plan.Result{Kind: plan.Passthrough, Status: 200, Body: plan.Body{Stream: r, Len: length}}, nil
	})
	first := strings.Repeat("x", 20_000)
	go func() { _, _ = io.WriteString(w, first) }()
	resp, err := http.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(w, strings.Repeat("x", length-len(first))); _ = w.Close() }()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != length-10_000 {
		t.Errorf("then %d bytes, %v", len(rest), err)
	}
}

// A stream of unknown length arrives piece by piece: each piece is read by the client
// before the next one is written.
func TestStreamIsFlushed(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	ts := resultServer(t, &records{}, func(*http.Request) (*plan.Result, error) {
		return &plan.Result{Kind: plan.Passthrough, Status: 200, Body: plan.Body{Stream: r, Len: -1}, MediaType: "text/event-stream; charset=utf-8"}, nil
	})
	// The head of an event stream comes before any event.
	resp, err := http.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for i := range 3 {
		event := fmt.Sprintf("data: %d\n\n", i)
		go func() { _, _ = io.WriteString(w, event) }()
		buf := make([]byte, len(event))
		if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != event {
			t.Fatalf("got %q, %v; want %q", buf, err, event)
		}
	}
	_ = w.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}

func TestClientThatGoesAwayEndsTheUpstreamBody(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	log := &records{}
	ts := resultServer(t, log, func(*http.Request) (*plan.Result, error) {
		return &plan.Result{Kind: plan.Passthrough, Status: 200, Body: plan.Body{Stream: &endless{closed: closed}, Len: -1}}, nil
	})
	resp, err := http.Get(ts.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	<-closed
	if text := log.String(); !strings.Contains(text, `"msg":"answer cut off"`) || !strings.Contains(text, `"code":"canceled"`) || strings.Contains(text, "WARN") {
		t.Errorf("a client that goes away is logged as canceled at debug level, got %s", text)
	}
}

// endless gives zeros until it is closed.
type endless struct{ closed chan struct{} }

func (e *endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }
func (e *endless) Close() error               { close(e.closed); return nil }

// TestBuffersOfFailedWrites: a server of HTTP/2 may still read an answer when its write has failed, so
// that its memory is not used for another.
func TestBuffersOfFailedWrites(t *testing.T) {
	said := ""
	h := serveThings(t, Options{}, func(context.Context, *plan.Request) (*plan.Response, error) {
		body := plan.Body{Stream: io.NopCloser(strings.NewReader(said)), Len: int64(len(said))}
		return &plan.Response{Status: 200, Body: body, Header: []plan.Field{{Name: "Content-Type", Value: "text/plain"}}}, nil
	}).Config.Handler
	get := func(w http.ResponseWriter) {
		defer func() { _ = recover() }() // the connection is cut
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/things/7", nil))
	}
	for range 20 { // a pool may give any of its buffers
		gone := &deaf{discard: discard{header: http.Header{}}}
		said = "mine"
		get(gone)
		said = "yours"
		get(&discard{header: http.Header{}})
		if string(gone.reading) != "mine" {
			t.Fatalf("it became %q", gone.reading)
		}
	}
}

// deaf is a response whose writes fail, and that goes on reading what it was given.
type deaf struct {
	discard
	reading []byte
}

func (d *deaf) Write(p []byte) (int, error) {
	d.reading = p
	return 0, io.ErrClosedPipe
}
