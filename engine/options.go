package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
	"capd/engine/spec"
)

// The defaults of [Options] and the fixed limits of every server.
const (
	// DefaultMaxHeader is 64 KiB for the header of a request.
	DefaultMaxHeader = 64 << 10
	// DefaultCallTimeout is a minute for a whole call.
	DefaultCallTimeout = 60 * time.Second
	// DefaultDrainTimeout is how long calls in flight may take to finish when capd stops or
	// an address is given up.
	DefaultDrainTimeout = 15 * time.Second
	// DefaultMaxUpstreamBody is 32 MiB for an answer that must be held in memory.
	DefaultMaxUpstreamBody = 32 << 20

	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute

	// maxStreams is how many calls may run at once on a connection of HTTP/2.
	maxStreams = 250
	// streamWindow is how much of a request's body a connection of HTTP/2 keeps for a call
	// that does not read it, and connectionWindow how much for all its calls: so many must
	// stand still before the others do.
	streamWindow     = 256 << 10
	connectionWindow = 2 << 20
)

// OnInvalid says what a document with errors means for the others.
type OnInvalid uint8

// The ways to treat errors in documents.
const (
	// Quarantine serves everything without errors. It is the default.
	Quarantine OnInvalid = iota
	// Fail serves nothing, or goes on with what was served before, while there is an error.
	Fail
)

// Options are what an [Engine] is made of. Zero fields have the defaults named here; the
// zero value lacks Paths, Upstream and Adapters, which must be given.
type Options struct {
	// Paths are files and folders of capability documents.
	Paths []string
	// AllowPaths are folders whose files every document may use, beside those of the folder
	// it was found in.
	AllowPaths []string

	// Policy is the file that says what documents may do; empty: they may do everything.
	Policy string

	// Own are files and folders of capd itself, which no document may use wherever they lie.
	Own []string
	// Listen is the one address (host:port) for everything; empty means the ports that the
	// documents declare.
	Listen string
	// Address is the host to listen on for declared ports; empty means 127.0.0.1.
	Address string
	// AllowSpecAddress honours addresses that documents declare.
	AllowSpecAddress bool
	// CombinedMCP serves the MCP adapters of each address together at /mcp, and Views are more
	// views of several of them.
	CombinedMCP bool
	Views       []plan.NamedView
	// AllowedHosts are more names that the Host and the Origin header may carry: "name" for
	// any port, "name:port", "*.name" for names below it, or "*" for all.
	AllowedHosts []string
	// AllowedOrigins are more origins whose web pages may call: "scheme://host[:port]", or
	// "*" for all.
	AllowedOrigins []string
	// TrustedProxies are networks of proxies that are believed about where a request came from
	// (the headers X-Forwarded-For and Forwarded).
	TrustedProxies []netip.Prefix

	// PublicURL is where clients reach what is served, when that is known: a proxy may stand in
	// front. It is an absolute http or https URL of a host and perhaps a path.
	PublicURL string
	// Stdio, if set, chooses what is served on standard input and output instead of at
	// addresses: nothing is listened on.
	Stdio *plan.StdioOptions

	// TLS is what the addresses of documents speak; nil means plain HTTP.
	TLS *TLS

	OnInvalid OnInvalid
	// Limits bound a document; zero fields mean those of [spec.DefaultLimits].
	Limits spec.Limits
	// MaxHeader bounds the header of a request, in bytes.
	MaxHeader int
	// MaxConnections is how many connections may be open at once, at all addresses of documents
	// together; zero means any number. When there are so many, those without a request make room.
	MaxConnections int
	// CallTimeout bounds a whole call.
	CallTimeout time.Duration
	// DrainTimeout bounds Stop, and how long calls of a given-up address may take.
	DrainTimeout time.Duration
	// MaxUpstreamBody bounds an answer that must be held in memory, in decoded bytes.
	MaxUpstreamBody int64

	// Look gives the value of a document's variable, or [plan.ErrUnset]. It is asked again
	// on every reload, as far as Edition does not spare it. Nil means that no variable has a value.
	Look func(doc string, v *plan.Variable) (plan.Secret, error)
	// Edition is another number whenever Look may give another value for a variable without a
	// location. Nil: nobody knows, and Look is asked for each again on every reload.
	Edition func() uint64
	// Upstream answers the requests of every operation.
	Upstream plan.Upstream
	// Scripts runs the scripts of steps; nil means in this process.
	Scripts plan.ScriptRunner
	// Watch is told of every call, whatever adapter it comes through; nil: nobody watches.
	Watch plan.Watcher
	// Quotas count what documents use; nil: they may use everything.
	Quotas *plan.Quotas
	// Placeholders is for stubs: an unset variable stands as <NAME>, and calls know their
	// samples ([plan.Call.Samples]).
	Placeholders bool
	// Gate makes what keeps callers out of an exposure that wants authentication. Without it
	// nobody comes in there.
	Gate func(plan.Lock) plan.Gate

	// State, if set, is where last good forms of documents are kept across restarts. Under
	// [Fail] they are written, and not used.
	State *StateOptions

	// Control, if set, is the address of those who run the process.
	Control *ControlOptions
	// Adapters serve the kinds of exposure. REST answers everything that is under no other
	// kind's prefix.
	Adapters map[plan.Kind]Adapter
	// Logger is where the engine reports; nil means nowhere.
	Logger *slog.Logger
}

