package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

const bearer = `authentication: {type: bearer, token: "{{TOKEN}}"}`

func names(vs []*plan.Variable) string {
	var out []string
	for _, v := range vs {
		out = append(out, v.Name)
	}
	return strings.Join(out, " ")
}

// V1: a key's value is the environment variable that its source names.
func TestV1(t *testing.T) {
	t.Parallel()
	t.Run("key and source", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "TOKEN: ACME_SECRET", api: bearer}.load(t)
		d.quiet()
		d.sends("", "GET https://api.test/x\nAuthorization: Bearer val-ACME_SECRET")
		if v := d.unit.Variables[0]; v.Name != "ACME_SECRET" || v.Key != "TOKEN" || v.Namespace != "env" || !v.Declared {
			t.Errorf("got %+v", v)
		}
	})
	t.Run("an unused key needs no value", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "TOKEN: TOKEN, UNUSED: UNUSED", api: bearer}.load(t, "UNUSED=-")
		d.quiet()
		if got := names(d.unit.Variables); got != "TOKEN" {
			t.Errorf("needs %s", got)
		}
		d.calls("{}", "GET https://api.test/x\nAuthorization: Bearer val-TOKEN")
	})
	t.Run("a key that only a refused operation uses needs no value", func(t *testing.T) {
		t.Parallel()
		d := sample{
			binds: "A: A, B: B",
			ops:   `{name: get, inputParameters: [{name: a, in: query, value: "{{A}}"}]}, {name: bad, path: "/x|y/{{B}}"}`,
			rest:  `{name: op, call: api.get}, {name: bad, method: POST, call: api.bad}`,
		}.load(t, "B=-")
		if got := names(d.unit.Variables); got != "A" {
			t.Errorf("needs %s", got)
		}
		d.sends("", "GET https://api.test/x?a=val-A")
	})
	t.Run("several bind namespaces", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(sample{api: `authentication: {type: apikey, headers: {X-A: "{{one.K}}", X-B: "{{two.K}}", X-C: "{{K}}", X-D: "{{env.K}}"}}`}.text(),
			"binds: [{namespace: env, keys: {}}]", "binds: [{namespace: one, keys: {K: ONE}}, {namespace: two, keys: {K: TWO}}]", 1)
		d := load(t, text)
		if got := d.codes(); got != "warning assumed, warning assumed" {
			t.Errorf("plain names of several meanings: %s", got)
		}
		d.sends("", "GET https://api.test/x\nX-A: val-ONE\nX-B: val-TWO\nX-C: val-ONE\nX-D: val-ONE")
	})
}

