package plan_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// reveal gives a credential as text, secrets included.
func reveal(v reflect.Value) string {
	if s, ok := v.Interface().(plan.Secret); ok {
		return fmt.Sprintf("%q", s.Reveal())
	}
	switch v.Kind() {
	case reflect.Pointer:
		return reveal(v.Elem())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, reveal(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			if text := reveal(v.Field(i)); text != `""` && text != "false" && text != "{}" && text != "[]" {
				parts = append(parts, v.Type().Field(i).Name+":"+text)
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprintf("%#v", v.Interface())
}

// A4: what is added once the request is finished.
func TestCredentials(t *testing.T) {
	t.Parallel()
	const pem = `-----BEGIN KEY-----\nabc`
	for _, x := range []struct{ keys, want string }{
		{`type: digest, username: bob, password: "{{KEY}}"`, `{Username:"bob" Password:"val-KEY"}`},
		{`type: Digest, username: "{{USER_ID}}"`, `{Username:"val-USER_ID"}`},
		{
			`type: oauth2, tokenEndpoint: "https://t.test/token", clientId: "{{USER_ID}}", clientSecret: "{{KEY}}"`,
			`{Grant:"client_credentials" TokenEndpoint:"https://t.test/token" ClientID:"val-USER_ID" ClientSecret:"val-KEY"}`,
		},
		{
			`type: OAuth2, tokenUrl: "https://t.test", clientId: a, clientSecret: "{{KEY}}", scopes: [read, "x:{{USER_ID}}"], audience: aud, resource: "https://r.test", clientAuthentication: Post`,
			`{Grant:"client_credentials" TokenEndpoint:"https://t.test" ClientID:"a" ClientSecret:"val-KEY" Scope:"read x:val-USER_ID" Audience:"aud" Resource:"https://r.test" ClientAuth:"post"}`,
		},
		{
			`type: oauth2, authorizationServerUri: "https://i.test", clientId: a, clientSecret: "{{KEY}}", scopes: read write`,
			`{Grant:"client_credentials" Issuer:"https://i.test" ClientID:"a" ClientSecret:"val-KEY" Scope:"read write"}`,
		},
		{
			`type: oauth2, tokenEndpoint: "https://t.test", clientId: a, refreshToken: "{{KEY}}"`,
			`{Grant:"refresh_token" TokenEndpoint:"https://t.test" ClientID:"a" RefreshToken:"val-KEY"}`,
		},
		{`type: oauth1, consumerKey: "{{USER_ID}}", signingKey: "{{KEY}}"`, `{Method:"RSA-SHA256" ConsumerKey:"val-USER_ID" SigningKey:"val-KEY"}`},
		{`type: oauth1, consumerKey: a, signingKey: "{{PEM}}"`, `{Method:"RSA-SHA256" ConsumerKey:"a" SigningKey:"-----BEGIN KEY-----\\nabc"}`},
		{`type: oauth1, consumerKey: a, signingKey: "{{FILE}}", keyPassword: "{{KEY}}"`, `{Method:"RSA-SHA256" ConsumerKey:"a" KeyPassword:"val-KEY" SigningKeyFile:{Path:"/keys/a.p12"}}`},
		{`type: oauth1, consumerKey: a, signingKey: keys/a.pem`, `{Method:"RSA-SHA256" ConsumerKey:"a" SigningKeyFile:{Path:"/docs/keys/a.pem" Root:"/docs"}}`},
		{
			`type: oauth1, consumerKey: a, consumerSecret: "{{KEY}}", token: b, tokenSecret: "{{USER_ID}}", realm: r, bodyHash: false`,
			`{Method:"HMAC-SHA1" ConsumerKey:"a" ConsumerSecret:"val-KEY" Token:"b" TokenSecret:"val-USER_ID" Realm:"r" NoBodyHash:true}`,
		},
		{`type: oauth1, consumerKey: a, consumerSecret: "{{KEY}}", signatureMethod: hmac-sha256`, `{Method:"HMAC-SHA256" ConsumerKey:"a" ConsumerSecret:"val-KEY"}`},
		{
			`type: aws-sig-v4, accessKeyId: a, secretKey: "{{KEY}}", region: "{{USER_ID}}", service: execute-api`,
			`{AccessKeyID:"a" SecretKey:"val-KEY" Region:"val-USER_ID" Service:"execute-api"}`,
		},
		{
			`type: sigv4, accessKeyId: a, secretAccessKey: "{{KEY}}", region: r, service: s3, sessionToken: "{{USER_ID}}"`,
			`{AccessKeyID:"a" SecretKey:"val-KEY" SessionToken:"val-USER_ID" Region:"r" Service:"s3"}`,
		},
		{`type: hmac, algorithm: veracode-hmac-sha-256, apiId: "{{USER_ID}}", apiKey: "{{KEY}}"`, `{ID:"val-USER_ID" Secret:"val-KEY"}`},
		{
			`type: hmac, algorithm: sha512, keyId: k, key: "{{KEY}}", encoding: base64, header: X-Sig, template: "v1={signature}", sign: "{method}|{{USER_ID}}|{body}", headers: {X-Ts: "{timestamp}"}`,
			`{Algorithm:"sha512" KeyID:"k" Secret:"val-KEY" Base64:true Text:[{Word:"method"} {Text:"|"} {Text:"val-USER_ID"} {Text:"|"} {Word:"body"}] ` +
				`Headers:[{Name:"X-Sig" Value:[{Text:"v1="} {Word:"signature"}]} {Name:"X-Ts" Value:[{Word:"timestamp"}]}]}`,
		},
		{`type: hmac, secret: "{{KEY}}", header: X-Sig`, `{Algorithm:"sha256" Secret:"val-KEY" Text:[{Word:"body"}] Headers:[{Name:"X-Sig" Value:[{Word:"signature"}]}]}`},
		{`type: certificate, certPath: "{{FILE}}", certPassword: "{{KEY}}"`, `{CertFile:{Path:"/keys/a.p12"} Password:"val-KEY"}`},
		{`type: mtls, cert: "{{PEM}}", key: "{{KEY}}"`, `{Cert:"-----BEGIN KEY-----\\nabc" PrivateKey:"val-KEY"}`},
		{`type: certificate, certPath: certs/c.pem, keyPath: certs/k.pem`, `{CertFile:{Path:"/docs/certs/c.pem" Root:"/docs"} KeyFile:{Path:"/docs/certs/k.pem" Root:"/docs"}}`},
	} {
		t.Run(x.keys, func(t *testing.T) {
			t.Parallel()
			s := auth(x.keys)
			s.binds += ", PEM: PEM, FILE: FILE"
			d := s.loadWith(t, docFiles{}, "PEM="+pem, "FILE=/keys/a.p12")
			d.quiet()
			if _, err := d.rest("op", nil, "", ""); err != nil {
				t.Fatal(err, d.list)
			}
			d.calls("{}", "GET https://api.test/x")
			req := d.sent[0]
			var got any = req.Auth
			if req.Certificate != nil {
				got = req.Certificate
			}
			if text := reveal(reflect.ValueOf(got)); text != x.want {
				t.Errorf("got  %s\nwant %s", text, x.want)
			}
		})
	}
}

// docFiles places what is not absolute below /docs.
type docFiles struct{ plan.Files }

func (docFiles) Place(_, location string) (plan.FilePlace, error) {
	if strings.HasPrefix(location, "/") || strings.Contains(location, "..") {
		return plan.FilePlace{}, plan.ErrOutside
	}
	return plan.FilePlace{Name: location, Path: "/docs/" + location, Root: "/docs"}, nil
}

func (docFiles) Read(_, _ string) ([]byte, error) { return nil, fs.ErrNotExist }

func (s sample) loadWith(t *testing.T, files plan.Files, env ...string) *document {
	t.Helper()
	return loadText(t, s.text(), files, env...)
}

func loadText(t *testing.T, text string, files plan.Files, env ...string) *document {
	t.Helper()
	d := load(t, "naftiko: x", env...) // its recorder and variables
	doc, list := spec.Parse("test.yaml", []byte(text), spec.Limits{})
	doc.ID = "test"
	unit, more := plan.Compile(doc, files)
	d.unit, d.list = unit, slices.Concat(list, more)
	if unit == nil {
		t.Fatal(d.list)
	}
	p, more := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	d.list = append(d.list, more...)
	d.bound, more = plan.Bind(p, plan.BindOptions{Look: lookIn(env), Upstream: d.upstream()})
	d.list = append(d.list, more...)
	return d
}

func lookIn(env []string) func(string, *plan.Variable) (plan.Secret, error) {
	return func(_ string, v *plan.Variable) (plan.Secret, error) {
		for _, e := range env {
			if name, value, _ := strings.Cut(e, "="); name == v.Name {
				return plan.NewSecret(value), nil
			}
		}
		return plan.NewSecret("val-" + v.Name), nil
	}
}

func TestKeyFilesStayInTheirFolder(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"/etc/ssl/private/key.pem", "../key.pem"} {
		d := auth("type: certificate, certPath: "+location).loadWith(t, docFiles{})
		_, err := d.tool("op", "{}")
		d.fails(err, "auth-incomplete", "outside of the folders")
	}
}

// TestPathsInFilesStayInTheirFolder: whoever writes a document may write a file beside it too, so
// a path that stands in such a file leads no further than one in the document.
func TestPathsInFilesStayInTheirFolder(t *testing.T) {
	t.Parallel()
	for location, root := range map[string]string{"": "", "location: 'file:///./keys.json', ": "/docs", "location: 'vault://kv/keys', ": ""} {
		s := auth(`type: certificate, certPath: "{{k.FILE}}"`)
		text := strings.Replace(s.text(), "binds: [", "binds: [{namespace: k, "+location+"keys: {FILE: FILE}}, ", 1)
		d := loadText(t, text, docFiles{}, "FILE=/etc/ssl/private/host.pem")
		if _, err := d.tool("op", "{}"); err != nil {
			t.Fatal(location, err, d.list)
		}
		if got := d.sent[0].Certificate.CertFile; got.Root != root || got.Path.Reveal() != "/etc/ssl/private/host.pem" {
			t.Errorf("%s: got the folder %q, want %q", location, got.Root, root)
		}
	}
}

// TestNoCredentialIsPrinted: whatever is printed of a request or of its credential.
func TestNoCredentialIsPrinted(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{
		`type: digest, username: "{{USER_ID}}", password: "{{KEY}}"`,
		`type: oauth2, tokenEndpoint: "https://t.test/{{USER_ID}}", clientId: "{{USER_ID}}", clientSecret: "{{KEY}}", scopes: ["{{KEY}}"]`,
		`type: oauth2, tokenEndpoint: "https://t.test", clientId: "{{USER_ID}}", refreshToken: "{{KEY}}"`,
		`type: oauth1, consumerKey: "{{USER_ID}}", consumerSecret: "{{KEY}}", token: "{{USER_ID}}", tokenSecret: "{{KEY}}"`,
		`type: oauth1, consumerKey: "{{USER_ID}}", signingKey: "{{KEY}}"`,
		`type: aws-sig-v4, accessKeyId: "{{USER_ID}}", secretKey: "{{KEY}}", region: r, service: s`,
		`type: hmac, algorithm: sha256, keyId: "{{USER_ID}}", key: "{{KEY}}", sign: "{{KEY}}{body}"`,
		`type: hmac, apiId: "{{USER_ID}}", apiKey: "{{KEY}}"`,
		`type: certificate, certPath: "{{KEY}}", certPassword: "{{USER_ID}}"`,
		`type: digest, username: s3cret-user, password: s3cret-literal`,
	} {
		d := auth(keys).load(t, "KEY=s3cret-key", "USER_ID=s3cret-user")
		if _, err := d.tool("op", "{}"); err != nil {
			t.Fatal(keys, err, d.list)
		}
		req := d.sent[0]
		if req.Auth == nil && req.Certificate == nil {
			t.Fatal("nothing to authenticate with")
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "request", req, "auth", req.Auth, "certificate", req.Certificate)
		dump, err := json.Marshal([]any{req, req.Auth, req.Certificate})
		if err != nil {
			t.Error(err)
		}
		shown := fmt.Sprintf("%v %+v %#v %s %q\n", req, req, req, req, req) + fmt.Sprintf("%v %+v %#v\n", req.Auth, req.Auth, req.Auth) +
			fmt.Sprintf("%v %+v %#v\n", req.Certificate, req.Certificate, req.Certificate) + log.String() + string(dump) + fmt.Sprint(d.list)
		if req.Auth != nil {
			shown += fmt.Sprintf("%v %+v %#v %x", req.Auth.Key(), req.Auth.Key(), req.Auth.Key(), req.Auth.Key())
		}
		if strings.Contains(shown, "s3cret") {
			t.Errorf("%s: shown: %s", keys, shown)
		}
	}
}

// TestOperationAuthentication: an operation's own authentication stands in place of its
// API's.
func TestOperationAuthentication(t *testing.T) {
	t.Parallel()
	const url = "GET https://api.test/x"
	for _, x := range []struct{ own, want string }{
		{"", "\nAuthorization: Bearer val-TOKEN"},
		{"authentication: inherit", "\nAuthorization: Bearer val-TOKEN"},
		{"authentication: none", ""},
		{"authentication: {type: none}", ""},
		{"auth: {type: apikey, key: X-K, value: '{{KEY}}'}", "\nX-K: val-KEY"},
		{"authentication: {type: basic, username: u, password: ''}", "\nAuthorization: Basic dTo="},
	} {
		t.Run(x.own, func(t *testing.T) {
			t.Parallel()
			s := sample{binds: "TOKEN: TOKEN, KEY: KEY", api: bearer, ops: "{name: get, " + x.own + "}"}
			s.served(t, url+x.want)
		})
	}
	t.Run("two ways to do the same are two operations", func(t *testing.T) {
		t.Parallel()
		s := sample{binds: "TOKEN: TOKEN", api: bearer, ops: "{name: get}, {name: open, authentication: none}"}
		s.served(t, url+"\nAuthorization: Bearer val-TOKEN")
	})
	t.Run("what only the API's authentication fills is an input", func(t *testing.T) {
		t.Parallel()
		s := sample{
			binds: "KEY: KEY", api: "authentication: {type: apikey, in: query, key: k, value: '{{KEY}}'}",
			ops: "{name: get, authentication: none, inputParameters: [{name: k, in: query}]}",
		}
		s.load(t).calls(`{"k":"mine"}`, url+"?k=mine")
	})
	t.Run("refused at its own place", func(t *testing.T) {
		t.Parallel()
		s := sample{binds: "TOKEN: TOKEN", api: bearer, ops: "{name: get, authentication: {type: ‸kerberos}}"}
		s.load(t).refused(s.text(), diag.CodeAuthUnsupported, "kerberos")
	})
}

// A5: the headers that a credential adds are no inputs.
func TestCredentialsFillHeaders(t *testing.T) {
	t.Parallel()
	s := auth(`type: aws-sig-v4, accessKeyId: a, secretKey: "{{KEY}}", region: r, service: s`)
	s.ops = "{name: get, inputParameters: [{name: X-Amz-Date, in: header, required: true}, {name: authorization, in: header, required: true}, {name: X-Amz-Target, in: header}]}"
	s.load(t).calls(`{"X-Amz-Date":"evil","authorization":"evil","X-Amz-Target":"T"}`, "GET https://api.test/x\nX-Amz-Target: T")
}

func TestCredentialWithoutValue(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ env, want string }{
		{"KEY=", `the credential for "clientSecret" is empty`},
		{"KEY=-", "variable KEY is not set"},
	} {
		d := auth(`type: oauth2, tokenEndpoint: "https://t.test", clientId: a, clientSecret: "{{KEY}}"`).load(t, x.env)
		_, err := d.tool("op", "{}")
		d.fails(err, x.want)
		if plan.AsError(err).Code != plan.CodeNotConfigured {
			t.Errorf("got %v", err)
		}
	}
}

// TestCredentialKeys: what differs in anything shares nothing.
func TestCredentialKeys(t *testing.T) {
	t.Parallel()
	s := plan.NewSecret
	keys := map[plan.CredentialKey]string{}
	for name, c := range map[string]interface{ Key() plan.CredentialKey }{
		"one":        &plan.OAuth2{ClientID: s("a"), ClientSecret: s("bc")},
		"shifted":    &plan.OAuth2{ClientID: s("ab"), ClientSecret: s("c")},
		"scope":      &plan.OAuth2{ClientID: s("a"), ClientSecret: s("bc"), Scope: s("x")},
		"how":        &plan.OAuth2{ClientID: s("a"), ClientSecret: s("bc"), ClientAuth: plan.ClientPost},
		"digest":     &plan.Digest{Username: s("a"), Password: s("bc")},
		"hmac":       &plan.HMAC{Secret: s("a"), Text: []plan.HMACPart{{Word: "body"}}},
		"hmac text":  &plan.HMAC{Secret: s("a"), Text: []plan.HMACPart{{Text: s("body")}}},
		"cert":       &plan.ClientCertificate{Cert: s("a")},
		"cert file":  &plan.ClientCertificate{CertFile: plan.KeyFile{Path: s("a")}},
		"other root": &plan.ClientCertificate{CertFile: plan.KeyFile{Path: s("a"), Root: "/"}},
	} {
		if first, second := c.Key(), c.Key(); first != second {
			t.Errorf("%s: two keys", name)
		}
		if other, ok := keys[c.Key()]; ok {
			t.Errorf("%s and %s share a key", name, other)
		}
		keys[c.Key()] = name
	}
}

func TestHMACWithoutAlgorithmSaysWhatItIs(t *testing.T) {
	t.Parallel()
	s := auth(`type: ‸hmac, apiId: "{{USER_ID}}", apiKey: "{{KEY}}"`)
	s.load(t).found(s.text(), diag.Warning, diag.CodeAssumed, "Veracode")
	s.base = "https://api.veracode.com"
	s.load(t).quiet()
}

func TestKeysOfAuthenticationThatMeanNothing(t *testing.T) {
	t.Parallel()
	s := auth(`type: digest, username: bob, passwort: "{{KEY}}", password: "{{KEY}}", ‸relm: x`)
	s.load(t).found(s.text(), diag.Info, diag.CodeUnknownKey, "relm")
	s = auth(`type: oauth1, consumerKey: a, consumerSecret: "{{KEY}}", ‸relm: x`)
	s.load(t).found(s.text(), diag.Warning, diag.CodeUnknownKey, "did you mean realm?")
}

// TestForwardedRequestsAreAuthenticated: with the API's credential, and never the caller's.
func TestForwardedRequestsAreAuthenticated(t *testing.T) {
	t.Parallel()
	d := load(t, forwardDocument(`baseUri: "https://api.example.com/v1", authentication: {type: oauth2, tokenEndpoint: "https://t.test", clientId: a, clientSecret: "{{TOKEN}}"}`,
		`path: "/f/{path}"`, `{targetNamespace: api, trustedHeaders: [Authorization]}`))
	if _, err := d.forward(&plan.Source{Method: "GET", Rest: "/a", Header: http.Header{"Authorization": {"Bearer mine"}}}); err != nil {
		t.Fatal(err, d.list)
	}
	if d.wired("GET https://api.example.com/v1/a"); d.sent[0].Auth == nil {
		t.Error("nothing authenticates it")
	}
}
