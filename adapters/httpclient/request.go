package httpclient

import (
	"bytes"
	"errors"
	"io"
	"net/http"
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
func (c *Client) render(x *exchange) (*http.Transport, *http.Request, error) {
	req := x.req
	if err := isSendable(req); err != nil {
		return nil, nil, err
	}
	pool, err := c.pool(req)
	if err != nil {
		return nil, nil, err
	}
	u := &x.url
	u.Scheme, u.Host = req.Base.Scheme, req.Base.Host
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
	if !aim(u, x.target, proxy) {
		return nil, nil, errTarget
	}
	r := &http.Request{
		Method: req.Method, URL: u, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	header(r, req, x.values[:0])
	body(r, x)
	x.request = *r.WithContext(x.guard(r)) // which stands in the exchange instead of in memory of its own
	return transport, &x.request, nil
}

// aim completes a URL of scheme and host, so that net/http writes target byte for byte. It reports
// whether that is possible.
func aim(u *url.URL, target string, proxy *url.URL) bool {
	if !strings.HasPrefix(target, "/") || strings.IndexFunc(target, isUnsendable) >= 0 {
		return false
	}
	// A proxy wants the absolute form. Before an opaque "//" net/http puts the scheme.
	absolute := proxy != nil && u.Scheme == "http" && strings.HasPrefix(proxy.Scheme, "http")
	switch {
	case !absolute && !strings.HasPrefix(target, "//"):
		u.Opaque = target
	case split(u, target):
	case absolute:
		*u = url.URL{Scheme: u.Scheme, Host: u.Host, Opaque: "//" + u.Host + target}
	default:
		return false
	}
	return true
}

// split gives a URL path and query of a target. It reports whether they come out byte for byte,
// as those of every target do that RFC 3986 allows, but not a bare "|" or a "%" that escapes nothing.
func split(u *url.URL, target string) bool {
	raw, query, hasQuery := strings.Cut(target, "?")
	path, err := url.PathUnescape(raw)
	u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, raw, query, hasQuery
	return err == nil && u.EscapedPath() == raw
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

// header fills in the headers as given. The names keep their spelling on the wire of
// HTTP/1.1, except where net/http looks for its own. The values stand in room, if there is enough.
func header(r *http.Request, req *plan.Request, room []string) {
	h := requestFields{make(http.Header, len(req.Header)+2), room}
	for i := range req.Header {
		f := &req.Header[i]
		var room [24]byte
		switch lower := appendLower(room[:0], f.Name); string(lower) {
		case "host":
			r.Host = f.Value
		case "content-length", "transfer-encoding", "accept-encoding", "connection", "keep-alive",
			"proxy-connection", "te", "trailer", "upgrade":
			// Framing and the connection belong to the client.
		case "user-agent":
			h.add("User-Agent", f.Value)
		case "range":
			h.add("Range", f.Value)
		case "expect":
			h.add("Expect", f.Value)
		case "idempotency-key", "x-idempotency-key":
			// net/http takes a request with a header of the usual spelling for one that it may
			// send again. Names have no case, so another spelling says the same upstream.
			h.add(string(lower), f.Value)
		default:
			h.add(f.Name, f.Value)
		}
	}
	if _, ok := h.byName["User-Agent"]; !ok {
		h.add("User-Agent", userAgent)
	}
	switch {
	case req.Transport != nil && req.Transport.Plain:
		h.add("Accept-Encoding", "identity")
	case req.Accept.Encoding != "":
		h.add("Accept-Encoding", req.Accept.Encoding)
	}
	r.Header = h.byName
}

// appendLower appends as much of an ASCII text in lower case as there is room for.
func appendLower(dst []byte, s string) []byte {
	for i := 0; i < len(s) && len(dst) < cap(dst); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// requestFields are the headers of a request, whose values stand side by side.
type requestFields struct {
	byName http.Header
	values []string
}

func (h *requestFields) add(name, value string) {
	if have, ok := h.byName[name]; ok {
		h.byName[name] = append(have, value)
		return
	}
	n := len(h.values)
	h.values = append(h.values, value)
	h.byName[name] = h.values[n : n+1 : n+1]
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
		// As a type that net/http knows: it sends head and content together then, in one write.
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
