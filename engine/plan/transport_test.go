package plan_test

import (
	"strings"
	"testing"
	"time"

	"capd/engine/plan"
)

// TestTransport: what a document says of the way to an API reaches the upstream, the
// operation's own keys before those of the API.
func TestTransport(t *testing.T) {
	t.Parallel()
	const text = `naftiko: 1.0.0-alpha2
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    transport: %s
    resources:
    - path: /x
      operations:
      - { name: slow, method: GET, transport: { timeout: 2m, http2: true } }
      - { name: quick, method: POST }
  exposes:
  - type: mcp
    namespace: m
    port: 9090
    tools:
    - { name: slow, description: s, call: api.slow }
    - { name: quick, description: q, call: api.quick }
`
	d := loadWith(t, strings.Replace(text, "%s", `{ timeout: 3s, connectTimeout: 1s, responseTimeout: 500ms, proxy: "http://proxy.test:3128/", http2: false, compression: false, tls: { serverName: in.test, minVersion: 1.3 } }`, 1), nil)
	for _, tool := range []string{"slow", "quick"} {
		if _, err := d.tool(tool, `{}`); err != nil {
			t.Fatal(err, d.list)
		}
	}
	quick := plan.Transport{
		Timeout: 3 * time.Second, Connect: time.Second, Response: 500 * time.Millisecond,
		ServerName: "in.test", TLS13: true, Proxy: "http://proxy.test:3128", HTTP1: true, Plain: true,
	}
	slow := quick
	slow.Timeout, slow.HTTP1 = 2*time.Minute, false
	if got := *d.sent[0].Transport; got != slow {
		t.Errorf("slow: got %+v", got)
	}
	if got := *d.sent[1].Transport; got != quick {
		t.Errorf("quick: got %+v", got)
	}
	for bad, want := range map[string]string{
		`{ timeout: 0s }`:                          `timeout is "0s"`,
		`{ timout: 1s }`:                           `transport has no setting "timout"`,
		`{ tls: { insecure: true } }`:              `tls has no setting "insecure"`,
		`{ tls: { minVersion: "1.1" } }`:           `minVersion is "1.1"`,
		`{ tls: { caFile: ./ca.pem } }`:            "caFile cannot be read",
		`{ proxy: "ftp://x" }`:                     "proxy is no address",
		`{ proxy: "http://me:secret@proxy.test" }`: "proxy holds a user name or a password",
		`{ http2: maybe }`:                         "http2 is text",
		`[1]`:                                      "transport is a list",
	} {
		d := loadWith(t, strings.Replace(text, "%s", bad, 1), nil)
		if len(d.list) == 0 || d.list[0].Code != "transport" || !strings.HasPrefix(d.list[0].Message, want) {
			t.Errorf("%s: got %v", bad, d.list)
		} else if strings.Contains(d.list[0].Message+d.list[0].Hint, "secret") {
			t.Errorf("%s: the password is shown", bad)
		}
	}
}
