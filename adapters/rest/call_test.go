package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"capd/engine/plan"
	"capd/engine/spec"
)

const things = `naftiko: 1.0.0-alpha2
info: {label: Things}
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: https://up.example/base
    resources:
    - path: /things
      operations:
      - {name: list, method: GET, inputParameters: [{name: q, in: query}]}
      - {name: add, method: POST}
      - {name: reset, method: POST, body: {type: json, data: {id: "{{id}}"}}}
    - path: /things/{id}
      operations:
      - {name: get, method: GET, inputParameters: [{name: id, in: path}]}
      - {name: drop, method: DELETE, inputParameters: [{name: id, in: path}]}
  - type: http
    namespace: locked
    baseUri: https://locked.example
    authentication: {type: bearer, token: "{{env.LOCKED_TOKEN}}"}
    resources:
    - path: /door
      operations:
      - {name: open, method: GET}
  exposes:
  - type: rest
    namespace: rest
    port: 8080
    resources:
    - path: /things
      operations:
      - {name: list, method: GET, call: up.list}
      - {name: add, method: POST, call: up.add}
    - path: /things/{id}
      operations:
      - {name: get, method: GET, call: up.get, with: {id: rest.id}}
      - {name: drop, method: DELETE, call: up.drop, with: {id: rest.id}}
    - path: /things/{id}:reset
      operations:
      - {name: reset, method: POST, call: up.reset, with: {id: rest.id}}
    - path: /things/{id}/name
      operations:
      - name: name
        method: GET
        call: up.get
        with: {id: rest.id}
        outputParameters: [{type: string, mapping: $.name}]
    - path: /things?kind=old
      operations:
      - {name: old, method: GET, call: up.list, with: {q: old}}
    - path: /door
      operations:
      - {name: door, method: GET, call: locked.open}
    - path: /nowhere
      operations:
      - {name: nowhere, method: GET, call: up.nowhere}
`

// serveThings serves the document above against an upstream.
func serveThings(t testing.TB, o Options, up plan.UpstreamFunc) *httptest.Server {
	t.Helper()
	doc, problems := spec.Parse("things.yaml", []byte(things), spec.DefaultLimits)
	if doc == nil {
		t.Fatal(problems)
	}
	doc.ID = "things"
	unit, problems := plan.Compile(doc, nil)
	if unit == nil {
		t.Fatal(problems)
	}
	p, problems := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	if p == nil || len(p.Listeners) != 1 {
		t.Fatal(problems)
	}
	b, _ := plan.Bind(p, plan.BindOptions{
		Look:     func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnset },
		Upstream: up,
	})
	swap, err := New(o).Prepare(t.Context(), nil, b)
	if err != nil {
		t.Fatal(err)
	}
	handler, _ := swap()
	ts := httptest.NewServer(handler(p.Listeners[0].Addr))
	t.Cleanup(ts.Close)
	return ts
}

// echoUpstream answers with what it was sent.
func echoUpstream(_ context.Context, req *plan.Request) (*plan.Response, error) {
	body, err := io.ReadAll(req.Body.Reader())
	if err != nil {
		return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "the request could not be sent", Cause: err}
	}
	text := fmt.Sprintf("%s %s %q encoding=%q", req.Method, req.URL(), body, req.Accept.Encoding)
	return respond(200, text, "Content-Type", "text/plain"), nil
}

func respond(status int, body string, header ...string) *plan.Response {
	r := &plan.Response{Status: status, Body: plan.Body{Stream: io.NopCloser(strings.NewReader(body)), Len: int64(len(body))}, Attempts: 1}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header = append(r.Header, plan.Field{Name: header[i], Value: header[i+1]})
	}
	return r
}

func TestCallsReachTheUpstream(t *testing.T) {
	t.Parallel()
	ts := serveThings(t, Options{}, echoUpstream)
	for _, c := range []struct{ method, target, body, want string }{
		{"GET", "/things?q=a%26b", "", `GET https://up.example/base/things?q=a%26b "" encoding="gzip"`},
		{"GET", "/apis/things/things?q=1&x=2", "", `GET https://up.example/base/things?q=1 "" encoding="gzip"`},
		{"GET", "/things/a%2Fb%20c", "", `GET https://up.example/base/things/a%2Fb%20c "" encoding="gzip"`},
		{"GET", "/things/7/", "", `GET https://up.example/base/things/7 "" encoding="gzip"`},
		{"GET", "/things?q=a;b", "", `GET https://up.example/base/things?q=a%3Bb "" encoding="gzip"`},
		{"GET", "/things?kind=old;new", "", `GET https://up.example/base/things "" encoding="gzip"`},
		{"GET", "/things?x=1;2&kind=old", "", `GET https://up.example/base/things?q=old "" encoding="gzip"`},
		{"GET", "/things?kind=old&q=new", "", `GET https://up.example/base/things?q=old "" encoding="gzip"`},
		{"POST", "/things", `{"a": 1}`, `POST https://up.example/base/things "{\"a\": 1}" encoding="gzip"`},
		{"POST", "/things/7:reset", "", `POST https://up.example/base/things "{\"id\":\"7\"}" encoding="gzip"`},
		{"DELETE", "/things/7", "", `DELETE https://up.example/base/things/7 "" encoding="gzip"`},
	} {
		got := do(t, c.method, ts.URL+c.target, strings.NewReader(c.body), "Accept-Encoding", "gzip", "Content-Type", "application/json")
		if got.StatusCode != 200 || got.body != c.want || got.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("%s %s: got %d %v\n%s\nwant\n%s", c.method, c.target, got.StatusCode, got.Header, got.body, c.want)
		}
	}
	if got := do(t, "HEAD", ts.URL+"/things/7", nil); got.StatusCode != 200 || got.body != "" || got.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: got %d %v %q", got.StatusCode, got.Header, got.body)
	}
}

