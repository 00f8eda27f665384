package plan

import (
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"capd/engine/diag"
)

// pattern is one thing, or many, that a policy allows or denies. Which fields count depends on
// the kind.
type pattern struct {
	text     string
	span     diag.Span
	segments segments // files, secrets, wellKnown
	absolute bool     // files: from the root of the machine, not of the served folder
	scheme   string   // secrets
	host     hostPattern
	from, to int // ports
}

// parsePattern reads the pattern of a kind. problem says what is wrong with it.
func parsePattern(kind int, text string) (p pattern, problem, hint string) {
	p.text = text
	switch kind {
	case entVariables:
		if strings.ContainsAny(text, " {}$?[]") {
			return p, "is no name of variables", "write a name, in which * stands for any text, such as TEAM_A_*"
		}
	case entFiles:
		hint = "write a path below the served folder such as team-a/**, or an absolute one"
		clean := strings.TrimPrefix(text, "./")
		p.absolute = strings.HasPrefix(clean, "/")
		p.segments, problem = parseSegments(strings.TrimPrefix(clean, "/"))
	case entSecrets:
		hint = "write a location such as vault://secret/team-a/*"
		scheme, rest, ok := strings.Cut(text, "://")
		if !ok || strings.EqualFold(scheme, "file") || strings.ContainsAny(rest, "#?") {
			return p, "is no location of secrets", hint
		}
		p.scheme = strings.ToLower(scheme)
		p.segments, problem = parseSegments(rest)
	case entHosts:
		p.host, problem = parseHostPattern(text)
		hint = "write a host such as api.example.com, *.example.com, api.example.com:8443, 10.0.0.0/8 or *"
	case entPorts:
		hint = "write a port such as 8081, or ports such as 9000-9010"
		from, to, isRange := strings.Cut(text, "-")
		if !isRange {
			to = from
		}
		var err1, err2 error
		p.from, err1 = strconv.Atoi(strings.TrimSpace(from))
		p.to, err2 = strconv.Atoi(strings.TrimSpace(to))
		if text == "*" {
			p.from, p.to, err1, err2 = 1, 65535, nil, nil
		}
		if err1 != nil || err2 != nil || p.from < 1 || p.to > 65535 || p.from > p.to {
			return p, "is no port", hint
		}
	case entWellKnown:
		hint = "write a path such as /.well-known/acme"
		rest, ok := strings.CutPrefix(text, "/.well-known/")
		if !ok {
			return p, "is not below /.well-known/", hint
		}
		p.segments, problem = parseSegments(rest)
		if problem == "" && isOwnWellKnown(p.segments[0]) {
			problem, hint = "belongs to capd itself", "name another path"
		}
	case entAdapters:
		switch Kind(text) {
		case REST, MCP, Skill, Control:
		default:
			return p, "is no type of adapter", "expected rest, mcp, skill or control"
		}
	}
	return p, problem, hint
}

// isOwnWellKnown reports whether the first segment below /.well-known is one that capd answers.
func isOwnWellKnown(first string) bool {
	return "/.well-known/"+first == MetadataPath
}

