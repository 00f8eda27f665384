package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"capd/adapters/porttest"
)

// policed is a capd with documents and a policy that a test rewrites.
type policed struct {
	*instance
	t       *testing.T
	dir     string
	control string
}

func newPoliced(t *testing.T, env []string, policy string, files map[string]string, args ...string) *policed {
	t.Helper()
	p := &policed{t: t, dir: t.TempDir(), control: "http://" + porttest.Reserve(t)}
	p.write("policy.yaml", policy)
	for name, text := range files {
		p.write("specs/"+name, text)
	}
	p.instance = start(t, env, append(args, "--watch", "off", "--control-address", strings.TrimPrefix(p.control, "http://"),
		"--policy", filepath.Join(p.dir, "policy.yaml"), filepath.Join(p.dir, "specs"))...)
	return p
}

func (p *policed) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *policed) reload() string {
	p.t.Helper()
	got := call(p.t, "POST", p.control+"/reload", "")
	if got.Status != http.StatusOK {
		p.t.Fatalf("reload: %d %s", got.Status, got.Body)
	}
	return got.Body
}

// wants looks at the statuses of paths, and that nothing but the good ones reached the upstream.
func (p *policed) wants(when string, statuses map[string]int) {
	p.t.Helper()
	for path, status := range statuses {
		if got := call(p.t, "GET", p.url+path, ""); got.Status != status {
			p.t.Errorf("%s: %s gives %d %s, want %d", when, path, got.Status, got.Body, status)
		}
	}
}

func policedSpec(name string) string {
	return `naftiko: 1.0.0-alpha2
binds: [{ namespace: env, keys: { TOKEN: TOKEN, UP: UP } }]
capability:
  consumes:
  - type: http
    namespace: up
    baseUri: "{{UP}}"
    authentication: { type: bearer, token: "{{TOKEN}}" }
    resources: [{ path: /x, operations: [{ name: get, method: GET }] }]
  exposes:
  - type: rest
    namespace: r
    port: 8081
    resources:
    - { path: /` + name + `, operations: [{ method: GET, name: get, call: up.get }] }
`
}

// counted is an upstream that counts what reaches it.
func counted(t *testing.T, answer string) (*httptest.Server, *atomic.Int64) {
	n := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server, n
}

// TestPolicyReload: a changed policy takes and gives at once, also from a document whose last good
// state is served; a broken one changes nothing, and says so.
func TestPolicyReload(t *testing.T) {
	t.Parallel()
	up, reached := counted(t, `{}`)
	host := strings.TrimPrefix(up.URL, "http://")
	rule := func(team, more string) string {
		return fmt.Sprintf("- match: { path: %s/** }\n  allow: { variables: [TOKEN, UP], hosts: [%q], ports: [8081] }\n%s", team, host, more)
	}
	both := "policy: 1\nrules:\n" + rule("a", "") + rule("b", "")
	p := newPoliced(t, []string{"UP=" + up.URL, "TOKEN=canary"}, both, map[string]string{"a/one.yaml": policedSpec("one"), "b/two.yaml": policedSpec("two")})
	served := map[string]int{"/one": 200, "/two": 200}
	narrowed := map[string]int{"/one": 200, "/two": 501}
	p.wants("allowed", served)

	for name, more := range map[string]string{
		"a host":     "  deny: { hosts: [127.0.0.0/8] }\n",
		"a variable": "  deny: { variables: [TOK*] }\n",
	} {
		p.write("policy.yaml", "policy: 1\nrules:\n"+rule("a", "")+rule("b", more))
		found := p.reload()
		if !strings.Contains(found, `"policy"`) || !strings.Contains(found, "denied here") {
			t.Errorf("without %s: the finding does not name the policy: %s", name, found)
		}
		before := reached.Load()
		p.wants("without "+name, narrowed)
		if n := reached.Load() - before; n != 1 {
			t.Errorf("without %s: %d requests reached the upstream, want 1", name, n)
		}
	}
	p.write("policy.yaml", both)
	p.reload()
	p.wants("given back", served)

	p.write("specs/b/two.yaml", "naftiko: [broken")
	p.reload()
	p.wants("stale", served)
	for name, more := range map[string]string{
		"a host":     "  deny: { hosts: [127.0.0.0/8] }\n",
		"a variable": "  deny: { variables: [TOK*] }\n",
		"a kind":     "  deny: { adapters: [rest] }\n",
		"a guard":    "  require: { authentication: true }\n",
	} {
		p.write("policy.yaml", "policy: 1\nrules:\n"+rule("a", "")+rule("b", more))
		p.reload()
		before := reached.Load()
		if got := call(t, "GET", p.url+"/two", ""); got.Status == http.StatusOK || reached.Load() != before {
			t.Errorf("stale, without %s: %d %s", name, got.Status, got.Body)
		}
		p.wants("stale, without "+name, map[string]int{"/one": 200})
		p.write("policy.yaml", both)
		p.write("specs/b/two.yaml", policedSpec("two"))
		p.reload()
		p.write("specs/b/two.yaml", "naftiko: [broken")
		p.reload()
		p.wants("stale again", served)
	}

	p.write("policy.yaml", "policy: 1\nruls: []\n")
	p.reload()
	p.wants("with a broken policy", served)
	if got := call(t, "GET", p.control+"/status", ""); !strings.Contains(got.Body, `"stale":true`) {
		t.Errorf("the status does not tell of the broken policy: %s", got.Body)
	}
	if got := call(t, "GET", p.control+"/metrics", ""); !strings.Contains(got.Body, `capd_policy_reloads_total{result="failed"} 1`) {
		t.Error("no metric tells of the broken policy")
	}
	if !strings.Contains(p.stderr.String(), "the policy of before still holds") {
		t.Error("the log does not tell of the broken policy")
	}
}