// TestCallsDoNotMix: calls at the same time, which use the memory of those before them, each get what
// belongs to them, also beside calls that fail, break off or panic.
func TestCallsDoNotMix(t *testing.T) {
	t.Parallel()
	ts := serveThings(t, Options{}, func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		switch target := req.URL(); {
		case strings.HasSuffix(target, "-panics"):
			panic("upstream")
		case strings.HasSuffix(target, "-fails"):
			return nil, plan.Errorf(plan.CodeUpstreamFailed, "%s", target)
		}
		return echoUpstream(ctx, req)
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	send := func(method, target, body string) string {
		req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+target, strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := client.Do(req)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return fmt.Sprint(string(text), err)
	}
	var group sync.WaitGroup
	for g := range 16 {
		group.Go(func() {
			for n := range 25 {
				id := fmt.Sprintf("%d-%d-%s", g, n, strings.Repeat(string(rune('a'+g)), n))
				for _, c := range []struct{ method, target, body, want string }{
					{"GET", "/things/" + id, "", `GET https://up.example/base/things/` + id + ` "" encoding="gzip"<nil>`},
					{"GET", "/apis/things/things?x=1&q=" + id, "", `GET https://up.example/base/things?q=` + id + ` "" encoding="gzip"<nil>`},
					{"POST", "/things", id, `POST https://up.example/base/things "` + id + `" encoding="gzip"<nil>`},
					{"POST", "/things/" + id + ":reset", "", `{\"id\":\"` + id + `\"}`},
					{"GET", "/things/" + id + "-fails", "", "https://up.example/base/things/" + id + "-fails"},
					{"GET", "/things/" + id + "-panics", "", "internal error"},
					{"GET", "/none/of/" + id + strings.Repeat("/deep", 12), "", "nothing is served at this path"},
				} {
					if got := send(c.method, c.target, c.body); !strings.Contains(got, c.want) {
						t.Errorf("%s %s: got %s, want %s", c.method, c.target, got, c.want)
						return
					}
				}
			}
		})
	}
	group.Wait()
}

func TestFailuresOfCalls(t *testing.T) {
	t.Parallel()
	log := &records{}
	fail := func(code plan.Code) plan.UpstreamFunc {
		return func(context.Context, *plan.Request) (*plan.Response, error) {
			return nil, plan.Errorf(code, "as the upstream says")
		}
	}
	const badQuery = "the query holds a % that is no escape: write %25"
	for _, c := range []struct {
		name, method, target string
		up                   plan.UpstreamFunc
		status               int
		code                 plan.Code
		detail               string // empty: not ours to check
	}{
		{"unknown path", "GET", "/none", echoUpstream, 404, plan.CodeNotFound, "nothing is served at this path; GET /apis lists what is"},
		{"method", "PUT", "/things", echoUpstream, 405, plan.CodeMethodNotAllowed, "this path is served for GET, HEAD, OPTIONS, POST only"},
		{"refused", "GET", "/nowhere", echoUpstream, 501, plan.CodeRefused, ""},
		{"not configured", "GET", "/door", echoUpstream, 503, plan.CodeNotConfigured, ""},
		{"dots in a path value (U4)", "GET", "/things/%2e%2e", echoUpstream, 400, plan.CodeInvalidInput, ""},
		{"a query that is no query", "GET", "/things?q=50%", echoUpstream, 400, plan.CodeInvalidInput, badQuery},
		{"also beside a condition", "GET", "/things?kind=old&x=%zz", echoUpstream, 400, plan.CodeInvalidInput, badQuery},
		{"also for who reads none", "POST", "/things?x=50%", echoUpstream, 400, plan.CodeInvalidInput, badQuery},
		{"also under its address", "GET", "/apis/things/things?q=%", echoUpstream, 400, plan.CodeInvalidInput, badQuery},
		{"but not where nothing is", "GET", "/none?q=%", echoUpstream, 404, plan.CodeNotFound, "nothing is served at this path; GET /apis lists what is"},
		{"upstream down", "GET", "/things", fail(plan.CodeUpstreamFailed), 502, plan.CodeUpstreamFailed, "as the upstream says"},
		{"upstream slow", "GET", "/things", fail(plan.CodeUpstreamTimeout), 504, plan.CodeUpstreamTimeout, "as the upstream says"},
		{"upstream too large", "GET", "/things", fail(plan.CodeUpstreamTooLarge), 502, plan.CodeUpstreamTooLarge, "as the upstream says"},
		{"not to be mapped", "GET", "/things/7/name", func(context.Context, *plan.Request) (*plan.Response, error) {
			return respond(200, "no JSON", "Content-Type", "application/json"), nil
		}, 502, plan.CodeBadOutput, ""},
		{"panic", "GET", "/things", func(context.Context, *plan.Request) (*plan.Response, error) { panic("hush") }, 500, plan.CodeInternal, "internal error"},
	} {
		ts := serveThings(t, Options{Logger: log.logger()}, c.up)
		got := do(t, c.method, ts.URL+c.target, nil)
		detail := c.detail
		if _, after, ok := strings.Cut(got.body, `"detail":"`); ok && detail == "" {
			detail, _, _ = strings.Cut(after, `","`)
			detail = strings.ReplaceAll(detail, `\"`, `"`)
		}
		checkProblem(t, got, c.status, c.code, detail)
		if t.Failed() {
			t.Fatalf("in %q", c.name)
		}
	}
}

// An upstream that breaks off in a short answer is a failed call with a reason; in a long
// one it leaves an answer that is cut, and a record of it.
func TestUpstreamThatBreaksOff(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", r.URL.Query().Get("q"))
		_, _ = io.WriteString(w, "7 bytes")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(upstream.Close)
	log := &records{}
	ts := serveThings(t, Options{Logger: log.logger()}, func(_ context.Context, req *plan.Request) (*plan.Response, error) {
		_, query, _ := strings.Cut(req.URL(), "?")
		resp, err := http.Get(upstream.URL + "?" + query)
		if err != nil {
			return nil, err
		}
		return &plan.Response{Status: 200, Body: plan.Body{Stream: resp.Body, Len: resp.ContentLength}, Attempts: 1}, nil
	})
	checkProblem(t, do(t, "GET", ts.URL+"/things?q=1000", nil), 502, plan.CodeUpstreamFailed, "the upstream's answer broke off")
	if got := do(t, "GET", ts.URL+"/things?q=100000", nil); !errors.Is(got.err, io.ErrUnexpectedEOF) || got.StatusCode != 200 || got.body != "7 bytes" {
		t.Errorf("got %d %q, %v", got.StatusCode, got.body, got.err)
	}
	ts.Close() // waits for the calls
	_, cut, _ := strings.Cut(log.String(), "\n")
	for _, want := range []string{
		`"msg":"answer cut off"`, `"status":200`, `"bytes_sent":7`, `"message":"the upstream's answer broke off"`, `"cause":"unexpected EOF"`,
		`"operation":"things/rest/list"`, `"document":"things"`, `"request_id":"`, `"code":"upstream-failed"`,
	} {
		if !strings.Contains(cut, want) {
			t.Errorf("the record has no %s: %s", want, cut)
		}
	}
}

func TestMappedValue(t *testing.T) {
	t.Parallel()
	ts := serveThings(t, Options{}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return respond(200, `{"name": "seven"}`, "Content-Type", "application/json", "ETag", "e", "Cache-Control", "max-age=1"), nil
	})
	got := do(t, "GET", ts.URL+"/things/7/name", nil)
	if got.StatusCode != 200 || got.body != `"seven"` || got.Header.Get("ETag") != "" || got.Header.Get("Cache-Control") != "max-age=1" {
		t.Errorf("got %d %v %s", got.StatusCode, got.Header, got.body)
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	var calls int
	ts := serveThings(t, Options{MaxBody: 10}, func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		calls++
		return echoUpstream(ctx, req)
	})
	const detail = "the request body is larger than the 10 bytes accepted here"
	unknown := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

	checkProblem(t, do(t, "POST", ts.URL+"/things", strings.NewReader("12345678901")), 413, plan.CodeBodyTooLarge, detail)
	if calls != 0 {
		t.Errorf("the upstream was called for a body that is known to be too large")
	}
	// The length shows only while the body is on its way upstream, which then fails.
	checkProblem(t, do(t, "POST", ts.URL+"/things", unknown("12345678901")), 413, plan.CodeBodyTooLarge, detail)
	if calls != 1 {
		t.Errorf("the upstream was called %d times, want once", calls)
	}
	for _, body := range []io.Reader{strings.NewReader("1234567890"), unknown("1234567890"), unknown("")} {
		if got := do(t, "POST", ts.URL+"/things", body); got.StatusCode != 200 {
			t.Errorf("a body within the limit: %d %s", got.StatusCode, got.body)
		}
	}
}

