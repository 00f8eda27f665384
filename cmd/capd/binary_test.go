package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const binarySpec = `ikanos: 1.0.0-beta5
binds:
- { namespace: env, keys: { UPSTREAM: UPSTREAM } }
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UPSTREAM}}"
    resources:
      photo:
        path: /photo
        operations:
          typed: { path: /typed, method: GET, outputRawFormat: binary, outputMediaType: image/jpeg }
          plain: { path: /plain, method: GET, outputRawFormat: binary }
          small: { path: /small, method: GET, outputRawFormat: binary, maxBinarySize: 1.5KiB }
          json: { path: /json, method: GET }
          ranged: { path: /ranged, method: GET, inputParameters: { Range: { in: header, value: "bytes=0-0" } } }
          search: { path: /search, method: POST }
  exposes:
  - type: rest
    namespace: r
    port: 8080
    maxBinarySize: 1MiB
    resources:
      typed: { path: /typed, operations: { typed: { method: GET, call: up.typed, responseBinary: { mediaType: image/png } } } }
      short: { path: /short, operations: { short: { method: GET, call: up.plain, responseBinary: { mediaType: image/png, status: 200 } } } }
      long:
        path: /long
        operations:
          long: { method: GET, call: up.plain, responses: { "404": { content: { text/html: { binary: true } } }, "2XX": { description: Photo, content: { text/plain: {}, image/webp: { binary: true } } } } }
      plain: { path: /plain, operations: { plain: { method: GET, call: up.plain } } }
      small: { path: /small, operations: { small: { method: GET, call: up.small } } }
      json: { path: /json, operations: { json: { method: GET, call: up.json } } }
      mapped: { path: /mapped, operations: { mapped: { method: GET, call: up.json, outputParameters: [ { type: string, mapping: $.a } ] } } }
      ranged: { path: /ranged, operations: { ranged: { method: GET, call: up.ranged } } }
      search: { path: /search, operations: { search: { method: GET, call: up.search } } }
  - type: rest
    namespace: other
    port: 8080
    resources:
      plain: { path: /unlimited, operations: { plain: { method: GET, call: up.plain } } }
`

// TestBinaryRanges: the bytes of an upstream that serves ranges and versions come as if the
// caller had asked it, with the declared type.
func TestBinaryRanges(t *testing.T) {
	t.Parallel()
	content := make([]byte, 1000)
	for i := range content {
		content[i] = byte(i)
	}
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		if r.Method == "POST" {
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Type", "application/x-photo")
		http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(content))
	}))
	defer server.Close()
	i := start(t, []string{"UPSTREAM=" + server.URL}, specFile(t, "spec.yaml", binarySpec))
	tests := []struct {
		method, path string
		header       []string
		status       int
		mediaType    string
		contentRange string
		body         []byte // nil: do not look
	}{
		{"GET", "/typed", nil, 200, "image/jpeg", "", content},
		{"GET", "/short", nil, 200, "image/png", "", content},
		{"GET", "/long", nil, 200, "image/webp", "", content},
		{"GET", "/plain", nil, 200, "application/x-photo", "", content},
		{"HEAD", "/typed", nil, 200, "image/jpeg", "", []byte{}},
		{"GET", "/typed", []string{"Range: bytes=10-19"}, 206, "image/jpeg", "bytes 10-19/1000", content[10:20]},
		{"GET", "/typed", []string{"Range: bytes=-5"}, 206, "image/jpeg", "bytes 995-999/1000", content[995:]},
		{"GET", "/json", []string{"Range: bytes=10-19"}, 206, "application/x-photo", "bytes 10-19/1000", content[10:20]},
		{"GET", "/typed", []string{"Range: bytes=10-19", `If-Range: "v1"`}, 206, "image/jpeg", "bytes 10-19/1000", content[10:20]},
		{"GET", "/typed", []string{"Range: bytes=10-19", `If-Range: "v0"`}, 200, "image/jpeg", "", content},
		{"GET", "/typed", []string{"Range: bytes=2000-"}, 416, "text/plain; charset=utf-8", "bytes */1000", nil},
		{"GET", "/typed", []string{"Range: bytes=0-1,5-6"}, 206, "multipart/byteranges", "", nil},
		{"GET", "/typed", []string{`If-None-Match: "v1"`}, 304, "", "", []byte{}},
		{"HEAD", "/plain", []string{`If-None-Match: "v1"`, "Range: bytes=0-0"}, 304, "", "", []byte{}},
		{"GET", "/plain", []string{"If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"}, 304, "", "", []byte{}},
		{"GET", "/plain", []string{`If-Match: "v0"`}, 412, "", "", nil},
		{"GET", "/ranged", []string{"Range: bytes=5-9"}, 206, "application/x-photo", "bytes 0-0/1000", content[:1]},
		{"HEAD", "/plain", []string{"Range: bytes=0-0"}, 200, "application/x-photo", "", []byte{}},
	}
	for _, tt := range tests {
		got := knock(t, tt.method, i.url+tt.path, tt.header...)
		mediaType := got.Header.Get("Content-Type")
		if strings.HasPrefix(mediaType, "multipart/byteranges") {
			mediaType = "multipart/byteranges"
		}
		if tt.status == 412 || tt.status == 304 {
			mediaType = ""
		}
		if got.Status != tt.status || mediaType != tt.mediaType || got.Header.Get("Content-Range") != tt.contentRange {
			t.Errorf("%s %s %q: %d %v, want %d %s %s", tt.method, tt.path, tt.header, got.Status, got.Header, tt.status, tt.mediaType, tt.contentRange)
		}
		if tt.body != nil && got.Body != string(tt.body) {
			t.Errorf("%s %s %q: %d bytes, want %d", tt.method, tt.path, tt.header, len(got.Body), len(tt.body))
		}
		if tt.status < 400 && got.Header.Get("Etag") != `"v1"` {
			t.Errorf("%s %s %q: ETag %q", tt.method, tt.path, tt.header, got.Header.Get("Etag"))
		}
	}
	rec.take()
	// Where the answer is made here, or more than reading could happen, neither goes up.
	for _, path := range []string{"/mapped", "/search"} {
		knock(t, "GET", i.url+path, "Range: bytes=0-1", `If-None-Match: "v1"`, "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT")
		if sent := rec.one(t); sent.Header.Get("Range")+sent.Header.Get("If-None-Match")+sent.Header.Get("If-Modified-Since") != "" {
			t.Errorf("%s: sent %v", path, sent.Header)
		}
	}
}

