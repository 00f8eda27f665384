package httpclient

import (
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects are followed for one call (design D4).
const maxRedirects = 3

// drainLimit is how much of a redirect's body is read to keep its connection.
const drainLimit = 4 << 10

// redirected gives the target to go to when the answer is a redirect that may be followed:
// of a GET or HEAD without content and signature, within the same origin, and not one too
// many.
func (x *exchange) redirected(attempt int) (string, bool) {
	switch x.answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return "", false
	}
	req, location := x.req, x.answer.Header.Get("Location")
	if req.Signed || attempt > maxRedirects || location == "" || !req.Body.IsEmpty() ||
		req.Method != http.MethodGet && req.Method != http.MethodHead {
		return "", false
	}
	from := &url.URL{Scheme: req.Base.Scheme, Host: req.Base.Host}
	if !split(from, x.target) {
		return "", false
	}
	to, err := from.Parse(location)
	if err != nil || to.User != nil || origin(to) != origin(from) {
		return "", false
	}
	return to.RequestURI(), true
}

// origin gives scheme, host and port (RFC 6454 section 4).
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// discard ends the exchange, if it is cheap so that its connection can be used again.
func (x *exchange) discard() {
	_, _ = io.CopyN(io.Discard, x.answer.Body, drainLimit)
	_ = x.answer.Body.Close()
	x.release()
}