// TestPolicyTakesWhateverFails: an error holds a reload back where the operator wants that, but
// never what the policy takes away.
func TestPolicyTakesWhateverFails(t *testing.T) {
	t.Parallel()
	up, reached := counted(t, `{}`)
	open := "policy: 1\ndefault: allow\n"
	p := newPoliced(t, []string{"UP=" + up.URL, "TOKEN=canary"}, open, map[string]string{"one.yaml": policedSpec("one")}, "--on-invalid=fail")
	p.wants("allowed", map[string]int{"/one": 200})
	p.write("policy.yaml", open+"rules: [{ deny: { variables: [TOKEN] } }]\n")
	p.reload()
	if got := call(t, "GET", p.url+"/one", ""); got.Status == http.StatusOK || reached.Load() != 1 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// TestPolicyLastLook: hosts that are known only when they are to be called are judged then.
func TestPolicyLastLook(t *testing.T) {
	t.Parallel()
	evil, reached := counted(t, `{"access_token":"x","token_type":"Bearer"}`)
	var up *httptest.Server
	up = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_, _ = fmt.Fprintf(w, `{"issuer":%q,"token_endpoint":"%s/token"}`, up.URL, evil.URL)
			return
		}
		http.Redirect(w, r, evil.URL, http.StatusFound)
	}))
	t.Cleanup(up.Close)
	spec := strings.Replace(policedSpec("minted"), `{ type: bearer, token: "{{TOKEN}}" }`,
		`{ type: oauth2, authorizationServerUri: "{{UP}}", clientId: me, clientSecret: "{{TOKEN}}" }`, 1)
	port := up.URL[strings.LastIndexByte(up.URL, ':')+1:]
	named := strings.Replace(policedSpec("named"), `"{{UP}}"`, `"http://localhost:`+port+`"`, 1)
	p := newPoliced(t, []string{"UP=" + up.URL, "TOKEN=canary"}, fmt.Sprintf(`policy: 1
rules:
- allow: { variables: ["*"], hosts: [%q, localhost], ports: ["*"] }
- match: { path: named }
  deny: { private: true }
- match: { path: ported }
  deny: { hosts: ["127.0.0.1:%[2]s", "[::1]:%[2]s"] }
- match: { path: other }
  deny: { hosts: ["127.0.0.1:1", "[::1]:1"] }
`, strings.TrimPrefix(up.URL, "http://"), port), map[string]string{
		"minted.yaml": spec, "redirected.yaml": policedSpec("redirected"), "named.yaml": named,
		"ported.yaml": strings.ReplaceAll(named, "named", "ported"), "other.yaml": strings.ReplaceAll(named, "named", "other"),
	})
	p.wants("all", map[string]int{"/redirected": 302, "/named": 502, "/minted": 501, "/ported": 502, "/other": 302})
	if n := reached.Load(); n != 0 {
		t.Errorf("%d requests reached a host that the policy does not allow", n)
	}
}

// TestPolicyRoutes: who owns a bare path has it alone, and what is allowed below /.well-known is
// served there.
func TestPolicyRoutes(t *testing.T) {
	t.Parallel()
	constant := func(word string, paths ...string) string {
		text := "naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - type: rest\n    namespace: r\n    port: 8081\n    resources:\n"
		for _, path := range paths {
			text += "    - { path: '" + path + "', operations: [{ method: GET, name: '" + path + "', outputParameters: [{ type: string, value: " + word + " }] }] }\n"
		}
		return text
	}
	p := newPoliced(t, nil, `policy: 1
rules:
- allow: { ports: [8081] }
- match: { path: team-b/** }
  allow: { wellKnown: [/.well-known/acme] }
routes:
- { path: /orders/**, owner: team-b/** }
`, map[string]string{
		"team-a/orders.yaml": constant("a", "/orders/{id}", "/{any}/1", "/plain", "//orders/2", "/./orders/3", "/orders%2F4", "/x/../orders/5", "/.well-known/acme", "/.well-known/other"),
		"team-b/orders.yaml": constant("b", "/orders/{id}", "/.well-known/acme", "/.well-known/other"),
	})
	for path, want := range map[string]string{
		"/orders/1": "b", "/plain": "a", "/.well-known/acme": "b", "/.well-known/other": "404", "/orders/": "404", "/x/1": "404",
		"//orders/2": "404", "/./orders/3": "404", "/orders%2F4": "404", "/x/../orders/5": "404",
		"/.well-known/oauth-protected-resource": "404", "/.well-known/acme/": "404",
		"/apis/team-a/orders/orders/1": "a", "/apis/team-a/orders/.well-known/acme": "a",
	} {
		got := call(t, "GET", p.url+path, "")
		if (want == "404") != (got.Status == http.StatusNotFound) || want != "404" && !strings.Contains(got.Body, want) {
			t.Errorf("%s gives %d %s, want %s", path, got.Status, got.Body, want)
		}
	}
	if err := os.Remove(filepath.Join(p.dir, "specs", "team-b", "orders.yaml")); err != nil {
		t.Fatal(err)
	}
	p.write("policy.yaml", "policy: 1\nrules:\n- match: { path: team-a/** }\n  allow: { ports: [8081] }\nroutes:\n- { path: /orders/**, owner: team-b/** }\n")
	p.reload()
	p.wants("its owner is gone", map[string]int{"/orders/1": http.StatusNotFound, "/plain": http.StatusOK})
}