// TestBinaryLimit: an answer that is declared binary has a limit, by operation, by adapter,
// or 10 MiB. A known length over it is refused, an unknown one breaks off; nothing else is
// limited.
func TestBinaryLimit(t *testing.T) {
	t.Parallel()
	var size int
	var chunked bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		if chunked {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		} else {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		_, _ = w.Write(make([]byte, size))
	}))
	defer server.Close()
	i := start(t, []string{"UPSTREAM=" + server.URL}, specFile(t, "spec.yaml", binarySpec))
	for _, tt := range []struct {
		path  string
		limit int // 0: none
	}{{"/small", 1536}, {"/plain", 1 << 20}, {"/unlimited", 10 << 20}, {"/json", 0}} {
		most := tt.limit
		if most == 0 {
			most = 11 << 20
		}
		for _, chunked = range []bool{false, true} {
			size = most
			if got := knock(t, "GET", i.url+tt.path); got.Status != 200 || len(got.Body) != most {
				t.Errorf("%s: %d, %d of %d bytes", tt.path, got.Status, len(got.Body), most)
			}
			if tt.limit == 0 {
				continue
			}
			size = most + 1
			resp, err := http.Get(i.url + tt.path)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			switch {
			case !chunked && (resp.StatusCode != 502 || err != nil || resp.Header.Get("Content-Type") != "application/problem+json"):
				t.Errorf("%s, known length: %d, %d bytes, %v", tt.path, resp.StatusCode, n, err)
			case chunked && resp.StatusCode == 200 && (!errors.Is(err, io.ErrUnexpectedEOF) || n > int64(tt.limit)):
				t.Errorf("%s, unknown length: %d, %d bytes, %v", tt.path, resp.StatusCode, n, err)
			}
		}
	}
}

// TestBinaryExample: the published example serves its photo over REST with its declared type.
func TestBinaryExample(t *testing.T) {
	t.Parallel()
	file := "../../../shared/fixtures/ikanos/spec-examples/capability-binary-content.yml"
	if _, err := os.Stat(file); err != nil {
		t.Skip("the fixtures are not beside this checkout")
	}
	photo := "\xff\xd8\xff photo \x00\x01"
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(photo))
	}))
	defer server.Close()
	i := start(t, nil, "--upstream", server.URL, file)
	for path, header := range map[string]string{"/photos/a%2Fb/image": "", "/photos/7/thumbnail": "Range: bytes=0-2"} {
		got := knock(t, "GET", i.url+path, header)
		want, status := photo, 200
		if header != "" {
			want, status = photo[:3], 206
		}
		if got.Status != status || got.Body != want || got.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("%s: %d %v %q", path, got.Status, got.Header, got.Body)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(path, "/photos/"), "/")
		if sent := rec.one(t); sent.Target != "/photos/"+id+"/binary" {
			t.Errorf("%s: sent %s", path, sent.Target)
		}
	}
}
