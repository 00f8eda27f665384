package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"capd/engine/plan"
)

// bindError says in capd's words why an address cannot be listened on.
type bindError struct {
	text, hint string
	err        error
}

func (e *bindError) Error() string { return e.text }

func (e *bindError) Unwrap() error { return e.err }

const bindHint = "stop what listens there, change the port, or serve everything on one address with --listen"

// bindFailure words the failure to listen on an address. Where it is capd itself that has the
// port, on another address, it says so: there is nothing that the reader could stop.
func (c *change) bindFailure(addr string, err error, live map[string]*server, now *plan.Plan) error {
	e := &bindError{reason(err), bindHint, err}
	if errors.Is(err, syscall.EACCES) {
		e.hint = "change the port to 1024 or more, or give the user who runs capd the right to use it"
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return e
	}
	for _, servers := range []map[string]*server{c.sockets, live} {
		for declared, s := range servers {
			if !overlap(addr, declared, s.actual()) {
				continue
			}
			if l := c.plan.Listener(declared); l != nil {
				e.text = fmt.Sprintf("capd itself listens there already, on %s for %s", declared, documents(l))
				e.hint = "give both the same address or different ports, or serve everything on one address with --listen"
				return e
			}
			e.text = fmt.Sprintf("capd itself listens there still, on %s for %s", declared, documents(now.Listener(declared)))
			e.hint = "restart capd to move to the new address, or change the port"
			return e
		}
	}
	return e
}

// overlap reports whether two addresses cannot be had at once because one port would have
// two sockets. The second is given as declared and as the system gave it.
func overlap(addr, declared, actual string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	otherHost, otherPort, err := net.SplitHostPort(actual)
	if err != nil || port != otherPort {
		return false
	}
	if everywhere(addr) || everywhere(declared) {
		return true
	}
	return host == otherHost
}

// everywhere reports whether an address is one of all interfaces.
func everywhere(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}

// documents names the documents at an address.
func documents(l *plan.Listener) string {
	var ids []string
	if l != nil {
		for _, x := range exposures(l) {
			ids = append(ids, x.Unit.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	const shown = 3
	switch {
	case len(ids) == 0:
		return "documents that are gone"
	case len(ids) == 1:
		return "document " + ids[0]
	case len(ids) > shown:
		return fmt.Sprintf("documents %s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
	}
	return "documents " + strings.Join(ids, ", ")
}

// network gives the network to listen in. What is all interfaces in IPv4 is so in IPv4 alone.
func network(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			return "tcp4"
		}
	}
	return "tcp"
}