// V2: an undeclared name in capitals is an environment variable in authentication and in the
// base URI, and refused elsewhere.
func TestV2(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sample{
		"authentication":           {api: `authentication: {type: bearer, token: "` + caret + `{{API_TOKEN}}"}`},
		"authentication, env.":     {api: `authentication: {type: bearer, token: "` + caret + `{{env.API_TOKEN}}"}`},
		"authentication, ${}":      {api: `authentication: {type: bearer, token: "` + caret + `${API_TOKEN}"}`},
		"authentication, chevrons": {api: `authentication: {type: bearer, token: "` + caret + `<<env.API_TOKEN>>"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := s.load(t)
			d.found(s.text(), diag.Warning, diag.CodeUndeclaredVariable, "API_TOKEN", "declare it")
			d.sends("", "GET https://api.test/x\nAuthorization: Bearer val-API_TOKEN")
		})
	}
	t.Run("base URI", func(t *testing.T) {
		t.Parallel()
		s := sample{base: "https://" + caret + "{{API_HOST}}/v1"}
		d := s.load(t, "API_HOST=h.test")
		d.found(s.text(), diag.Warning, diag.CodeUndeclaredVariable, "API_HOST", "declare it")
		d.sends("", "GET https://h.test/v1/x")
	})
	t.Run("one warning for a variable used twice", func(t *testing.T) {
		t.Parallel()
		d := sample{api: `authentication: {type: basic, username: "{{API_KEY}}", password: "{{API_KEY}}"}`}.load(t)
		if got := d.codes(); got != "warning undeclared-variable" {
			t.Errorf("got %s", got)
		}
	})
	for name, s := range map[string]sample{
		"path":                   {path: "/x/" + caret + "{{TENANT_ID}}"},
		"path, env.":             {path: "/x/" + caret + "{{env.TENANT_ID}}"},
		"constant query pair":    {path: "/x?t=" + caret + "{{TENANT_ID}}"},
		"with":                   {rest: `{name: op, call: api.get, with: {q: "` + caret + `{{TENANT_ID}}"}}`, tools: "-"},
		"with, env.":             {rest: `{name: op, call: api.get, with: {q: ` + caret + `env.TENANT_ID}}`, tools: "-"},
		"with, inside text":      {rest: `{name: op, call: api.get, with: {q: "a ` + caret + `{{TENANT_ID}}"}}`, tools: "-"},
		"tool with":              {rest: "-", tools: `{name: op, call: api.get, with: {q: "` + caret + `{{TENANT_ID}}"}}`},
		"body":                   {ops: `{name: get, method: POST, body: {type: json, data: {a: "` + caret + `{{TENANT_ID}}"}}}`},
		"body, ${}":              {ops: `{name: get, method: POST, body: {type: json, data: {a: "` + caret + `${TENANT_ID}"}}}`},
		"a parameter's value":    {ops: `{name: get, inputParameters: [{name: a, in: query, value: "` + caret + `{{TENANT_ID}}"}]}`},
		"lower case, base URI":   {base: "https://api.test/" + caret + "{{env.tenant_id}}"},
		"lower case, credential": {api: `authentication: {type: bearer, token: "` + caret + `{{env.tenant_id}}"}`},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			t.Parallel()
			d := s.load(t)
			d.refused(s.text(), diag.CodeUndeclaredVariable, "not declared in binds", "declare it")
			if len(d.unit.Variables) > 0 {
				t.Errorf("needs %s", names(d.unit.Variables))
			}
		})
	}
	t.Run("a near miss is named", func(t *testing.T) {
		t.Parallel()
		s := sample{binds: "TENANT_ID: TENANT_ID", path: "/x/" + caret + "{{TENANT_IDS}}"}
		s.load(t).refused(s.text(), diag.CodeUndeclaredVariable, "did you mean TENANT_ID?")
	})
}

// V2b: what belongs to the machine is never read for a document, declared or not.
func TestV2b(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"PATH", "HOME", "USER", "SHELL", "HOSTNAME", "PORT", "HTTPS_PROXY", "LD_PRELOAD",
		"KUBERNETES_SERVICE_HOST", "KUBERNETES_PORT_443_TCP", "CAPD_LISTEN",
	} {
		for form, s := range map[string]sample{
			"declared":            {binds: "K: " + name, api: `authentication: {type: bearer, token: "` + caret + `{{K}}"}`},
			"declared, in a body": {binds: "K: " + name, ops: `{name: get, method: POST, body: {data: {a: "` + caret + `{{env.K}}"}}}`},
			"declared, in a path": {binds: "K: " + name, path: "/x/" + caret + "{{K}}"},
			"undeclared":          {api: `authentication: {type: bearer, token: "` + caret + `{{` + name + `}}"}`},
			"undeclared, base":    {base: "https://" + caret + "${" + name + "}/v1"},
		} {
			t.Run(name+" "+form, func(t *testing.T) {
				t.Parallel()
				d := s.load(t)
				d.refused(s.text(), diag.CodeForbiddenVariable, name, "never read for a document")
				if len(d.unit.Variables) > 0 {
					t.Errorf("needs %s", names(d.unit.Variables))
				}
			})
		}
	}
	t.Run("by the name of a namespace", func(t *testing.T) {
		t.Parallel()
		s := strings.ReplaceAll(sample{base: "https://" + caret + "{host}.test"}.text(), "api", "capd")
		d := load(t, strings.Replace(s, caret, "", 1))
		d.refused(s, diag.CodeForbiddenVariable, "CAPD_HOST")
	})
	t.Run("the document's own name may be anything", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "PATH: ACME_PATH", path: "/x/{{PATH}}"}.load(t)
		d.quiet()
		d.sends("", "GET https://api.test/x/val-ACME_PATH")
	})
}

// V3: the base URI after its variables are filled in.
func TestV3(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ base, value, want string }{
		{"{{API_URL}}", "http://h.test:81/v1/", "http://h.test:81/v1/x"},
		{"{{env.API_URL}}/v1", "https://h.test", "https://h.test/v1/x"},
		{"{{ env.API_URL }}/v1", "https://h.test", "https://h.test/v1/x"},
		{"${API_URL}", "https://h.test", "https://h.test/x"},
		{"https://${API_URL}.live.test/api", "acme", "https://acme.live.test/api/x"},
		{"<<env.API_URL>>", "https://h.test", "https://h.test/x"},
		{"{{API_URL}}://h.test", "http", "http://h.test/x"},
		{"http://{{API_URL}}", "h.test:8080", "http://h.test:8080/x"},
		{"{{API_URL}}", "h.test/v1", "https://h.test/v1/x"},
		{"{{API_URL}}", "//h.test/v1", "https://h.test/v1/x"},
		{"//h.test/v1", "", "https://h.test/v1/x"},
		{"agent.h.test/v1", "", "https://agent.h.test/v1/x"},
		{"localhost:8080", "", "https://localhost:8080/x"},
		{"HTTP://H.test/", "", "http://H.test/x"},
		{"http://[::1]:8080/v1", "", "http://[::1]:8080/v1/x"},
	} {
		t.Run(x.base+" "+x.value, func(t *testing.T) {
			t.Parallel()
			d := sample{binds: "API_URL: API_URL", base: x.base}.load(t, "API_URL="+x.value)
			for _, f := range d.list {
				if f.Severity == diag.Error || f.Code == diag.CodeMissingVariable {
					t.Errorf("unexpected %s", f)
				}
			}
			d.sends("", "GET "+x.want)
			d.calls("{}", "GET "+x.want)
		})
	}
	t.Run("bind namespace", func(t *testing.T) {
		t.Parallel()
		d := load(t, strings.Replace(sample{base: "{{acme-env.API_URL}}/v1"}.text(),
			"binds: [{namespace: env, keys: {}}]", "binds: [{namespace: acme-env, keys: {API_URL: ACME}}]", 1), "ACME=https://h.test")
		d.quiet()
		d.sends("", "GET https://h.test/v1/x")
	})
	for _, x := range []struct {
		base string
		code diag.Code
	}{
		{"blpapi+session://localhost", diag.CodeBaseURIScheme},
		{"ftp://h.test/x", diag.CodeBaseURIScheme},
		{"/api/v1", diag.CodeBaseURINoHost},
		{"https://", diag.CodeBaseURINoHost},
		{"https:///v1", diag.CodeBaseURINoHost},
		{"http://:8080", diag.CodeBaseURINoHost},
		{"https://a b.test", diag.CodeBaseURINoHost},
		{"https://user:hunter22@h.test", diag.CodeBaseURIUserinfo},
		{"https://{{API_URL}}@h.test", diag.CodeBaseURIUserinfo},
	} {
		t.Run("refused: "+x.base, func(t *testing.T) {
			t.Parallel()
			s := sample{binds: "API_URL: API_URL", base: x.base}
			text := strings.Replace(s.text(), `baseUri: `, "baseUri: "+caret, 1)
			d := s.load(t)
			d.refused(text, x.code, "base URI of api", "https://host/path")
			if text := fmt.Sprint(d.list); strings.Contains(text, "hunter22") {
				t.Errorf("a password is shown: %s", text)
			}
		})
	}
	t.Run("refused: empty", func(t *testing.T) {
		t.Parallel()
		text := strings.Replace(sample{}.text(), `"https://api.test"`, caret+`''`, 1)
		load(t, strings.Replace(text, caret, "", 1)).refused(text, diag.CodeBaseURINoHost, "is empty")
	})
	for _, x := range []struct {
		value string
		code  diag.Code
	}{
		{"ftp://h.test", diag.CodeBaseURIScheme}, {"/v1", diag.CodeBaseURINoHost}, {"", diag.CodeBaseURINoHost},
		{"https://bob:hunter22@h.test", diag.CodeBaseURIUserinfo}, {"https://h.test\\.evil.test", diag.CodeBaseURINoHost},
	} {
		t.Run("value "+x.value, func(t *testing.T) {
			t.Parallel()
			s := sample{binds: "API_URL: API_URL", base: "{{API_URL}}"}
			d := s.load(t, "API_URL="+x.value)
			d.found(strings.Replace(s.text(), `baseUri: `, "baseUri: "+caret, 1), diag.Warning, x.code, "with its variables filled in")
			_, err := d.rest("op", nil, "", "")
			d.fails(err, "base URI")
			if plan.AsError(err).Code != plan.CodeNotConfigured {
				t.Errorf("code %s", plan.AsError(err).Code)
			}
			if x.value != "" && strings.Contains(fmt.Sprint(d.list, err), "hunter22") {
				t.Errorf("the value is shown: %v %v", d.list, err)
			}
		})
	}
}

// V4: placeholders of the base URI.
func TestV4(t *testing.T) {
	t.Parallel()
	param := `{name: get, inputParameters: [{name: region, in: path}]}`
	for name, x := range map[string]struct {
		s    sample
		want string
	}{
		"a bind key of the name":               {sample{binds: "region: R1, REGION: R2", base: "https://h.test/{region}"}, "val-R1"},
		"a bind key in capitals":               {sample{binds: "REGION: R1, API_REGION: R2", base: "https://h.test/{region}"}, "val-R1"},
		"words in capitals":                    {sample{binds: "YOUR_ACCOUNT_NAME: R1", base: "https://h.test/{yourAccountName}"}, "val-R1"},
		"with the namespace in front":          {sample{binds: "API_REGION: R1, AWS_REGION: R2", base: "https://h.test/{region}"}, "val-R1"},
		"the only key with that ending":        {sample{binds: "AWS_REGION: R1, OTHER: R2", base: "https://h.test/{region}"}, "val-R1"},
		"none of two keys with that ending":    {sample{binds: "A_REGION: R1, B_REGION: R2", base: "https://h.test/{region}"}, "val-API_REGION"},
		"the environment, with the namespace":  {sample{base: "https://h.test/{region}"}, "val-API_REGION"},
		"double braces":                        {sample{binds: "AWS_REGION: R1", base: "https://h.test/{{region}}"}, "val-R1"},
		"square brackets":                      {sample{binds: "AWS_REGION: R1", base: "https://h.test/[region]"}, "val-R1"},
		"never a bare name":                    {sample{base: "https://h.test/{hostname}"}, "val-API_HOSTNAME"},
		"a placeholder of the path is another": {sample{binds: "AWS_REGION: R1", base: "https://h.test/{region}", path: "/x/{region}"}, "val-R1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := x.s.load(t)
			want := "GET https://h.test/" + x.want + "/x"
			if x.s.path != "" {
				want += "/eu"
			}
			d.sends("region=eu", want)
			d.calls(`{"region":"eu"}`, want)
			if undeclared := strings.HasPrefix(x.want, "val-API_") && !strings.Contains(x.s.binds, "API_"); undeclared != hasCode(d.list, string(diag.CodeUndeclaredVariable)) {
				t.Errorf("diagnostics %v", d.list)
			}
		})
	}
	t.Run("a host", func(t *testing.T) {
		t.Parallel()
		s := sample{base: "https://" + caret + "{instance}.h.test:" + "{port}/v1"}
		d := s.load(t, "API_INSTANCE=acme", "API_PORT=8443")
		d.found(s.text(), diag.Warning, diag.CodeUndeclaredVariable, "API_INSTANCE")
		d.sends("", "GET https://acme.h.test:8443/v1/x")
	})
	t.Run("a declared path parameter fills the base path", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "REGION: R1", base: "https://h.test/v1/{region}", ops: param}.load(t)
		d.quiet()
		d.sends("region=a/b", "GET https://h.test/v1/a%2Fb/x")
		d.calls(`{"region":"eu"}`, "GET https://h.test/v1/eu/x")
		d.sent = nil
		_, err := d.tool("op", "{}")
		d.fails(err, "region", "required")
	})
	t.Run("inside a segment of the base path", func(t *testing.T) {
		t.Parallel()
		d := sample{base: "https://h.test/v1/r-{region}-z/w/", ops: param}.load(t)
		d.sends("region=eu", "GET https://h.test/v1/r-eu-z/w/x")
	})
	t.Run("behind a variable of the same segment", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "ORG: ORG", base: "https://h.test/{{ORG}}-{region}", ops: param}.load(t)
		d.sends("region=eu", "GET https://h.test/val-ORG-eu/x")
	})
	t.Run("behind a variable that holds the host", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "URL: URL", base: "{{URL}}/{region}", ops: param}.load(t, "URL=https://h.test/v1")
		d.sends("region=eu", "GET https://h.test/v1/eu/x")
	})
	t.Run("but not the host", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "REGION: R1", base: "https://{region}.h.test", ops: param}.load(t)
		d.sends("region=evil.test%2F", "GET https://val-R1.h.test/x")
		d.calls(`{"region":"evil.test/"}`, "GET https://val-R1.h.test/x")
	})
	t.Run("not the host, though the path has it too", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "REGION: R1", base: "https://{region}.h.test", path: "/x/{region}", ops: param}.load(t)
		d.sends("region=eu", "GET https://val-R1.h.test/x/eu")
	})
	t.Run("the host, from an enum", func(t *testing.T) {
		t.Parallel()
		s := sample{base: "https://{region}.h.test/v1", ops: `{name: get, inputParameters: [{name: region, in: path, enum: [eu, us]}]}`}
		d := s.load(t)
		d.quiet()
		d.sends("region=us", "GET https://us.h.test/v1/x")
		d.calls(`{"region":"eu"}`, "GET https://eu.h.test/v1/x")
		for _, value := range []string{"evil.test", "eu.h.test/?", "EU", ""} {
			d.sent = nil
			_, err := d.tool("op", `{"region":"`+value+`"}`)
			d.fails(err, "region")
			if plan.AsError(err).Code != plan.CodeInvalidInput {
				t.Errorf("%q: code %s", value, plan.AsError(err).Code)
			}
		}
		d.sent = nil
		_, err := d.tool("op", "{}")
		d.fails(err, "region", "required")
	})
}

// V5: a variable without a value is a warning, and an error of the operations that use it.
func TestV5(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]sample{
		"credential":  {binds: caret + "TOKEN: TOKEN", api: bearer},
		"base URI":    {binds: caret + "TOKEN: TOKEN", base: "{{TOKEN}}/v1"},
		"path":        {binds: caret + "TOKEN: TOKEN", path: "/x/{{TOKEN}}"},
		"query":       {binds: caret + "TOKEN: TOKEN", ops: `{name: get, inputParameters: [{name: a, in: query, value: "{{TOKEN}}"}]}`},
		"header":      {binds: caret + "TOKEN: TOKEN", ops: `{name: get, inputParameters: [{name: a, in: header, value: "x {{TOKEN}}"}]}`},
		"cookie":      {binds: caret + "TOKEN: TOKEN", ops: `{name: get, inputParameters: [{name: a, in: cookie, value: "{{TOKEN}}"}]}`},
		"body":        {binds: caret + "TOKEN: TOKEN", ops: `{name: get, method: POST, body: {data: {a: {b: ["{{TOKEN}}"]}}}}`},
		"undeclared":  {api: `authentication: {type: basic, username: "` + caret + `{{TOKEN}}", password: ""}`},
		"basic":       {binds: caret + "TOKEN: TOKEN", api: `authentication: {type: basic, username: u, password: "{{TOKEN}}"}`},
		"auth query":  {binds: caret + "TOKEN: TOKEN", api: `authentication: {type: apikey, in: query, key: k, value: "{{TOKEN}}"}`},
		"auth cookie": {binds: caret + "TOKEN: TOKEN", api: `authentication: {type: apikey, in: cookie, key: k, value: "{{TOKEN}}"}`},
		"auth body":   {binds: caret + "TOKEN: TOKEN", ops: `{name: get, method: POST}`, api: `authentication: {type: apikey, in: body, key: k, value: "{{TOKEN}}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := s.load(t, "TOKEN=-")
			d.found(s.text(), diag.Warning, diag.CodeMissingVariable, "variable TOKEN is not set", "--env-file")
			if d.list.HasErrors() {
				t.Errorf("something is refused: %v", d.list)
			}
			_, rerr := d.rest("op", nil, "", "")
			d.fails(rerr, "variable TOKEN is not set")
			_, terr := d.tool("op", `{"body":{}}`)
			d.fails(terr, "variable TOKEN is not set")
			if got := plan.AsError(rerr).Code; got != plan.CodeNotConfigured {
				t.Errorf("code %s", got)
			}
		})
	}
	t.Run("the others are served", func(t *testing.T) {
		t.Parallel()
		d := sample{
			binds: "A: A, B: B", ops: `{name: get, inputParameters: [{name: a, in: query, value: "{{A}}"}]}, {name: other, inputParameters: [{name: b, in: query, value: "{{B}}"}]}`,
			rest: `{name: op, call: api.get}, {name: other, method: POST, call: api.other}`,
		}.load(t, "B=-")
		d.sends("", "GET https://api.test/x?a=val-A")
	})
}
