package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// roomsSpec is a document with one route that calls the variable UPSTREAM.
const roomsSpec = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: rooms
    baseUri: "{{UPSTREAM}}"
    resources:
    - path: /rooms
      operations:
      - { name: list-rooms, method: GET }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - path: /rooms
      operations:
      - { name: list, method: GET, call: rooms.list-rooms }
`

// brokenSpec is not even YAML.
const brokenSpec = "naftiko: [\n"

// controlURL gives the control address of an instance.
func (i *instance) controlURL(tb testing.TB) string {
	tb.Helper()
	for line := range strings.Lines(i.stderr.String()) {
		var e struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &e) == nil && e.Msg == "the control address is served" {
			return "http://" + e.Address
		}
	}
	tb.Fatalf("no control address is served:\n%s", i.stderr)
	return ""
}

// controlled serves a folder with a control address.
func controlled(t *testing.T, files map[string]string, env []string, args ...string) (i *instance, control, dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		writeSpec(t, filepath.Join(dir, name), text)
	}
	i = start(t, env, append([]string{"--control-address", "127.0.0.1:0", "--watch", "off", dir}, args...)...)
	return i, i.controlURL(t), dir
}

func writeSpec(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asks sends a request and wants a status; body is decoded into to unless that is nil.
func asks(t *testing.T, method, url, body string, want int, to any, header ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k := 0; k < len(header); k += 2 {
		req.Header.Set(header[k], header[k+1])
	}
	got := send(t, req)
	if got.Status != want {
		t.Errorf("%s %s: %d %s, want %d", method, url, got.Status, got.Body, want)
	}
	if got.Header.Get("Cache-Control") != "no-store" && got.Status != http.StatusForbidden {
		t.Errorf("%s %s may be kept", method, url)
	}
	if to != nil {
		if err := json.Unmarshal([]byte(got.Body), to); err != nil {
			t.Errorf("%s %s: %v\n%s", method, url, err, got.Body)
		}
	}
	return got.Body
}

// seenHealth is an answer of /health/ready.
type seenHealth struct {
	Status, Reason string
	Serial         uint64
	Documents      struct{ Served, Stale, Refused int }
	Stale, Refused []struct {
		ID    string
		Codes []string
	}
}

// TestControlAddress asks everything there is to ask.
func TestControlAddress(t *testing.T) {
	t.Parallel()
	const marked = "marked-secret-41"
	i, at, dir := controlled(t, map[string]string{"rooms.yaml": roomsSpec, "broken.yaml": brokenSpec},
		[]string{"UPSTREAM=https://" + marked + ".example.com", "CAPD_MAX_BODY=1MiB"}, "--stub")

	asks(t, "GET", at+"/health/live", "", 200, nil)
	var h seenHealth
	asks(t, "GET", at+"/health/ready", "", 200, &h)
	if h.Status != "DEGRADED" || h.Documents.Served != 1 || len(h.Refused) != 1 || h.Refused[0].ID != "broken" || !slices.Equal(h.Refused[0].Codes, []string{"yaml"}) {
		t.Errorf("ready: %+v", h)
	}
	var status struct {
		Phase, Uptime string
		Engine        struct{ Version, Go string }
		Listeners     []struct{ Declared, Actual string }
		Documents     []struct {
			ID, State string
			Adapters  []struct{ Kind, URL, Has string }
		}
	}
	asks(t, "GET", at+"/status", "", 200, &status)
	if status.Phase != "serving" || status.Engine.Version == "" || !strings.HasPrefix(status.Uptime, "PT") || len(status.Documents) != 2 ||
		status.Documents[1].Adapters[0].URL != i.url+"/apis/rooms" || status.Listeners[0].Actual != strings.TrimPrefix(i.url, "http://") {
		t.Errorf("status: %+v", status)
	}
	var routes struct {
		Routes []struct {
			Document, Method, Path string
			Addresses              []string
		}
	}
	asks(t, "GET", at+"/routes", "", 200, &routes)
	if len(routes.Routes) != 1 || routes.Routes[0].Document != "rooms" || routes.Routes[0].Addresses[0] != i.url+"/apis/rooms/rooms" {
		t.Errorf("routes: %+v", routes)
	}
	if got := call(t, "GET", routes.Routes[0].Addresses[0], ""); got.Status != 200 {
		t.Errorf("a listed address answers %d", got.Status)
	}
	var config struct {
		Paths   []string
		Options []struct {
			Name, Value string
			Set         bool
		}
	}
	text := asks(t, "GET", at+"/config", "", 200, &config)
	option := map[string]string{}
	for _, o := range config.Options {
		if o.Set {
			option[o.Name] = o.Value
		}
	}
	if strings.Contains(text, marked) || option["max-body"] != "1MiB" || option["stub"] != "true" || config.Paths[0] != dir {
		t.Errorf("config: %s", text)
	}
	asks(t, "GET", at+"/nothing", "", 404, nil)
	asks(t, "POST", at+"/status", "", 405, nil)
	asks(t, "GET", at+"/reload", "", 405, nil)
	asks(t, "POST", at+"/reload", "", 403, nil, "Origin", "http://localhost:3000")
}

// TestSettingsAreMasked: what may be a credential in a setting is not told.
func TestSettingsAreMasked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, want string }{
		{"listen", "127.0.0.1:8000", "127.0.0.1:8000"},
		{"upstream", "https://staging.example.com/v1", "https://staging.example.com/v1"},
		{"redis", "redis://user:p@ss/w:rd@host:6379/0", "redis://<secret>@host:6379/0"},
		{"vault-address", "https://v.example.com/?token=abc&x=d", "https://v.example.com/?token=<secret>&x=<secret>"},
		{"some-token", "abc", "<secret>"},
		{"password", "abc", "<secret>"},
		{"some-token", "", ""},
		{"control-token-file", "/run/token", "/run/token"},
	} {
		if got := maskSetting(tt.name, tt.value); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
}

// TestControlReload: a reload is the one of SIGHUP, and its answer says what it came to.
func TestControlReload(t *testing.T) {
	t.Parallel()
	i, at, dir := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=https://rooms.example.com"}, "--stub")
	var done struct {
		Status, Summary, Error string
		Serial                 uint64
		Diagnostics            struct{ Summary struct{ Errors int } }
	}
	writeSpec(t, filepath.Join(dir, "more.yaml"), roomsSpec)
	asks(t, "POST", at+"/reload", "", 200, &done)
	if done.Status != "reloaded" || done.Serial != 2 || !strings.Contains(done.Summary, "1 file added") || done.Diagnostics.Summary.Errors != 0 {
		t.Errorf("a document more: %+v", done)
	}
	if got := call(t, "GET", i.url+"/apis/more/rooms", ""); got.Status != 200 {
		t.Errorf("the new document answers %d", got.Status)
	}
	writeSpec(t, filepath.Join(dir, "more.yaml"), brokenSpec)
	asks(t, "POST", at+"/reload", "", 200, &done)
	var h seenHealth
	asks(t, "GET", at+"/health/ready", "", 200, &h)
	if done.Diagnostics.Summary.Errors == 0 || h.Status != "DEGRADED" || h.Serial != 3 || len(h.Stale) != 1 || h.Stale[0].ID != "more" || !slices.Contains(h.Stale[0].Codes, "yaml") {
		t.Errorf("a broken document: %+v, ready %+v", done, h)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	asks(t, "POST", at+"/reload", "", 409, &done)
	asks(t, "GET", at+"/health/ready", "", 200, &h)
	if done.Status != "failed" || done.Error == "" || done.Serial != 3 || h.Documents.Served != 1 {
		t.Errorf("a folder that is gone: %+v, ready %+v", done, h)
	}
}

// TestControlReloadsTogether: many who ask at once all have an answer.
func TestControlReloadsTogether(t *testing.T) {
	t.Parallel()
	_, at, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, nil, "--stub")
	statuses := make(chan int, 20)
	for range cap(statuses) {
		go func() {
			resp, err := http.Post(at+"/reload", "", nil)
			if err != nil {
				statuses <- 0
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	for range cap(statuses) {
		if got := <-statuses; got != 200 {
			t.Errorf("a reload among others: %d", got)
		}
	}
}

// TestControlValidate: a text is judged as validate does, by itself and within limits.
func TestControlValidate(t *testing.T) {
	t.Parallel()
	_, at, dir := controlled(t, map[string]string{"rooms.yaml": roomsSpec, "part.yaml": "marked-file-text"},
		[]string{"UPSTREAM=https://rooms.example.com"}, "--stub", "--max-document", "4KiB")
	var out, log output
	run(context.Background(), []string{"validate", "-", "--format", "json", "--stdin-filename", "x.yaml"}, nil, strings.NewReader(brokenSpec), &out, &log)
	sameJSON(t, "validate", asks(t, "POST", at+"/validate?name=x.yaml", brokenSpec, 422, nil), out.String())
	asks(t, "POST", at+"/validate", roomsSpec, 200, nil)
	asks(t, "POST", at+"/validate", strings.Repeat("#", 5000), 413, nil)
	// Neither a file nor a variable of this machine is looked at.
	outside := strings.Replace(roomsSpec, "  exposes:", "  - import: ./part.yaml\n    location: ./part.yaml\n  exposes:", 1)
	body := asks(t, "POST", at+"/validate?name="+filepath.Join(dir, "x.yaml"), outside, 422, nil)
	if strings.Contains(body, "marked-file-text") || !strings.Contains(body, "import-unreadable") {
		t.Errorf("a file beside the text: %s", body)
	}
}

// TestControlLevel: the level of the log is switched while capd serves.
func TestControlLevel(t *testing.T) {
	t.Parallel()
	i, at, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, nil, "--stub")
	requests := func() int { return strings.Count(i.stderr.String(), `"msg":"request"`) }
	call(t, "GET", i.url+"/apis/rooms/rooms", "")
	if requests() != 0 {
		t.Error("requests are logged at info")
	}
	for body, want := range map[string]int{"": 400, "loud": 400, `{"level":7}`: 400, strings.Repeat("x", 2000): 413} {
		asks(t, "PUT", at+"/logs/level", body, want, nil)
	}
	for _, body := range []string{"DEBUG", `{"level":"debug"}`} {
		if got := asks(t, "PUT", at+"/logs/level", body, 200, nil); got != "{\"level\":\"debug\"}\n" {
			t.Errorf("%s: %s", body, got)
		}
	}
	call(t, "GET", i.url+"/apis/rooms/rooms", "")
	asks(t, "PUT", at+"/logs/level", "error", 200, nil) // an answer after the record of the call
	if requests() == 0 {
		t.Error("requests are not logged at debug")
	}
	if got := asks(t, "GET", at+"/logs/level", "", 200, nil); got != "{\"level\":\"error\"}\n" {
		t.Error(got)
	}
}

// TestControlToken: without the token there is health and nothing of documents. A token that
// was rotated counts from the reload on.
func TestControlToken(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	writeSpec(t, token, "first-token\n")
	_, at, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec, "broken.yaml": brokenSpec}, nil, "--stub", "--control-token-file", token)
	for _, header := range []string{"", "Bearer", "Bearer wrong", "Basic first-token", "Bearer first-token extra"} {
		for _, path := range []string{"/status", "/config", "/routes", "/logs/level", "/nothing"} {
			asks(t, "GET", at+path, "", 401, nil, "Authorization", header)
		}
		asks(t, "POST", at+"/reload", "", 401, nil, "Authorization", header)
		asks(t, "POST", at+"/validate", roomsSpec, 401, nil, "Authorization", header)
		asks(t, "GET", at+"/health/live", "", 200, nil, "Authorization", header)
		if body := asks(t, "GET", at+"/health/ready", "", 200, nil, "Authorization", header); strings.Contains(body, "broken") || !strings.Contains(body, `"refused":1`) {
			t.Errorf("ready to anybody: %s", body)
		}
	}
	if body := asks(t, "GET", at+"/health/ready", "", 200, nil, "Authorization", "Bearer first-token"); !strings.Contains(body, "broken") {
		t.Errorf("ready to the operator: %s", body)
	}
	writeSpec(t, token, "second-token")
	asks(t, "POST", at+"/reload", "", 200, nil, "Authorization", "bearer first-token")
	asks(t, "GET", at+"/status", "", 401, nil, "Authorization", "Bearer first-token")
	asks(t, "GET", at+"/status", "", 200, nil, "Authorization", "Bearer second-token")
	writeSpec(t, token, "")
	asks(t, "POST", at+"/reload", "", 200, nil, "Authorization", "Bearer second-token")
	asks(t, "GET", at+"/status", "", 200, nil, "Authorization", "Bearer second-token")
}

// TestControlForOthers: an address that other machines reach tells them no more than health,
// unless there is a token.
func TestControlForOthers(t *testing.T) {
	t.Parallel()
	spec := specFile(t, "rooms.yaml", roomsSpec)
	i := start(t, nil, "--control-address", "0.0.0.0:0", "--stub", spec)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(i.controlURL(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	at := "http://127.0.0.1:" + port
	asks(t, "GET", at+"/health/ready", "", 200, nil)
	for _, path := range []string{"/status", "/config", "/routes"} {
		asks(t, "GET", at+path, "", 403, nil)
	}
	asks(t, "POST", at+"/reload", "", 403, nil)
}

// TestControlWhileDraining: an instance that stops is not ready, and says so until the last
// call has its answer.
func TestControlWhileDraining(t *testing.T) {
	t.Parallel()
	called, finish := make(chan struct{}), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(called)
		<-finish
		_, _ = io.WriteString(w, `{"rooms":1}`)
	}))
	defer up.Close()
	i, at, _ := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=" + up.URL}, "--drain-timeout", patience.String())
	answered := make(chan answer, 1)
	go func() { answered <- call(t, "GET", i.url+"/apis/rooms/rooms", "") }()
	<-called
	stopped := make(chan int, 1)
	go func() { stopped <- i.stop() }()
	for { // until the stop has begun
		if got := call(t, "GET", at+"/health/ready", ""); got.Status == http.StatusServiceUnavailable {
			if !strings.Contains(got.Body, `"reason":"stopping"`) {
				t.Errorf("ready: %s", got.Body)
			}
			break
		}
	}
	asks(t, "GET", at+"/health/live", "", 200, nil)
	asks(t, "POST", at+"/reload", "", 503, nil)
	close(finish)
	if got := <-answered; got.Status != 200 || got.Body != `{"rooms":1}` {
		t.Errorf("the call in flight: %d %s", got.Status, got.Body)
	}
	if code := <-stopped; code != exitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestControlCommands: what they print and how they end.
func TestControlCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	writeSpec(t, token, "the-token")
	_, at, specs := controlled(t, map[string]string{"rooms.yaml": roomsSpec}, []string{"UPSTREAM=https://rooms.example.com"}, "--stub", "--control-token-file", token)
	env := []string{"CAPD_CONTROL_ADDRESS=" + strings.TrimPrefix(at, "http://"), "CAPD_CONTROL_TOKEN_FILE=" + token}
	ask := func(want int, env []string, args ...string) (string, string) {
		t.Helper()
		var out, log bytes.Buffer
		if got := run(context.Background(), args, env, strings.NewReader(""), &out, &log); got != want {
			t.Errorf("capd %q: exit code %d, want %d\n%s%s", args, got, want, &out, &log)
		}
		return out.String(), log.String()
	}
	if out, _ := ask(0, env, "health"); out != "ready: 1 served, 0 stale, 0 refused\n" {
		t.Errorf("health: %s", out)
	}
	if out, _ := ask(0, nil, "health", "--live", "--control", at); out != "live\n" {
		t.Errorf("health --live: %s", out)
	}
	if out, _ := ask(0, env, "status"); !strings.Contains(out, "rooms (served)\n  rest  http://") {
		t.Errorf("status: %s", out)
	}
	if _, log := ask(2, env[:1], "status"); log != "capd: the answer is 401: the control address wants its token\n" {
		t.Errorf("status without the token: %s", log)
	}
	if out, _ := ask(0, env, "status", "--format", "json"); !json.Valid([]byte(out)) {
		t.Errorf("status --format json: %s", out)
	}
	writeSpec(t, filepath.Join(specs, "rooms.yaml"), brokenSpec)
	if out, _ := ask(0, env, "reload"); !strings.Contains(out, "0 served, 1 stale, 0 refused") || !strings.Contains(out, "rooms.yaml:1:10: error [yaml]") {
		t.Errorf("reload: %s", out)
	}
	if out, _ := ask(0, env, "health"); out != "ready: 0 served, 1 stale, 0 refused\nstale: rooms (yaml)\n" {
		t.Errorf("health: %s", out)
	}
	if err := os.Remove(filepath.Join(specs, "rooms.yaml")); err != nil {
		t.Fatal(err)
	}
	ask(0, env, "reload")
	if out, _ := ask(1, env, "health"); out != "not ready (nothing-served): 0 served, 0 stale, 0 refused\n" {
		t.Errorf("health: %s", out)
	}
	ask(1, env, "status")
	if err := os.RemoveAll(specs); err != nil {
		t.Fatal(err)
	}
	if out, _ := ask(1, env, "reload"); !strings.HasPrefix(out, "reload failed, everything is as it was: ") {
		t.Errorf("reload: %s", out)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	ask(2, nil, "health", "--control", other.URL)
	for _, args := range [][]string{{"health"}, {"status"}, {"reload"}, {"health", "--control", "ftp://x"}, {"health", "--control", "127.0.0.1:1"}, {"reload", "--control-token-file", dir, "--control", at}} {
		ask(2, nil, args...)
	}
}

// controlAdapter is one more adapter of roomsSpec.
func controlAdapter(port, management string, more ...string) string {
	return "  - type: control\n    port: " + port + "\n    management: " + management + "\n" + strings.Join(more, "")
}

const controlKey = "    authentication: { type: bearer, token: '{{CONTROL_TOKEN}}' }\n"

// seenDocument is an answer of a document's control adapter.
type seenDocument struct {
	Status, Uptime string
	Document       json.RawMessage
	Capability     struct{ SpecVersion string }
	Otel           struct{ Status string }
	Adapters       []struct {
		Type, Namespace, State string
		Port                   int
	}
}

// TestDocumentControl: the control adapter of a document serves what management says, for its
// own document: health unless it says no, and info, reload and validate if it says yes.
func TestDocumentControl(t *testing.T) {
	t.Parallel()
	i, _, dir := controlled(t, map[string]string{
		"plain.yaml":  roomsSpec + controlAdapter("9001", "{}"),
		"info.yaml":   roomsSpec + controlAdapter("9002", "{ health: false, info: true }"),
		"broken.yaml": brokenSpec,
	}, []string{"UPSTREAM=https://rooms.example.com"}, "--stub")
	at := i.url + "/control/"
	asks(t, "GET", at+"plain/health/live", "", 200, nil)
	var seen seenDocument
	asks(t, "GET", at+"plain/health/ready", "", 200, &seen)
	if seen.Status != "UP" || len(seen.Adapters) != 2 || seen.Adapters[0].Type != "rest" || seen.Adapters[0].Namespace != "api" || seen.Adapters[0].Port != 8080 ||
		seen.Adapters[0].State != "started" || seen.Adapters[1].Type != "control" || seen.Adapters[1].State != "started" {
		t.Errorf("ready: %+v", seen)
	}
	for _, path := range []string{"plain/status", "plain/config/reload", "plain/config/validate", "plain", "plain/", "plain/health", "plain/health%2Flive", "nobody/health/live", "info/health/live"} {
		asks(t, "GET", at+path, "", 404, nil)
	}
	asks(t, "POST", at+"plain/health/live", "", 405, nil)
	asks(t, "GET", at+"info/status", "", 200, &seen)
	if seen.Capability.SpecVersion != "1.0.0-alpha2" || seen.Otel.Status != "inactive" || !strings.HasPrefix(seen.Uptime, "PT") || len(seen.Adapters) != 2 {
		t.Errorf("status: %+v", seen)
	}
	// Bare paths belong to nobody where there are several, or routes.
	asks(t, "GET", i.url+"/health/live", "", 404, nil)

	writeSpec(t, filepath.Join(dir, "plain.yaml"), brokenSpec)
	asks(t, "POST", i.controlURL(t)+"/reload", "", 200, nil)
	asks(t, "GET", at+"plain/health/ready", "", 200, &seen)
	if string(seen.Document) != `"stale"` {
		t.Errorf("ready of a stale document: %+v", seen)
	}
}

// TestDocumentControlGuarded: reload and validate are for callers who show something, and what
// they are told is of their document.
func TestDocumentControlGuarded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := roomsSpec + controlAdapter("9001", "{ info: true, reload: true, validate: true }", controlKey)
	writeSpec(t, filepath.Join(dir, "rooms.yaml"), spec)
	writeSpec(t, filepath.Join(dir, "other.yaml"), brokenSpec)
	env := []string{"CONTROL_TOKEN=the-token"}
	i := start(t, env, "--stub", "--watch", "poll", "--watch-interval", "1h", dir)
	at, key := i.url+"/control/rooms", []string{"Authorization", "Bearer the-token"}
	for _, path := range []string{"/health/live", "/health/ready", "/status", "/nothing"} {
		if got := call(t, "GET", at+path, ""); got.Status != 401 {
			t.Errorf("%s without the token: %d", path, got.Status)
		}
	}
	if got := call(t, "POST", at+"/config/reload", ""); got.Status != 401 {
		t.Errorf("reload without the token: %d", got.Status)
	}
	asks(t, "GET", at+"/status", "", 200, nil, key...)
	asks(t, "POST", at+"/config/validate", brokenSpec, 422, nil, key...)
	asks(t, "POST", at+"/config/validate", spec, 200, nil, key...)
	writeSpec(t, filepath.Join(dir, "more.yaml"), roomsSpec)
	if body := asks(t, "POST", at+"/config/reload", "", 200, nil, key...); body != "{\"status\":\"reloaded\",\"serial\":2,\"document\":{\"state\":\"served\"}}\n" {
		t.Errorf("reload: %s", body)
	}
	if got := call(t, "GET", i.url+"/apis/more/rooms", ""); got.Status != 200 {
		t.Errorf("the new document answers %d", got.Status)
	}
	// Where the operator decides when files are read, the document does not.
	off := start(t, env, "--stub", "--watch", "off", dir)
	asks(t, "POST", off.url+"/control/rooms/config/reload", "", 403, nil, key...)
}

// TestDocumentControlAlone: a document may have nothing but a control adapter; it is at the root
// of its address there.
func TestDocumentControlAlone(t *testing.T) {
	t.Parallel()
	alone, _, _ := strings.Cut(roomsSpec, "  - type: rest")
	i := start(t, nil, "--stub", specFile(t, "alone.yaml", alone+controlAdapter("9001", "{ reload: true, logs: true }")))
	var seen seenDocument
	asks(t, "GET", i.url+"/health/ready", "", 200, &seen)
	if seen.Status != "UP" || len(seen.Adapters) != 1 {
		t.Errorf("ready: %+v", seen)
	}
	asks(t, "GET", i.url+"/control/alone/health/live", "", 200, nil)
	asks(t, "POST", i.url+"/config/reload", "", 404, nil)
	asks(t, "GET", i.url+"/rooms", "", 404, nil)
	var codes []string
	for _, d := range i.report.Diagnostics {
		codes = append(codes, d.Severity+" "+d.Code)
	}
	slices.Sort(codes)
	if !slices.Equal(codes, []string{"warning not-honoured", "warning undeclared-variable", "warning unsupported-feature"}) || i.report.Documents[0].State != "served" {
		t.Errorf("%v, %+v", codes, i.report.Documents)
	}
}

// TestDocumentControlNotReady: an adapter that is refused, or at an address that somebody else
// has, makes the document not ready.
func TestDocumentControlNotReady(t *testing.T) {
	t.Parallel()
	refused := strings.Replace(roomsSpec, "  exposes:\n", "  exposes:\n  - { type: rest, namespace: shut, port: 8081, authentication: { type: digest }, resources: [] }\n", 1)
	i := start(t, nil, "--stub", specFile(t, "rooms.yaml", refused+controlAdapter("9001", "{}")))
	var seen seenDocument
	asks(t, "GET", i.url+"/control/rooms/health/ready", "", 503, &seen)
	if seen.Status != "DEGRADED" || len(seen.Adapters) != 3 || seen.Adapters[0].State != "stopped" || seen.Adapters[0].Namespace != "shut" || seen.Adapters[1].State != "started" {
		t.Errorf("ready: %+v", seen)
	}
	asks(t, "GET", i.url+"/control/rooms/health/live", "", 200, nil)
}

// TestControlBeforeStart: a process that has read nothing yet lives, and is not ready.
func TestControlBeforeStart(t *testing.T) {
	t.Parallel()
	var f serveFlags
	f.register(pflag.NewFlagSet("serve", pflag.ContinueOnError))
	f.control.address, f.stub = "127.0.0.1:0", true
	c := &command{stderr: io.Discard}
	w, err := c.wire([]string{t.TempDir()}, &f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(w.Control.Handler)
	defer s.Close()
	asks(t, "GET", s.URL+"/health/live", "", 200, nil)
	var h seenHealth
	asks(t, "GET", s.URL+"/health/ready", "", 503, &h)
	if h.Reason != "starting" {
		t.Errorf("ready: %+v", h)
	}
	asks(t, "GET", s.URL+"/status", "", 200, nil)
	asks(t, "GET", s.URL+"/routes", "", 200, nil)
	asks(t, "POST", s.URL+"/reload", "", 503, nil)
}

// TestDocumentsCannotAskControl: the control address believes whoever is on this machine. A
// document is not: neither its calls nor what keeps its callers out lead there.
func TestDocumentsCannotAskControl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	spec := strings.Replace(roomsSpec, "/rooms\n      operations:\n      - { name: list-rooms, method: GET }",
		"/config\n      operations:\n      - { name: list-rooms, method: GET }", 1)
	issuer := strings.Replace(roomsSpec, "    port: 8080\n", "    port: 8080\n    authentication: { type: oauth2, authorizationServerUri: '{{UPSTREAM}}', resource: 'https://rooms.example.com' }\n", 1)
	writeSpec(t, filepath.Join(dir, "config.yaml"), spec)
	writeSpec(t, filepath.Join(dir, "issuer.yaml"), issuer)
	values := filepath.Join(t.TempDir(), "values.env")
	writeSpec(t, values, "UPSTREAM=http://127.0.0.1:1\n")
	i := start(t, nil, "--control-address", "127.0.0.1:0", "--watch", "off", "--log-level", "debug", "--env-file", values, dir)
	control := i.controlURL(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(control, "http://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "127.0.0.2"} {
		writeSpec(t, values, "UPSTREAM=http://"+host+":"+port+"\n")
		asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
		got := knock(t, http.MethodGet, i.url+"/apis/config/rooms")
		if refused := strings.Contains(got.Body, "address not allowed"); got.Status != http.StatusBadGateway || !refused && host != "127.0.0.2" {
			t.Errorf("a document asks %s for the configuration: %d %s", host, got.Status, got.Body)
		}
		if got := knock(t, http.MethodGet, i.url+"/apis/issuer/rooms", "Authorization: Bearer a.b.c"); got.Status == http.StatusOK {
			t.Errorf("an issuer at %s lets in", host)
		}
	}
	// Any other port of this machine is one like any other.
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"up":true}`) }))
	defer other.Close()
	writeSpec(t, values, "UPSTREAM="+other.URL+"\n")
	asks(t, http.MethodPost, control+"/reload", "", http.StatusOK, nil)
	if got := knock(t, http.MethodGet, i.url+"/apis/config/rooms"); got.Status != http.StatusOK {
		t.Errorf("another port: %d %s", got.Status, got.Body)
	}
}

