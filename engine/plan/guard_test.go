package plan_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

// guardDocument is a document whose one adapter wants that authentication.
func guardDocument(auth string) string {
	return `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {TOKEN: TOKEN, NAME: NAME}}
capability:
  exposes:
  - type: rest
    namespace: api
    port: 8080
    authentication: ` + auth + `
    resources:
    - path: /card
      operations: [{name: card, method: GET, outputParameters: [{name: a, type: string, value: x}]}]
`
}

// TestGuardRefused: what cannot be checked is not served, since everyone could come in.
func TestGuardRefused(t *testing.T) {
	t.Parallel()
	for auth, want := range map[string]string{
		`{type: digest, username: u}`:                                                          "auth-incomplete authentication of api has no password, so nobody could call it; give it a value from a variable, such as password: '{{NAME}}'",
		`{type: digest, username: u, password: p, algorithms: [SHA-512]}`:                      `auth-unsupported callers of api cannot be asked for a digest by "SHA-512"; expected SHA-256 or MD5`,
		`{type: digest, username: u, password: p, algorithms: []}`:                             "auth-incomplete authentication of api has no algorithms, so nobody could call it; leave algorithms out for SHA-256",
		`{type: digest, username: u, password: p, algorithms: md5}`:                            "",
		`{type: certificate}`:                                                                  "auth-incomplete the authentication of api names no certificates, so nobody could call it; add subjects, dnsNames, uris, emails or issuers",
		`{type: certificate, subjects: []}`:                                                    "auth-incomplete subjects of the authentication of api has no names, so nobody could call it; name somebody, such as subjects: ['{{NAME}}'], or leave it out",
		`{type: certificate, subjects: [a, CN=b]}`:                                             `auth-incomplete subjects of the authentication of api: "a" is no distinguished name such as CN=billing,O=Example; write names as a certificate has them; a DNS name may begin with *. and a URI may end in /*`,
		`{type: certificate, dnsNames: a.*.example.com}`:                                       `auth-incomplete dnsNames of the authentication of api: "a.*.example.com" has a * where it stands for nothing; write names as a certificate has them; a DNS name may begin with *. and a URI may end in /*`,
		`{type: certificate, uris: ["*"]}`:                                                     `auth-incomplete uris of the authentication of api: "*" is no URI such as spiffe://example.org/billing; write names as a certificate has them; a DNS name may begin with *. and a URI may end in /*`,
		`{type: certificate, emails: [a]}`:                                                     `auth-incomplete emails of the authentication of api: "a" is no email address; write names as a certificate has them; a DNS name may begin with *. and a URI may end in /*`,
		`{type: certificate, dnsNames: [a], issuer: CN=ca}`:                                    `auth-unsupported key "issuer" means nothing to the authentication of api; did you mean issuers?`,
		`{type: certificate, dnsNames: [a], clientCertificate: {uris: [a:b]}}`:                 "auth-unsupported clientCertificate of the authentication of api stands beside type certificate, which says the same; write its lists beside the type",
		`{type: bearer, token: "{{TOKEN}}", clientCertificate: {}}`:                            "auth-incomplete the clientCertificate of the authentication of api names no certificates, so nobody could call it; add subjects, dnsNames, uris, emails or issuers",
		`{type: bearer, token: "{{TOKEN}}", clientCertificate: CN=a}`:                          "auth-unsupported clientCertificate of the authentication of api is not a mapping; write clientCertificate: {dnsNames: [...]}",
		`{type: bearer, token: "{{TOKEN}}", clientCertificates: {dnsNames: a}}`:                `auth-unsupported key "clientCertificates" means nothing to the authentication of api; did you mean clientCertificate?`,
		`{type: bearer, token: "{{TOKEN}}", clientCertificate: {dnsName: a, emails: [a@b]}}`:   `auth-unsupported key "dnsName" means nothing to the clientCertificate of the authentication of api; did you mean dnsNames?`,
		`{type: bearer, token: "{{TOKEN}}", clientCertificate: {dnsNames: ["{{NAME}}.a"]}}`:    "",
		`{type: mtls, subjects: "CN=a, O=b", issuers: [CN=ca], description: who, x-note: any}`: "",
		`{type: OAuth2, authorizationServerUri: a, resource: b}`:                               "auth-incomplete authorizationServerUri of the authentication of api is not an http or https URL; write an https URL; http is for this machine only",
		`{type: baerer, token: "{{TOKEN}}"}`:                                                   `auth-unsupported authentication type "baerer" is not supported for callers; did you mean bearer?`,
		`{type: none}`:                                                                         `auth-unsupported authentication type "none" is not supported for callers; expected bearer, basic, apikey, digest, oauth2 or certificate`,
		`{token: "{{TOKEN}}"}`:                                                                 "auth-incomplete authentication of api has no type, so the adapter is not served; write type: bearer, basic, apikey, digest, oauth2 or certificate; without authentication everyone may call",
		`bearer`:                                                                               "auth-unsupported authentication of api is not a mapping; ",
		`{type: bearer}`:                                                                       "auth-incomplete authentication of api has no token, so nobody could call it; give it a value from a variable, such as token: '{{NAME}}'",
		`{type: basic, username: "{{TOKEN}}"}`:                                                 "auth-incomplete authentication of api has no password, so nobody could call it; give it a value from a variable, such as password: '{{NAME}}'",
		`{type: basic, password: "{{TOKEN}}"}`:                                                 "auth-incomplete authentication of api has no username, so nobody could call it; give it a value from a variable, such as username: '{{NAME}}'",
		`{type: apikey, value: "{{TOKEN}}"}`:                                                   "auth-incomplete authentication of api has no key, so nobody could call it; give it a value from a variable, such as key: '{{NAME}}'",
		`{type: apikey, key: X Key, value: "{{TOKEN}}"}`:                                       `auth-incomplete "X Key" is no header name; use letters, digits and hyphens`,
		`{type: apikey, key: k, value: "{{TOKEN}}", placement: cookie}`:                        `auth-unsupported callers of api cannot send their key in "cookie"; write placement: header or query`,
		`{type: bearer, token: "{{token}}"}`:                                                   "auth-unresolved {{token}} in the authentication of api is not a variable; did you mean {{TOKEN}}?",
		`{type: bearer, token: "{{env.NOPE}}"}`:                                                "",
		`{type: bearer, token: "{{PATH}}"}`:                                                    "forbidden-variable variable PATH belongs to the machine and is never read for a document; bind another name",
	} {
		d := load(t, guardDocument(auth))
		got := ""
		for _, x := range d.list {
			if x.Severity == diag.Error && got == "" {
				got = fmt.Sprintf("%s %s; %s", x.Code, x.Message, x.Hint)
				if x.Unit.Adapter != "api" {
					t.Errorf("%s: it refuses %+v", auth, x.Unit)
				}
			}
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", auth, got, want)
		}
		if served := d.unit != nil; served != (want == "") {
			t.Errorf("%s: served %v", auth, served)
		}
	}
}

