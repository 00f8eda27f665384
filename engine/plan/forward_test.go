package plan_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// forwardDocument is a document that forwards. target is what its consumed API api has beside
// its type and namespace, resource what the exposed resource has beside forward.
func forwardDocument(target, resource, forward string) string {
	return `naftiko: 1.0.0-alpha2
binds:
- {namespace: env, keys: {TOKEN: TOKEN, VERSION: VERSION}}
capability:
  consumes:
  - {type: http, namespace: api, ` + target + `}
  exposes:
  - type: rest
    namespace: r
    port: 8080
    resources:
    - {` + resource + `, forward: ` + forward + `}
`
}

// forward sends a request through the one forward of the document.
func (d *document) forward(src *plan.Source) (string, error) {
	d.t.Helper()
	for _, r := range d.unit.Exposures[0].Routes {
		if r.Method != plan.AnyMethod {
			continue
		}
		if r.Operation == nil {
			return "", r.Refusal.Error()
		}
		if src.Path == nil {
			src.Path = make([]string, len(r.Params))
		}
		args, err := r.Operation.Bind(src)
		if err != nil {
			return "", err
		}
		_, err = r.Operation.Invoke(d.t.Context(), &plan.Invocation{Args: args, Bound: d.bound})
		return d.wire(), err
	}
	d.t.Fatalf("nothing forwards: %v", d.list)
	return "", nil
}

