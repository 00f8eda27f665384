package engine

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// allowance is what the options allow in the headers Host and Origin, compiled. The listen
// host of each address comes on top.
type allowance struct {
	anyHost, anyOrigin bool
	hosts              []allowedHost
	origins            map[string]bool // as origin.text gives them
}

// allowedHost is a host, for one port if it has one, or all names below it.
type allowedHost struct {
	host
	below bool
}

// newAllowance compiles the allowed hosts and origins. The error names every wrong one.
func newAllowance(hosts, origins []string) (*allowance, error) {
	a := &allowance{origins: make(map[string]bool)}
	var errs []error
	for _, s := range hosts {
		if s == "*" {
			a.anyHost = true
			continue
		}
		name, below := strings.CutPrefix(s, "*.")
		h, ok := parseHost(name)
		if !ok || strings.ContainsAny(h.name, "*/@ ") {
			errs = append(errs, fmt.Errorf(`allowed host %q is none of "name", "name:port", "*.name" and "*"`, s))
			continue
		}
		a.hosts = append(a.hosts, allowedHost{h, below})
	}
	for _, s := range origins {
		if s == "*" {
			a.anyOrigin = true
			continue
		}
		o, ok := parseOrigin(s)
		if !ok {
			errs = append(errs, fmt.Errorf(`allowed origin %q is neither "scheme://host[:port]" nor "*"`, s))
			continue
		}
		a.origins[o.text()] = true
	}
	return a, errors.Join(errs...)
}

// door decides for one address which requests may come in.
type door struct {
	*allowance
	listen host // of the address; the zero host for all interfaces

	closedToPages bool // no web page may call, wherever it is from
}

// newDoor makes the door of an address, host:port.
func newDoor(a *allowance, addr string) *door {
	d := &door{allowance: a}
	if h, ok := parseHost(addr); ok && !h.ip.IsUnspecified() {
		d.listen = h
	}
	return d
}

// refuse gives the reason to keep a request out, or "".
//
// A web page that had its own name resolve to this machine (DNS rebinding) sends that name as
// Host; a page that calls openly sends its Origin. A port in Host is not looked at unless an
// allowed host names one: the attacker chooses the port anyway. A request without an Origin
// comes from no page, or from one that embeds this address as an image or a link; browsers
// mark the latter as cross-site, which is refused where only this machine is meant to call.
func (d *door) refuse(r *http.Request) string {
	h, ok := parseHost(r.Host)
	if !d.anyHost && (!ok || !d.knows(h, r)) {
		return "the Host of this request is not one that is served here; --allowed-hosts allows more"
	}
	if d.closedToPages {
		return refusePage(r)
	}
	if d.anyOrigin {
		return ""
	}
	switch values := r.Header["Origin"]; {
	case len(values) == 0:
		if h.isLoopback() && r.Header.Get("Sec-Fetch-Site") == "cross-site" {
			return "pages of other sites may not use this address; --allowed-origins '*' lets them"
		}
	case len(values) > 1 || !d.admits(values[0], h, r):
		return "pages of this Origin may not call; --allowed-origins allows more"
	}
	return ""
}

// refusePage keeps out what a web page sends. What a person types into a browser is let in.
func refusePage(r *http.Request) string {
	site := r.Header.Get("Sec-Fetch-Site")
	if len(r.Header["Origin"]) > 0 || site != "" && site != "none" && site != "same-origin" {
		return "web pages may not use this address"
	}
	return ""
}

// knows reports whether a host may stand in Host or Origin of a request.
func (d *door) knows(h host, r *http.Request) bool {
	if h.isLoopback() || h.same(d.listen) || h.ip.IsValid() && h.ip == localAddr(r) {
		return true
	}
	for _, a := range d.hosts {
		if a.port != "" && a.port != h.port {
			continue
		}
		if a.below && strings.HasSuffix(h.name, "."+a.name) || !a.below && h.same(a.host) {
			return true
		}
	}
	return false
}

// admits reports whether an Origin may call. "null", which pages without an origin of their
// own send, never may. Where every Host is allowed, pages of the very host that was called may.
func (d *door) admits(value string, called host, r *http.Request) bool {
	o, ok := parseOrigin(value)
	if !ok {
		return false
	}
	if d.origins[o.text()] {
		return true
	}
	if o.scheme != "http" && o.scheme != "https" {
		return false
	}
	return d.knows(o.host, r) || d.anyHost && o.host.same(called)
}

// origin is a parsed Origin header.
type origin struct {
	scheme string
	host   host
}

// text gives the normalised form, without a scheme's default port.
func (o origin) text() string {
	port := o.host.port
	if port == "" || o.scheme == "http" && port == "80" || o.scheme == "https" && port == "443" {
		return o.scheme + "://" + o.host.text()
	}
	return o.scheme + "://" + o.host.text() + ":" + port
}

// parseOrigin reads the value of an Origin header (RFC 6454, section 6.2).
func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return origin{}, false
	}
	h, ok := parseHost(u.Host)
	return origin{strings.ToLower(u.Scheme), h}, ok
}

// host is a parsed and normalised host with an optional port: either an IP address, without
// zone, or a lower-case name without a final dot.
type host struct {
	ip         netip.Addr
	name, port string
}

// parseHost reads "host" or "host:port"; an IPv6 address with a port stands in brackets.
func parseHost(s string) (host, bool) {
	var h host
	text := s
	if end := strings.LastIndexByte(s, ']'); strings.HasPrefix(s, "[") && end > 0 {
		text = s[1:end]
		rest, ok := strings.CutPrefix(s[end+1:], ":")
		if !ok && rest != "" || !strings.Contains(text, ":") {
			return host{}, false
		}
		h.port = rest
	} else if at := strings.IndexByte(s, ':'); at >= 0 && at == strings.LastIndexByte(s, ':') {
		text, h.port = s[:at], s[at+1:]
	}
	for i := range len(h.port) {
		if !isDigit(h.port[i]) {
			return host{}, false
		}
	}
	if text != "" && (isDigit(text[0]) || strings.Contains(text, ":")) { // for a name there is no error to make
		if ip, err := netip.ParseAddr(text); err == nil {
			h.ip = ip.Unmap().WithZone("")
			return h, true
		}
	}
	h.name = strings.ToLower(strings.TrimSuffix(text, "."))
	return h, h.name != "" && !strings.ContainsAny(h.name, ":[]")
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// text gives the host without its port, as it stands in a URL.
func (h host) text() string {
	switch {
	case h.ip.Is6():
		return "[" + h.ip.String() + "]"
	case h.ip.IsValid():
		return h.ip.String()
	}
	return h.name
}

// same reports whether both are one host, whatever their ports.
func (h host) same(o host) bool {
	return h.ip == o.ip && h.name == o.name && (h.ip.IsValid() || h.name != "")
}

// isLoopback reports whether the host can only mean this machine: RFC 6761, section 6.3,
// gives localhost and the names below it to the loopback interface.
func (h host) isLoopback() bool {
	return h.ip.IsLoopback() || h.name == "localhost" || strings.HasSuffix(h.name, ".localhost")
}

// localAddr gives the address of this machine at which the request's connection arrived.
func localAddr(r *http.Request) netip.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
