package httpclient

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"capd/engine/plan"
)

var errAddress = errors.New("httpclient: address not allowed")

// denied decides which addresses may be connected to. The check is made on the address that
// is dialled, after every name and notation has been resolved.
type denied struct {
	private bool
	nets    []plan.RefusedNet
}

// narrowed gives what is denied when a policy denies more.
func (d denied) narrowed(r plan.Reach) denied {
	return denied{private: d.private || r.Public, nets: r.Refused()}
}

// notOwn dials as dial does, but for the ports of this machine that are its operator's. Which
// address is this machine's is known best when the connection is there: both ends have the same.
func (o *Options) notOwn(dial dialFunc) dialFunc {
	if o.Own == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		from, ok := conn.LocalAddr().(*net.TCPAddr)
		to, okay := conn.RemoteAddr().(*net.TCPAddr)
		if ok && okay && (to.IP.IsLoopback() || to.IP.Equal(from.IP)) && o.Own(to.AddrPort().Port()) {
			_ = conn.Close() // nothing was sent
			return nil, errAddress
		}
		return conn, nil
	}
}

// dialFunc is the type of [http.Transport.DialContext].
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// control is for [net.Dialer.Control].
func (d denied) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || d.refuses(ap.Addr(), ap.Port()) {
		return errAddress
	}
	return nil
}

// literal checks a host that is an address in any notation, or a metadata service's name; other names pass. It is for requests
// that a proxy resolves.
func (d denied) literal(host string, port uint16) error {
	if metadataName(host) {
		return errAddress
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		var ok bool
		if addr, ok = looseIPv4(host); !ok {
			return nil
		}
	}
	if d.refuses(addr, port) {
		return errAddress
	}
	return nil
}

func (d denied) refuses(addr netip.Addr, port uint16) bool {
	addr = addr.Unmap().WithZone("")
	return d.lists(addr, port) || slices.ContainsFunc(embedded(addr), func(a netip.Addr) bool { return d.lists(a, port) })
}

func (d denied) lists(addr netip.Addr, port uint16) bool {
	return metadata(addr) || d.private && private(addr) ||
		slices.ContainsFunc(d.nets, func(n plan.RefusedNet) bool { return n.Refuses(addr, port) })
}

// metadata: link-local addresses, where clouds have their metadata services, and the
// addresses elsewhere that clouds use for them.
func metadata(addr netip.Addr) bool {
	if addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() {
		return true
	}
	switch addr.String() {
	case "100.100.100.200", // Alibaba Cloud
		"168.63.129.16",      // Azure
		"192.0.0.192",        // Oracle Cloud
		"fd00:c1::a9fe:a9fe", // the same
		"fd20:ce::254",       // Google Cloud
		"fd00:42::42":        // Scaleway
		return true
	}
	b := addr.As16()
	return b[0] == 0xfd && b[1] == 0 && b[2] == 0x0e && b[3] == 0xc2 // fd00:ec2::/32, AWS
}

// metadataName: names that clouds give their metadata services. What they resolve to is judged
// when it is dialled; a proxy would resolve them elsewhere.
func metadataName(host string) bool {
	switch strings.ToLower(strings.TrimSuffix(host, ".")) {
	case "metadata", "metadata.google.internal", "metadata.goog", // Google Cloud
		"instance-data", "instance-data.ec2.internal", // AWS
		"metadata.tencentyun.com", "metadata.oraclecloud.com", "metadata.platformequinix.com":
		return true
	}
	return false
}

// private: addresses that are not the public internet.
func private(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsPrivate() || addr.IsUnspecified() || addr.IsMulticast() {
		return true
	}
	if !addr.Is4() {
		b := addr.As16()
		return b[0] == 0xfe && b[1]&0xc0 == 0xc0 // fec0::/10, the old site-local addresses
	}
	b := addr.As4()
	return b[0] == 0 || // "this network" reaches the own host
		b[0] == 100 && b[1]&0xc0 == 64 || // 100.64.0.0/10, carrier-grade NAT (RFC 6598)
		b[0] == 198 && b[1]&0xfe == 18 || // 198.18.0.0/15, benchmarking (RFC 2544)
		b[0] >= 240 // reserved, and broadcast
}

// embedded gives the IPv4 addresses that translators and tunnels would make of an IPv6 one.
func embedded(addr netip.Addr) []netip.Addr {
	if !addr.Is6() {
		return nil
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	zero := func(s []byte) bool { return strings.Trim(string(s), "\x00") == "" }
	switch {
	case addr.IsLoopback() || addr.IsUnspecified():
		return nil
	case zero(b[:12]), // IPv4-compatible (RFC 4291)
		zero(b[:8]) && b[8] == 0xff && b[9] == 0xff && zero(b[10:12]): // translated (RFC 2765)
		return []netip.Addr{last}
	case b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b:
		// NAT64: 64:ff9b::/96 (RFC 6052), and 64:ff9b:1::/48 (RFC 8215), where the place of
		// the address depends on the length of the operator's prefix.
		return []netip.Addr{last,
			netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]}),
			netip.AddrFrom4([4]byte{b[7], b[9], b[10], b[11]}),
			netip.AddrFrom4([4]byte{b[9], b[10], b[11], b[12]})}
	case b[0] == 0x20 && b[1] == 0x02: // 6to4 (RFC 3056)
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0: // Teredo (RFC 4380): inverted
		return []netip.Addr{netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP (RFC 5214)
		return []netip.Addr{last}
	}
	return nil
}

// looseIPv4 reads the notations of inet_aton: one to four numbers, the last of which fills
// what is left, each decimal, octal with 0 or hexadecimal with 0x in front.
func looseIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, p := range parts {
		if p == "" || p[0] < '0' || p[0] > '9' {
			return netip.Addr{}, false
		}
		n, err := strconv.ParseUint(p, 0, 32)
		width := 1
		if i == len(parts)-1 {
			width = 5 - len(parts)
		}
		if err != nil || n >= 1<<(8*width) {
			return netip.Addr{}, false
		}
		sum = sum<<(8*width) | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}
