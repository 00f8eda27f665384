//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"capd/adapters/porttest"
)

// garbageSpec has an adapter of each kind.
const garbageSpec = `naftiko: 1.0.0-alpha2
binds: [{ namespace: env, keys: { UPSTREAM: UPSTREAM } }]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: '{{env.UPSTREAM}}'
    resources:
    - path: /things/{id}
      operations:
      - { name: get, method: GET, inputParameters: [{ name: id, in: path, type: string }, { name: page, in: query, type: integer }] }
      - { name: put, method: PUT, inputParameters: [{ name: id, in: path, type: string }, { name: title, in: body, type: string }, { name: tags, in: body, type: array }] }
  exposes:
  - type: rest
    namespace: api
    resources:
    - path: /things/{id}
      operations:
      - { name: get, method: GET, inputParameters: [{ name: id, in: path, type: string }, { name: page, in: query, type: integer }], call: up.get, with: { id: '{{id}}', page: '{{page}}' }, outputParameters: [{ name: id, type: string, mapping: $.id }] }
      - { name: put, method: PUT, inputParameters: [{ name: id, in: path, type: string }, { name: title, in: body, type: string }, { name: tags, in: body, type: array }], call: up.put, with: { id: '{{id}}', title: '{{title}}', tags: '{{tags}}' } }
  - type: mcp
    namespace: tools
    tools: [{ name: get, description: Get, call: up.get, inputParameters: [{ name: id, type: string }, { name: page, type: integer }] }]
  - type: skill
    namespace: skills
    skills: [{ name: reading, description: How to read, location: file://./reading }]
  - type: control
    namespace: control
    management: { info: true }
`

