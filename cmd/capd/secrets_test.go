package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"capd/adapters/porttest"
)

// canaries are secret values with characters that every encoding spells differently.
var canaries = map[string]string{
	"BEARER":   `canary-bearer "7f31&c2/%`,
	"USERNAME": "canary-user-19ab",
	"PASSWORD": "canary/pass?word+88e0",
	"APIKEY":   "canary key=&4d5e",
	"PATHKEY":  "canary-path/661f",
	"BODYKEY":  `canary"body\90aa`,
}

// TestSecretsStayHere drives success and every kind of failure with the most talkative log,
// and looks for each secret, in every spelling it has on a wire, in all that was printed and
// answered.
func TestSecretsStayHere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(reveal))
	t.Cleanup(server.Close)

	env := []string{"UPSTREAM=" + server.URL, "DOWN=http://" + porttest.Reserve(t)}
	for name, value := range canaries {
		env = append(env, name+"="+value)
	}
	i := start(t, env, "--log-level", "debug", "--call-timeout", "1s", specFile(t, "keys.yaml", secretSpec))

	var answers []string
	for _, auth := range []string{"bearer", "basic", "query", "path", "body", "down"} {
		for _, fate := range []string{"ok", "echo-error", "echo-headers", "reset", "broken", "redirect", "slow"} {
			body := fmt.Sprintf(`{"fate":%q}`, fate)
			got := call(t, "POST", i.url+"/apis/keys/"+auth+"?fate="+fate, body)
			_, wire := mcpCall(t, i.url+"/mcp/keys", auth, body)
			answers = append(answers, fmt.Sprintf("%s %s: %d %v %s", auth, fate, got.Status, got.Header, got.Body), wire)
		}
	}
	answers = append(answers, call(t, "GET", i.url+"/apis", "").Body, call(t, "GET", i.url+"/mcp", "").Body,
		call(t, "POST", i.url+"/apis/keys/bearer", "not json").Body)
	if i.stop() != exitOK {
		t.Error("capd did not stop cleanly")
	}

	printed := i.printed()
	if !strings.Contains(printed, "keys") {
		t.Fatal("nothing was logged: the test would not notice a secret")
	}
	for name, value := range canaries {
		for _, form := range spellings(value) {
			if strings.Contains(printed, form) {
				t.Errorf("%s was printed as %q", name, form)
			}
			for _, a := range answers {
				if strings.Contains(a, form) {
					t.Errorf("%s reached a caller as %q in %s", name, form, a)
				}
			}
		}
	}
}

// reveal does to a request what its query member fate says. Where it fails it repeats what
// it was sent, as chatty APIs do.
func reveal(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	all := fmt.Sprintf("%s %v %s", r.URL, r.Header, body)
	user, pass, _ := r.BasicAuth()
	all += " " + user + " " + pass
	switch r.URL.Query().Get("fate") {
	case "echo-error":
		http.Error(w, all, http.StatusForbidden)
	case "echo-headers":
		w.Header().Set("X-Sent", url.QueryEscape(all))
		w.Header().Set("Server", r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusBadRequest)
	case "reset":
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			_ = conn.Close()
		}
	case "broken":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"secret": `+all)
	case "redirect":
		http.Redirect(w, r, "https://elsewhere.example/"+r.URL.RawQuery+r.URL.Path, http.StatusTemporaryRedirect)
	case "slow":
		<-r.Context().Done()
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	}
}

// spellings gives the forms in which a value could leave.
func spellings(v string) []string {
	quoted := quoteJSON(v)
	return []string{
		v, url.QueryEscape(v), url.PathEscape(v), quoted[1 : len(quoted)-1],
		fmt.Sprintf("%q", v)[1 : len(fmt.Sprintf("%q", v))-1],
		base64.StdEncoding.EncodeToString([]byte(canaries["USERNAME"] + ":" + canaries["PASSWORD"])),
	}
}

const secretSpec = `naftiko: 1.0.0-alpha2
binds:
- namespace: env
  keys: { UPSTREAM: UPSTREAM, DOWN: DOWN, BEARER: BEARER, USERNAME: USERNAME, PASSWORD: PASSWORD, APIKEY: APIKEY, PATHKEY: PATHKEY, BODYKEY: BODYKEY }
capability:
  consumes:
  - { type: http, namespace: bearer, baseUri: '{{env.UPSTREAM}}', authentication: { type: bearer, token: '{{env.BEARER}}' }, resources: &ops [{ path: /do, operations: [{ name: do, method: POST, inputParameters: [{ name: fate, in: query, type: string }] }] }] }
  - { type: http, namespace: basic, baseUri: '{{env.UPSTREAM}}', authentication: { type: basic, username: '{{env.USERNAME}}', password: '{{env.PASSWORD}}' }, resources: *ops }
  - { type: http, namespace: query, baseUri: '{{env.UPSTREAM}}', authentication: { type: apikey, key: api_key, value: '{{env.APIKEY}}', placement: query }, resources: *ops }
  - { type: http, namespace: path, baseUri: '{{env.UPSTREAM}}', authentication: { type: apikey, key: secret, value: '{{env.PATHKEY}}', placement: path }, resources: [{ path: '/bot/{secret}/do', operations: [{ name: do, method: POST, inputParameters: [{ name: fate, in: query, type: string }] }] }] }
  - { type: http, namespace: body, baseUri: '{{env.UPSTREAM}}', authentication: { type: apikey, key: secret, value: '{{env.BODYKEY}}', placement: body }, resources: [{ path: /do, operations: [{ name: do, method: POST, inputParameters: [{ name: fate, in: query, type: string }, { name: note, in: body, type: string, value: hello }] }] }] }
  - { type: http, namespace: down, baseUri: '{{env.DOWN}}', authentication: { type: bearer, token: '{{env.BEARER}}' }, resources: *ops }
  exposes:
  - type: rest
    namespace: api
    port: 8080
    resources:
    - { path: /bearer, operations: [{ name: bearer, method: POST, call: bearer.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
    - { path: /basic, operations: [{ name: basic, method: POST, call: basic.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
    - { path: /query, operations: [{ name: query, method: POST, call: query.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
    - { path: /path, operations: [{ name: path, method: POST, call: path.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
    - { path: /body, operations: [{ name: body, method: POST, call: body.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
    - { path: /down, operations: [{ name: down, method: POST, call: down.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }] }
  - type: mcp
    namespace: tools
    port: 9090
    tools:
    - { name: bearer, description: d, call: bearer.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
    - { name: basic, description: d, call: basic.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
    - { name: query, description: d, call: query.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
    - { name: path, description: d, call: path.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
    - { name: body, description: d, call: body.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
    - { name: down, description: d, call: down.do, outputParameters: [{ name: ok, type: boolean, mapping: $.ok }] }
`

// TestStubMasksSecrets: the stub shows what it was sent, secrets masked.
func TestStubMasksSecrets(t *testing.T) {
	t.Parallel()
	i := start(t, []string{"TELAPI_API_KEY=" + telapiKey, "TELAPI_BASE_URI=https://telapi.example.com/v1"},
		"--stub", filepath.Join(capabilities, "telapi-call-tokens.yaml"))
	got := call(t, "POST", i.url+mintPath, mintBody)
	if got.Status != http.StatusOK || strings.Contains(got.Body, telapiKey) || !strings.Contains(got.Body, "<secret>") {
		t.Errorf("the stub answered %d %s, want the request with its key masked", got.Status, got.Body)
	}
}
