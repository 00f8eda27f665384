package httpclient

import (
	"net"
	"net/http"
	"sync"
	"time"

	"capd/engine/plan"
)

// maxPools bounds the pools of connections with a client certificate.
const maxPools = 256

// pool is the connections of one client certificate. There are two transports because only
// one of them may dial where its user points: what direct dials is an upstream and is
// checked, what proxied dials is the configured proxy.
type pool struct {
	direct  *http.Transport
	proxied *http.Transport
	shows   *certificate // nil for none
	used    uint64
}

func (c *Client) newPool(shows *certificate) *pool {
	dialer := &net.Dialer{Timeout: c.opts.DialTimeout, KeepAlive: 30 * time.Second}
	guarded := *dialer
	guarded.Control = c.deny.control

	p := &pool{shows: shows}
	p.direct = c.opts.transport(guarded.DialContext, shows)
	p.proxied = c.opts.transport(dialer.DialContext, shows)
	p.proxied.Proxy = c.mustProxy
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
	shown map[plan.CredentialKey]*pool
}

func (p *pools) close() {
	p.plain.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.shown {
		x.close()
	}
}

// pool gives the connections for a certificate, which is read anew when its file changed.
func (c *Client) pool(cert *plan.ClientCertificate) (*pool, error) {
	if cert == nil {
		return c.pools.plain, nil
	}
	p := c.shownPool(cert)
	changed, err := p.shows.refresh()
	if changed {
		p.close()
	}
	return p, err
}

func (c *Client) shownPool(cert *plan.ClientCertificate) *pool {
	key := cert.Key()
	c.pools.mu.Lock()
	defer c.pools.mu.Unlock()
	c.pools.clock++
	p := c.pools.shown[key]
	if p == nil {
		if len(c.pools.shown) >= maxPools {
			c.pools.evict()
		}
		if c.pools.shown == nil {
			c.pools.shown = map[plan.CredentialKey]*pool{}
		}
		p = c.newPool(&certificate{source: cert})
		c.pools.shown[key] = p
	}
	p.used = c.pools.clock
	return p
}

// evict drops the pool that was used longest ago. Calls in flight keep theirs.
func (p *pools) evict() {
	var key plan.CredentialKey
	var oldest *pool
	for k, x := range p.shown {
		if oldest == nil || x.used < oldest.used {
			key, oldest = k, x
		}
	}
	oldest.close()
	delete(p.shown, key)
}
