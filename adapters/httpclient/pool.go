package httpclient

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"capd/engine/plan"
)

// maxPools bounds the pools beside the plain one.
const maxPools = 256

// pool is the connections that are made in one way. There are two transports because only
// one of them may dial where its user points: what direct dials is an upstream and is
// checked, what proxied dials is the configured proxy.
type pool struct {
	direct  *http.Transport
	proxied *http.Transport
	deny    denied
	choose  func(*url.URL) (*url.URL, error) // the proxy for a URL; nil for none
	shows   *certificate                     // nil for none
	used    uint64
}

// way is how connections are made: the certificate that is shown on them, and what a
// document says of them. Connections are shared by equal ways only.
type way struct {
	reach       plan.Reach
	certificate plan.CredentialKey
	transport   plan.Transport
}

func (c *Client) newPool(shows *certificate, t plan.Transport, r plan.Reach) *pool {
	dialer := &net.Dialer{Timeout: c.opts.DialTimeout, KeepAlive: 30 * time.Second}
	if t.Connect > 0 {
		dialer.Timeout = t.Connect
	}
	guarded := *dialer
	p := &pool{shows: shows, choose: c.proxy, deny: c.deny.narrowed(r)}
	guarded.Control = p.deny.control

	p.direct = c.opts.transport(guarded.DialContext, shows, t)
	toProxy := dialer.DialContext
	switch {
	case t.Direct:
		p.choose = func(*url.URL) (*url.URL, error) { return nil, nil }
	case t.Proxy != "":
		// A document names this proxy, not the one who runs the process.
		fixed, err := url.Parse(t.Proxy)
		p.choose = func(*url.URL) (*url.URL, error) { return fixed, err }
		toProxy = guarded.DialContext
	}
	p.proxied = c.opts.transport(toProxy, shows, t)
	p.proxied.Proxy = p.mustProxy
	p.proxied.OnProxyConnectResponse = checkConnect
	return p
}

func (p *pool) close() {
	p.direct.CloseIdleConnections()
	p.proxied.CloseIdleConnections()
}

// pools are the connections of a client. A connection is never shared between certificates:
// the upstream takes it for the one that it was made with.
type pools struct {
	plain *pool

	mu    sync.Mutex
	clock uint64
	shown map[way]*pool
}

func (p *pools) close() {
	p.plain.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.shown {
		x.close()
	}
}

// pool gives the connections for a request. A certificate is read anew when its file changed.
func (c *Client) pool(req *plan.Request) (*pool, error) {
	if req.Certificate == nil && req.Transport == nil && req.Grant.Reach() == (plan.Reach{}) {
		return c.pools.plain, nil
	}
	p := c.ownPool(req)
	if p.shows == nil {
		return p, nil
	}
	changed, err := p.shows.refresh()
	if changed {
		p.close()
	}
	return p, err
}

func (c *Client) ownPool(req *plan.Request) *pool {
	key := way{reach: req.Grant.Reach()}
	if req.Certificate != nil {
		key.certificate = req.Certificate.Key()
	}
	if req.Transport != nil {
		key.transport = *req.Transport
		key.transport.Timeout, key.transport.Plain = 0, false // of the request, not of the connection
	}
	c.pools.mu.Lock()
	defer c.pools.mu.Unlock()
	c.pools.clock++
	p := c.pools.shown[key]
	if p == nil {
		if len(c.pools.shown) >= maxPools {
			c.pools.evict()
		}
		if c.pools.shown == nil {
			c.pools.shown = map[way]*pool{}
		}
		var shows *certificate
		if req.Certificate != nil {
			shows = &certificate{source: req.Certificate, open: c.opts.OpenKey}
		}
		p = c.newPool(shows, key.transport, key.reach)
		c.pools.shown[key] = p
	}
	p.used = c.pools.clock
	return p
}

// evict drops the pool that was used longest ago. Calls in flight keep theirs.
func (p *pools) evict() {
	var key way
	var oldest *pool
	for k, x := range p.shown {
		if oldest == nil || x.used < oldest.used {
			key, oldest = k, x
		}
	}
	oldest.close()
	delete(p.shown, key)
}
