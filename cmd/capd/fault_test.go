//go:build unix

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"capd/adapters/porttest"
)

// fate is what an upstream does to a request, and what both kinds of answer come to: a mapped one,
// which capd reads, and a whole one, which it hands on.
type fate struct {
	do func(conn *net.TCPConn, req *http.Request)
	// mapped is the code of a mapped call, or a status.
	mapped string
	// whole are the outcomes that a whole body may have: codes, statuses, or "cut" for an answer
	// that is broken off.
	whole []string
}

const goodBody = `{"id":"1"}`

func say(text string) func(*net.TCPConn, *http.Request) {
	return func(conn *net.TCPConn, _ *http.Request) { _, _ = io.WriteString(conn, text) }
}

// thenReset says something and resets the connection.
func thenReset(text string) func(*net.TCPConn, *http.Request) {
	return func(conn *net.TCPConn, _ *http.Request) {
		_, _ = io.WriteString(conn, text)
		_ = conn.SetLinger(0)
	}
}

// fates are the ways of an upstream, each on a connection of its own that ends when it is over.
func fates(elsewhere string) map[string]fate {
	head := "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
	failed := []string{"upstream-failed"}
	cut := []string{"cut"}
	return map[string]fate{
		"good":            {say(head + "Content-Length: 10\r\n\r\n" + goodBody), "200", []string{"200"}},
		"silent":          {func(conn *net.TCPConn, _ *http.Request) { _, _ = io.Copy(io.Discard, conn) }, "upstream-timeout", []string{"upstream-timeout"}},
		"closed":          {say(""), "upstream-failed", failed},
		"reset":           {thenReset(""), "upstream-failed", failed},
		"reset-in-head":   {thenReset("HTTP/1.1 200 OK\r\nContent-"), "upstream-failed", failed},
		"reset-in-body":   {thenReset(head + "Content-Length: 100\r\n\r\n" + goodBody), "upstream-failed", []string{"cut", "upstream-failed"}},
		"no-http":         {say("220 mail.example ESMTP ready\r\n\r\n"), "upstream-failed", failed},
		"old-http":        {say("<html>hello</html>"), "upstream-failed", failed},
		"endless-head":    {endlessHead, "upstream-failed", failed},
		"too-short":       {say(head + "Content-Length: 100\r\n\r\n" + goodBody), "upstream-failed", []string{"cut", "upstream-failed"}},
		"too-long":        {say(head + "Content-Length: 10\r\n\r\n" + goodBody + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"), "200", []string{"200"}},
		"two-lengths":     {say(head + "Content-Length: 10\r\nContent-Length: 5\r\n\r\n" + goodBody), "upstream-failed", failed},
		"negative-length": {say(head + "Content-Length: -10\r\n\r\n" + goodBody), "upstream-failed", failed},
		"broken-chunks":   {say(head + "Transfer-Encoding: chunked\r\n\r\na\r\n" + goodBody + "\r\nzz\r\n"), "upstream-failed", cut},
		"unended-chunks":  {say(head + "Transfer-Encoding: chunked\r\n\r\na\r\n" + goodBody + "\r\n"), "upstream-failed", cut},
		"endless-1xx":     {endlessContinue, "upstream-failed", failed},
		"switching":       {say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), "upstream-failed", failed},
		"elsewhere":       {say("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + elsewhere + "/stolen\r\nContent-Length: 0\r\n\r\n"), "302", []string{"302"}},
		"loop":            {say("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /do/loop\r\nContent-Length: 0\r\n\r\n"), "302", []string{"302"}},
		"broken-gzip":     {say(head + "Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + goodBody), "upstream-failed", []string{"200"}},
		"bomb":            {bomb(), "upstream-too-large", []string{"200", "upstream-failed"}},
		"no-json":         {say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"), "bad-output", []string{"200"}},
		"failing":         {say("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 4\r\n\r\noops"), "500", []string{"500"}},
		"unauthorized":    {say("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"), "401", []string{"401"}},
	}
}

func endlessHead(conn *net.TCPConn, _ *http.Request) {
	line := "X-Filler: " + strings.Repeat("x", 1<<12) + "\r\n"
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	for err == nil {
		_, err = io.WriteString(conn, line)
	}
}

func endlessContinue(conn *net.TCPConn, _ *http.Request) {
	var err error
	for err == nil {
		_, err = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\n")
	}
}

// bomb answers 8 MiB of blanks in a few bytes.
func bomb() func(*net.TCPConn, *http.Request) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	blank := bytes.Repeat([]byte(" "), 1<<20)
	for range 8 {
		_, _ = z.Write(blank) // a buffer takes everything
	}
	_ = z.Close()
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", packed.Len())
	return say(head + packed.String())
}

// hostileUpstream does to each request what the last segment of its path says.
type hostileUpstream struct {
	net.Listener
	fates map[string]fate

	mu   sync.Mutex
	seen map[string]int // how often each POST came, by its id
}

func newHostileUpstream(t *testing.T) *hostileUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &hostileUpstream{Listener: l, seen: map[string]int{}}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn.(*net.TCPConn))
		}
	}()
	return u
}

func (u *hostileUpstream) serve(conn *net.TCPConn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, req.Body)
	if req.Method == http.MethodPost {
		u.mu.Lock()
		u.seen[req.URL.Query().Get("id")]++
		u.mu.Unlock()
	}
	_, name, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	if f, ok := u.fates[name]; ok {
		f.do(conn, req)
	}
}

