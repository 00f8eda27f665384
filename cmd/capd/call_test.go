package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// record starts an upstream for the rest of the script, names its URL in a variable and
// writes each request it gets to a file: record VARIABLE FILE. A query pair status=N makes
// it answer with that status.
func record(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: record VARIABLE FILE")
	}
	file := ts.MkAbs(args[1])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire, err := httputil.DumpRequest(r, true)
		if err == nil {
			err = os.WriteFile(file, wire, 0o600)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		status := http.StatusOK
		if text := r.URL.Query().Get("status"); text != "" {
			_, _ = fmt.Sscan(text, &status)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d}`, status)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// TestCallShowsNoSecret calls the operations of a spec with every kind of authentication in
// every way call can show them, and looks for each secret in every spelling.
func TestCallShowsNoSecret(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var wire bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, true)
		mu.Lock()
		wire.Write(dump)
		mu.Unlock()
		reveal(w, r)
	}))
	t.Cleanup(server.Close)
	env := []string{"UPSTREAM=" + server.URL, "DOWN=" + server.URL}
	for name, value := range canaries {
		env = append(env, name+"="+value)
	}
	file := specFile(t, "keys.yaml", secretSpec)
	var printed strings.Builder
	for _, auth := range []string{"bearer", "basic", "query", "path", "body"} {
		for _, flags := range [][]string{
			{"-v", "--explain"}, {"--dry-run", "-v", "--explain"}, {"--stub", "-v"},
		} {
			for _, fate := range []string{"ok", "echo-error", "echo-headers"} {
				if fate != "ok" && flags[0] != "-v" {
					continue // nobody sends
				}
				args := slices.Concat([]string{"call", file, "POST /" + auth + "?fate=" + fate, "--body", `{"fate":"` + fate + `"}`}, flags)
				var stdout, stderr bytes.Buffer
				if code := run(context.Background(), args, env, strings.NewReader(""), &stdout, &stderr); code == exitFailed {
					t.Fatalf("%v: %s", args, stderr.String())
				}
				printed.Write(stderr.Bytes())
				if slices.Contains(flags, "--dry-run") || fate != "ok" {
					printed.Write(stdout.Bytes())
				}
			}
		}
	}
	for name, value := range canaries {
		sent := false
		for _, form := range spellings(value) {
			sent = sent || strings.Contains(wire.String(), form)
			if strings.Contains(printed.String(), form) {
				t.Errorf("%s was printed as %q", name, form)
			}
		}
		if !sent {
			t.Errorf("%s never reached the upstream: the test would not notice it", name)
		}
	}
}

// TestDryRunIsWhatIsSent renders every shipped operation dry and for real, and wants the
// same request.
func TestDryRunIsWhatIsSent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := filepath.Join(dir, "rooms.yaml")
	text, err := os.ReadFile("../../testdata/call/rooms.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wire []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		wire, _ = httputil.DumpRequest(r, true)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	env := []string{"ROOMS_URL=" + server.URL, "ROOMS_API_KEY=k-77-canary", "ROOMS_HTTP_TENANT=acme"}
	for _, args := range [][]string{
		{"GET /rooms?max=5", "X-Trace=t"},
		{"rooms-api/list", `tag:=["a b",2]`},
		{"create", "name=x", "team=7", "tag:=null"},
		{"PATCH /rooms/a%2Fb", "topic=é", "seats:=4"},
		{"replace", "id=7", "--body", `{"big": 12345678901234567890}`},
		{"swap", "room_id=7", "note=hi", "--body", `{"a":1}`},
	} {
		t.Log(args)
		args = append([]string{"call", spec}, args...)
		var dry, real, stderr bytes.Buffer
		if code := run(context.Background(), append(args, "--dry-run"), env, strings.NewReader(""), &dry, &stderr); code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		if code := run(context.Background(), args, env, strings.NewReader(""), &real, &stderr); code != exitOK {
			t.Fatalf("exit code %d: %s", code, stderr.String())
		}
		mu.Lock()
		sent := strings.ReplaceAll(string(wire), "k-77-canary", "<secret>")
		mu.Unlock()
		sent = strings.Replace(sent, "region=eu", "region=<secret>", 1) // cookies are never shown
		if got, want := sortedHead(dry.String(), "\n"), sortedHead(sent, "\r\n"); got != want {
			t.Errorf("dry run:\n%s\nsent:\n%s", got, want)
		}
	}
}

// sortedHead puts the header lines of a request in order: a server does not tell theirs.
func sortedHead(s, end string) string {
	head, body, _ := strings.Cut(s, end+end)
	lines := strings.Split(head, end)
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n") + "\n\n" + body
}
