package httpclient_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"capd/adapters/httpclient"
	"capd/engine/plan"
)

// notAllowed are hosts that must never be dialled, in the notations an author or a resolver
// may come up with.
var notAllowed = []string{
	"169.254.169.254", "169.254.0.1", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
}

// notAllowed6 need a machine with IPv6 to be dialled at all.
var notAllowed6 = []string{
	"[fe80::1]", "[fd00:ec2::254]", "[fd00:ec2::23]", "[fd00:c1::a9fe:a9fe]", "[fd20:ce::254]", "[fd00:42::42]", "[::a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]",
	"[2002:a9fe:a9fe::1]", "[2001:0:1:2:3:4:5601:5601]", "[2001:db8::5efe:a9fe:a9fe]", "[::ffff:0:a9fe:a9fe]",
}

const notAllowedMessage = "address not allowed"

func refusal(t *testing.T, c *httpclient.Client, base string) {
	t.Helper()
	e := failure(t, t.Context(), c, request(t, "GET", base, "/latest/meta-data"))
	_, host, _ := strings.Cut(base, "://")
	if e.Code != plan.CodeUpstreamFailed || e.Message != "upstream "+host+": "+notAllowedMessage {
		t.Errorf("%s: %v %q (%v)", base, e.Code, e.Message, e.Cause)
	}
}

func hasIPv6(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

func TestMetadataIsNeverDialled(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpclient.Options{})
	hosts := notAllowed
	if hasIPv6(t) {
		hosts = append(hosts[:len(hosts):len(hosts)], notAllowed6...)
	}
	for _, host := range hosts {
		for _, scheme := range []string{"http://", "https://"} {
			refusal(t, c, scheme+host)
			refusal(t, c, scheme+host+":8080")
		}
	}
}

func TestMetadataIsRefusedBeforeAProxy(t *testing.T) {
	t.Parallel()
	proxy := server(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the proxy was asked for %s", r.RequestURI) })
	c := newClient(t, httpclient.Options{Proxy: fixedProxy(t, proxy.URL)})
	hosts := append(append([]string{"2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.254.169.254.", "metadata.google.internal", "METADATA.google.internal.", "instance-data"},
		notAllowed...), notAllowed6...)
	for _, host := range hosts {
		refusal(t, c, "http://"+host)
	}
}

func TestDenyPrivate(t *testing.T) {
	t.Parallel()
	srv := server(t, func(http.ResponseWriter, *http.Request) { t.Error("a private upstream was called") })
	c := newClient(t, httpclient.Options{DenyPrivate: true})
	refusal(t, c, srv.URL)
	refusal(t, c, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1))
	for _, host := range []string{"127.0.0.2", "10.0.0.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255",
		"198.18.0.1", "224.0.0.1", "[::ffff:10.0.0.1]"} {
		refusal(t, c, "http://"+host)
	}
	if hasIPv6(t) {
		for _, host := range []string{"[::1]", "[fc00::1]", "[fdff::1]", "[::]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "[::10.0.0.1]", "[fec0::1]"} {
			refusal(t, c, "http://"+host)
		}
	}
}

func TestLoopbackIsAllowed(t *testing.T) {
	t.Parallel()
	c := newClient(t, httpclient.Options{})
	srv := server(t, func(http.ResponseWriter, *http.Request) {})
	do(t, c, request(t, "GET", srv.URL, "/"))
	if !hasIPv6(t) {
		t.Skip("no IPv6 on this machine")
	}
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	srv6 := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Host))
	})}}
	srv6.Start()
	t.Cleanup(srv6.Close)
	if _, host := do(t, c, request(t, "GET", srv6.URL, "/")); "http://"+host != srv6.URL {
		t.Errorf("Host is %q, want that of %s", host, srv6.URL)
	}
}
