package main

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const forwardSpec = `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM, TOKEN: TOKEN } }
capability:
  consumes:
  - type: http
    namespace: files
    baseUri: "{{UPSTREAM}}/base"
    authentication: { type: bearer, token: "{{TOKEN}}" }
    inputParameters:
    - { name: X-Version, in: header, value: "7" }
    resources:
    - path: /one
      operations: [{ name: one, method: GET }, { name: put-one, method: PUT }]
  exposes:
  - type: rest
    namespace: files-api
    port: 8080
    resources:
    - path: /files/{{path}}
      forward: { targetNamespace: files, trustedHeaders: [X-Trace] }
      operations:
      - { name: put-one, method: PUT, call: files.put-one }
    - path: /files/special
      operations: [{ name: one, method: GET, call: files.one }]
    - path: /wrap/{path}/end
      forward: { targetNamespace: files }
    - path: /exact
      forward: { targetNamespace: files }
      operations: [{ name: exact, method: GET, call: files.one }]
    - path: /lost/{path}
      forward: { targetNamespace: file }
    - path: /{path}
      forward: { targetNamespace: files }
`

// forwards serves the spec beside another one, in front of an upstream.
func forwards(t *testing.T, up http.Handler, args ...string) *instance {
	t.Helper()
	server := httptest.NewServer(up)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a.yaml", forwardSpec)
	put("b.yaml", `naftiko: 1.0.0-alpha2
capability:
  exposes:
  - type: rest
    namespace: b
    port: 8080
    resources:
    - path: /b/{id}
      operations: [{ name: get, method: GET, outputParameters: [{ name: is, type: string, value: b }] }]
`)
	return start(t, []string{"UPSTREAM=" + server.URL, "TOKEN=t0ken"}, append(args, dir)...)
}

func TestForward(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	i := forwards(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		h := w.Header()
		h.Set("ETag", `"e"`)
		h.Set("Content-Range", "bytes 0-1/9")
		h.Set("Set-Cookie", "session=1")
		h.Set("X-Internal", "1")
		h.Set("Content-Type", "application/x-thing")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "ab")
	}))
	for _, tt := range []struct{ method, path, want string }{
		{"GET", "/files/a%2Fb/c;v=1//d/?q=%20&q=a+b", "GET /base/a%2Fb/c;v=1//d/?q=%20&q=a+b"},
		{"GET", "/files", "GET /base"},
		{"GET", "/files/", "GET /base/"},
		{"HEAD", "/files/x", "HEAD /base/x"},
		{"OPTIONS", "/files/x", "OPTIONS /base/x"},
		{"POST", "/files/x", "POST /base/x"},
		{"PROPFIND", "/files/x", "PROPFIND /base/x"},
		{"PUT", "/files/x/y", "PUT /base/x/y"},
		{"GET", "/files/special", "GET /base/one"},
		{"POST", "/files/special", "POST /base/special"},
		{"GET", "/wrap/x/y%20z/end", "GET /base/x/y%20z"},
		{"GET", "/wrap/end/end", "GET /base/end"},
		{"GET", "/wrap/end", "GET /base"},
		{"GET", "/wrap/x/last", "GET /base/wrap/x/last"}, // by /{path}
		{"GET", "/exact", "GET /base/one"},
		{"DELETE", "/exact", "DELETE /base"},
		{"GET", "/else/x", "GET /base/else/x"},
		{"PATCH", "/", "PATCH /base/"},
		{"GET", "/b/1/more", "GET /base/b/1/more"},
	} {
		mounts := []string{"", "/apis/a"}
		for _, mount := range mounts {
			got := knock(t, tt.method, i.url+mount+tt.path, "X-Trace: 1", "X-Other: 2", "Authorization: Bearer mine", "Cookie: a=b", "User-Agent: me", "Accept: x/y", "Range: bytes=0-1")
			sent := rec.take()
			if len(sent) != 1 || sent[0].Method+" "+sent[0].Target != tt.want {
				t.Errorf("%s %s%s: %d %s, the upstream saw %+v, want %s", tt.method, mount, tt.path, got.Status, got.Body, sent, tt.want)
				continue
			}
			h := got.Header
			if got.Status != 206 || h.Get("Set-Cookie")+h.Get("X-Internal") != "" || h.Get("Etag") != `"e"` || h.Get("Content-Range") != "bytes 0-1/9" || h.Get("Content-Type") != "application/x-thing" {
				t.Errorf("%s %s: %d %v", tt.method, tt.path, got.Status, h)
			}
			if strings.HasSuffix(tt.want, "/one") {
				continue
			}
			delete(sent[0].Header, "Content-Length")
			header := describeHeader(sent[0].Header)
			want := "Accept: x/y\nAuthorization: Bearer t0ken\nRange: bytes=0-1\nUser-Agent: capd\nX-Version: 7"
			if strings.HasPrefix(tt.path, "/files") {
				want += "\nX-Trace: 1"
			}
			for line := range strings.SplitSeq(want, "\n") {
				if !strings.Contains(header, line) {
					t.Errorf("%s %s: the upstream saw\n%s\nwithout %s", tt.method, tt.path, header, line)
				}
			}
			for _, name := range []string{"Cookie", "X-Other", "me\n", "mine"} {
				if strings.Contains(header, name) {
					t.Errorf("%s %s: the upstream saw\n%s", tt.method, tt.path, header)
				}
			}
		}
	}
	for _, tt := range []struct {
		method, path string
		status       int
		header       string
	}{
		{"GET", "/files/%2e%2e/x", 400, "X: y"},
		{"GET", "/files/a%2f..%2f..%2fx", 400, "X: y"},
		{"GET", "/files/x", 501, "Upgrade: websocket"},
		{"TRACE", "/files/x", 405, "X: y"},
		{"GET", "/lost/x", 501, "X: y"}, // and not by /{path}, to another upstream
		{"POST", "/b/1", 405, "X: y"},   // b declares that path: its callers' requests are not a's
	} {
		got := knock(t, tt.method, i.url+tt.path, tt.header, "Connection: Upgrade")
		if got.Status != tt.status || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.Status, got.Body)
		}
		if tt.status == 405 && tt.method == "TRACE" && got.Header.Get("Allow") != "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT" {
			t.Errorf("%s %s: Allow %q", tt.method, tt.path, got.Header.Get("Allow"))
		}
	}
	if sent := rec.take(); len(sent) != 0 {
		t.Errorf("refused requests reached the upstream: %+v", sent)
	}
}

