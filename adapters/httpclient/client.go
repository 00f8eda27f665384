package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"

	"capd/engine/plan"
)

// Options are the settings of a [Client]. The zero value is ready to use.
type Options struct {
	// Proxy chooses the proxy for a URL, nil for none. When it is not set the usual
	// variables of the environment decide, as they are when New runs.
	Proxy func(*url.URL) (*url.URL, error)
	// TLS is the client's side of TLS; nil means the system's roots. It is copied.
	TLS *tls.Config
	// DenyPrivate also refuses upstreams at loopback, private and carrier-grade NAT
	// addresses. Link-local and cloud metadata addresses are always refused.
	DenyPrivate bool
	// Own reports whether a port of this machine is for those who run it, such as that of the
	// control address: what documents name never leads there. Nil: there is none.
	Own func(port uint16) bool
	// OpenKey opens the files of client certificates; nil means that none can be read.
	OpenKey plan.KeyOpener

	DialTimeout   time.Duration // to connect; 0 means 10 s
	TLSTimeout    time.Duration // for the TLS handshake; 0 means 10 s
	HeaderTimeout time.Duration // from the request's last byte to the answer's head; 0 means the call's deadline alone
	IdleTimeout   time.Duration // after which an unused connection is closed; 0 means 90 s

	MaxHeaderBytes int64 // of an answer's head; 0 means 64 KiB
	MaxIdle        int   // unused connections kept for all hosts, and at most half of them for one; 0 means 1024
}

// DefaultMaxIdle bounds the unused connections that are kept for all hosts together, so that
// thousands of upstreams do not use up the process's file descriptors (docs/decisions/0044). Those
// that documents want made in a way of their own are bounded by maxOwnIdle for each way.
const (
	DefaultMaxIdle = 1024
	maxOwnIdle     = 32
)

// Client is the [plan.Upstream] for the whole process. It is safe for concurrent use.
type Client struct {
	proxy func(*url.URL) (*url.URL, error)
	deny  denied
	opts  Options
	// pools hold the connections, by the certificate that the client shows on them.
	pools pools
}

// New makes a client. It fails when an option is out of range or when a proxy variable of
// the environment is no URL, because going around a proxy silently is worse.
func New(o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	c := &Client{proxy: o.Proxy, deny: denied{private: o.DenyPrivate}, opts: o}
	c.pools.plain = c.newPool(nil, plan.Transport{}, plan.Reach{})
	return c, nil
}

func (o *Options) complete() error {
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"DialTimeout", &o.DialTimeout, 10 * time.Second},
		{"TLSTimeout", &o.TLSTimeout, 10 * time.Second},
		{"HeaderTimeout", &o.HeaderTimeout, 0},
		{"IdleTimeout", &o.IdleTimeout, 90 * time.Second},
	} {
		if *d.value < 0 {
			return fmt.Errorf("httpclient: %s is negative", d.name)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if o.MaxHeaderBytes < 0 || o.MaxIdle < 0 {
		return fmt.Errorf("httpclient: MaxHeaderBytes and MaxIdle must not be negative")
	}
	if o.OpenKey == nil {
		o.OpenKey = func(plan.KeyFile) (fs.File, error) { return nil, fs.ErrPermission }
	}
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = 64 << 10
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = DefaultMaxIdle
	}
	if o.Proxy == nil {
		return o.environmentProxy()
	}
	return nil
}

func (o *Options) environmentProxy() error {
	env := httpproxy.FromEnvironment()
	for _, v := range []struct{ name, value string }{{"HTTP_PROXY", env.HTTPProxy}, {"HTTPS_PROXY", env.HTTPSProxy}} {
		// A value may lack its scheme. It may hold a password, so no error quotes it.
		_, asIs := url.Parse(v.value)
		_, asHost := url.Parse("http://" + v.value)
		if asIs != nil && asHost != nil {
			return fmt.Errorf("%s is not a URL such as http://proxy.example.com:3128", v.name)
		}
	}
	o.Proxy = env.ProxyFunc()
	return nil
}

