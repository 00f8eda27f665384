package secrets_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"capd/adapters/secrets"
	"capd/engine/plan"
)

// vaultStub answers like a Vault: the KV engine, version 2, at mount kv, and the Kubernetes
// auth method. Bodies have the shape of those of Vault 1.15.
type vaultStub struct {
	t         *testing.T
	namespace string

	mu       sync.Mutex
	tokens   map[string]bool // that are accepted
	logins   int
	reads    int
	versions map[string][]string // by path: data of each version, "deleted" or "destroyed"
	broken   int                 // a status for everything
}

func newVaultStub(t *testing.T) *vaultStub {
	return &vaultStub{t: t, tokens: map[string]bool{"static-canary": true}, versions: map[string][]string{
		"team/api":  {`{"token":"one"}`, `{"token":"two","port":8443,"nested":{"key":"deep"}}`},
		"deleted":   {`{"token":"x"}`, "deleted"},
		"destroyed": {"destroyed"},
		"a%2fb":     {`{"token":"escape"}`},
	}}
}

func (v *vaultStub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	fail := func(status int, errors ...string) {
		w.WriteHeader(status)
		if errors == nil {
			errors = []string{}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": errors})
	}
	switch {
	case v.broken == http.StatusTemporaryRedirect:
		http.Redirect(w, r, "https://elsewhere.example.com"+r.URL.Path, v.broken)
	case v.broken != 0:
		fail(v.broken, "Vault is sealed")
	case r.Header.Get("X-Vault-Request") != "true":
		fail(400, "required header X-Vault-Request is missing")
	case r.Header.Get("X-Vault-Namespace") != v.namespace:
		fail(404)
	case r.URL.Path == "/v1/auth/kubernetes/login":
		v.login(w, r, fail)
	case r.Method != http.MethodGet:
		fail(405, "unsupported operation")
	case !v.tokens[r.Header.Get("X-Vault-Token")]:
		fail(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	case strings.HasPrefix(r.URL.Path, "/v1/kv/data/"):
		v.reads++
		v.secret(w, r, strings.TrimPrefix(r.URL.Path, "/v1/kv/data/"), fail)
	case strings.HasPrefix(r.URL.Path, "/v1/one/"): // the KV engine, version 1
		_, _ = fmt.Fprint(w, `{"data":{"token":"x"}}`)
	default:
		fail(403, "1 error occurred:\n\t* permission denied\n\n")
	}
}

func (v *vaultStub) login(w http.ResponseWriter, r *http.Request, fail func(int, ...string)) {
	var in struct{ Role, JWT string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost {
		fail(400, "error parsing JSON")
		return
	}
	if in.Role != "capd" || in.JWT != "jwt-canary" {
		fail(400, "invalid role name \""+in.Role+"\"")
		return
	}
	v.logins++
	token := fmt.Sprintf("login-%d-canary", v.logins)
	clear(v.tokens)
	v.tokens[token] = true
	_, _ = fmt.Fprintf(w, `{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"auth":{"client_token":%q,"accessor":"a","policies":["default"],"lease_duration":3600,"renewable":true}}`, token)
}

func (v *vaultStub) secret(w http.ResponseWriter, r *http.Request, path string, fail func(int, ...string)) {
	all := v.versions[path]
	n := len(all)
	if asked := r.URL.Query().Get("version"); asked != "" {
		_, _ = fmt.Sscan(asked, &n)
	}
	if n < 1 || n > len(all) {
		fail(404)
		return
	}
	data, deletion, destroyed := all[n-1], "", false
	switch data {
	case "deleted":
		data, deletion = "null", "2026-01-02T03:04:05.6Z"
	case "destroyed":
		data, destroyed = "null", true
	}
	if data == "null" {
		w.WriteHeader(404)
	}
	_, _ = fmt.Fprintf(w, `{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":%s,"metadata":{"created_time":"2026-01-01T00:00:00Z","custom_metadata":null,"deletion_time":%q,"destroyed":%v,"version":%d}},"wrap_info":null,"warnings":null,"auth":null}`, data, deletion, destroyed, n)
}

func (v *vaultStub) serve(t *testing.T) *httptest.Server {
	server := httptest.NewServer(v)
	t.Cleanup(server.Close)
	return server
}

func vaultSources(t *testing.T, o secrets.VaultOptions) *secrets.Sources {
	t.Helper()
	v, err := secrets.NewVault(o)
	if err != nil {
		t.Fatal(err)
	}
	return sources(t, secrets.Options{Vault: v})
}

func vaultAt(text string) *plan.Location { return &plan.Location{Text: text, Scheme: "vault", Keys: 2} }

func TestVault(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	server := stub.serve(t)
	s := vaultSources(t, secrets.VaultOptions{Address: server.URL + "/", Token: plan.NewSecret("static-canary")})
	failure := "provider: the Vault at " + server.URL + " gives no values: %s; see that it is reachable, and that capd may read the secret there"
	for _, tt := range []struct{ location, source, want string }{
		{"vault://kv/team/api", "token", "=two"},
		{"vault://kv/team/api", "port", "=8443"},
		{"vault://kv/team/api", "nested.key", "=deep"},
		{"vault://kv/team/api", "tokne", "unset: add the key tokne to vault://kv/team/api, or take token, which it has"},
		{"vault://kv/team/api#token", "whatever", "=two"},
		{"vault://kv/team/api?version=1", "token", "=one"},
		{"vault://kv/team/api?version=1#token", "x", "=one"},
		{"vault://kv/team/api#token?version=1", "x", "=one"},
		{"vault://kv/team/api?version=9", "token", "unset: put token into vault://kv/team/api?version=9, which does not exist"},
		{"vault://kv/none", "token", "unset: put token into vault://kv/none, which does not exist"},
		{"vault://kv/deleted", "token", "unset: write vault://kv/deleted anew, or undelete it: version 2 of it was deleted"},
		{"vault://kv/deleted?version=1", "token", "=x"},
		{"vault://kv/destroyed", "token", "unset: write vault://kv/destroyed anew: version 1 of it was destroyed"},
		{"vault://secret/x", "token", fmt.Sprintf(failure, "it answers 403 for vault://secret/x (1 error occurred: * permission denied)")},
		{"vault://one/x", "token", fmt.Sprintf(failure, "it gives no secret of the KV engine, version 2, for vault://one/x")},
		{"vault://kv", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
		{"vault://kv/../sys/x", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
		{"vault://../x", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
		{"vault://./x", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
		{"vault://kv/a%2f..%2fteam/api", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
		// The name of a secret is decoded once: no server is sent a part that leads upwards.
		{"vault://kv/a%252fb", "token", "=escape"},
		{"vault://kv/a%252f..%252fteam%252fapi", "token", "unset: put token into vault://kv/a%252f..%252fteam%252fapi, which does not exist"},
		{"vault://kv/a?version=x", "token", "provider: the location names no secret of a Vault; write vault://mount/path, with #field for one field of it and ?version=3 for an old version"},
	} {
		if got := found(s, vaultAt(tt.location), tt.source); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.source, tt.location, got, tt.want)
		}
	}
}

// TestVaultIsAskedOnce: for each location and reload, not for each variable or call.
func TestVaultIsAskedOnce(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	s := vaultSources(t, secrets.VaultOptions{Address: stub.serve(t).URL, Token: plan.NewSecret("static-canary")})
	for range 3 {
		for _, source := range []string{"token", "port", "none"} {
			found(s, vaultAt("vault://kv/team/api"), source)
		}
	}
	if stub.reads != 1 {
		t.Errorf("%d reads, want 1", stub.reads)
	}
	stub.mu.Lock()
	stub.versions["team/api"] = append(stub.versions["team/api"], `{"token":"three"}`)
	stub.mu.Unlock()
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Errorf("before a reload: %s", got)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=three" || stub.reads != 2 {
		t.Errorf("after a reload: %s with %d reads", got, stub.reads)
	}
	// A Vault that fails now leaves the values as they were; a secret that is gone is gone.
	for _, status := range []int{503, http.StatusTemporaryRedirect} {
		stub.mu.Lock()
		stub.broken = status
		stub.mu.Unlock()
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=three" {
			t.Errorf("with status %d: %s", status, got)
		}
	}
	stub.mu.Lock()
	stub.broken = 0
	delete(stub.versions, "team/api")
	stub.mu.Unlock()
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); !strings.HasPrefix(got, "unset: ") {
		t.Errorf("gone: %s", got)
	}
}

// TestVaultThatDoesNotAnswer: it is waited for once, not for each document, and asked again after a
// reload.
func TestVaultThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	var asked atomic.Int32
	var alive atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if !alive.Load() {
			panic(http.ErrAbortHandler)
		}
		stub.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s := vaultSources(t, secrets.VaultOptions{Address: server.URL, Token: plan.NewSecret("static-canary")})
	found(s, vaultAt("vault://kv/team/api"), "token")
	first := asked.Load() // net/http may have tried twice
	for i := range 5 {
		if got := found(s, vaultAt(fmt.Sprintf("vault://kv/other/%d", i)), "token"); !strings.Contains(got, "gives no values") {
			t.Error(got)
		}
	}
	if now := asked.Load(); first == 0 || now != first {
		t.Errorf("it was asked %d times, at first %d", now, first)
	}
	alive.Store(true)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Errorf("after a reload: %s", got)
	}
}

func TestVaultKubernetesLogin(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	stub.namespace = "team-a"
	dir := t.TempDir()
	put(t, dir, map[string]string{"jwt": "jwt-canary\n"})
	server := stub.serve(t)
	o := secrets.VaultOptions{Address: server.URL, Namespace: "team-a", Role: "capd", ServiceAccountFile: filepath.Join(dir, "jwt")}
	s := vaultSources(t, o)
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Fatal(got)
	}
	if got := found(s, vaultAt("vault://kv/deleted?version=1"), "token"); got != "=x" || stub.logins != 1 {
		t.Errorf("%s with %d logins, want one for both", got, stub.logins)
	}
	// A token that is no longer accepted is exchanged.
	stub.mu.Lock()
	clear(stub.tokens)
	stub.mu.Unlock()
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" || stub.logins != 2 {
		t.Errorf("%s with %d logins", got, stub.logins)
	}
	// What is forbidden is asked for twice and no more.
	if got := found(s, vaultAt("vault://secret/x"), "token"); !strings.Contains(got, "answers 403") || stub.logins != 3 {
		t.Errorf("%s with %d logins", got, stub.logins)
	}
	o.Role = "stranger"
	got := found(vaultSources(t, o), vaultAt("vault://kv/team/api"), "token")
	if !strings.Contains(got, `it answers 400 to the login of role stranger (invalid role name "stranger")`) || strings.Contains(got, "canary") {
		t.Error(got)
	}
	o.ServiceAccountFile = filepath.Join(dir, "none")
	if got := found(vaultSources(t, o), vaultAt("vault://kv/team/api"), "token"); !strings.Contains(got, "the token of the service account cannot be read: no such file") || strings.Contains(got, dir) {
		t.Error(got)
	}
}