// TestForwardStreams: each piece goes on when it comes, up and down.
func TestForwardStreams(t *testing.T) {
	t.Parallel()
	up, down := make(chan string, 10), make(chan string)
	i := forwards(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			up <- lines.Text()
		}
		up <- "end"
		for line := range down {
			_, _ = io.WriteString(w, line+"\n")
			_ = http.NewResponseController(w).Flush()
		}
	}))
	body, send := io.Pipe()
	req, err := http.NewRequest("POST", i.url+"/files/x", body)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan *http.Response, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			resp = &http.Response{Body: http.NoBody}
		}
		answers <- resp
	}()
	for _, line := range []string{"one", "two"} {
		if _, err := io.WriteString(send, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := until(t, up, line); got != line { // while the request goes on
			t.Fatalf("the upstream got %q, want %q", got, line)
		}
	}
	_ = send.Close()
	until(t, up, "end")
	down <- "three"
	resp := until(t, answers, "the answer's head")
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, line := range []string{"three", "four"} {
		if line == "four" {
			down <- line
		}
		if !lines.Scan() || lines.Text() != line { // while the answer goes on
			t.Fatalf("got %q, want %q", lines.Text(), line)
		}
	}
	close(down)
	if lines.Scan() {
		t.Errorf("got %q too", lines.Text())
	}
}

// TestForwardKeepsBytes: a packed answer and a packed body pass as they are.
func TestForwardKeepsBytes(t *testing.T) {
	t.Parallel()
	var packed strings.Builder
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write([]byte("content"))
	_ = zip.Close()
	rec := &recorder{}
	i := forwards(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, packed.String())
	}))
	req, err := http.NewRequest("POST", i.url+"/files/x", strings.NewReader(packed.String()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Accept-Encoding": {"br, gzip"}, "Content-Encoding": {"gzip"}, "Content-Type": {"text/x"}}
	got := send(t, req)
	sent := rec.one(t)
	if got.Body != packed.String() || got.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("got %d %v %q", got.Status, got.Header, got.Body)
	}
	if sent.Body != packed.String() || sent.Header.Get("Content-Encoding") != "gzip" || sent.Header.Get("Content-Type") != "text/x" || sent.Header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("sent %v %q", sent.Header, sent.Body)
	}
}

