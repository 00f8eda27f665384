//go:build unix

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"capd/adapters/redistest"
)

// seenStore is what /status says of what replicas share.
type seenStore struct{ Kind, Address, State, Error string }

// ended runs a command to its end.
func ended(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, log bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &log)
	return code, out.String(), log.String()
}

// storeOf asks for the state of the store until it is as wanted.
func storeOf(t *testing.T, control, want string) seenStore {
	t.Helper()
	var status struct{ Store seenStore }
	for end := time.Now().Add(30 * time.Second); ; {
		asks(t, "GET", control+"/status", "", 200, &status)
		if status.Store.State == want {
			return status.Store
		}
		if time.Now().After(end) {
			t.Fatalf("the store is %+v, never %s", status.Store, want)
		}
	}
}

// TestRedisIsDown: a Redis that is not there, or goes away, makes nothing fail, and is shown where
// operators look; its password is shown nowhere.
func TestRedisIsDown(t *testing.T) {
	t.Parallel()
	const password = "marked-secret-42"
	server := redistest.Start(t, "--requirepass", password)
	server.Kill()
	dir := t.TempDir()
	file := filepath.Join(dir, "redis")
	writeSpec(t, file, "redis://:"+password+"@"+server.Addr+"/0\n")
	i, control, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=https://rooms.example.com"}, "--stub", "--redis-url-file", file)
	shown := ""
	metric := func(line string) {
		t.Helper()
		got := asks(t, "GET", control+"/metrics", "", 200, nil)
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the metrics have no %s", line)
		}
		shown += got
	}
	healthy := func(status, store string) {
		t.Helper()
		var h struct{ Status, Store string }
		shown += asks(t, "GET", control+"/health/ready", "", 200, &h)
		if h.Status != status || h.Store != store {
			t.Errorf("health is %+v, want %s %s", h, status, store)
		}
	}
	if s := storeOf(t, control, "down"); s.Address != "redis://"+server.Addr || s.Kind != "redis" || s.Error == "" {
		t.Errorf("the store is %+v", s)
	}
	healthy("DEGRADED", "down")
	metric("capd_store_up 0")
	metric(`capd_store_errors_total{operation="take"} 0`)
	if got := call(t, "GET", i.url+"/apis/rooms/rooms", ""); got.Status != 200 {
		t.Errorf("a call is answered with %d", got.Status)
	}
	code, stdout, stderr := ended(t, nil, "status", "--control", control)
	if code != 0 || !strings.Contains(stdout, "shared state in redis://"+server.Addr+": down (") {
		t.Errorf("status: %d\n%s%s", code, stdout, stderr)
	}
	server.Restart()
	storeOf(t, control, "up")
	healthy("UP", "")
	metric("capd_store_up 1")

	// The password is changed, and so is the file.
	writeSpec(t, file, "redis://:other@"+server.Addr)
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "down")
	writeSpec(t, file, "redis://:"+password+"@"+server.Addr)
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "up")
	writeSpec(t, file, "nothing")
	asks(t, "POST", control+"/reload", "", 200, nil)
	storeOf(t, control, "up")

	shown += asks(t, "GET", control+"/config", "", 200, nil) + asks(t, "GET", control+"/status", "", 200, nil) + i.printed()
	if strings.Contains(shown, password) {
		t.Errorf("the password is shown:\n%s", shown)
	}
	for _, event := range []string{"the Redis cannot be used", "the Redis is used again", "the Redis is the one of before"} {
		if !strings.Contains(i.printed(), event) {
			t.Errorf("the log does not say: %s", event)
		}
	}
}

// TestRedisURL: a URL that is none is told before anything is served, and without repeating it.
func TestRedisURL(t *testing.T) {
	t.Parallel()
	spec := specFile(t, "rooms.yaml", roomsSpec)
	file := specFile(t, "redis", "redis://:mark#ed@host")
	for _, tt := range []struct {
		args, env []string
		want      string
	}{
		{[]string{"--redis", "marked"}, nil, "capd: --redis must be the URL of a Redis, such as redis://"},
		{[]string{"--redis", "redis://host?marked=1"}, nil, "capd: --redis has a setting after the ? that is not known"},
		{nil, []string{"CAPD_REDIS=http://marked"}, "capd: --redis must be"},
		{[]string{"--redis-url-file", file}, nil, "capd: --redis-url-file must be"},
		{[]string{"--redis-url-file", file + "x"}, nil, "capd: --redis-url-file: open "},
		{[]string{"--redis-url-file", file, "--redis", "redis://host"}, nil, "exclude each other"},
		{[]string{"--redis-ca", file}, nil, "--redis-ca needs --redis"},
		{[]string{"--redis", "rediss://host", "--redis-ca", file}, nil, "holds no certificate"},
	} {
		for _, more := range []string{"--stub", "--check"} {
			code, stdout, stderr := ended(t, tt.env, append([]string{"serve", "--listen", "127.0.0.1:0", more, spec}, tt.args...)...)
			if code != 2 || !strings.Contains(stderr, tt.want) || strings.Contains(stdout+stderr, "marked") {
				t.Errorf("%q %q: %d\n%s%s\nwant %s", tt.args, tt.env, code, stdout, stderr, tt.want)
			}
		}
	}
}

// TestRedisPasswordOnCommandLine: it is warned of, and only where it can be seen.
func TestRedisPasswordOnCommandLine(t *testing.T) {
	t.Parallel()
	const url = "unix://:marked@/does/not/exist"
	spec := specFile(t, "rooms.yaml", roomsSpec)
	seen := start(t, nil, "--stub", spec, "--redis", url).printed()
	hidden := start(t, []string{"CAPD_REDIS=" + url}, "--stub", spec).printed()
	if warning := "list of processes"; !strings.Contains(seen, warning) || strings.Contains(hidden, warning) || strings.Contains(seen+hidden, "marked") {
		t.Errorf("on the command line:\n%s\nin the environment:\n%s", seen, hidden)
	}
}