// TestGarbageOverTheWire: ten thousand requests of nonsense at each kind of adapter, many of them no
// HTTP at all. Each that is answered is answered well, none is a fault of capd, and nothing
// stays behind.
func TestGarbageOverTheWire(t *testing.T) {
	t.Parallel()
	up := httptest.NewServer(answering("application/json", goodBody))
	t.Cleanup(up.Close)
	dir := t.TempDir()
	writeSpec(t, filepath.Join(dir, "all.yaml"), garbageSpec)
	if err := os.MkdirAll(filepath.Join(dir, "reading"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeSpec(t, filepath.Join(dir, "reading", "SKILL.md"), "---\nname: reading\ndescription: How to read\n---\n# Reading\n")
	control := porttest.Reserve(t)
	w := &world{control: "http://" + control}
	w.process = spawn(t, []string{"UPSTREAM=" + up.URL}, "--control-address", control, "--log-level", "error", dir)
	at := strings.TrimPrefix(w.url, "http://")

	kinds := map[string][]string{
		at + " rest":       {"/apis/all/things/7", "/things/7", "/apis", "/apis/all", "/apis/all/openapi.json", "/apis/nowhere", "/", "*"},
		at + " mcp":        {"/mcp/all", "/mcp", "/mcp/all/x", "/mcp/tags/x"},
		at + " skill":      {"/skills/all", "/skills", "/skills/all/reading", "/skills/all/reading/contents/SKILL.md", "/skills/all/reading/download"},
		at + " control":    {"/control/all", "/control/all/health/live", "/control/all/status", "/control/all/config/reload", "/control"},
		at + " well-known": {"/.well-known/x", "/.well-known/oauth-protected-resource/apis/all"},
		control + " own":   {"/health/live", "/health/ready", "/status", "/config", "/routes", "/metrics", "/validate", "/logs", "/x"},
	}
	n := 9_000
	if testing.Short() {
		n = 500
	}
	flood := func(n int) {
		for where, paths := range kinds {
			addr, _, _ := strings.Cut(where, " ")
			pour(t, addr, paths, rand.New(rand.NewPCG(uint64(n), uint64(len(where)))), n)
		}
	}
	flood(1_000) // what is made once is there now
	before := w.holds(t, holdings{})
	flood(n)
	enough := holdings{before.goroutines + 20, before.descriptors + 20, before.heap + 16<<20}
	if after := w.holds(t, enough); after.goroutines > enough.goroutines || after.descriptors > enough.descriptors || after.heap > enough.heap {
		t.Errorf("it holds %+v, before %+v", after, before)
	}
	w.signal(t, syscall.SIGTERM)
	if code := until(t, w.exit, "the end"); code != exitOK {
		t.Errorf("exit code %d after SIGTERM", code)
	}
}

// pour sends n requests. The connection is given up when the server closes it, and after a request
// whose end the server may see elsewhere.
func pour(t *testing.T, addr string, paths []string, r *rand.Rand, n int) {
	t.Helper()
	var conn net.Conn
	var in *bufio.Reader
	drop := func() {
		if conn != nil {
			_ = conn.Close()
			conn = nil
		}
	}
	defer drop()
	for range n {
		text, whole := garbageRequest(r, paths)
		if conn == nil {
			var err error
			if conn, err = net.Dial("tcp", addr); err != nil {
				t.Fatal(err)
			}
			in = bufio.NewReader(conn)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			drop()
			continue
		}
		if !whole {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		method, _, _ := strings.Cut(text, " ")
		resp, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			drop() // it had nothing to answer
			continue
		}
		var body []byte
		if !isStream(resp.Header.Get("Content-Type")) {
			if body, err = io.ReadAll(resp.Body); err != nil && whole && !resp.Close { // what was not read of a request resets a connection that is closed
				t.Errorf("%.300q: %s broken off: %v", text, resp.Status, err)
			}
		} else {
			whole = false
		}
		if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusHTTPVersionNotSupported {
			t.Errorf("%.300q: %s %s", text, resp.Status, body)
		}
		if !whole || resp.Close {
			drop()
		}
	}
}

// isStream reports whether an answer has no end: events of MCP, and the log.
func isStream(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/event-stream") || strings.HasPrefix(mediaType, "application/x-ndjson")
}

// garbageRequest gives a request that is wrong in places; whole says that its end can be seen.
func garbageRequest(r *rand.Rand, paths []string) (text string, whole bool) {
	pick := func(all ...string) string { return all[r.IntN(len(all))] }
	method := pick("GET", "GET", "GET", "PUT", "POST", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE", "get", "G\x00T", "PRI", "")
	path := paths[r.IntN(len(paths))]
	for range r.IntN(3) {
		i := r.IntN(len(path) + 1)
		path = path[:i] + pick("%2F", "%", "%zz", "/", "//", "..", "/../", "%2e%2e/", "?", "?id=%ff", "?page=1e400&page=2", "&=", ";", "#", "\\", "\xff", "%00", "~", "{id}", ":", "@", "é") + path[i:]
	}
	value := func() string {
		return pick(`1`, `"x"`, `null`, `{}`, `[]`, `true`, `-1e400`, `"\ud800"`, `{"a":{"b":[1,2,{}]}}`, strings.Repeat(`[`, 200), `"`+strings.Repeat("x", 300)+`"`, "\xff\xfe", ``)
	}
	body := pick("", "", `{"title":`+value()+`,"tags":`+value()+`,"id":`+value()+`}`, value(), "a=b&c=%zz", "--x\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n1\r\n--x--")
	whole = true
	header := "Host: " + pick("localhost", "localhost", "localhost", "127.0.0.1", "evil.example", "", "[::1]:80", "a b") + "\r\n"
	for range r.IntN(4) {
		header += pick(
			"Content-Type: "+pick("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", ";;;", "application/json; charset=\xff"),
			"Accept: "+pick("*/*", "text/event-stream", "application/json, text/event-stream", "q=;", ""),
			"Authorization: "+pick("Bearer x", "Basic ####", "Digest a=\"b", "Negotiate", ""),
			"Origin: "+pick("null", "http://localhost", "https://evil.example", "x"),
			"Range: "+pick("bytes=0-1", "bytes=9-1", "bytes=", "x=1", "bytes=0-0,1-1,2-2"),
			"If-None-Match: "+pick("*", "\"", "W/\"x\"", ","),
			"Accept-Encoding: "+pick("gzip", "identity;q=0", "*;q=0", "br"),
			"Content-Encoding: "+pick("gzip", "identity", "x"),
			"Traceparent: "+pick("00-0-0-0", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "\xff"),
			"X-Forwarded-For: "+pick("1.2.3.4", "x, y", ",,,"),
			"Forwarded: "+pick("for=\"[::1]\"", "for=", ";;"),
			"Connection: "+pick("keep-alive", "upgrade", "close, x-y", "Host"),
			"Upgrade: "+pick("h2c", "websocket"),
			"Expect: "+pick("100-continue", "x"),
			"X-\x01: y", ": z", "No-Colon", "  folded: x",
		) + "\r\n"
	}
	switch r.IntN(8) {
	case 0: // no end that anybody could see
		whole = false
		header += pick("Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: -1\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n", "Transfer-Encoding: x\r\n", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")
	case 1:
		header += "Transfer-Encoding: chunked\r\n"
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		if len(body) <= len("0\r\n\r\n0\r\n\r\n") {
			body = "0\r\n\r\n"
		}
	default:
		header += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	text = method + " " + path + " HTTP/" + pick("1.1", "1.1", "1.1", "1.1", "1.0", "2.0", "9") + "\r\n" + header + "\r\n" + body
	if r.IntN(10) == 0 { // some bytes are others
		b := []byte(text)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.IntN(256))
		}
		text, whole = string(b), false
	}
	return text, whole
}
