package plan_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
)

func auth(keys string) sample {
	return sample{binds: "KEY: KEY, USER_ID: USER_ID", api: "authentication: {" + keys + "}"}
}

// served checks what both doors send without inputs.
func (s sample) served(t *testing.T, want string, env ...string) {
	t.Helper()
	d := s.load(t, env...)
	d.quiet()
	d.sends("", want)
	d.calls("{}", want)
}

// A1: bearer.
func TestA1(t *testing.T) {
	t.Parallel()
	const url = "GET https://api.test/x\nAuthorization: "
	for _, x := range []struct{ name, keys, value, want string }{
		{"token", `type: bearer, token: "{{KEY}}"`, "abc", "Bearer abc"},
		{"value", `type: bearer, value: "{{KEY}}"`, "abc", "Bearer abc"},
		{"value and placement", `type: bearer, value: "{{KEY}}", placement: header`, "abc", "Bearer abc"},
		{"any case", `type: Bearer, token: "{{env.KEY}}"`, "abc", "Bearer abc"},
		{"prefix in the document", `type: bearer, token: "Bearer {{KEY}}"`, "abc", "Bearer abc"},
		{"prefix in the variable", `type: bearer, token: "{{KEY}}"`, "Bearer abc", "Bearer abc"},
		{"prefix of another case", `type: bearer, token: "{{KEY}}"`, "bearer abc", "bearer abc"},
		{"a token that only begins so", `type: bearer, token: "{{KEY}}"`, "Bearerabc", "Bearer Bearerabc"},
		{"text beside a variable", `type: bearer, token: "a.{{KEY}}.c"`, "b", "Bearer a.b.c"},
		{"a literal", `type: bearer, token: abcd`, "", "Bearer abcd"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			auth(x.keys).served(t, url+x.want, "KEY="+x.value)
		})
	}
	t.Run("a literal is advised on", func(t *testing.T) {
		t.Parallel()
		s := auth("type: bearer, token: " + caret + "hunter22")
		d := s.load(t)
		d.found(s.text(), diag.Info, diag.CodeAuthLiteral, "{{NAME}}")
		if strings.Contains(fmt.Sprint(d.list), "hunter22") {
			t.Errorf("shown: %v", d.list)
		}
	})
	for _, keys := range []string{"type: bearer", "type: bearer, token: ''", "type: bearer, token: null"} {
		t.Run("refused: "+keys, func(t *testing.T) {
			t.Parallel()
			s := auth(keys)
			s.load(t).refused(strings.Replace(s.text(), "authentication: {", "authentication: "+caret+"{", 1), diag.CodeAuthIncomplete, "no value")
		})
	}
}

// A2: basic.
func TestA2(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ name, keys, credentials string }{
		{"both", `type: basic, username: "{{USER_ID}}", password: "{{KEY}}"`, "val-USER_ID:val-KEY"},
		{"empty password", `type: basic, username: "{{USER_ID}}", password: ''`, "val-USER_ID:"},
		{"no password", `type: basic, username: "{{USER_ID}}"`, "val-USER_ID:"},
		{"literal user", `type: BASIC, username: anystring, password: "{{KEY}}"`, "anystring:val-KEY"},
		{"text beside", `type: basic, username: "{{USER_ID}}/token", password: "{{KEY}}"`, "val-USER_ID/token:val-KEY"},
		{"beyond ASCII", `type: basic, username: "ü", password: "{{KEY}}"`, "ü:val-KEY"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			auth(x.keys).served(t, "GET https://api.test/x\nAuthorization: Basic "+base64.StdEncoding.EncodeToString([]byte(x.credentials)))
		})
	}
	t.Run("refused: neither", func(t *testing.T) {
		t.Parallel()
		s := auth("type: basic")
		s.load(t).refused(strings.Replace(s.text(), "authentication: {", "authentication: "+caret+"{", 1), diag.CodeAuthIncomplete, "neither username nor password")
	})
}