// TestControlGuesses: who shows too many wrong tokens has to wait, whatever is shown then, and
// health tells such a caller no more than anybody. An operator who was let in from the same
// address before still is.
func TestControlGuesses(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	writeSpec(t, token, "right\n")
	files := map[string]string{"rooms.yaml": roomsSpec, "broken.yaml": brokenSpec}
	ask := func(at, path, shown string) answer {
		req, err := http.NewRequest(http.MethodGet, at+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+shown)
		return send(t, req)
	}
	_, at, _ := controlled(t, files, nil, "--stub", "--control-token-file", token, "--auth-failures", "3/1h")
	for n, path := range []string{"/status", "/health/ready", "/nothing"} {
		ask(at, path, fmt.Sprint("guess-", n))
	}
	for _, shown := range []string{"right", "another guess"} {
		if got := ask(at, "/status", shown); got.Status != http.StatusTooManyRequests || got.Header.Get("Retry-After") == "" || !strings.Contains(got.Body, `"code":"rate-limited"`) {
			t.Errorf("%s after three guesses: %+v", shown, got)
		}
		if got := ask(at, "/health/ready", shown); got.Status != http.StatusOK || strings.Contains(got.Body, "broken") {
			t.Errorf("health for %s after three guesses: %+v", shown, got)
		}
	}

	_, at, _ = controlled(t, files, nil, "--stub", "--control-token-file", token, "--auth-failures", "3/1h")
	for n := range 10 {
		if got := ask(at, "/status", "right"); got.Status != http.StatusOK {
			t.Errorf("the operator, beside guesses: %+v", got)
		}
		ask(at, "/status", fmt.Sprint("guess-", n))
	}
}