// Linking gives the part of the options that decides on addresses.
func (o *Options) Linking() plan.LinkOptions {
	return plan.LinkOptions{
		Listen: o.Listen, Address: o.Address, AllowSpecAddress: o.AllowSpecAddress,
		CombinedMCP: o.CombinedMCP, Views: o.Views, PublicURL: o.PublicURL, Stdio: o.Stdio,
		WithoutCertificates: !o.TLS.asksClients(),
	}
}

// withDefaults gives a checked copy that shares nothing with o that a caller could change.
func (o Options) withDefaults() (Options, error) {
	o.Paths = slices.Clone(o.Paths)
	o.AllowPaths = slices.Clone(o.AllowPaths)
	o.AllowedHosts = slices.Clone(o.AllowedHosts)
	o.AllowedOrigins = slices.Clone(o.AllowedOrigins)
	o.TrustedProxies = slices.Clone(o.TrustedProxies)
	o.Adapters = maps.Clone(o.Adapters)
	o.Views = slices.Clone(o.Views)
	if o.Control != nil {
		control := *o.Control
		if control.MaxConnections == 0 {
			control.MaxConnections = DefaultControlConnections
		}
		o.Control = &control
	}
	if o.State != nil {
		state := *o.State
		o.State = &state
	}
	if o.Stdio != nil {
		o.Stdio = &plan.StdioOptions{Selectors: slices.Clone(o.Stdio.Selectors)}
	}
	if err := o.validate(); err != nil {
		return Options{}, err
	}
	o.Limits = limits(o.Limits)
	if o.MaxHeader == 0 {
		o.MaxHeader = DefaultMaxHeader
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = DefaultCallTimeout
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = DefaultDrainTimeout
	}
	if o.MaxUpstreamBody == 0 {
		o.MaxUpstreamBody = DefaultMaxUpstreamBody
	}
	if o.Look == nil {
		o.Look = func(string, *plan.Variable) (plan.Secret, error) { return plan.Secret{}, plan.ErrUnset }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// validate turns misuse into one error that names every wrong option.
func (o *Options) validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Paths) == 0 {
		fail("no path given: name a file or a folder of capability documents")
	}
	if o.Upstream == nil {
		fail("no upstream given")
	}
	if len(o.Adapters) == 0 {
		fail("no adapter given")
	}
	for kind, a := range o.Adapters {
		if a == nil {
			fail("the adapter of kind %q is nil", kind)
		}
	}
	if o.OnInvalid > Fail {
		fail("unknown value %d of OnInvalid", o.OnInvalid)
	}
	if o.MaxHeader < 0 || o.CallTimeout < 0 || o.DrainTimeout < 0 || o.MaxUpstreamBody < 0 ||
		o.MaxConnections < 0 || o.Control != nil && o.Control.MaxConnections < 0 ||
		o.Limits.Bytes < 0 || o.Limits.Depth < 0 || o.Limits.Nodes < 0 {
		fail("a limit is negative: limits and timeouts are zero, for the default, or more")
	}
	_, allowed := newAllowance(o.AllowedHosts, o.AllowedOrigins)
	errs = append(errs, checkAddress(o.Listen, o.Address), o.checkControl(), allowed)
	return errors.Join(errs...)
}

// limits fills zero fields with the defaults.
func limits(l spec.Limits) spec.Limits {
	if l.Bytes == 0 {
		l.Bytes = spec.DefaultLimits.Bytes
	}
	if l.Depth == 0 {
		l.Depth = spec.DefaultLimits.Depth
	}
	if l.Nodes == 0 {
		l.Nodes = spec.DefaultLimits.Nodes
	}
	return l
}

// checkAddress checks the two ways to say where to listen.
func checkAddress(listen, address string) error {
	if listen != "" {
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			return fmt.Errorf("listen address %q is not host:port, for example 127.0.0.1:8080", listen)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("listen address %q: the port is not a number from 0 to 65535", listen)
		} else if n == 0 && port != "0" {
			return fmt.Errorf("listen address %q: write port 0 as 0", listen)
		}
	}
	if address != "" {
		if _, err := netip.ParseAddr(address); err != nil && strings.ContainsAny(address, ":/[] ") {
			return fmt.Errorf("address %q is not a host name or an IP address; the port comes from the documents", address)
		}
	}
	return nil
}