// faultSpec calls a hostile upstream in the three ways that differ: mapped, whole, and with
// effects. A document for each fate, so that no breaker of one hides another.
const faultSpec = `naftiko: 1.0.0-alpha2
binds: [{ namespace: env, keys: { HOSTILE: HOSTILE } }]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.HOSTILE}}'
    resources:
    - path: /do/FATE
      operations:
      - { name: get, method: GET }
      - { name: add, method: POST, inputParameters: [{ name: id, in: query, type: string, required: true }] }
  exposes:
  - type: rest
    namespace: api
    resources:
    - path: /mapped
      operations: [{ name: mapped, method: GET, call: up.get, outputParameters: [{ name: id, type: string, mapping: $.id }] }]
    - path: /whole
      operations: [{ name: whole, method: GET, call: up.get }]
    - path: /add
      operations: [{ name: add, method: POST, inputParameters: [{ name: id, in: query, type: string }], call: up.add, outputParameters: [{ name: id, type: string, mapping: $.id }] }]
  - type: mcp
    namespace: tools
    tools:
    - { name: mapped, description: d, call: up.get, outputParameters: [{ name: id, type: string, mapping: $.id }] }
    - { name: whole, description: d, call: up.get }
    - { name: add, description: d, call: up.add, inputParameters: [{ name: id, type: string }], outputParameters: [{ name: id, type: string, mapping: $.id }] }
`

// world is a capd among faults: a process of its own, so that what it holds can be counted.
type world struct {
	*process
	control string
	hostile *hostileUpstream
	stolen  atomic.Int64 // requests that came to a host that no document names
	posts   atomic.Int64
	calls   atomic.Int64 // that must have a line in the audit
	audit   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{hostile: newHostileUpstream(t)}
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { w.stolen.Add(1) }))
	t.Cleanup(thief.Close)
	w.hostile.fates = fates(thief.URL)
	dir := t.TempDir()
	// Without a breaker, so that every call meets its fate.
	faultSpec := strings.Replace(faultSpec, "    resources:\n", "    resilience: { breaker: false }\n    resources:\n", 1)
	for name := range w.hostile.fates {
		spec := strings.ReplaceAll(faultSpec, "FATE", name)
		if name == "silent" { // the only one that is to take too long
			spec = strings.Replace(spec, "namespace: up\n", "namespace: up\n    transport: { timeout: 2s }\n", 1)
		}
		writeSpec(t, filepath.Join(dir, name+".yaml"), spec)
	}
	writeSpec(t, filepath.Join(dir, "down.yaml"), strings.NewReplacer("FATE", "down", "HOSTILE", "DOWN").Replace(faultSpec))
	expired := expiredServer(t, filepath.Join(dir, "expired.pem"))
	writeSpec(t, filepath.Join(dir, "expired.yaml"), strings.NewReplacer("FATE", "expired", "HOSTILE", "EXPIRED",
		"namespace: up\n", "namespace: up\n    transport: { tls: { caFile: ./expired.pem } }\n").Replace(faultSpec))

	w.audit = filepath.Join(t.TempDir(), "audit.jsonl")
	control := porttest.Reserve(t)
	w.control = "http://" + control
	w.process = spawn(t, []string{"HOSTILE=http://" + w.hostile.Addr().String(), "DOWN=http://" + porttest.Reserve(t), "EXPIRED=" + expired},
		"--call-timeout", patience.String(), "--max-upstream-body", "1MiB", "--max-body", "64KiB", "--control-address", control, "--audit", w.audit, "--log-level", "error", dir)
	return w
}