// A request body that cannot be read is not a failure of the upstream it was on its way to.
func TestBodyThatCannotBeRead(t *testing.T) {
	t.Parallel()
	log := &records{}
	sent := make(chan error, 1)
	ts := serveThings(t, Options{Logger: log.logger()}, func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		resp, err := echoUpstream(ctx, req)
		sent <- err
		return resp, err
	})
	for name, c := range map[string]struct {
		request string
		status  int // 0: nobody is there to answer
	}{
		"malformed":  {"POST /things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", 400},
		"broken off": {"POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", 0},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, c.request)
		_ = conn.(*net.TCPConn).CloseWrite()
		status := 0
		if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			status = resp.StatusCode
		}
		conn.Close()
		if err := <-sent; status != c.status || err == nil {
			t.Errorf("%s: got %d, upstream %v; want %d", name, status, err, c.status)
		}
	}
	ts.Close() // waits for the calls
	if text := log.String(); strings.Contains(text, "WARN") || !strings.Contains(text, `"code":"invalid-input"`) || !strings.Contains(text, `"code":"canceled"`) {
		t.Errorf("the log has %s", text)
	}
}

func TestClientThatGoesAwayCancelsTheCall(t *testing.T) {
	t.Parallel()
	log := &records{}
	begun, ended := make(chan struct{}), make(chan error, 1)
	ts := serveThings(t, Options{Logger: log.logger()}, func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "gone", Cause: ctx.Err()}
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", ts.URL+"/things", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-begun; cancel() }()
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the upstream call ended with %v", err)
	}
	ts.Close() // waits for the call
	if text := log.String(); !strings.Contains(text, `"code":"canceled"`) || !strings.Contains(text, `"operation":"things/rest/list"`) {
		t.Errorf("the log has %s", text)
	}
}

