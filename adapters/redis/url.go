package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"capd/engine/plan"
)

// errURL says what a URL must look like. What is wrong with one is not said: any part of it can
// be a part of a password.
var errURL = errors.New("must be the URL of a Redis, such as redis://USER:PASSWORD@HOST:6379/0, rediss://HOST for TLS, or unix:///PATH; " +
	"in a user name and a password, other characters than letters and digits are written as %XX")

// errSetting says which settings a URL may hold.
var errSetting = errors.New("has a setting after the ? that is not known, or with a value that does not suit it; known are " + strings.Join(settings(), ", "))

// settings gives what may stand in the query of a URL, by the names that go-redis has for it.
func settings() []string {
	return []string{"db", "client_name", "protocol", "skip_verify", "read_timeout", "pool_size", "cluster", "addr", "master_name", "username", "password"}
}

// place is where a Redis is, and how it is asked.
type place struct {
	options *redis.UniversalOptions
	// shown names it without a credential.
	shown string
	// secrets are the texts that no message may hold.
	secrets []string
	timeout time.Duration // of one operation
}

// parseURL reads a URL:
//
//	redis://[USER:PASSWORD@]HOST[:PORT][/DB]     rediss:// with TLS
//	unix://[USER:PASSWORD@]/PATH[?db=DB]
//	redis://…?cluster=true&addr=HOST:PORT        a node of a cluster, and more of them
//	redis://[…@]SENTINEL?master_name=NAME&addr=HOST:PORT&username=…&password=…
//
// Behind sentinels the credentials of the Redis are in the query, those before the host are of
// the sentinels.
func parseURL(text string, roots *x509.CertPool) (*place, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Fragment != "" {
		return nil, errURL
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errURL
	}
	p := &place{options: &redis.UniversalOptions{}, timeout: defaultTimeout}
	if err := p.readAddress(u); err != nil {
		return nil, err
	}
	if err := p.readSettings(q); err != nil {
		return nil, err
	}
	o := p.options
	for _, secret := range []string{o.Username, o.Password, o.SentinelUsername, o.SentinelPassword} {
		if secret != "" {
			p.secrets = append(p.secrets, secret)
		}
	}
	if o.TLSConfig != nil {
		o.TLSConfig.RootCAs = roots
	}
	p.tune()
	return p, nil
}

// CheckURL says what is wrong with a URL; nothing is asked of the network.
func CheckURL(u plan.Secret) error {
	_, err := parseURL(strings.TrimSpace(u.Reveal()), nil)
	return err
}

// HasPassword reports whether there is a password in a URL.
func HasPassword(u plan.Secret) bool {
	p, err := parseURL(strings.TrimSpace(u.Reveal()), nil)
	return err == nil && p.options.Password+p.options.SentinelPassword != ""
}

// readAddress reads what stands before the query.
func (p *place) readAddress(u *url.URL) error {
	o := p.options
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	if u.Scheme == "unix" {
		if u.Path == "" || u.Host != "" {
			return errURL
		}
		o.Addrs, p.shown = []string{u.Path}, "unix://"+u.Path
		return nil
	}
	host, port := u.Hostname(), u.Port()
	if host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return errURL
	}
	if port == "" {
		port = "6379"
	}
	if u.Scheme == "rediss" {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // the name is that of the address
	}
	o.Addrs = []string{net.JoinHostPort(host, port)}
	p.shown = u.Scheme + "://" + o.Addrs[0]
	if db := strings.Trim(u.Path, "/"); db != "" {
		n, err := strconv.Atoi(db)
		if err != nil || n < 0 {
			return errURL
		}
		o.DB = n
	}
	return nil
}

// readSettings reads the query.
func (p *place) readSettings(q url.Values) (err error) {
	o, bad := p.options, false
	number := func(name string, to *int) {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			bad = bad || err != nil || n < 0
			*to = n
		}
	}
	yes := func(name string) bool {
		on, err := strconv.ParseBool(q.Get(name))
		bad = bad || err != nil && q.Get(name) != ""
		return on
	}
	for name := range q {
		bad = bad || !slices.Contains(settings(), name)
	}
	number("db", &o.DB)
	number("protocol", &o.Protocol)
	number("pool_size", &o.PoolSize)
	o.ClientName = q.Get("client_name")
	if o.TLSConfig != nil {
		o.TLSConfig.InsecureSkipVerify = yes("skip_verify")
	} else {
		bad = bad || q.Has("skip_verify")
	}
	if text := q.Get("read_timeout"); text != "" {
		d, err := time.ParseDuration(text)
		bad = bad || err != nil || d <= 0
		p.timeout = d
	}
	for _, addr := range q["addr"] {
		_, _, err := net.SplitHostPort(addr)
		bad = bad || err != nil
	}
	o.Addrs = append(o.Addrs, q["addr"]...)
	o.MasterName = q.Get("master_name")
	o.IsClusterMode = yes("cluster") || o.MasterName == "" && len(o.Addrs) > 1
	if o.MasterName != "" {
		o.SentinelUsername, o.SentinelPassword = o.Username, o.Password
		o.Username, o.Password = q.Get("username"), q.Get("password")
	} else {
		bad = bad || q.Has("username") || q.Has("password")
	}
	bad = bad || o.IsClusterMode && (o.MasterName != "" || o.DB != 0)
	if bad {
		return errSetting
	}
	return nil
}

// tune sets what nobody is asked for: a Redis that does not answer must not hold calls up.
func (p *place) tune() {
	o := p.options
	if o.PoolSize == 0 {
		o.PoolSize = defaultPool
	}
	o.MaxActiveConns = o.PoolSize
	o.MaxIdleConns = max(o.PoolSize/4, 1)
	o.ConnMaxIdleTime = 5 * time.Minute
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = p.timeout, p.timeout, p.timeout, p.timeout/2
	o.ContextTimeoutEnabled = true
	o.MaxRetries, o.DialerRetries = -1, 1 // what stands in is at hand at once
	o.PipelinePoolSize = -1
	o.ReadBufferSize, o.WriteBufferSize = 16<<10, 16<<10
	// Connections begin with no command that a user of few rights may lack.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// hide takes what is secret out of a message: a server that takes a credential for a command
// repeats it.
func (p *place) hide(message string) string {
	for _, secret := range p.secrets {
		message = strings.ReplaceAll(message, secret, plan.Masked)
	}
	return message
}
