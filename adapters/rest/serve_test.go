package rest

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"capd/engine/plan"
)

// records is a log that tests can read.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *records) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *records) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *records) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// resultServer answers every request with a result, or a failure, as a call would.
func resultServer(t testing.TB, log *records, answer func(r *http.Request) (*plan.Result, error)) *httptest.Server {
	t.Helper()
	s := &server{opts: New(Options{Logger: log.logger()}).opts, calls: newCalls(), buffers: newBuffers()}
	ts := httptest.NewServer(s.catchAll(func(c *call) error {
		result, err := answer(c.Request())
		if err != nil {
			return err
		}
		defer result.Body.Close()
		return s.write(c, result)
	}))
	t.Cleanup(ts.Close)
	return ts
}

// reply is a response with its body read.
type reply struct {
	*http.Response
	body string
	err  error // of reading the body
}

// do sends a request as it is: no compression of the client's own, no redirects.
func do(t testing.TB, method, url string, body io.Reader, header ...string) *reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	tr := &http.Transport{DisableCompression: true, DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return &reply{Response: &http.Response{Header: http.Header{}}, err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return &reply{Response: resp, body: string(b), err: err}
}

// stream is a body of unknown length.
func stream(r io.Reader) plan.Body { return sized(r, -1) }

func sized(r io.Reader, length int64) plan.Body {
	return plan.Body{Stream: io.NopCloser(r), Len: length}
}

// failing gives text and then err.
func failing(text string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(text), &errReader{err})
}

type errReader struct{ err error }

func (r *errReader) Read([]byte) (int, error) { return 0, r.err }