// TestLock: what a caller must show, with variables filled in. Whatever is not there shuts the
// gate, and so does a plan that nobody keeps gates for.
func TestLock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		auth, want string
		env        []string
	}{
		{auth: `{type: bearer, token: "{{TOKEN}}"}`, want: `bearer "" "" "" "val-TOKEN" false`},
		{auth: `{type: Bearer, value: "bearer {{TOKEN}}"}`, want: `bearer "" "" "" "val-TOKEN" false`},
		{auth: `{type: basic, username: a, password: "x{{TOKEN}}"}`, want: `basic "" "" "a" "xval-TOKEN" false`},
		{auth: `{type: apikey, key: "{{NAME}}", value: "{{TOKEN}}"}`, want: `apikey "header" "val-NAME" "" "val-TOKEN" false`},
		{auth: `{type: api_key, name: k, token: "{{TOKEN}}", in: query}`, want: `apikey "query" "k" "" "val-TOKEN" false`},
		{auth: `{type: header, header: X-K, key: "{{TOKEN}}"}`, want: `apikey "header" "X-K" "" "val-TOKEN" false`},
		{auth: `{type: digest, username: "{{NAME}}", password: "{{TOKEN}}"}`, want: `digest "" "" "val-NAME" "val-TOKEN" false`},
		{auth: `{type: digest, username: "{{NAME}}", password: "{{TOKEN}}"}`, env: []string{"TOKEN="}, want: `digest "" "" "val-NAME" "" true`},
		{auth: `{type: digest, username: "{{NAME}}", password: "{{TOKEN}}"}`, env: []string{"NAME=-"}, want: `digest "" "" "" "" true`},
		{auth: `{type: certificate, dnsNames: ["{{NAME}}"]}`, want: `certificate "" "" "" "" false`},
		{auth: `{type: certificate, dnsNames: [a, "{{NAME}}"]}`, env: []string{"NAME=-"}, want: `certificate "" "" "" "" true`},
		{auth: `{type: certificate, dnsNames: [a, "{{NAME}}"]}`, env: []string{"NAME="}, want: `certificate "" "" "" "" true`},
		{auth: `{type: certificate, uris: ["{{NAME}}"]}`, want: `certificate "" "" "" "" true`},
		{auth: `{type: bearer, token: "{{TOKEN}}", clientCertificate: {emails: ["{{NAME}}@example.com"]}}`, want: `bearer "" "" "" "val-TOKEN" false`},
		{auth: `{type: bearer, token: "{{TOKEN}}", clientCertificate: {dnsNames: ["{{NAME}}"]}}`, env: []string{"NAME=*"}, want: `bearer "" "" "" "val-TOKEN" true`},
		{auth: `{type: bearer, token: "{{TOKEN}}"}`, env: []string{"TOKEN=-"}, want: `bearer "" "" "" "" true`},
		{auth: `{type: bearer, token: "x{{TOKEN}}"}`, env: []string{"TOKEN=-"}, want: `bearer "" "" "" "" true`},
		{auth: `{type: bearer, token: "{{TOKEN}}"}`, env: []string{"TOKEN="}, want: `bearer "" "" "" "" true`},
		{auth: `{type: basic, username: "{{NAME}}", password: p}`, env: []string{"NAME=a:b"}, want: `basic "" "" "a:b" "p" true`},
		{auth: `{type: apikey, key: "{{NAME}}", value: v}`, env: []string{"NAME=a b"}, want: `apikey "header" "a b" "" "v" true`},
	} {
		d := load(t, guardDocument(tt.auth), tt.env...)
		x := d.unit.Exposures[0]
		var locks []plan.Lock
		_, list := plan.Bind(d.bound.Plan(), plan.BindOptions{
			Look: lookOf(tt.env...), Gate: func(l plan.Lock) plan.Gate { locks = append(locks, l); return nil },
		})
		if len(locks) != 1 {
			t.Fatalf("%s: %d locks", tt.auth, len(locks))
		}
		l := locks[0]
		if got := fmt.Sprintf("%s %q %q %q %q %v", l.Scheme, l.In, l.Name, l.Username.Reveal(), l.Secret.Reveal(), l.Shut); got != tt.want || l.Realm != "api" {
			t.Errorf("%s, %q: got %s, want %s", tt.auth, tt.env, got, tt.want)
		}
		if warned := strings.Contains(fmt.Sprint(list), "nobody can call"); warned != l.Shut {
			t.Errorf("%s, %q: the findings are %v", tt.auth, tt.env, list)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", l, l), "val-TOKEN") {
			t.Errorf("%s: a lock prints its secret", tt.auth)
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer val-TOKEN")
		if g := d.bound.Gate(x); g == nil || g.Admit(r) != nil {
			t.Errorf("%s: a guard that nobody keeps is open", tt.auth)
		} else if g.Refuse(w, r); w.Code != 401 {
			t.Errorf("%s: refused with %d", tt.auth, w.Code)
		}
	}
}

// lookOf gives every variable NAME the value val-NAME, unless env has another; "-" unsets it.
func lookOf(env ...string) func(string, *plan.Variable) (plan.Secret, error) {
	return func(_ string, v *plan.Variable) (plan.Secret, error) {
		for _, e := range env {
			if value, ok := strings.CutPrefix(e, v.Name+"="); ok {
				if value == "-" {
					return plan.Secret{}, plan.ErrUnset
				}
				return plan.NewSecret(value), nil
			}
		}
		return plan.NewSecret("val-" + v.Name), nil
	}
}
