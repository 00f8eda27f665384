package redis

import (
	"strings"
	"testing"
)

// TestURL: what a URL says is what is connected to.
func TestURL(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, shown, user, password string }{
		{"redis://localhost", "redis://localhost:6379", "", ""},
		{"redis://u:p%40ss@h:1/3", "redis://h:1", "u", "p@ss"},
		{"rediss://:p@[::1]:7?skip_verify=true&protocol=2&pool_size=5&client_name=c", "rediss://[::1]:7", "", "p"},
		{"unix:///run/redis.sock?db=3", "unix:///run/redis.sock", "", ""},
		{"unix://u:p@/run/redis.sock", "unix:///run/redis.sock", "u", "p"},
		{"redis://a:1?cluster=true&addr=b:2&read_timeout=1s", "redis://a:1", "", ""},
		{"redis://su:sp@a:1/2?master_name=m&addr=b:2&username=u&password=p", "redis://a:1", "u", "p"},
	} {
		p, err := parseURL(tt.url, nil)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		o := p.options
		if p.shown != tt.shown || o.Username != tt.user || o.Password != tt.password || (o.TLSConfig != nil) != strings.HasPrefix(tt.url, "rediss") {
			t.Errorf("%s: %s, %s:%s", tt.url, p.shown, o.Username, o.Password)
		}
		if got := p.hide("about sp and p@ss and p"); tt.password != "" && strings.Contains(got, tt.password) {
			t.Errorf("%s: shows %s", tt.url, got)
		}
	}
	if p, err := parseURL("redis://su:sp@a:1/2?master_name=m&addr=b:2&username=u&password=p", nil); err != nil || p.options.DB != 2 ||
		p.options.SentinelUsername != "su" || p.options.SentinelPassword != "sp" || len(p.options.Addrs) != 2 || p.options.IsClusterMode {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := parseURL("redis://a:1?addr=b:2", nil); err != nil || !p.options.IsClusterMode {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestBadURL: what is no URL of a Redis is refused, and no part of it is repeated.
func TestBadURL(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "marked", "marked:6379", "http://marked", "redis:marked", "redis://", "redis:///3", "redis://u:mark%zzed@h", "redis://h/marked",
		"redis://h/1/2", "redis://h:marked", "redis://u:ma#rked@h", "redis://h?marked=1", "redis://h?db=marked", "redis://h?read_timeout=marked",
		"redis://h?read_timeout=-1s", "redis://h?addr=marked", "redis://h?cluster=marked", "redis://h?password=marked", "redis://h/1?cluster=true",
		"unix://marked/x", "unix://", "redis://h?skip_verify=true", "rediss://h?skip_verify=marked", "redis://h/-1", "redis://h?a=1;marked",
	} {
		p, err := parseURL(bad, nil)
		if err == nil {
			t.Errorf("%s is taken for %s", bad, p.shown)
		} else if strings.Contains(err.Error(), "marked") || strings.Contains(err.Error(), "ked@") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// FuzzURL: no text makes reading a URL panic, and no password is in what is shown of one.
func FuzzURL(f *testing.F) {
	f.Add("redis://u:p@h:1/3?db=2")
	f.Add("unix:///x?db=3")
	f.Add("rediss://h?addr=b:1&cluster=1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseURL(text, nil)
		if err != nil {
			return
		}
		if secret := p.options.Password; secret != "" && strings.Contains(p.hide("said "+secret), secret) && !strings.Contains("said <secret>", secret) {
			t.Errorf("%q is shown", secret)
		}
	})
}
