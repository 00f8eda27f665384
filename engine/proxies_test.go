package engine

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

// trusted are the proxies of these tests.
func trusted() proxies {
	return proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
}

// TestCallerAddress: only trusted proxies are believed, each about the one before it.
func TestCallerAddress(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		peer    string
		headers []string // "Name: value"
		want    string
	}{
		{"192.0.2.1:4", nil, "192.0.2.1"},
		{"[::ffff:192.0.2.1]:4", nil, "192.0.2.1"},
		{"[fe80::1%eth0]:4", nil, "fe80::1"},
		{"@", nil, "invalid IP"},
		{"@", []string{"X-Forwarded-For: 192.0.2.7"}, "invalid IP"},
		{"192.0.2.1:4", []string{"X-Forwarded-For: 192.0.2.7"}, "192.0.2.1"},
		{"192.0.2.1:4", []string{"Forwarded: for=192.0.2.7"}, "192.0.2.1"},
		{"10.0.0.1:4", nil, "10.0.0.1"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 192.0.2.7"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9, 192.0.2.7"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9, 192.0.2.7, 10.2.3.4"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 198.51.100.9, 192.0.2.7", "X-Forwarded-For: 10.2.3.4 , "}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 10.9.9.9, 10.2.3.4"}, "10.9.9.9"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 192.0.2.7, unknown, 10.2.3.4"}, "10.2.3.4"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 192.0.2.7:4711"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: [2001:db8::7]:4711"}, "2001:db8::7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: [2001:db8::7]"}, "2001:db8::7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 2001:db8::7%a"}, "2001:db8::7"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: ,, ,"}, "10.0.0.1"},
		{"[fd00::1]:4", []string{"X-Forwarded-For: ::ffff:192.0.2.7, ::ffff:10.0.0.3"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{`Forwarded: for="[2001:db8::7]:4711";proto=https;by=10.0.0.1`}, "2001:db8::7"},
		{"10.0.0.1:4", []string{"Forwarded: for=198.51.100.9, For=192.0.2.7; Proto=http, for=10.3.3.3"}, "192.0.2.7"},
		{"10.0.0.1:4", []string{"Forwarded: for=192.0.2.7, for=_hidden"}, "10.0.0.1"},
		{"10.0.0.1:4", []string{"Forwarded: for=192.0.2.7, proto=http"}, "10.0.0.1"},
		{"10.0.0.1:4", []string{"Forwarded: for=192.0.2.7;for=192.0.2.8"}, "10.0.0.1"},
		{"10.0.0.1:4", []string{`Forwarded: for="a, for=192.0.2.7"`}, "10.0.0.1"},
		// A header that no proxy wrote is the caller's own.
		{"10.0.0.1:4", []string{"X-Forwarded-For: 192.0.2.7", "Forwarded: for=198.51.100.9"}, "10.0.0.1"},
		{"10.0.0.1:4", []string{"X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"}, "192.0.2.7"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		for _, h := range tt.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, value)
		}
		if got := trusted().caller(r); got.String() != tt.want {
			t.Errorf("%s %q: got %s, want %s", tt.peer, tt.headers, got, tt.want)
		}
	}
}

// FuzzCallerAddress: whatever callers write, the hop behind it decides: what stands before an
// address that is not trusted changes nothing.
func FuzzCallerAddress(f *testing.F) {
	f.Add("192.0.2.7", "for=192.0.2.7")
	f.Add(`"[::1]:1`, `for="[::1]:_x";for=a`)
	f.Fuzz(func(t *testing.T, plain, forwarded string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:1"
		r.Header["X-Forwarded-For"] = []string{plain, "192.0.2.7"}
		if got := trusted().caller(r); got.String() != "192.0.2.7" {
			t.Errorf("%q makes the caller %s", plain, got)
		}
		r.Header = http.Header{"Forwarded": {forwarded, "for=192.0.2.7"}}
		if got := trusted().caller(r); got.String() != "192.0.2.7" {
			t.Errorf("%q makes the caller %s", forwarded, got)
		}
		r.Header = http.Header{"Forwarded": {forwarded}, "X-Forwarded-For": {plain}}
		trusted().caller(r)
	})
}