// TestForwardAfterContinue: a caller who waits for 100 Continue gets it when the upstream wants
// the body, and none when the request is refused.
func TestForwardAfterContinue(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	i := forwards(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { rec.record(r) }))
	for path, want := range map[string]string{"/files/x": "100", "/files/%2e%2e": "400"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(i.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n", path)
		reader := bufio.NewReader(conn)
		line, err := reader.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+want) {
			t.Fatalf("%s: %q, %v, want %s", path, line, err, want)
		}
		if want != "100" {
			continue
		}
		_, _ = io.WriteString(conn, "body")
		_, _ = reader.ReadString('\n')
		if line, _ = reader.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 200") {
			t.Errorf("%s: then %q", path, line)
		}
		if sent := rec.one(t); sent.Body != "body" || sent.Header.Get("Expect") != "" {
			t.Errorf("sent %+v", sent)
		}
	}
}

// TestForwardAGibibyte: of any size, up and down at once, with a flat heap. It is not
// parallel: it measures the whole process.
func TestForwardAGibibyte(t *testing.T) {
	const gib = 1 << 30
	var arrived int64
	i := forwards(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.CopyN(w, zeros{}, gib)
	}), "--max-body", "2GiB", "--call-timeout", "1h")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	resp, err := http.Post(i.url+"/files/x", "application/octet-stream", io.LimitReader(zeros{}, gib))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.Copy(io.Discard, resp.Body)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err != nil || arrived != gib || got != gib || used > 16<<20 {
		t.Errorf("%d bytes arrived, %d came back (%v), %d were allocated", arrived, got, err, used)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestForwardInCommands: list shows a forward, call makes one request through it, the stub
// answers it, and --explain says where its parts come from.
func TestForwardInCommands(t *testing.T) {
	t.Parallel()
	spec := specFile(t, "a.yaml", forwardSpec)
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { rec.record(r) }))
	defer server.Close()
	env := []string{"UPSTREAM=" + server.URL, "TOKEN=t0ken"}
	command := func(args ...string) string {
		t.Helper()
		out := &output{}
		if code := run(t.Context(), args, env, strings.NewReader(""), out, out); code != exitOK {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
		return out.String()
	}
	if got := command("list", spec); !strings.Contains(got, "* /files/{{path}}") || !strings.Contains(got, "-> files.*") {
		t.Errorf("list prints\n%s", got)
	}
	dry := command("call", spec, "POST /files/a%2Fb?q=1", "--body", "x", "--header", "X-Trace: 5", "--dry-run", "--explain")
	for _, part := range []string{"POST /base/a%2Fb?q=1 HTTP/1.1", "X-Trace: 5", "Authorization: Bearer <secret>", "the caller's rest of the path", "the caller's method", "variable TOKEN"} {
		if !strings.Contains(dry, part) {
			t.Errorf("call --dry-run --explain lacks %q:\n%s", part, dry)
		}
	}
	command("call", spec, "POST /files/a%2Fb?q=1", "--body", "x")
	if sent := rec.one(t); sent.Method+sent.Target+sent.Body != "POST/base/a%2Fb?q=1x" {
		t.Errorf("call sent %+v", sent)
	}
	stubbed := start(t, nil, "--stub", spec)
	got := call(t, "PUT", stubbed.url+"/else/y", `{"a":1}`)
	if !strings.Contains(got.Body, `"method":"PUT"`) || !strings.Contains(got.Body, "/base/else/y") || !strings.Contains(got.Body, `{"a":1}`) {
		t.Errorf("the stub answers %s", got.Body)
	}
	if strings.Contains(got.Body, "t0ken") || got.Status != 200 {
		t.Errorf("the stub answers %d %s", got.Status, got.Body)
	}
}

// TestForwardAuthenticates: what a credential works out of the finished request, it works out of
// the one that is forwarded.
func TestForwardAuthenticates(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Digest ") {
			w.Header().Set("WWW-Authenticate", `Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		rec.record(r)
	}))
	defer server.Close()
	text := strings.Replace(forwardSpec, `{ type: bearer, token: "{{TOKEN}}" }`, `{ type: digest, username: u, password: "{{TOKEN}}" }`, 1)
	i := start(t, []string{"UPSTREAM=" + server.URL, "TOKEN=t0ken"}, specFile(t, "a.yaml", text))
	req, err := http.NewRequest("PUT", i.url+"/files/a%2Fb/c?q=1", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Digest mine")
	got := send(t, req)
	sent := rec.one(t)
	auth := sent.Header.Get("Authorization")
	if got.Status != 200 || sent.Method != "PUT" || sent.Body != "body" || !strings.Contains(auth, `username="u"`) || !strings.Contains(auth, `uri="/base/a%2Fb/c?q=1"`) {
		t.Errorf("%d %s, sent %+v", got.Status, got.Body, sent)
	}
}
