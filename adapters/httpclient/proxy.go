package httpclient

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

var (
	errNoProxy   = errors.New("httpclient: no proxy for this URL any more")
	errProxyAuth = errors.New("httpclient: the proxy wants a user and a password")
	errProxyGave = errors.New("httpclient: the proxy refused the connection")
)

// mustProxy chooses the proxy for a request of the proxied pool. That pool dials without a
// check, so it must never connect to an upstream itself.
func (p *pool) mustProxy(r *http.Request) (*url.URL, error) {
	u, err := p.choose(r.URL)
	if err == nil && u == nil {
		err = errNoProxy
	}
	return u, err
}

// checkConnect turns a proxy's refusal of a tunnel into an error that can be told apart.
func checkConnect(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusProxyAuthRequired:
		return errProxyAuth
	}
	return errProxyGave
}
