//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	digests "github.com/icholy/digest"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// behind is a document with an adapter of each kind that wants the same of its callers.
func behind(auth string) string {
	return `naftiko: 1.0.0-alpha2
binds:
- { namespace: env, keys: { NAME: DOOR_NAME, SECRET: DOOR_SECRET } }
capability:
  exposes:
  - type: rest
    namespace: api
    port: 8080
    authentication: ` + auth + `
    resources:
    - path: /card
      operations: [{ name: card, method: GET, outputParameters: [{ name: a, type: string, value: x }] }]
  - type: mcp
    namespace: tools
    port: 8080
    authentication: ` + auth + `
    tools:
    - { name: card, description: Give the card, outputParameters: [{ name: a, type: string, value: x }] }
  - type: skill
    namespace: guides
    port: 8080
    authentication: ` + auth + `
    skills:
    - { name: guide, description: A guide }
  - type: control
    namespace: deck
    port: 8080
    authentication: ` + auth + `
    management: { health: true }
`
}

// doors are the addresses of the adapters of [behind].
func doors() []string {
	return []string{"/apis/doors/card", "/card", "/mcp/doors", "/skills/doors", "/control/doors/health/live"}
}

// TestDigestCallers: clients that people have come in by digest, to every kind of adapter.
func TestDigestCallers(t *testing.T) {
	t.Parallel()
	i := start(t, []string{"DOOR_NAME=Ädä", "DOOR_SECRET=pass:wörd"},
		specFile(t, "doors.yaml", behind(`{ type: digest, username: "{{NAME}}", password: "{{SECRET}}" }`)))
	client := &http.Client{Transport: &digests.Transport{Username: "Ädä", Password: "pass:wörd"}}
	wrong := &http.Client{Transport: &digests.Transport{Username: "Ädä", Password: "password"}}
	status := func(c *http.Client, path string) int {
		resp, err := c.Get(i.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, path := range doors() {
		if path == "/mcp/doors" {
			continue // a GET of MCP is no call
		}
		for range 3 { // with one challenge
			if got := status(client, path); got != 200 {
				t.Errorf("%s: %d", path, got)
			}
		}
		if got := status(wrong, path); got != 401 {
			t.Errorf("%s with a wrong password: %d", path, got)
		}
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).
		Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: i.url + "/mcp/doors", MaxRetries: -1, HTTPClient: client}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "card"}); err != nil {
		t.Error(err)
	}
	if err := session.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(i.printed(), "wörd") {
		t.Error("the log has the password")
	}
}

// TestDigestCurl: curl comes in, in both algorithms where a document offers them.
func TestDigestCurl(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	for _, algorithms := range []string{"SHA-256", "[SHA-256, MD5]", "[MD5]"} {
		i := start(t, []string{"DOOR_NAME=ada", "DOOR_SECRET=secret"},
			specFile(t, "doors.yaml", behind(`{ type: digest, username: "{{NAME}}", password: "{{SECRET}}", algorithms: `+algorithms+` }`)))
		for password, want := range map[string]string{"secret": "200", "other": "401"} {
			got, err := exec.CommandContext(t.Context(), curl, "-s", "-o", os.DevNull, "-w", "%{http_code}", "--digest", "-u", "ada:"+password, i.url+"/card?a=b%20c").Output()
			if err != nil || string(got) != want {
				t.Errorf("%s, %s: %s (%v), want %s", algorithms, password, got, err, want)
			}
		}
	}
}

// authority issues certificates for callers.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.crt")}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	(&certificates{t: t}).write(a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := template, key
	if a.key != nil {
		parent, signer = a.cert, a.key
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// client gives a client with a certificate; nil for none.
func (a *authority) client(template *x509.Certificate) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true}
	if template != nil {
		cert, key := a.sign(template)
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	}
	tr := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// TestCertificateCallers: who shows a certificate that an adapter names comes in, alone or with