func TestForwardRequest(t *testing.T) {
	t.Parallel()
	const plain = `baseUri: "https://api.example.com/v1"`
	tests := []struct {
		name, target, resource, forward string
		src                             plan.Source
		want                            string
	}{
		{"path and query as they came", plain, `path: "/f/{{path}}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Rest: "/a%2Fb/~c;v=1//%C3%A4/", Query: "q=%20&x=a+b&&flag&q=2;3"},
			"GET https://api.example.com/v1/a%2Fb/~c;v=1//%C3%A4/?q=%20&x=a+b&flag&q=2;3"},
		{"nothing behind the base path", plain, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "HEAD"}, "HEAD https://api.example.com/v1"},
		{"a slash behind the base path", plain, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "DELETE", Rest: "/"}, "DELETE https://api.example.com/v1/"},
		{"no base path", `baseUri: "https://api.example.com"`, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "PROPFIND", Rest: "/a"}, "PROPFIND https://api.example.com/a"},
		{"a base path with a slash", `baseUri: "https://api.example.com/v1/"`, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Rest: "/a"}, "GET https://api.example.com/v1/a"},
		{"constants and variables of the API", plain + `, inputParameters: [{name: X-V, in: header, value: "{{VERSION}}"}, {name: k, in: query, value: 1}, {name: c, in: cookie, value: "{{TOKEN}}"}, {name: free, in: query}, {name: id, in: path}]`,
			`path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Rest: "/a", Query: "k=2&free=x&%6B=3", Header: http.Header{"X-V": {"mine"}, "Cookie": {"c=mine"}}},
			"GET https://api.example.com/v1/a?free=x&k=1\nCookie: c=val-TOKEN\nX-V: val-VERSION"},
		{"authentication of the API", plain + `, authentication: {type: bearer, token: "{{TOKEN}}"}`, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Authorization]}`,
			plan.Source{Method: "GET", Rest: "/a", Header: http.Header{"Authorization": {"Bearer mine"}}},
			"GET https://api.example.com/v1/a\nAuthorization: Bearer val-TOKEN"},
		{"authentication that is worked out at the call", plain + `, authentication: {type: digest, username: u, password: "{{TOKEN}}"}`, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Authorization]}`,
			plan.Source{Method: "GET", Rest: "/a", Header: http.Header{"Authorization": {"Digest mine"}}}, "GET https://api.example.com/v1/a"},
		{"key in the query", plain + `, authentication: {type: apikey, key: k, value: "{{TOKEN}}", placement: query}`, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Query: "k=mine&x"}, "GET https://api.example.com/v1?x&k=val-TOKEN"},
		{"a placeholder of the base URI", `baseUri: "https://api.example.com/{tenant}/v1", inputParameters: [{name: tenant, in: path}, {name: X-T, in: header, value: "t-{{tenant}}"}]`,
			`path: "/f/{tenant}/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Rest: "/a", Path: []string{"a/b", "a"}}, "GET https://api.example.com/a%2Fb/v1/a\nX-T: t-a/b"},
		{"safe and trusted headers alone", plain, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [x-trace, COOKIE, Range]}`,
			plan.Source{Method: "GET", AcceptEncoding: "br, gzip", Header: http.Header{
				"Accept": {"text/html", "*/*"}, "Accept-Language": {"de"}, "If-None-Match": {`"x"`}, "Range": {"bytes=0-1"}, "If-Range": {`"x"`},
				"X-Trace": {"1", "2"}, "Cookie": {"a=b"}, "Authorization": {"Basic x"}, "User-Agent": {"curl"}, "X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=x"},
				"Origin": {"http://localhost"}, "Referer": {"http://localhost"}, "X-Api-Key": {"k"}, "Idempotency-Key": {"k"}, "Traceparent": {"x"},
				"Connection": {"close, If-Range, x-other"}, "Te": {"trailers"}, "Keep-Alive": {"1"}, "Proxy-Authorization": {"x"}, "Expect": {"100-continue"}, "Upgrade": {"h2c"},
			}},
			"GET https://api.example.com/v1\nAccept-Language: de\nAccept: */*\nAccept: text/html\nCookie: a=b\nIf-None-Match: \"x\"\nRange: bytes=0-1\nX-Trace: 1\nX-Trace: 2"},
		{"body", plain, `path: "/f/{path}"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", ContentType: "a/b; c=d", Header: http.Header{"Content-Type": {"a/b; c=d"}, "Content-Encoding": {"br"}, "Content-Disposition": {"inline"}}, Body: plan.BytesBody([]byte("{x"))},
			"GET https://api.example.com/v1\nContent-Disposition: inline\nContent-Encoding: br\nContent-Type: a/b; c=d\n\n{x"},
		{"a condition of the route is not passed on", plain, `path: "/f/{path}?mode=raw"`, `{targetNamespace: api}`,
			plan.Source{Method: "GET", Query: "mode=raw&mode=raw&a", Conditions: []plan.Pair{{Name: "mode", Value: "raw"}}}, "GET https://api.example.com/v1?mode=raw&a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := load(t, forwardDocument(tt.target, tt.resource, tt.forward))
			if d.unit == nil {
				t.Fatal(d.list)
			}
			got, err := d.forward(&tt.src)
			if err != nil || got != tt.want {
				t.Errorf("%v\ngot\n%s\nwant\n%s\n%v", err, got, tt.want, d.list)
			}
			if r := d.sent[len(d.sent)-1]; strings.Contains(fmt.Sprint(r), "val-TOKEN") || strings.Contains(fmt.Sprint(r), "a=b") {
				t.Errorf("the request prints as %v", r)
			}
		})
	}
}

// TestForwardStaysBelowTheBase: whatever the rest of the path spells, and however often a
// server decodes it, it does not leave the base path. Nothing is sent.
func TestForwardStaysBelowTheBase(t *testing.T) {
	t.Parallel()
	d := load(t, forwardDocument(`baseUri: "https://api.example.com/v1"`, `path: "/f/{path}"`, `{targetNamespace: api}`))
	for _, rest := range []string{
		"/..", "/.", "/a/../../b", "/%2e%2e/b", "/%2E./b", "/a/..%2fb", "/..%2F..%2Fb", "/%2F..", "/a%5C..%5Cb", `/..\b`, "/%252e%252e/b", "/..%252fb",
		"/..;/b", "/..;x=1/b", "/%2e%2e%3b/b", "/%c0%ae%c0%ae/b", "/a%c0%af..%c0%afb", "//other.example/x", "/a%00", "/a%0d%0ab", "/%zz", "/%", "/a%2",
	} {
		got, err := d.forward(&plan.Source{Method: "GET", Rest: rest})
		if e := plan.AsError(err); err == nil || e.Code != plan.CodeInvalidInput {
			t.Errorf("%s was sent: %s, %v", rest, got, err)
		}
	}
	if len(d.sent) != 0 {
		t.Errorf("%d requests were sent", len(d.sent))
	}
	for _, rest := range []string{"/...", "/a..b", "/.well-known/x", "/a%2Fb", "/100%25", "/%2525", "/a;..", "/a//b", "/%E2%80%A6", "/%C0%C0"} {
		if got, err := d.forward(&plan.Source{Method: "GET", Rest: rest}); err != nil || got != "GET https://api.example.com/v1"+rest {
			t.Errorf("%s: sent %s, %v", rest, got, err)
		}
	}
}

func FuzzForwardStaysBelowTheBase(f *testing.F) {
	d := load(&testing.T{}, forwardDocument(`baseUri: "https://api.example.com/v1"`, `path: "/f/{path}"`, `{targetNamespace: api}`))
	op := d.unit.Exposures[0].Routes[0].Operation
	f.Add("a/%2e%2E/b")
	f.Add("..;/%252F")
	f.Fuzz(func(t *testing.T, rest string) {
		args, err := op.Bind(&plan.Source{Method: "GET", Rest: "/" + rest, Path: []string{""}})
		if err != nil {
			return
		}
		d.sent = nil
		if _, err := op.Invoke(t.Context(), &plan.Invocation{Args: args, Bound: d.bound}); err != nil {
			return
		}
		if got := d.sent[0].Target; got != "/v1/"+rest {
			t.Errorf("%q was sent as %q", rest, got)
		}
		for _, s := range strings.Split(rest, "/") {
			if s == ".." || s == "." {
				t.Errorf("%q was sent", rest)
			}
		}
	})
}

func TestForwardRefusesAtTheCall(t *testing.T) {
	t.Parallel()
	d := load(t, forwardDocument(`baseUri: "https://api.example.com/v1"`, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Upgrade]}`))
	for _, tt := range []struct {
		src  plan.Source
		code plan.Code
	}{
		{plan.Source{Method: "TRACE"}, plan.CodeMethodNotAllowed},
		{plan.Source{Method: "CONNECT"}, plan.CodeMethodNotAllowed},
		{plan.Source{Method: "GET", Header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}}, plan.CodeRefused},
		{plan.Source{Method: "GET", Header: http.Header{"Upgrade": {"h2c, WebSocket"}}}, plan.CodeRefused},
	} {
		if got, err := d.forward(&tt.src); err == nil || plan.AsError(err).Code != tt.code {
			t.Errorf("%+v: %s, %v", tt.src, got, err)
		}
	}
}

