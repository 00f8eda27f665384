package plan_test

import (
	"strings"
	"testing"
)

// TestCredentialWithoutPlace: a credential that has no place in the request refuses the
// operation (contract A3): sending the call without it would be worse.
func TestCredentialWithoutPlace(t *testing.T) {
	t.Parallel()
	const text = `naftiko: 1.0.0-alpha2
binds: [{namespace: env, keys: {KEY: KEY}}]
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test/v1
    authentication: {type: apikey, key: token, value: "{{KEY}}", placement: PLACE}
    resources:
    - name: things
      path: /things
      operations:
      - name: make
        method: POST
        body: BODY
  exposes:
  - type: mcp
    namespace: tools
    port: 9090
    tools: [{name: make, description: Make, call: api.make}]
`
	for _, c := range []struct{ name, place, body, want string }{
		{"path without placeholder", "path", "{type: json, data: {a: 1}}", "auth-incomplete: the credential token of api has no place in the path of api.make"},
		{"text body", "body", "{type: text, data: hello}", "auth-incomplete: the credential token of api has no place in the body of api.make"},
		{"list body", "body", "{type: json, data: [1]}", "auth-incomplete: the credential token of api has no place in the body of api.make"},
		{"JSON body", "body", "{type: json, data: {a: 1}}", ""},
		{"form body", "body", "{type: form, data: {a: 1}}", ""},
		{"implicit body", "body", "{type: json}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, strings.NewReplacer("PLACE", c.place, "BODY", c.body).Replace(text))
			_, err := d.tool("make", `{}`)
			switch {
			case c.want == "" && (err != nil || !strings.Contains(d.body, "val-KEY")):
				t.Errorf("got %v, sent %s", err, d.body)
			case c.want != "" && (err == nil || err.Error() != c.want || len(d.sent) != 0):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