// glob reports whether * in a pattern, which stands for any text, can make it s.
func glob(pattern, s string) bool {
	first, rest, many := strings.Cut(pattern, "*")
	if !many {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		part, more, found := strings.Cut(rest, "*")
		if !found {
			return strings.HasSuffix(s, rest)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}

// segments is a path of names. In a name * stands for any text; the name ** stands for any number
// of names, none included.
type segments []string

// parseSegments reads a path. problem says why it is none.
func parseSegments(text string) (s segments, problem string) {
	text = strings.TrimSuffix(text, "/")
	if text == "" {
		return nil, "names nothing"
	}
	for _, name := range strings.Split(text, "/") {
		switch {
		case name == "" || name == "." || name == "..":
			return nil, "is not written as a plain path"
		case strings.Contains(name, "**") && name != "**":
			return nil, "has ** beside other text of a name"
		case strings.ContainsAny(name, "{}[]?\\\x00"):
			return nil, "has a character that a pattern cannot have; only * stands for others"
		}
		s = append(s, name)
	}
	if len(s) > maxSegments {
		return nil, "has too many parts"
	}
	return s, ""
}

// maxSegments bounds the parts of a pattern.
const maxSegments = 64

// match reports whether the names are of the pattern.
func (s segments) match(names []string) bool {
	i, j := 0, 0
	back, from := -1, 0 // the last **, and how much of names it stands for so far
	for j < len(names) {
		switch {
		case i < len(s) && s[i] == "**":
			back, from = i, j
			i++
		case i < len(s) && glob(s[i], names[j]):
			i++
			j++
		case back >= 0:
			from++
			i, j = back+1, from
		default:
			return false
		}
	}
	for i < len(s) && s[i] == "**" {
		i++
	}
	return i == len(s)
}

// above reports whether something below the names may be of the pattern.
func (s segments) above(names []string) bool {
	for i, name := range names {
		switch {
		case i >= len(s):
			return false
		case s[i] == "**":
			return true
		case !glob(s[i], name):
			return false
		}
	}
	return len(names) < len(s)
}

// fixed counts the names at the beginning that stand for themselves, the last one left out.
func (s segments) fixed() int {
	n := 0
	for n < len(s)-1 && !strings.Contains(s[n], "*") {
		n++
	}
	return n
}

// overlaps reports whether a route can answer a request whose path is of the pattern. Where that
// is hard to say, it may.
func (s segments) overlaps(route []Segment) bool {
	if n := len(route); n > 0 && len(route[n-1]) == 0 { // a slash at the end
		route = route[:n-1]
	}
	// reach[i] says whether the first i names of the pattern can be the segments so far.
	reach := make([]bool, len(s)+1)
	reach[0] = true
	s.spread(reach)
	for _, segment := range route {
		next := make([]bool, len(s)+1)
		many := len(segment) == 1 && segment[0].Many
		literal, isLiteral := segment.literal()
		for i, ok := range reach {
			switch {
			case !ok:
			case many:
				for j := i; j <= len(s); j++ {
					next[j] = true
				}
			case i < len(s) && s[i] == "**":
				next[i] = true
			case i < len(s) && (!isLiteral || glob(s[i], literal)):
				next[i+1] = true
			}
		}
		s.spread(next)
		reach = next
	}
	return reach[len(s)]
}

// straightened gives the segments of a route as those read them who clean paths on the way: without
// empty ones and dots, and with what stands behind an escaped slash as a segment of its own. The
// slash at the end stays.
func straightened(route []Segment) []Segment {
	var out []Segment
	for i, segment := range route {
		literal, ok := segment.literal()
		if !ok || i == len(route)-1 && literal == "" {
			out = append(out, segment)
			continue
		}
		for _, name := range strings.Split(literal, "/") {
			switch name {
			case "", ".":
			case "..":
				out = out[:max(len(out)-1, 0)]
			default:
				out = append(out, Segment{{Literal: name, Param: -1}})
			}
		}
	}
	return out
}

// spread goes on behind each ** of the pattern, which may stand for nothing.
func (s segments) spread(reach []bool) {
	for i, name := range s {
		if reach[i] && name == "**" {
			reach[i+1] = true
		}
	}
}

// literal gives the text of a segment without placeholders.
func (s Segment) literal() (string, bool) {
	var b strings.Builder
	for _, p := range s {
		if p.Param >= 0 || p.Many {
			return "", false
		}
		b.WriteString(p.Literal)
	}
	return b.String(), true
}

// secretNames takes the location of a secret apart as a provider does. What can be read in two
// ways names none.
func secretNames(location string) (scheme string, names []string, ok bool) {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.Opaque != "" || u.User != nil {
		return "", nil, false
	}
	at := u.Host + "/" + strings.Trim(u.Path, "/")
	at = strings.TrimSuffix(at, "/")
	if path.Clean("/"+at) != "/"+at || strings.ContainsAny(at, "\\\x00") {
		return "", nil, false
	}
	return strings.ToLower(u.Scheme), strings.Split(at, "/"), true
}

// hostPattern is a host, or those below a name, or those of a range of addresses, with a port or
// without one.
type hostPattern struct {
	all    bool
	name   string // in lower case; with below, of what is above
	below  bool
	prefix netip.Prefix
	port   string // empty: any
}

// parseHostPattern reads a pattern of hosts. problem says why it is none.
func parseHostPattern(text string) (p hostPattern, problem string) {
	const bad = "is no host"
	host := text
	if strings.Contains(text, "/") && strings.Contains(text, "://") {
		return p, "is a URL"
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if prefix.Addr().Is4In6() {
			return p, "is a range of IPv4 addresses written as IPv6"
		}
		p.prefix = prefix.Masked()
		return p, ""
	}
	if strings.HasPrefix(host, "[") {
		inner, port, ok := strings.Cut(host[1:], "]")
		if !ok || port != "" && !strings.HasPrefix(port, ":") {
			return p, bad
		}
		host, p.port = inner, strings.TrimPrefix(port, ":")
		if port == ":" {
			return p, bad
		}
	} else if before, port, ok := strings.Cut(host, ":"); ok && !strings.Contains(port, ":") {
		host, p.port = before, port
		if port == "" {
			return p, bad
		}
	}
	if p.port == "*" {
		p.port = ""
	} else if n, err := strconv.Atoi(p.port); p.port != "" && (err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != p.port) {
		return p, "has no usable port"
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return p, bad
		}
		addr = addr.Unmap()
		p.prefix = netip.PrefixFrom(addr, addr.BitLen())
		return p, ""
	}
	if host == "*" {
		p.all = true
		return p, ""
	}
	host = strings.TrimSuffix(host, ".")
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		host, p.below = rest, true
	}
	p.name = strings.ToLower(host)
	if problem := judgeHostName(p.name); problem != "" {
		return p, problem
	}
	return p, ""
}