func TestNothingOfAnUpstreamLeaks(t *testing.T) {
	t.Parallel()
	ts := serveThings(t, Options{}, func(context.Context, *plan.Request) (*plan.Response, error) {
		return respond(401, "no", "Set-Cookie", "s=1", "WWW-Authenticate", "Basic", "Retry-After", "1", "Content-Encoding", "br", "Server", "x"), nil
	})
	got := do(t, "GET", ts.URL+"/things", nil)
	var names []string
	for name := range got.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"Content-Encoding", "Content-Length", "Date", "Proxy-Status", "Retry-After", "Www-Authenticate", "X-Content-Type-Options"}
	if got.StatusCode != 401 || !slices.Equal(names, want) {
		t.Errorf("got %d %q, want %q", got.StatusCode, names, want)
	}
}

const gib = 1 << 30

// allocated runs f and gives the bytes that were allocated meanwhile, by everyone.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// This test is not parallel: it measures the whole process.
func TestStreamsAGibibyteDown(t *testing.T) {
	for _, length := range []int64{gib, -1} {
		ts := serveThings(t, Options{}, func(context.Context, *plan.Request) (*plan.Response, error) {
			return &plan.Response{Status: 200, Body: plan.Body{Stream: io.NopCloser(io.LimitReader(zeros{}, gib)), Len: length}}, nil
		})
		var n int64
		used := allocated(func() {
			resp, err := http.Get(ts.URL + "/things")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if n, err = io.Copy(io.Discard, resp.Body); err != nil {
				t.Fatal(err)
			}
		})
		if n != gib || used > 8<<20 {
			t.Errorf("length %d: %d bytes arrived, %d were allocated", length, n, used)
		}
	}
}

// This test is not parallel: it measures the whole process.
func TestStreamsAGibibyteUp(t *testing.T) {
	for _, length := range []int64{gib, -1} {
		var n int64
		ts := serveThings(t, Options{}, func(_ context.Context, req *plan.Request) (*plan.Response, error) {
			var err error
			if n, err = io.Copy(io.Discard, req.Body.Reader()); err != nil {
				return nil, err
			}
			if req.Body.Len != length {
				return respond(400, "length"), nil
			}
			return respond(204, ""), nil
		})
		used := allocated(func() {
			req, err := http.NewRequest("POST", ts.URL+"/things", io.LimitReader(zeros{}, gib))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = length
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 204 {
				t.Errorf("got %d", resp.StatusCode)
			}
		})
		if n != gib || used > 8<<20 {
			t.Errorf("length %d: %d bytes arrived, %d were allocated", length, n, used)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