// expiredServer serves with a certificate that is valid no more, and writes it to a file.
func expiredServer(t *testing.T, file string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "expired"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(86400, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(answering("application/json", goodBody))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// fateOf gives what a caller sees: the code of a problem, the status of another answer, or "cut".
func fateOf(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return "none: " + err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return "cut"
	case err != nil:
		return "unreadable: " + err.Error()
	case resp.Header.Get("Content-Type") != "application/problem+json":
		return strconv.Itoa(resp.StatusCode)
	}
	var p struct {
		Status          int
		Code, RequestID string
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode || p.RequestID != resp.Header.Get("X-Request-Id") {
		return fmt.Sprintf("no problem document: %d %v %s", resp.StatusCode, resp.Header, body)
	}
	return p.Code
}

// toolOutcome is what a client of MCP sees: the code of a failure, or "ok", or "error" for an
// answer of the upstream that says it failed.
func toolOutcome(t *testing.T, url, tool, arguments string) string {
	t.Helper()
	raw, _ := mcpCall(t, url, tool, arguments)
	var r struct {
		toolResult
		Meta map[string]any `json:"_meta"`
	}
	if err := json.Unmarshal(raw, &r); err != nil || len(r.Content) == 0 && !r.IsError && r.Code != 0 {
		return "no result: " + string(raw)
	}
	if code, ok := r.Meta["capd/code"].(string); ok {
		return code
	}
	if r.IsError {
		return "error"
	}
	return "ok"
}

// suffer has every fate happen to every kind of call, all at once, with a good call after each.
func (w *world) suffer(t *testing.T) {
	var wait sync.WaitGroup
	names := append(slices.Collect(maps.Keys(w.hostile.fates)), "down", "expired")
	for _, name := range names {
		f, ok := w.hostile.fates[name]
		if !ok {
			f = fate{mapped: "upstream-failed", whole: []string{"upstream-failed"}}
		}
		base, tools, id := w.url+"/apis/"+name, w.url+"/mcp/"+name, strconv.FormatInt(w.posts.Add(1), 10)
		asTool := f.mapped
		if n, err := strconv.Atoi(f.mapped); err == nil && n < 300 {
			asTool = "ok"
		} else if err == nil {
			asTool = "error"
		}
		for what, try := range map[string]struct {
			call func() string
			want []string
		}{
			"mapped":         {func() string { return fateOf(t, "GET", base+"/mapped") }, []string{f.mapped}},
			"whole":          {func() string { return fateOf(t, "GET", base+"/whole") }, f.whole},
			"add":            {func() string { return fateOf(t, "POST", base+"/add?id=rest-"+id) }, []string{f.mapped}},
			"mapped as tool": {func() string { return toolOutcome(t, tools, "mapped", `{}`) }, []string{asTool}},
			"add as tool":    {func() string { return toolOutcome(t, tools, "add", `{"id":"mcp-`+id+`"}`) }, []string{asTool}},
			"whole as tool":  {func() string { return toolOutcome(t, tools, "whole", `{}`) }, nil},
			"a good one":     {func() string { return fateOf(t, "GET", w.url+"/apis/good/mapped") }, []string{"200"}},
		} {
			w.calls.Add(1)
			wait.Go(func() {
				if got := try.call(); try.want != nil && !slices.Contains(try.want, got) {
					t.Errorf("%s, %s: %s, want one of %v", name, what, got, try.want)
				}
			})
		}
	}
	wait.Wait()
}

// callers are clients of capd that behave badly. Each gives what it got, for the test to judge.
func (w *world) misbehave(t *testing.T) {
	addr := strings.TrimPrefix(w.url, "http://")
	dial := func() *net.TCPConn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.TCPConn)
	}
	says := func(want int, text string) {
		t.Helper()
		conn := dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.60q: no answer: %v", text, err)
			return
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != want {
			t.Errorf("%.60q: %s (%v), want %d", text, resp.Status, err, want)
		}
	}
	const host = " HTTP/1.1\r\nHost: localhost\r\n"
	says(431, "GET /apis/good/mapped"+host+"X-Filler: "+strings.Repeat("x", 1<<17)+"\r\n\r\n")
	says(413, "POST /apis/good/add?id=x"+host+"Content-Type: application/json\r\nContent-Length: 70000\r\n\r\n"+strings.Repeat(" ", 70000))
	says(400, "GET /apis/good/mapped HTTP/1.1\r\n\r\n")
	says(400, "POST /mcp/good"+host+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}")
	says(400, "nonsense\r\n\r\n")
	says(403, "GET /apis/good/mapped HTTP/1.1\r\nHost: evil.example\r\n\r\n")
	says(403, "GET /apis/good/mapped"+host+"Origin: https://evil.example\r\n\r\n")
	says(404, "GET /apis/nowhere"+host+"\r\n")

	// Pipelined requests are answered one by one.
	conn := dial()
	_, _ = io.WriteString(conn, strings.Repeat("GET /apis/good/mapped"+host+"\r\n", 50))
	in := bufio.NewReader(conn)
	for n := range 50 {
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("pipelined request %d: %v %v", n, resp, err)
			break
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	w.calls.Add(50)
	_ = conn.Close()

	// Many that say nothing, or little, and then go away.
	var idle []*net.TCPConn
	for i := range 200 {
		conn := dial()
		idle = append(idle, conn)
		switch i % 4 {
		case 0:
		case 1:
			_, _ = io.WriteString(conn, "GET /apis/go")
		case 2:
			_, _ = io.WriteString(conn, "POST /apis/good/add?id="+strconv.Itoa(i)+"-"+strconv.FormatInt(w.posts.Add(1), 10)+host+"Content-Length: 10\r\n\r\n{")
		case 3:
			_, _ = io.WriteString(conn, "GET /apis/silent/whole"+host+"\r\n")
		}
	}
	if got := fateOf(t, "GET", w.url+"/apis/good/mapped"); got != "200" {
		t.Errorf("beside 200 callers that stand still: %s", got)
	}
	w.calls.Add(1)
	for i, conn := range idle {
		if i%2 == 0 {
			_ = conn.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// holdings are what the process has in use.
type holdings struct{ goroutines, descriptors, heap float64 }

var gauge = regexp.MustCompile(`(?m)^(go_goroutines|process_open_fds|go_memstats_heap_inuse_bytes) (\S+)$`)

// holds gives the least that the process is seen to have: what is given back takes a moment. It
// stops as soon as that is not more than enough; without that, when it gets no less.
func (w *world) holds(t *testing.T, enough holdings) holdings {
	t.Helper()
	least := holdings{1e18, 1e18, 1e18}
	end := time.Now().Add(patience)
	for same := 0; same < 40 || enough != (holdings{}) && time.Now().Before(end); same++ {
		a := call(t, "GET", w.control+"/metrics", "")
		var h holdings
		for _, m := range gauge.FindAllStringSubmatch(a.Body, -1) {
			v, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			switch m[1] {
			case "go_goroutines":
				h.goroutines = v
			case "process_open_fds":
				h.descriptors = v
			default:
				h.heap = v
			}
		}
		if h.goroutines < least.goroutines || h.descriptors < least.descriptors || h.heap < least.heap {
			same = 0
		}
		least = holdings{min(least.goroutines, h.goroutines), min(least.descriptors, h.descriptors), min(least.heap, h.heap)}
		if least.goroutines <= enough.goroutines && least.descriptors <= enough.descriptors && least.heap <= enough.heap {
			break
		}
	}
	return least
}

// TestFaults: whatever upstreams and callers do, every answer is well-formed and says what
// happened, documents beside are served, nothing is sent twice, and nothing is left behind.
func TestFaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.suffer(t)
	w.misbehave(t) // what is made once is there now
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	before := w.holds(t, holdings{})
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		w.suffer(t)
		w.misbehave(t)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	enough := holdings{before.goroutines + 20, before.descriptors + 20, before.heap + 16<<20}
	if after := w.holds(t, enough); after.goroutines > enough.goroutines || after.descriptors > enough.descriptors || after.heap > enough.heap {
		t.Errorf("it holds %+v, before %+v", after, before)
	}
	if n := w.stolen.Load(); n > 0 {
		t.Errorf("%d requests went to a host that no document names", n)
	}
	w.hostile.mu.Lock()
	for id, n := range w.hostile.seen {
		if n > 1 {
			t.Errorf("the POST %s came %d times", id, n)
		}
	}
	if len(w.hostile.seen) == 0 {
		t.Error("no POST came at all")
	}
	w.hostile.mu.Unlock()

	w.signal(t, syscall.SIGTERM)
	if code := until(t, w.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	audit, err := os.ReadFile(w.audit)
	if err != nil {
		t.Fatal(err)
	}
	// Callers that went away have lines too, and whether their calls began is not known here.
	if n := int64(bytes.Count(audit, []byte("\n"))); n < w.calls.Load() {
		t.Errorf("%d lines in the audit for %d calls", n, w.calls.Load())
	}
}