// judgeHostName says why a name in lower case cannot be compared with others, or "": it can only
// when it is written as it is looked up. The resolver of a system reads numbers as addresses.
func judgeHostName(name string) string {
	if name == "" || len(name) > 253 || strings.HasPrefix(name, ".") || strings.Contains(name, "..") {
		return "is no host"
	}
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_':
		case c >= 0x80:
			return "has letters that host names have only in disguise (xn--…)"
		default:
			return "is no host"
		}
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "is an address in a notation that not everybody reads alike"
	}
	return ""
}

// target is where a connection goes, in the one way in which it is compared.
type target struct {
	name string     // in lower case, without a dot at its end; empty for an address
	addr netip.Addr // invalid for a name
	port string
}

// readTarget reads the host of a URL. problem says why it cannot be compared.
func readTarget(scheme, hostport string) (t target, problem string) {
	u := url.URL{Scheme: scheme, Host: hostport}
	host := u.Hostname()
	if t.port = u.Port(); t.port == "" {
		t.port = map[string]string{"http": "80", "https": "443", "socks5": "1080"}[scheme]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return t, "names a network interface"
		}
		t.addr = addr.Unmap()
		return t, ""
	}
	t.name = strings.TrimSuffix(strings.ToLower(host), ".")
	return t, judgeHostName(t.name)
}

func (p *hostPattern) match(t target) bool {
	if p.port != "" && p.port != t.port {
		return false
	}
	switch {
	case p.all:
		return true
	case p.prefix.IsValid():
		return t.addr.IsValid() && p.prefix.Contains(t.addr)
	case t.addr.IsValid():
		return false
	case p.below:
		return strings.HasSuffix(t.name, "."+p.name)
	}
	return t.name == p.name
}

// deniedNets gives the addresses of patterns, which hold for what names resolve to as well.
func deniedNets(patterns []pattern) []RefusedNet {
	var out []RefusedNet
	for i := range patterns {
		if h := &patterns[i].host; h.prefix.IsValid() {
			port, err := strconv.ParseUint(h.port, 10, 16)
			if err != nil { // there is none
				port = 0
			}
			out = append(out, RefusedNet{h.prefix, uint16(port)})
		}
	}
	return out
}