// A3: apikey in all its spellings and places.
func TestA3(t *testing.T) {
	t.Parallel()
	const url = "GET https://api.test/x"
	for _, x := range []struct{ keys, want string }{
		{`type: apikey, key: X-K, value: "{{KEY}}", placement: header`, "\nX-K: val-KEY"},
		{`type: apikey, key: X-K, value: "{{KEY}}"`, "\nX-K: val-KEY"},
		{`type: apikey, name: X-K, value: "{{KEY}}", in: header`, "\nX-K: val-KEY"},
		{`type: apiKey, header: X-K, value: "{{KEY}}"`, "\nX-K: val-KEY"},
		{`type: APIKEY, header: X-K, token: "{{KEY}}"`, "\nX-K: val-KEY"},
		{`type: apikey, header: X-K, key: "{{KEY}}"`, "\nX-K: val-KEY"},
		{`type: apikey, name: X-K, key: "{{KEY}}"`, "\nX-K: val-KEY"},
		{`type: apikey, key: X-K, name: X-N, header: X-H, value: "{{KEY}}", token: t`, "\nX-K: val-KEY"},
		{`type: apikey, in: header, name: Authorization, value: "Token {{KEY}}"`, "\nAuthorization: Token val-KEY"},
		{`type: apikey, key: Authorization, value: "PS-Auth key={{KEY}}; runas={{USER_ID}}"`, "\nAuthorization: PS-Auth key=val-KEY; runas=val-USER_ID"},
		{`type: apikey, key: k, value: "{{KEY}}", placement: query`, "?k=val-KEY"},
		{`type: apiKey, in: Query, name: k, token: "{{KEY}}"`, "?k=val-KEY"},
		{`type: apikey, key: "k[]", value: "a&{{KEY}}", placement: query`, "?k%5B%5D=a%26val-KEY"},
		{`type: apikey, key: sid, value: "{{KEY}}", placement: cookie`, "\nCookie: sid=val-KEY"},
		{`type: apikey, headers: {X-A: "{{KEY}}", X-B: "{{USER_ID}}"}`, "\nX-A: val-KEY\nX-B: val-USER_ID"},
		{`type: apikey, headers: [{key: X-A, value: "{{KEY}}"}, {key: X-B, value: "{{USER_ID}}"}]`, "\nX-A: val-KEY\nX-B: val-USER_ID"},
		{`type: apikey, headers: [{name: X-A, value: "{{KEY}}"}]`, "\nX-A: val-KEY"},
	} {
		t.Run(x.keys, func(t *testing.T) {
			t.Parallel()
			auth(x.keys).served(t, url+x.want)
		})
	}
	t.Run("cookie beside a declared one", func(t *testing.T) {
		t.Parallel()
		s := auth(`type: apikey, key: sid, value: "{{KEY}}", placement: cookie`)
		s.ops = "{name: get, inputParameters: [{name: lang, in: cookie}]}"
		s.load(t).calls(`{"lang":"de"}`, url+"\nCookie: lang=de; sid=val-KEY")
	})
	body := auth(`type: apikey, key: secret, value: "{{KEY}}", placement: body`)
	for _, x := range []struct{ name, ops, arguments, want string }{
		{"body template", "{name: get, method: POST, body: {type: json, data: {a: '{{tools.a}}'}}}", `{"a":1}`, "application/json\n\n" + `{"a":1,"secret":"val-KEY"}`},
		{"replacing a member", "{name: get, method: POST, body: {type: json, data: {secret: x, a: '{{tools.a}}'}}}", `{"a":1}`, "application/json\n\n" + `{"a":1,"secret":"val-KEY"}`},
		{"body parameters", "{name: get, method: POST, inputParameters: [{name: a, in: body}]}", `{"a":1}`, "application/json\n\n" + `{"a":1,"secret":"val-KEY"}`},
		{"form", "{name: get, method: POST, inputParameters: [{name: a, in: body}], body: {type: form}}", `{"a":1}`, "application/x-www-form-urlencoded\n\na=1&secret=val-KEY"},
		{"implicit body", "{name: get, method: POST}", `{"body":{"a":1,"secret":"evil"}}`, "application/json\n\n" + `{"a":1,"secret":"val-KEY"}`},
		{"no body", "{name: get, method: POST}", `{}`, "application/json\n\n" + `{"secret":"val-KEY"}`},
	} {
		t.Run("body: "+x.name, func(t *testing.T) {
			t.Parallel()
			s := body
			s.ops = x.ops
			s.load(t).calls(x.arguments, "POST https://api.test/x\nContent-Type: "+x.want)
		})
	}
	t.Run("body of a request", func(t *testing.T) {
		t.Parallel()
		s := body
		s.ops = "{name: get, method: POST}"
		d := s.load(t)
		if _, err := d.rest("op", nil, "", `{"a": 1, "secret": "evil"}`); err != nil {
			t.Fatal(err)
		}
		d.wired("POST https://api.test/x\nContent-Type: application/json\n\n" + `{"a":1,"secret":"val-KEY"}`)
		d.sent = nil
		_, err := d.rest("op", nil, "", `[1]`)
		d.fails(err, "must be a JSON object")
	})
	for _, x := range []struct {
		name string
		s    sample
		want string
	}{
		{"path", sample{path: "/bot{token}/get"}, "/botval-KEY/get"},
		{"a path of its own", sample{path: "/x", ops: `{name: get, path: "/{token}"}`}, "/x/val-KEY"},
		{"base URI", sample{base: "https://api.test/bot{token}"}, "/botval-KEY/x"},
		{"base URI, whole segment", sample{base: "https://api.test/{token}/v1"}, "/val-KEY/v1/x"},
		{"base URI, whatever keys end so", sample{binds: "OTHER_TOKEN: OTHER_TOKEN", base: "https://api.test/bot{token}"}, "/botval-KEY/x"},
		{"declared as a parameter", sample{path: "/bot{token}", ops: "{name: get, inputParameters: [{name: token, in: path, required: true}]}"}, "/botval-KEY"},
		{"declared, base URI", sample{base: "https://api.test/bot{token}", ops: "{name: get, inputParameters: [{name: token, in: path}]}"}, "/botval-KEY/x"},
	} {
		t.Run("path: "+x.name, func(t *testing.T) {
			t.Parallel()
			x.s.binds += ", KEY: KEY"
			x.s.binds = strings.TrimPrefix(x.s.binds, ", ")
			x.s.api = `authentication: {type: apikey, placement: path, key: token, value: "{{KEY}}"}`
			d := x.s.load(t)
			if d.list.HasErrors() || hasCode(d.list, string(diag.CodeUndeclaredVariable)) {
				t.Errorf("got %v", d.list)
			}
			d.sends("token=evil", "GET https://api.test"+x.want)
			d.calls(`{"token":"evil"}`, "GET https://api.test"+x.want)
			if got := schemaOf(t, d); strings.Contains(got, "token") {
				t.Errorf("schema %s", got)
			}
		})
	}
	t.Run("path: encoded", func(t *testing.T) {
		t.Parallel()
		s := sample{binds: "KEY: KEY", path: "/bot{token}/get", api: `authentication: {type: apikey, placement: path, key: token, value: "{{KEY}}"}`}
		s.served(t, "GET https://api.test/bot12%3Aa%2Fb/get", "KEY=12:a/b")
	})
	for _, x := range []struct {
		keys, at string
		code     diag.Code
	}{
		{"type: apikey, in: header, name: X-K", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, key: '{{KEY}}'", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, value: '{{KEY}}'", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, key: X-K, value: ''", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, headers: {}", "{}", diag.CodeAuthIncomplete},
		{"type: apikey, headers: {X-A: null}", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, key: X K, value: '{{KEY}}'", "{type", diag.CodeAuthIncomplete},
		{"type: apikey, key: k, value: '{{KEY}}', placement: somewhere", "{type", diag.CodeAuthUnsupported},
	} {
		t.Run("refused: "+x.keys, func(t *testing.T) {
			t.Parallel()
			s := auth(x.keys)
			head, tail, _ := strings.Cut(s.text(), "authentication: ")
			s.load(t).refused(head+"authentication: "+strings.Replace(tail, x.at, caret+x.at, 1), x.code, "authentication of api")
		})
	}
}

// A4: the other types.
func TestA4(t *testing.T) {
	t.Parallel()
	auth(`type: header, header: X-Auth-Token, value: "{{KEY}}"`).served(t, "GET https://api.test/x\nX-Auth-Token: val-KEY")
	auth(`type: query, parameters: [{name: client_id, value: "{{env.USER_ID}}"}, {name: client_secret, value: "{{env.KEY}}"}]`).
		served(t, "GET https://api.test/x?client_id=val-USER_ID&client_secret=val-KEY")
	auth(`type: query, parameters: {a: "{{KEY}}"}`).served(t, "GET https://api.test/x?a=val-KEY")
	for _, x := range []struct {
		keys string
		code diag.Code
		word string
	}{
		{"type: oauth1, consumerKey: '{{KEY}}'", diag.CodeAuthIncomplete, "neither signingKey nor consumerSecret"},
		{"type: oauth1, signingKey: '{{KEY}}'", diag.CodeAuthIncomplete, "no consumerKey"},
		{"type: oauth1, consumerKey: '{{KEY}}', consumerSecret: '{{KEY}}', signatureMethod: RSA-SHA256", diag.CodeAuthIncomplete, "no signingKey"},
		{"type: oauth1, consumerKey: '{{KEY}}', consumerSecret: '{{KEY}}', signatureMethod: ‸HMAC-SHA-1", diag.CodeAuthUnsupported, "HMAC-SHA1"},
		{"type: oauth1, consumerKey: '{{KEY}}', signingKey: ‸./key.pem", diag.CodeAuthIncomplete, "cannot be used here"},
		{"type: oauth1, consumerKey: '{{KEY}}', signingKey: ‸'/keys/{{KEY}}.pem'", diag.CodeAuthIncomplete, "mixes"},
		{"type: oauth1, consumerKey: '‸{{tools.k}}', consumerSecret: '{{KEY}}'", diag.CodeAuthUnresolved, "{{tools.k}}"},
		{"type: hmac, apiId: '{{KEY}}'", diag.CodeAuthIncomplete, "no apiKey"},
		{"type: hmac, algorithm: sha256, apiId: '{{KEY}}'", diag.CodeAuthIncomplete, "no key"},
		{"type: hmac, algorithm: ‸md5, key: '{{KEY}}'", diag.CodeAuthUnsupported, "sha256"},
		{"type: hmac, key: '{{KEY}}', sign: ‸'{methd}'", diag.CodeAuthUnresolved, "did you mean {method}?"},
		{"type: hmac, key: '{{KEY}}', sign: ‸'{signature}'", diag.CodeAuthUnresolved, "{signature}"},
		{"type: hmac, key: '{{KEY}}', headers: {X-A: '{timestamp}'}", diag.CodeAuthIncomplete, "no header"},
		{"type: hmac, key: '{{KEY}}', header: ‸'X A'", diag.CodeAuthIncomplete, "no valid header"},
		{"type: aws-sig-v4, accessKeyId: '{{KEY}}'", diag.CodeAuthIncomplete, "no secretKey"},
		{"type: aws-sig-v4, accessKeyId: '{{KEY}}', secretKey: '{{KEY}}', region: a", diag.CodeAuthIncomplete, "no service"},
		{"type: certificate, certPassword: '{{KEY}}'", diag.CodeAuthIncomplete, "no certPath"},
		{"type: certificate, certPath: ‸certs/client.pem", diag.CodeAuthIncomplete, "absolute path"},
		{"type: ‸oauth2, scopes: [a]", diag.CodeAuthUnsupported, "how to get a token"},
		{"type: oauth2, clientId: '{{KEY}}', clientSecret: '{{KEY}}'", diag.CodeAuthIncomplete, "no tokenEndpoint"},
		{"type: oauth2, tokenUrl: 'https://t.test', clientId: '{{KEY}}'", diag.CodeAuthIncomplete, "no clientSecret"},
		{"type: oauth2, tokenUrl: 'https://t.test', clientId: '{{KEY}}', clientSecret: '{{KEY}}', grantType: ‸authorization_code", diag.CodeAuthUnsupported, "client_credentials"},
		{"type: oauth2, tokenUrl: 'https://t.test', clientId: '{{KEY}}', grantType: refresh_token", diag.CodeAuthIncomplete, "no refreshToken"},
		{"type: digest, password: '{{KEY}}'", diag.CodeAuthIncomplete, "no username"},
		{"type: ‸kerberos, token: '{{KEY}}'", diag.CodeAuthUnsupported, "kerberos"},
		{"type: ‸bearertoken, token: '{{KEY}}'", diag.CodeAuthUnsupported, "bearertoken"},
		{"type: header, value: '{{KEY}}'", diag.CodeAuthIncomplete, "no name"},
		{"type: header, header: X-A", diag.CodeAuthIncomplete, "no value"},
		{"type: query", diag.CodeAuthIncomplete, "no parameters"},
		{"type: query, parameters: []", diag.CodeAuthIncomplete, "no parameters"},
		{"type: query, parameters: [{name: a}]", diag.CodeAuthIncomplete, "no value"},
		{"token: '{{KEY}}'", diag.CodeAuthIncomplete, "no type"},
		{"type: bearer, token: '‸{{signature}}'", diag.CodeAuthUnresolved, "{{signature}}"},
		{"type: bearer, token: 'HMAC {{KEY}}:‸{{signature}}'", diag.CodeAuthUnresolved, "{{signature}}"},
		{"type: basic, username: '‸{{tools.user}}', password: x", diag.CodeAuthUnresolved, "{{tools.user}}"},
		{"type: apikey, key: k, in: query, value: '‸{{rest.k}}'", diag.CodeAuthUnresolved, "{{rest.k}}"},
	} {
		t.Run("refused: "+x.keys, func(t *testing.T) {
			t.Parallel()
			s := auth(x.keys)
			text := s.text()
			if !strings.Contains(text, caret) {
				text = strings.Replace(text, "authentication: {", "authentication: "+caret+"{", 1)
			}
			s.load(t).refused(text, x.code, x.word)
		})
	}
	t.Run("refused: no mapping", func(t *testing.T) {
		t.Parallel()
		s := sample{api: "authentication: [bearer]"}
		if d := s.load(t); !d.list.HasErrors() {
			t.Errorf("served: %v", d.list)
		}
	})
	t.Run("text that only looks like a template", func(t *testing.T) {
		t.Parallel()
		auth(`type: header, header: X-A, value: '${a} <<b>> \{{c}} {d}'`).served(t, "GET https://api.test/x\nX-A: ${a} <<b>> {{c}} {d}")
	})
}

// A5: parameters that authentication fills are no inputs.
func TestA5(t *testing.T) {
	t.Parallel()
	key := func(in string) sample {
		return sample{binds: "KEY: KEY", api: `authentication: {type: apikey, in: ` + in + `, key: k, value: "{{KEY}}"}`}
	}
	for _, x := range []struct{ in, want string }{{"query", "?a=1&k=val-KEY"}, {"header", "?a=1\nk: val-KEY"}, {"cookie", "?a=1\nCookie: k=val-KEY"}} {
		t.Run(x.in, func(t *testing.T) {
			t.Parallel()
			s := key(x.in)
			s.ops = "{name: get, inputParameters: [{name: k, in: " + x.in + ", required: true}, {name: a, in: query}]}"
			s.tools = "{name: op, call: api.get, inputParameters: [{name: k, type: string, required: true}, {name: a, type: string}]}, {name: bare, call: api.get}, {name: fed, call: api.get, with: {k: tools.secret, a: '1'}}"
			s.rest = "{name: op, call: api.get, inputParameters: [{name: k, in: query}, {name: a, in: query}]}"
			d := s.load(t)
			if d.list.HasErrors() {
				t.Fatalf("got %v", d.list)
			}
			want := "GET https://api.test/x" + x.want
			d.sends("k=evil&a=1", want)
			d.calls(`{"k":"evil","a":"1"}`, want)
			for name, arguments := range map[string]string{"bare": `{"k":"evil","a":"1"}`, "fed": `{"secret":"evil"}`} {
				if _, err := d.tool(name, arguments); err != nil {
					t.Error(err)
				}
				d.wired(want)
			}
			for _, tool := range d.unit.Exposures[1].Tools {
				if got := string(tool.InputSchema); strings.Contains(got, `"k"`) || strings.Contains(got, "secret") {
					t.Errorf("schema of %s: %s", tool.Name, got)
				}
			}
			d.found(strings.Replace(s.text(), "with: {", "with: {"+caret, 1), diag.Warning, diag.CodeAssumed, "with.k is ignored")
			d.found(strings.Replace(s.text(), "inputParameters: [{name: k, type", "inputParameters: ["+caret+"{name: k, type", 1), diag.Warning, diag.CodeAssumed, "k", "ignored")
		})
	}
	t.Run("header names in any case", func(t *testing.T) {
		t.Parallel()
		s := sample{binds: "TOKEN: TOKEN", api: bearer, ops: "{name: get, inputParameters: [{name: authorization, in: header, required: true}]}"}
		d := s.load(t)
		d.calls(`{"authorization":"evil"}`, "GET https://api.test/x\nAuthorization: Bearer val-TOKEN")
		if _, err := d.rest("op", nil, "", "", "Authorization: evil"); err != nil {
			t.Fatal(err)
		}
		d.wired("GET https://api.test/x\nAuthorization: Bearer val-TOKEN")
	})
	t.Run("basic fills Authorization", func(t *testing.T) {
		t.Parallel()
		s := sample{api: "authentication: {type: basic, username: u, password: ''}", ops: "{name: get, inputParameters: [{name: Authorization, in: header, required: true}]}"}
		s.load(t).calls(`{"Authorization":"evil"}`, "GET https://api.test/x\nAuthorization: Basic dTo=")
	})
	t.Run("another place is another parameter", func(t *testing.T) {
		t.Parallel()
		s := key("header")
		s.ops = "{name: get, inputParameters: [{name: k, in: query}]}"
		d := s.load(t)
		d.quiet()
		d.calls(`{"k":"v"}`, "GET https://api.test/x?k=v\nk: val-KEY")
	})
	t.Run("a placeholder of the route", func(t *testing.T) {
		t.Parallel()
		s := key("path")
		s.path, s.route, s.tools = "/x/{k}", "/r/{k}", "-"
		d := s.load(t)
		if _, err := d.rest("op", []string{"evil"}, "", ""); err != nil {
			t.Fatal(err, d.list)
		}
		d.wired("GET https://api.test/x/val-KEY")
	})
	t.Run("body parameter", func(t *testing.T) {
		t.Parallel()
		s := key("body")
		s.ops = "{name: get, method: POST, inputParameters: [{name: k, in: body, required: true}, {name: a, in: body}]}"
		d := s.load(t)
		d.calls(`{"k":"evil","a":1}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"a":1,"k":"val-KEY"}`)
		if got := schemaOf(t, d); strings.Contains(got, `"k"`) {
			t.Errorf("schema %s", got)
		}
	})
	t.Run("template variable", func(t *testing.T) {
		t.Parallel()
		s := key("body")
		s.ops = `{name: get, method: POST, body: {type: json, data: {k: "{{tools.k}}", a: "{{tools.a}}"}}}`
		s.tools = "{name: op, call: api.get}, {name: fed, call: api.get, with: {k: tools.secret, a: tools.a}}"
		d := s.load(t)
		d.calls(`{"k":"evil","a":1}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"a":1,"k":"val-KEY"}`)
		for _, tool := range d.unit.Exposures[1].Tools {
			if got := string(tool.InputSchema); strings.Contains(got, `"k"`) || strings.Contains(got, "secret") {
				t.Errorf("schema of %s: %s", tool.Name, got)
			}
		}
	})
	t.Run("template variable that serves another member too", func(t *testing.T) {
		t.Parallel()
		s := key("body")
		s.ops = `{name: get, method: POST, body: {type: json, data: {k: "{{tools.k}}", copy: "{{tools.k}}"}}}`
		s.load(t).calls(`{"k":"v"}`, "POST https://api.test/x\nContent-Type: application/json\n\n"+`{"copy":"v","k":"val-KEY"}`)
	})
	t.Run("what C5 drops", func(t *testing.T) {
		t.Parallel()
		s := sample{path: "/x?k=fixed", ops: "{name: get, inputParameters: [{name: k, in: query}]}", tools: "{name: op, call: api.get, with: {k: tools.k}}"}
		d := s.load(t)
		d.found(strings.Replace(s.text(), "with: {", "with: {"+caret, 1), diag.Warning, diag.CodeAssumed, "ignored")
		d.calls(`{"k":"evil"}`, "GET https://api.test/x?k=fixed")
	})
}

// A6: the key auth.
func TestA6(t *testing.T) {
	t.Parallel()
	s := sample{binds: "KEY: KEY", api: `auth: {type: bearer, token: "{{env.KEY}}"}`}
	d := s.load(t)
	d.sends("", "GET https://api.test/x\nAuthorization: Bearer val-KEY")
	d.calls("{}", "GET https://api.test/x\nAuthorization: Bearer val-KEY")
	t.Run("refused like the other", func(t *testing.T) {
		t.Parallel()
		s := sample{api: "auth: {type: " + caret + "oauth2}"}
		s.load(t).refused(s.text(), diag.CodeAuthUnsupported, "oauth2")
	})
}

// D7: no way of printing shows a secret.
func TestD7(t *testing.T) {
	t.Parallel()
	const value = `s3cret "päss/w:rd"&<x>+1`
	one := "authentication: {type: apikey, key: k, value: '{{KEY}}', placement: %s}"
	post := "{name: get, method: POST}"
	for name, s := range map[string]sample{
		"bearer":           {api: "authentication: {type: bearer, token: '{{KEY}}'}"},
		"bearer, text":     {api: "authentication: {type: bearer, token: 'a {{KEY}} b'}"},
		"basic password":   {api: "authentication: {type: basic, username: bob, password: '{{KEY}}'}"},
		"basic user":       {api: "authentication: {type: basic, username: '{{KEY}}', password: ''}"},
		"header":           {api: fmt.Sprintf(one, "header")},
		"query":            {api: fmt.Sprintf(one, "query")},
		"cookie":           {api: fmt.Sprintf(one, "cookie")},
		"body":             {api: fmt.Sprintf(one, "body"), ops: post},
		"path":             {api: fmt.Sprintf(one, "path"), path: "/x/bot{k}"},
		"base URI":         {api: fmt.Sprintf(one, "path"), base: "https://api.test/bot{k}"},
		"variable in path": {path: "/x/{{KEY}}"},
		"in a segment":     {path: "/x/bot{{KEY}}.json"},
		"in the base path": {base: "https://api.test/bot{{KEY}}"},
		"constant pair":    {path: "/x?k=a{{KEY}}"},
		"header parameter": {ops: "{name: get, inputParameters: [{name: X-A, in: header, value: 'a {{KEY}}'}]}"},
		"query parameter":  {ops: "{name: get, inputParameters: [{name: a, in: query, value: '{{KEY}}'}]}"},
		"cookie parameter": {ops: "{name: get, inputParameters: [{name: a, in: cookie, value: '{{KEY}}'}]}"},
		"body template":    {ops: "{name: get, method: POST, body: {data: {a: 'x {{KEY}}'}}}"},
		"form template":    {ops: "{name: get, method: POST, body: {type: form, data: {a: '{{KEY}}'}}}"},
		"with":             {ops: "{name: get, inputParameters: [{name: a, in: query}]}", tools: "{name: op, call: api.get, with: {a: env.KEY}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.binds = "KEY: KEY"
			value := value
			if strings.Contains(name, "base path") {
				value = "s3cret-pass" // what a base URI can hold
			}
			d := s.load(t, "KEY="+value)
			if _, err := d.tool("op", "{}"); err != nil {
				t.Fatal(err, d.list)
			}
			r := d.sent[0]
			token := base64.StdEncoding.EncodeToString([]byte("bob:" + value))
			if !strings.Contains(d.wire(), "s3cret") && !strings.Contains(d.wire(), "Basic ") {
				t.Fatalf("not sent:\n%s", d.wire())
			}
			var log strings.Builder
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "request", r, "header", r.Header, "secrets", r.Secrets)
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "request", *r, "header", r.Header, "secrets", r.Secrets)
			dump, err := json.Marshal(r)
			if err != nil {
				t.Error(err)
			}
			shown := map[string]string{
				"%v": fmt.Sprintf("%v", r), "%+v": fmt.Sprintf("%+v", r), "%#v": fmt.Sprintf("%#v", r), "%s": fmt.Sprintf("%s", r), "%q": fmt.Sprintf("%q", r),
				"value %v": fmt.Sprintf("%v", *r), "value %+v": fmt.Sprintf("%+v", *r), "value %#v": fmt.Sprintf("%#v", *r),
				"headers %v": fmt.Sprintf("%v", r.Header), "headers %+v": fmt.Sprintf("%+v", r.Header), "headers %#v": fmt.Sprintf("%#v", r.Header),
				"secrets": fmt.Sprintf("%v %+v %#v %s %q %x", r.Secrets, r.Secrets, r.Secrets, r.Secrets, r.Secrets, r.Secrets),
				"URL":     r.MaskedURL(), "JSON": string(dump), "log": log.String(), "diagnostics": fmt.Sprintf("%v %+v %#v", d.list, d.list, d.list),
			}
			for how, text := range shown {
				for _, leak := range []string{"s3cret", "päss", "p%C3%A4ss", token, base64.StdEncoding.EncodeToString([]byte(value + ":")), "s3cret"} {
					if strings.Contains(text, leak) {
						t.Errorf("%s shows %q: %s", how, leak, text)
					}
				}
			}
			if !strings.Contains(shown["%v"], plan.Masked) && r.Body.IsEmpty() {
				t.Errorf("nothing is masked: %s", shown["%v"])
			}
		})
	}
	t.Run("credentials written into the document", func(t *testing.T) {
		t.Parallel()
		for _, api := range []string{
			"authentication: {type: bearer, token: hunter22}", "authentication: {type: apikey, key: k, value: hunter22, in: query}",
			"authentication: {type: apikey, key: k, value: hunter22, in: cookie}", "authentication: {type: apikey, key: k, value: hunter22, in: header}",
			"authentication: {type: basic, username: bob, password: hunter22}", "authentication: {type: apikey, key: k, value: hunter22, in: path}",
		} {
			d := sample{api: api, path: "/x/{k}"}.load(t)
			if _, err := d.tool("op", `{"k":"v"}`); err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprintf("%v %+v %#v %v", d.sent[0], d.sent[0], *d.sent[0], d.list); strings.Contains(text, "hunter22") || strings.Contains(text, "Ym9iOmh1bnRlcjIy") {
				t.Errorf("%s: shown: %s", api, text)
			}
		}
	})
	t.Run("a secret inside another", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "A: A, B: B", path: "/x?a={{A}}&b={{B}}"}.load(t, "A=abcd", "B=abcdefgh")
		d.calls("{}", "GET https://api.test/x?a=abcd&b=abcdefgh")
		if got := d.sent[0].MaskedURL(); got != "https://api.test/x?a=<secret>&b=<secret>" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("settings may be shown", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "HOST: API_HOST, VERSION: API_VERSION, SCHEME: SCHEME", base: "{{SCHEME}}://{{HOST}}:8443/{{VERSION}}/api"}.
			load(t, "API_HOST=acme.test", "API_VERSION=v2-beta", "SCHEME=https")
		d.calls("{}", "GET https://acme.test:8443/v2-beta/api/x")
		if got := d.sent[0].MaskedURL(); got != "https://acme.test:8443/v2-beta/api/x" {
			t.Errorf("got %s", got)
		}
		for _, v := range d.unit.Variables {
			if !v.Setting {
				t.Errorf("%s is no setting", v.Name)
			}
		}
	})
	t.Run("a setting that is used as a credential too is a secret", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "TOKEN: TOKEN", base: "https://{{TOKEN}}.api.test", api: bearer}.load(t, "TOKEN=s3cret")
		d.calls("{}", "GET https://s3cret.api.test/x\nAuthorization: Bearer s3cret")
		if got := fmt.Sprint(d.sent[0]); strings.Contains(got, "s3cret") || d.unit.Variables[0].Setting {
			t.Errorf("got %s", got)
		}
	})
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		for name, s := range map[string]sample{
			"header":   {api: "authentication: {type: bearer, token: '{{KEY}}'}"},
			"cookie":   {api: "authentication: {type: apikey, key: k, value: '{{KEY}}', in: cookie}"},
			"base URI": {base: "https://{{KEY}}/v1"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.binds = "KEY: KEY"
				d := s.load(t, "KEY=s3cret@pass\nX-Evil: 1")
				_, err := d.tool("op", "{}")
				d.fails(err)
				if e := plan.AsError(err); e.Code != plan.CodeNotConfigured || strings.Contains(fmt.Sprintf("%v %+v %v %v", e, e, e.Cause, d.list), "s3cret") {
					t.Errorf("got %s %+v, %v", e.Code, e, d.list)
				}
			})
		}
	})
	t.Run("an empty variable in a path is no mistake of the caller", func(t *testing.T) {
		t.Parallel()
		for _, value := range []string{"", "..", "."} {
			d := sample{binds: "TENANT: TENANT", path: "/x/{{TENANT}}/y"}.load(t, "TENANT="+value)
			_, err := d.tool("op", "{}")
			d.fails(err, "TENANT")
			if e := plan.AsError(err); e.Code != plan.CodeNotConfigured {
				t.Errorf("%q: got %s: %v", value, e.Code, e)
			}
		}
	})
	t.Run("placeholders of a dry run", func(t *testing.T) {
		t.Parallel()
		d := sample{binds: "KEY: KEY, URL: URL", base: "{{URL}}/v1", path: "/x/{{KEY}}?k={{KEY}}"}.load(t, "KEY=-", "URL=-")
		bound, list := plan.Bind(d.bound.Plan(), plan.BindOptions{
			Look:         func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnset },
			Upstream:     d.upstream(),
			Placeholders: true,
		})
		if len(list) > 0 {
			t.Errorf("got %v", list)
		}
		d.bound = bound
		d.calls("{}", "GET https://<URL>/v1/x/%3CKEY%3E?k=%3CKEY%3E")
	})
}
