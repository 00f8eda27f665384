package control

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/engine/plan"
)

// followed serves a log, and gives its logger, which writes warnings only.
func followed(t *testing.T) (*Log, *slog.Logger, string) {
	t.Helper()
	l := &Log{}
	level := new(slog.LevelVar)
	level.Set(slog.LevelWarn)
	log := slog.New(l.Handler(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: level})))
	s := NewServer(ServerOptions{
		Facts: func() Facts { return Facts{} }, Config: func() Config { return Config{} }, Routes: func() []Route { return nil },
		Level: level, Log: l, Logger: log,
	})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return l, log, server.URL
}

func openLog(t *testing.T, url string) *http.Response {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// messages gives the messages of a stream until it ends.
func messages(t *testing.T, body io.Reader) []string {
	t.Helper()
	var out []string
	in := bufio.NewScanner(body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if len(in.Bytes()) == 0 {
			continue
		}
		var e struct{ Msg string }
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			t.Fatalf("%s: %v", in.Text(), err)
		}
		out = append(out, e.Msg)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFollow: each follower gets what it asked for, whatever the log itself writes, with the
// attributes of the logger; the stream ends with Close.
func TestFollow(t *testing.T) {
	t.Parallel()
	l, log, url := followed(t)
	if log.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("nobody follows, and debug is wanted")
	}
	own, all := openLog(t, url+"/logs"), openLog(t, url+"/logs?level=debug")
	if got := all.Header.Get("Content-Type"); got != "application/x-ndjson" {
		t.Errorf("type %s", got)
	}
	log.With("a", 1).WithGroup("g").Debug("one", "b", 2)
	log.Error("two")
	l.Close()
	if got := strings.Join(messages(t, own.Body), ","); got != "two" {
		t.Errorf("the log's own level gives %s", got)
	}
	whole, err := io.ReadAll(all.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(messages(t, strings.NewReader(string(whole))), ","); got != "one,two" || !strings.Contains(string(whole), `"a":1,"g":{"b":2}`) {
		t.Errorf("debug gives %s", whole)
	}
	if resp := openLog(t, url+"/logs?level=loud"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown level: %s", resp.Status)
	}
	if resp := openLog(t, url+"/logs"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("after the end: %s", resp.Status)
	}
}

// TestFollowersAreBounded: one too many is refused, and one that leaves makes room.
func TestFollowersAreBounded(t *testing.T) {
	t.Parallel()
	l, log, url := followed(t)
	for range maxFollowers {
		if resp := openLog(t, url+"/logs"); resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	if resp := openLog(t, url+"/logs"); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", resp.Status)
	}
	l.Close()
	for l.count() > 0 {
		// they go
	}
	if log.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug is wanted by nobody")
	}
}

func (l *Log) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.followers)
}

// TestFollowSlowly: who does not read holds nobody up, and is told how much it missed.
func TestFollowSlowly(t *testing.T) {
	t.Parallel()
	l := &Log{}
	log := slog.New(l.Handler(slog.DiscardHandler))
	f := l.follow(slog.LevelInfo)
	const written = 3 * followQueue
	for range written {
		log.Info("line")
	}
	log.Info(strings.Repeat("x", 2*followLine))
	l.Close()
	w := httptest.NewRecorder()
	f.stream(context.Background(), &lines{w, http.NewResponseController(w)})
	got, missed := 0, 0
	for line := range strings.Lines(w.Body.String()) {
		var e struct {
			Msg   string
			Lines int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Lines > 0 {
			missed += e.Lines
		} else {
			got++
		}
	}
	if got == 0 || got > followQueue || got+missed != written+1 {
		t.Errorf("%d lines came and %d are said to be missing, of %d", got, missed, written+1)
	}
}

// TestFollowWithoutToken: the log is nobody's who shows no token.
func TestFollowWithoutToken(t *testing.T) {
	t.Parallel()
	s := NewServer(ServerOptions{HealthOnly: true, Level: new(slog.LevelVar), Log: &Log{}})
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/logs", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("status %d", w.Code)
	}
}

// TestStrangers: who shows no token, or another one, is always answered alike, is seen in the
// log, and does not fill it; the token lets in all the same.
func TestStrangers(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := NewServer(ServerOptions{
		Facts: func() Facts { return Facts{} }, Routes: func() []Route { return nil },
		Token: func() plan.Secret { return plan.NewSecret("marked-token") }, Level: new(slog.LevelVar), Log: &Log{},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	ask := func(path, token string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		s.ServeHTTP(w, r)
		return w
	}
	want := ask("/status", "")
	for range 100 {
		for _, path := range []string{"/status", "/logs", "/reload", "/nothing"} {
			for _, token := range []string{"", "marked-toke", "marked-token-", strings.Repeat("x", 10_000)} {
				if got := ask(path, token); got.Code != http.StatusUnauthorized || got.Body.String() != want.Body.String() {
					t.Fatalf("%s: %d %s", path, got.Code, got.Body)
				}
			}
		}
	}
	if got := ask("/status", "marked-token"); got.Code != http.StatusOK {
		t.Errorf("with the token: %d", got.Code)
	}
	if n := strings.Count(log.String(), "without its token"); n < 1 || n > 10 || strings.Contains(log.String(), "marked") {
		t.Errorf("the log has %d lines: %s", n, log.String())
	}
}