func (o *Options) transport(dial func(context.Context, string, string) (net.Conn, error), show *certificate, t plan.Transport) *http.Transport {
	config := o.tls(show, t)
	out := &http.Transport{
		DialContext:            o.notOwn(dial),
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    o.TLSTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        o.IdleTimeout,
		MaxIdleConns:           o.MaxIdle,
		MaxIdleConnsPerHost:    max(1, o.MaxIdle/2),
		MaxResponseHeaderBytes: o.MaxHeaderBytes,
		ForceAttemptHTTP2:      true,
		// Many calls share one HTTP/2 connection: a dead one must be noticed without waiting
		// for the kernel to give up.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if show != nil || t != (plan.Transport{}) {
		out.MaxIdleConns, out.MaxIdleConnsPerHost = maxOwnIdle, maxOwnIdle
	}
	if t.Connect > 0 {
		out.TLSHandshakeTimeout = t.Connect
	}
	if t.Response > 0 {
		out.ResponseHeaderTimeout = t.Response
	}
	if t.HTTP1 {
		out.Protocols = new(http.Protocols)
		out.Protocols.SetHTTP1(true)
	}
	return out
}

// tls gives the client's side of TLS for one way of connecting; nil means the defaults.
func (o *Options) tls(show *certificate, t plan.Transport) *tls.Config {
	config := o.TLS.Clone()
	if show == nil && t.Roots == "" && t.ServerName == "" && !t.TLS13 {
		return config
	}
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if show != nil {
		config.GetClientCertificate = show.get
	}
	if t.Roots != "" {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM([]byte(t.Roots)) // checked when the document was compiled
	}
	if t.ServerName != "" {
		config.ServerName = t.ServerName
	}
	if t.TLS13 {
		config.MinVersion = tls.VersionTLS13
	}
	return config
}

// Close closes the connections that are not in use. Calls in flight go on.
func (c *Client) Close() {
	c.pools.close()
}

// Do sends the request and gives the answer, whatever its status. An answer's stream is
// bound to ctx: it breaks off when ctx ends. The stream of the request's body may be read
// until the answer's body is closed.
func (c *Client) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	if req.Transport == nil || req.Transport.Timeout == 0 {
		return c.do(ctx, req)
	}
	ctx, cancel := context.WithTimeout(ctx, req.Transport.Timeout)
	resp, err := c.do(ctx, req)
	if err != nil || resp.Body.Stream == nil {
		cancel()
		return resp, err
	}
	resp.Body.Stream = &bounded{resp.Body.Stream, cancel}
	return resp, nil
}

// bounded is an answer whose time is bounded by itself.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (c *Client) do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	target := req.Target
	for attempt := 1; ; attempt++ {
		x := &exchange{ctx: ctx, req: req, target: target}
		if err := c.send(x); err != nil {
			return nil, err
		}
		next, ok := x.redirected(attempt)
		if !ok {
			return x.response(attempt), nil
		}
		x.discard()
		target = next
	}
}

// exchange is one request on the wire and what came of it. It is the stream of the answer's
// content, whose errors are *[plan.Error].
type exchange struct {
	ctx     context.Context
	req     *plan.Request
	target  string // what is asked for: that of req, or where a redirect leads
	request http.Request
	url     url.URL
	sent    *sentBody          // nil when the request's body is no stream
	once    *once              // nil when nothing has to be kept from being repeated
	cancel  context.CancelFunc // of once; nil with it
	answer  *http.Response
	given   plan.Response

	// Room for what most requests and answers have.
	values [6]string
	fields [8]plan.Field
}

func (c *Client) send(x *exchange) error {
	transport, r, err := c.render(x)
	if err != nil {
		_ = x.req.Body.Close()
		return x.fault(err, beforeAnswer)
	}
	x.answer, err = transport.RoundTrip(r)
	if err == nil && x.answer.StatusCode == http.StatusSwitchingProtocols {
		_ = x.answer.Body.Close()
		err = errUpgrade
	}
	if err != nil {
		x.release()
		return x.fault(err, beforeAnswer)
	}
	return nil
}

func (x *exchange) release() {
	if x.cancel != nil {
		x.cancel()
	}
}
