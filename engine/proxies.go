package engine

import (
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks of proxies that are believed about where a request came from.
type proxies []netip.Prefix

// caller gives the address from which a request came, without a zone; the zero Addr when that
// is not known.
//
// Each proxy writes the address that it took the request from behind what it was given, so the
// list is read from its end: the first address that is no trusted proxy is the caller, and
// what stands before it anybody could have written. Most proxies write one of two headers and
// pass the other one on as it came. So when both are there and tell of different callers,
// neither is believed.
func (p proxies) caller(r *http.Request) netip.Addr {
	peer := remoteAddr(r)
	if len(p) == 0 || !p.has(peer) {
		return peer
	}
	far, old := p.walk(peer, r.Header["X-Forwarded-For"], plainHop), r.Header["Forwarded"]
	if len(old) == 0 {
		return far
	}
	other := p.walk(peer, old, forwardedHop)
	if len(r.Header["X-Forwarded-For"]) == 0 || far == other {
		return other
	}
	return peer
}

// walk follows a list of hops from its end for as long as they are trusted. Of a hop that
// names no address, the one after it, which said so, is the last that is known.
func (p proxies) walk(at netip.Addr, lists []string, parse func(string) netip.Addr) netip.Addr {
	for i := len(lists) - 1; i >= 0; i-- {
		rest, more := lists[i], true
		for more {
			var hop string
			comma := strings.LastIndexByte(rest, ',')
			if more = comma >= 0; more {
				rest, hop = rest[:comma], rest[comma+1:]
			} else {
				hop = rest
			}
			if hop = strings.Trim(hop, " \t"); hop == "" {
				continue // an empty element is none (RFC 9110 section 5.6.1)
			}
			next := parse(hop)
			if !next.IsValid() {
				return at
			}
			if at = next; !p.has(at) {
				return at
			}
		}
	}
	return at
}

func (p proxies) has(a netip.Addr) bool {
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// plainHop reads an address of X-Forwarded-For, which some write with a port.
func plainHop(s string) netip.Addr {
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		return a.Unmap().WithZone("")
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// forwardedHop reads the address of an element of Forwarded (RFC 7239 section 4). A quoted text
// with a comma in it falls apart before, and is none.
func forwardedHop(s string) netip.Addr {
	found := netip.Addr{}
	for pair := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.EqualFold(strings.Trim(name, " \t"), "for") {
			continue
		}
		if found.IsValid() {
			return netip.Addr{} // it may stand there once
		}
		value = strings.Trim(value, " \t")
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		found = plainHop(value)
	}
	return found
}

// remoteAddr gives the address at the other end of a request's connection.
func remoteAddr(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}