// another credential, and is known by it; nobody does where nobody is asked for one.
func TestCertificateCallers(t *testing.T) {
	t.Parallel()
	a, c := newAuthority(t, "Test CA"), newCertificates(t)
	spiffe, err := url.Parse("spiffe://example.com/billing/a")
	if err != nil {
		t.Fatal(err)
	}
	named := pkix.Name{CommonName: "billing", Organization: []string{"Example"}}
	for _, tt := range []struct {
		auth  string
		holds *x509.Certificate
		token string
		want  int
	}{
		{`{ type: certificate, subjects: ["CN={{NAME}}, O=Example"] }`, &x509.Certificate{Subject: named}, "", 200},
		{`{ type: certificate, subjects: [CN=billing] }`, &x509.Certificate{Subject: named}, "", 401},
		{`{ type: certificate, subjects: [CN=a], dnsNames: ["*.example.com"] }`, &x509.Certificate{DNSNames: []string{"B.example.com"}}, "", 200},
		{`{ type: certificate, dnsNames: ["*.example.com"] }`, &x509.Certificate{DNSNames: []string{"a.b.example.com"}}, "", 401},
		{`{ type: certificate, dnsNames: ["*.example.com"] }`, &x509.Certificate{Subject: pkix.Name{CommonName: "a.example.com"}}, "", 401},
		{`{ type: certificate, uris: ["spiffe://example.com/billing/*"] }`, &x509.Certificate{URIs: []*url.URL{spiffe}}, "", 200},
		{`{ type: certificate, uris: ["spiffe://example.com/bill/*", "spiffe://example.com/billing/a/*"] }`, &x509.Certificate{URIs: []*url.URL{spiffe}}, "", 401},
		{`{ type: certificate, emails: [a@example.com] }`, &x509.Certificate{EmailAddresses: []string{"a@EXAMPLE.com"}}, "", 200},
		{`{ type: certificate, emails: [a@example.com] }`, &x509.Certificate{EmailAddresses: []string{"A@example.com"}}, "", 401},
		{`{ type: certificate, issuers: [CN=Test CA] }`, &x509.Certificate{Subject: named}, "", 200},
		{`{ type: certificate, subjects: ["CN=billing,O=Example"], issuers: [CN=Other] }`, &x509.Certificate{Subject: named}, "", 401},
		{`{ type: certificate, issuers: [CN=Test CA] }`, nil, "", 401},
		{`{ type: bearer, token: "{{SECRET}}", clientCertificate: { issuers: [CN=Test CA] } }`, &x509.Certificate{Subject: named}, "s3cret", 200},
		{`{ type: bearer, token: "{{SECRET}}", clientCertificate: { issuers: [CN=Test CA] } }`, &x509.Certificate{Subject: named}, "other", 401},
		{`{ type: bearer, token: "{{SECRET}}", clientCertificate: { issuers: [CN=Test CA] } }`, &x509.Certificate{Subject: named}, "", 401},
		{`{ type: bearer, token: "{{SECRET}}", clientCertificate: { issuers: [CN=Test CA] } }`, nil, "s3cret", 401},
		{`{ type: bearer, token: "{{SECRET}}", clientCertificate: { issuers: [CN=Other] } }`, &x509.Certificate{Subject: named}, "s3cret", 401},
	} {
		audit := filepath.Join(t.TempDir(), "audit.log")
		i := start(t, []string{"DOOR_NAME=billing", "DOOR_SECRET=s3cret"}, "--audit", audit,
			"--tls-cert", c.cert, "--tls-key", c.key, "--tls-client-ca", a.file, "--tls-client-auth", "optional", specFile(t, "doors.yaml", behind(tt.auth)))
		client := a.client(tt.holds)
		for _, path := range doors() {
			if path == "/mcp/doors" && tt.want == 200 {
				continue // a GET of MCP is no call
			}
			req, err := http.NewRequest(http.MethodGet, "https"+strings.TrimPrefix(i.url, "http")+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.token != "" {
				req.Header.Set("Authorization", "Bearer "+tt.token)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("%s at %s with %+v and %q: %d, want %d", tt.auth, path, tt.holds, tt.token, resp.StatusCode, tt.want)
			}
		}
		i.stop()
		lines, err := os.ReadFile(audit)
		if err != nil {
			t.Fatal(err)
		}
		scheme := fmt.Sprintf(`"caller":{"scheme":%q`, strings.TrimSuffix(strings.Fields(tt.auth)[2], ","))
		if got := strings.Contains(string(lines), scheme); got != (tt.want == 200) || !strings.Contains(string(lines), `"address":"127.0.0.1"`) {
			t.Errorf("%s: the audit has %s", tt.auth, lines)
		}
	}
	i := start(t, []string{"DOOR_NAME=billing"}, specFile(t, "doors.yaml", behind(`{ type: certificate, subjects: [CN=billing] }`)))
	if got := knock(t, http.MethodGet, i.url+"/card", "X-Forwarded-Client-Cert: Subject=CN=billing"); got.Status != 401 {
		t.Errorf("over plain HTTP: %d", got.Status)
	}
	if !strings.Contains(fmt.Sprint(i.report.Diagnostics), "no-client-certificates") {
		t.Errorf("over plain HTTP the findings are %+v", i.report.Diagnostics)
	}
}

// TestCallersWithoutSecret: while a variable has no value nobody comes in, wherever and whatever
// they show, also under --stub; all get one and the same answer.
func TestCallersWithoutSecret(t *testing.T) {
	t.Parallel()
	for auth, shown := range map[string][]string{
		`{ type: bearer, token: "{{SECRET}}" }`:                                                                   {"Authorization: Bearer ", "Authorization: Bearer <SECRET>", "Authorization: Bearer <DOOR_SECRET>"},
		`{ type: basic, username: "{{NAME}}", password: "{{SECRET}}" }`:                                           {basic("", ""), basic("<NAME>", "<SECRET>"), basic("ada", "")},
		`{ type: basic, username: ada, password: "{{SECRET}}" }`:                                                  {basic("ada", ""), basic("ada", "<SECRET>")},
		`{ type: apikey, key: X-Key, value: "{{SECRET}}" }`:                                                       {"X-Key: ", "X-Key: <SECRET>"},
		`{ type: digest, username: ada, password: "{{SECRET}}" }`:                                                 {`Authorization: Digest username="ada", response=""`, `Authorization: Digest username="ada", response="x"`},
		`{ type: certificate, dnsNames: ["{{NAME}}"] }`:                                                           {"X-Y: z"},
		`{ type: bearer, token: right, clientCertificate: { dnsNames: ["{{NAME}}"] } }`:                           {"Authorization: Bearer right"},
		`{ type: oauth2, authorizationServerUri: "https://{{NAME}}.example.com", resource: "https://a.example" }`: {"Authorization: Bearer x"},
	} {
		for _, env := range [][]string{nil, {"DOOR_NAME=", "DOOR_SECRET="}} {
			for _, more := range [][]string{nil, {"--stub"}} {
				i := start(t, env, append(more, specFile(t, "doors.yaml", behind(auth)))...)
				bodies := map[string]bool{}
				for _, header := range append(shown, "") {
					for _, path := range doors() {
						got := knock(t, http.MethodGet, i.url+path, header)
						var body map[string]any
						if err := json.Unmarshal([]byte(got.Body), &body); got.Status != 401 || err != nil {
							t.Errorf("%s %q %q at %s: %d %s", auth, env, header, path, got.Status, got.Body)
						}
						delete(body, "requestId")
						bodies[fmt.Sprint(body)] = true
					}
				}
				if len(bodies) != 1 {
					t.Errorf("%s %q: the answers differ: %v", auth, env, bodies)
				}
			}
		}
	}
}

// TestAuthFailures: an address behind a trusted proxy that guesses waits; others do not, and
// what happened is counted and in the audit.
func TestAuthFailures(t *testing.T) {
	t.Parallel()
	audit := filepath.Join(t.TempDir(), "audit.log")
	i := start(t, []string{"DOOR_SECRET=right"}, "--auth-failures", "3/1h", "--trusted-proxies", "127.0.0.1", "--audit", audit,
		"--control-address", "127.0.0.1:0", specFile(t, "doors.yaml", behind(`{ type: bearer, token: "{{SECRET}}" }`)))
	for _, path := range doors() {
		status := func(address, token string) int {
			got := knock(t, http.MethodPost, i.url+path, "X-Forwarded-For: 10.1.1.1, "+address, "Authorization: Bearer "+token)
			if got.Status == 429 { // 1200, less what the test has taken since the first guess
				if s, err := strconv.Atoi(got.Header.Get("Retry-After")); err != nil || s <= 1200-int(patience.Seconds()) || s > 1200 {
					t.Errorf("%s: the header is %v", path, got.Header)
				}
			}
			return got.Status
		}
		from := "198.51.100." + fmt.Sprint(len(path))
		for n := range 3 {
			if got := status(from, "guess-"+fmt.Sprint(n)); got != 401 && n < 2 {
				t.Errorf("guess %d at %s: %d", n, path, got)
			}
		}
		if got := status(from, "right"); got != 429 {
			t.Errorf("after three guesses at %s: %d", path, got)
		}
		if got := status("192.0.2.7", "right"); got == 429 || got == 401 {
			t.Errorf("from elsewhere at %s: %d", path, got)
		}
	}
	metrics := asks(t, "GET", i.controlURL(t)+"/metrics", "", 200, nil)
	for _, want := range []string{
		`capd_auth_failures_total{document="doors",reason="wrong"} 15`,
		`capd_auth_failures_total{document="doors",reason="rate-limited"} 5`,
		`capd_limited_total{document="doors",limit="auth"} 5`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	i.stop()
	lines, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(lines), `"code":"rate-limited"`); n < 5 || strings.Contains(string(lines), "guess") {
		t.Errorf("the audit has %d lines of those who wait: %s", n, lines)
	}
}
