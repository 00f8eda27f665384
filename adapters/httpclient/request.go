package httpclient

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"capd/engine/plan"
)

const userAgent = "capd"

var errTarget = errors.New("httpclient: the request target cannot be written as it is")

// isSendable refuses a request that would go out without what it must be authenticated with.
func isSendable(req *plan.Request) error {
	if err := req.Grant.Permits(req.Base); err != nil {
		return err
	}
	switch {
	case req.Auth != nil:
		return &plan.Error{Code: plan.CodeInternal, Message: "internal error", Cause: errors.New("httpclient: nothing has authenticated the request")}
	case req.Certificate != nil && req.Base.Scheme != "https":
		return plan.Errorf(plan.CodeNotConfigured, "a client certificate can be shown over https alone")
	}
	return nil
}

// render turns the plan's request into one for the transport that has to send it.
func (c *Client) render(x *exchange, target string) (*http.Transport, *http.Request, error) {
	req := x.req
	if err := isSendable(req); err != nil {
		return nil, nil, err
	}
	u, exact := wireURL(req.Base, target)
	pool, err := c.pool(req)
	if err != nil {
		return nil, nil, err
	}
	proxy, err := pool.choose(u)
	if err != nil {
		return nil, nil, err
	}
	transport := pool.direct
	if proxy != nil {
		transport = pool.proxied
		if err := pool.deny.literal(u.Hostname(), portOf(u)); err != nil {
			return nil, nil, err
		}
	}
	if !exact && !opaque(u, target, proxy) {
		return nil, nil, errTarget
	}
	r := &http.Request{
		Method: req.Method, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	header(r, req)
	body(r, x)
	return transport, r.WithContext(x.guard(r)), nil
}

// wireURL gives the URL whose path and query net/http writes as target. It reports whether
// it will come out byte for byte, which it does for every target that RFC 3986 allows.
func wireURL(base *plan.Base, target string) (*url.URL, bool) {
	raw, query, hasQuery := strings.Cut(target, "?")
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, RawPath: raw, RawQuery: query, ForceQuery: hasQuery}
	path, err := url.PathUnescape(raw)
	if err != nil || !strings.HasPrefix(raw, "/") || strings.IndexFunc(target, isUnsendable) >= 0 {
		return u, false
	}
	u.Path = path
	return u, u.EscapedPath() == raw
}

// portOf gives the port that a URL leads to; 0 when it has none that can be used.
func portOf(u *url.URL) uint16 {
	text := u.Port()
	if text == "" {
		text = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

func isUnsendable(r rune) bool { return r <= ' ' || r == 0x7f }

// opaque makes u write a target that is no RFC 3986 path, such as one with a bare "|" or a
// "%" that escapes nothing. It reports whether that is possible.
func opaque(u *url.URL, target string, proxy *url.URL) bool {
	if !strings.HasPrefix(target, "/") || strings.IndexFunc(target, isUnsendable) >= 0 {
		return false
	}
	*u = url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: target}
	if proxy != nil && u.Scheme == "http" && strings.HasPrefix(proxy.Scheme, "http") {
		// The proxy wants the absolute form; net/http puts the scheme before "//".
		u.Opaque = "//" + u.Host + target
		return true
	}
	return !strings.HasPrefix(target, "//")
}

// header fills in the headers as given. The names keep their spelling on the wire of
// HTTP/1.1, except where net/http looks for its own.
func header(r *http.Request, req *plan.Request) {
	h := make(http.Header, len(req.Header)+2)
	for _, f := range req.Header {
		switch name := textproto.CanonicalMIMEHeaderKey(f.Name); name {
		case "Host":
			r.Host = f.Value
		case "Content-Length", "Transfer-Encoding", "Accept-Encoding", "Connection", "Keep-Alive",
			"Proxy-Connection", "Te", "Trailer", "Upgrade":
			// Framing and the connection belong to the client.
		case "User-Agent", "Range", "Expect":
			h[name] = append(h[name], f.Value)
		case "Idempotency-Key", "X-Idempotency-Key":
			// net/http takes a request with a header of this spelling for one that it may
			// send again. Names have no case, so another spelling says the same upstream.
			name = strings.ToLower(name)
			h[name] = append(h[name], f.Value)
		default:
			h[f.Name] = append(h[f.Name], f.Value)
		}
	}
	if _, ok := h["User-Agent"]; !ok {
		h["User-Agent"] = []string{userAgent}
	}
	switch {
	case req.Transport != nil && req.Transport.Plain:
		h["Accept-Encoding"] = []string{"identity"}
	case req.Accept.Encoding != "":
		h["Accept-Encoding"] = []string{req.Accept.Encoding}
	}
	r.Header = h
}

// body gives the request its content. There is never a GetBody, so that the transport has
// nothing to send a second time.
func body(r *http.Request, x *exchange) {
	b := x.req.Body
	switch {
	case b.Stream != nil && b.Len == 0:
		_ = b.Stream.Close()
	case b.Stream != nil:
		x.sent = &sentBody{ReadCloser: b.Stream}
		r.Body, r.ContentLength = x.sent, b.Len
	case len(b.Bytes) > 0:
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b.Bytes)), int64(len(b.Bytes))
	}
}

// sentBody remembers why the caller's stream broke off, so that it is not blamed on the
// upstream.
type sentBody struct {
	io.ReadCloser
	broken atomic.Pointer[error]
	closed atomic.Bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	// The transport closes the stream when the upstream fails; what a read gives then is
	// not the caller's doing.
	if err != nil && err != io.EOF && !b.closed.Load() {
		b.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (b *sentBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}