func TestForwardFindings(t *testing.T) {
	t.Parallel()
	const plain = `baseUri: "https://api.example.com/v1"`
	for _, tt := range []struct{ target, resource, forward, want string }{
		{plain, `path: "/f/{path}"`, `{targetNamespace: Api}`, `error call-unresolved-namespace namespace "Api" is not consumed in this document; did you mean api?`},
		{plain, `path: "/f/{path}"`, `{}`, "error no-call forward does not say where to; write targetNamespace: and the namespace of a consumed API"},
		{plain, `path: "/f/{path}"`, `api`, "error wrong-type forward is not a mapping; write forward: {targetNamespace: name}"},
		{plain, `path: "/f/x-{path}"`, `{targetNamespace: api}`, "error unsupported-feature {path} of a forwarded path stands for whole segments, once; write it alone between slashes, such as /files/{path}"},
		{plain, `path: "/{path}/{path}"`, `{targetNamespace: api}`, "error unsupported-feature {path} of a forwarded path stands for whole segments, once; write it alone between slashes, such as /files/{path}"},
		{plain, `path: "/{id}/{path}"`, `{targetNamespace: api}`, "error unused-path-input {id} of /{id}/{path} is not passed to api: only {path} is; a path such as /{id}/{path} needs a parameter id of api"},
		{plain + `, inputParameters: [{name: X-T, in: header, required: true}]`, `path: "/f/{path}"`, `{targetNamespace: api}`, "error parameter parameter X-T of api has no value where requests are forwarded; give it a value, or put {X-T} into the path of the resource"},
		{plain + `, inputParameters: [{name: X-T, in: header, value: "{{user}}"}]`, `path: "/f/{path}"`, `{targetNamespace: api}`, "error unbound-input {{user}} in a parameter of api is not part of the path that is forwarded; put {user} into the path of the resource, or give the parameter a value"},
		{plain + `, authentication: {type: apikey, key: k, value: "{{TOKEN}}", placement: body}`, `path: "/f/{path}"`, `{targetNamespace: api}`, "error auth-incomplete the credential k of api has no place in bodies that are forwarded as they are; choose another placement"},
		{plain + `, authentication: {type: kerberos}`, `path: "/f/{path}"`, `{targetNamespace: api}`, "error auth-unsupported"},
		{`baseUri: "ftp://x"`, `path: "/f/{path}"`, `{targetNamespace: api}`, "error base-uri-scheme"},
		{plain, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Connection]}`, "warning parameter header Connection belongs to the connection and is never passed on; leave it out of trustedHeaders"},
		{plain, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: ["a b"]}`, `warning parameter "a b" in trustedHeaders is no header name, so nothing is passed on for it; `},
		{plain + `, inputParameters: [{name: b, in: body}]`, `path: "/f/{path}"`, `{targetNamespace: api}`, "warning unsupported-feature body parameter b is not added to bodies that are forwarded as they are; "},
		{plain, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeader: [X]}`, `warning unknown-key key "trustedHeader" means nothing here and is ignored; did you mean "trustedHeaders"?`},
	} {
		d := load(t, forwardDocument(tt.target, tt.resource, tt.forward))
		var got []string
		for _, x := range d.list {
			got = append(got, fmt.Sprintf("%s %s %s; %s", x.Severity, x.Code, x.Message, x.Hint))
		}
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s, %s, %s:\ngot  %q\nwant %q", tt.target, tt.resource, tt.forward, got, tt.want)
		}
		if refused := d.unit == nil || d.unit.Exposures[0].Routes[0].Operation == nil; refused != strings.HasPrefix(tt.want, "error") {
			t.Errorf("%s, %s, %s: refused %v", tt.target, tt.resource, tt.forward, refused)
		}
	}
}

// TestForwardOfGuardedAdapter: not even trustedHeaders pass the credential of the door on.
func TestForwardOfGuardedAdapter(t *testing.T) {
	t.Parallel()
	text := strings.Replace(forwardDocument(`baseUri: "https://api.example.com"`, `path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Authorization, X-A]}`),
		"port: 8080", `port: 8080
    authentication: {type: bearer, token: "{{TOKEN}}"}`, 1)
	d := load(t, text)
	if len(d.list) != 1 || d.list[0].Code != diag.CodeGuardedInput || d.list[0].Severity != diag.Warning {
		t.Errorf("findings: %v", d.list)
	}
	got, err := d.forward(&plan.Source{Method: "GET", Rest: "/a", Header: http.Header{"Authorization": {"Bearer val-TOKEN"}, "X-A": {"1"}}})
	if want := "GET https://api.example.com/a\nX-A: 1"; err != nil || got != want {
		t.Errorf("%v\ngot\n%s\nwant\n%s", err, got, want)
	}
}

// TestForwardFixtures: the published examples forward as they were meant, in both forms.
func TestForwardFixtures(t *testing.T) {
	t.Parallel()
	root := "../../../shared/fixtures"
	if _, err := os.Stat(root); err != nil {
		t.Skip("the fixtures are not beside this checkout")
	}
	for file, want := range map[string]string{
		"ikanos/engine/http/http-forward-value-capability.yaml":                 "PUT https://api.example.com/v1/a/b?q=1\nX-API-Key: secret-key-123\nX-API-Version: 2026-03-03",
		"naftiko-alpha2/test-resources/http/http-forward-value-capability.yaml": "PUT https://api.example.com/v1/a/b?q=1\nX-API-Key: secret-key-123\nX-API-Version: 2026-03-03",
		"ikanos/engine/register.capability.yml":                                 "PUT http://host.docker.internal:8080/rest/Notion+API/1.0.0/a/b?q=1\nAuthorization: Basic c2NvdHQ6dGlnZXI=\nNotion-Version: 5",
		"naftiko-alpha2/test-resources/register.capability.yml":                 "PUT http://host.docker.internal:8080/rest/Notion+API/1.0.0/a/b?q=1\nAuthorization: Basic c2NvdHQ6dGlnZXI=\nNotion-Version: 5",
		"ikanos/engine/baseuri-trailing-slash-capability.yaml":                  "PUT https://api.example.com/v1/a/b?q=1",
		"naftiko-alpha2/test-resources/baseuri-trailing-slash-capability.yaml":  "PUT https://api.example.com/v1/a/b?q=1",
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		if doc, list := spec.Parse(file, text, spec.Limits{}); doc == nil {
			t.Fatalf("%s: %v", file, list)
		}
		d := load(t, string(text))
		if d.unit == nil {
			t.Fatalf("%s: %v", file, d.list)
		}
		got, err := d.forward(&plan.Source{Method: "PUT", Rest: "/a/b", Query: "q=1", Header: http.Header{"Notion-Version": {"5"}, "Authorization": {"Bearer mine"}}})
		if err != nil || got != want {
			t.Errorf("%s: %v\ngot\n%s\nwant\n%s", file, err, got, want)
		}
	}
}