func TestVaultTokenFile(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	dir := t.TempDir()
	put(t, dir, map[string]string{"token": "static-canary\n"})
	s := vaultSources(t, secrets.VaultOptions{Address: stub.serve(t).URL, TokenFile: filepath.Join(dir, "token")})
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Fatal(got)
	}
	stub.mu.Lock()
	stub.tokens = map[string]bool{"renewed-canary": true}
	stub.mu.Unlock()
	put(t, dir, map[string]string{"token": "renewed-canary"})
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := found(s, vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Errorf("with the new token: %s", got)
	}
}

func TestVaultCertificate(t *testing.T) {
	t.Parallel()
	stub := newVaultStub(t)
	server := httptest.NewUnstartedServer(stub)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the refused handshake
	server.StartTLS()
	t.Cleanup(server.Close)
	o := secrets.VaultOptions{Address: server.URL, Token: plan.NewSecret("static-canary")}
	if got := found(vaultSources(t, o), vaultAt("vault://kv/team/api"), "token"); !strings.Contains(got, "certificate") || strings.Contains(got, "canary") {
		t.Errorf("an unknown certificate: %s", got)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(o.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := found(vaultSources(t, o), vaultAt("vault://kv/team/api"), "token"); got != "=two" {
		t.Error(got)
	}
}

func TestVaultMisuse(t *testing.T) {
	t.Parallel()
	token := plan.NewSecret("canary")
	for _, o := range []secrets.VaultOptions{
		{Address: "vault.example.com", Token: token}, {Address: "https://user:canary@vault.example.com", Token: token},
		{Address: "https://vault.example.com?x=canary", Token: token}, {Address: "ftp://x", Token: token}, {Address: "https://vault.example.com"},
		{Address: "https://vault.example.com", Token: token, CAFile: "no/such/file"},
	} {
		if _, err := secrets.NewVault(o); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", o.Address, err)
		}
	}
	if got := found(sources(t, secrets.Options{}), vaultAt("vault://kv/x"), "x"); got != "provider: no Vault is set up; name one with --vault-address, and --vault-role or --vault-token-file" {
		t.Error(got)
	}
	v, err := secrets.NewVault(secrets.VaultOptions{Address: "http://127.0.0.1:1", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if got := found(sources(t, secrets.Options{Vault: v, LocalOnly: true}), vaultAt("vault://kv/x"), "x"); got != plan.ErrUnread.Error() {
		t.Errorf("a command that asks no other machine: %s", got)
	}
	if got := found(sources(t, secrets.Options{Vault: v}), vaultAt("vault://kv/x"), "x"); !strings.Contains(got, "gives no values: dial tcp 127.0.0.1:1: connect: connection refused") {
		t.Error(got)
	}
	// The token of capd itself is for no document.
	if got := found(sources(t, secrets.Options{Vault: v}, "VAULT_TOKEN=canary"), nil, "VAULT_TOKEN"); !strings.HasPrefix(got, "unset: VAULT_TOKEN is the credential of capd itself") {
		t.Error(got)
	}
	if got := found(sources(t, secrets.Options{}, "VAULT_TOKEN=of a document"), nil, "VAULT_TOKEN"); got != "=of a document" {
		t.Error(got)
	}
}
