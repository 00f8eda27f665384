package plan

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
)

type arrivalKey struct{}

// arrival is what is known of a request before any adapter looks at it.
type arrival struct {
	id   string
	from netip.Addr
}

// NewRequestID gives a new random identifier of a request: 26 letters and digits.
func NewRequestID() string { return rand.Text() }

// WithRequestID gives a context that carries the identifier of the request it belongs to.
// Whoever receives the request first sets it; a caller's own header is never taken for it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return WithArrival(ctx, id, netip.Addr{})
}

// WithArrival is [WithRequestID] for a request that came from an address, which is the zero
// Addr when that is not known.
func WithArrival(ctx context.Context, id string, from netip.Addr) context.Context {
	return context.WithValue(ctx, arrivalKey{}, arrival{id, from.Unmap().WithZone("")})
}

// CallerAddress gives the address from which the request came that the context belongs to: that
// of the client also when proxies that are trusted stand between. It is the zero Addr when nobody
// knows.
func CallerAddress(ctx context.Context) netip.Addr {
	a, _ := ctx.Value(arrivalKey{}).(arrival)
	return a.from
}

// Neighbourhood gives what is counted as one caller where callers are told apart by address: an
// IPv4 address, or the network of 64 bits that an IPv6 address is in, since whoever has one of
// its addresses has them all.
func Neighbourhood(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil { // 64 bits are never too many
		return a
	}
	return p.Addr()
}

// RequestID gives the identifier of the request the context belongs to, or "" when nobody
// set one.
func RequestID(ctx context.Context) string {
	a, _ := ctx.Value(arrivalKey{}).(arrival)
	return a.id
}

type callerKey struct{}

// Caller is who calls, as far as the gate knows. No part of it is ever sent upstream, but
// the token where a document declares its exchange. Printing it shows no token.
type Caller struct {
	RequestID string
	// Address is where the request came from, see [CallerAddress].
	Address netip.Addr
	// Local: the caller is who started capd, and may do everything.
	Local bool
	// Scheme is how the caller was let in; empty where everybody is.
	Scheme Scheme
	// Subject is the user or the service: of basic the user name, of oauth2 what the issuer
	// calls it. A key or a token that a document names belongs to nobody in particular.
	Subject string
	// ClientID is the program that calls, and Issuer who vouches for both, of oauth2.
	ClientID, Issuer string
	// Scopes are what the caller may do, of oauth2.
	Scopes []string
	// Certificate is what the caller showed at the TLS connection, verified; nil for none. It
	// comes on top of Scheme.
	Certificate *CallerCertificate

	token func() Secret // a function, because printing shows what is in a field
}

// WithToken gives the caller with the token that let it in. Only an exchange of tokens that a
// document declares can read it again.
func (c Caller) WithToken(t Secret) *Caller {
	c.token = func() Secret { return t }
	return &c
}

// Lacks gives whether there is a scope in need that the caller does not have. Scopes are
// compared as they are: which one includes another is the issuer's to say.
func (c *Caller) Lacks(need []string) bool {
	return !c.Local && slices.ContainsFunc(need, func(s string) bool { return !slices.Contains(c.Scopes, s) })
}

// rateKey tells callers apart who are counted: by who they are where somebody vouches for that,
// else by where they come from.
func (c *Caller) rateKey() string {
	switch {
	case c.Local:
		return "local"
	case c.Scheme != "" || c.Certificate != nil:
		id := c.ID()
		return hex.EncodeToString(id.sum[:])
	case c.Address.IsValid():
		return Neighbourhood(c.Address).String()
	}
	return "unknown"
}

// CallerID is equal for requests of the same caller, and hides who that is.
type CallerID struct{ sum [sha256.Size]byte }

// Text gives it as text, which names nobody.
func (id CallerID) Text() string { return hex.EncodeToString(id.sum[:]) }

// ID gives what stays the same between the requests of one caller, also with another token.
// Of a token that names nobody, it is the token.
func (c *Caller) ID() CallerID {
	parts := []string{string(c.Scheme), c.Issuer, c.Subject, c.ClientID}
	if c.Subject == "" && c.ClientID == "" && c.token != nil {
		parts = append(parts, c.token().value)
	}
	if c.Certificate != nil {
		parts = append(parts, "certificate", c.Certificate.Subject, c.Certificate.Issuer)
		for _, names := range [][]string{c.Certificate.DNSNames, c.Certificate.URIs, c.Certificate.Emails} {
			parts = append(append(parts, strconv.Itoa(len(names))), names...)
		}
	}
	return CallerID{keyOf(parts...).sum}
}

// AppendTo appends what is equal for the same caller: for keys that are hashed again.
func (id CallerID) AppendTo(b []byte) []byte { return append(b, id.sum[:]...) }

// WithCaller gives a context that carries who makes the request it belongs to.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf gives who makes the request that the context belongs to, with the identifier of
// the request. Of nobody in particular only that is known; it is never nil.
func CallerOf(ctx context.Context) *Caller {
	out := Caller{}
	if c, ok := ctx.Value(callerKey{}).(*Caller); ok && c != nil {
		out = *c
	}
	if c, ok := ctx.Value(callerCertificateKey{}).(*CallerCertificate); ok {
		out.Certificate = c
	}
	a, _ := ctx.Value(arrivalKey{}).(arrival)
	if a.id != "" {
		out.RequestID = a.id
	}
	if !out.Address.IsValid() && !out.Local {
		out.Address = a.from
	}
	return &out
}

// CallerCertificate is what a verified certificate says of the caller. Printing it shows the
// subject only.
type CallerCertificate struct {
	// Subject is the distinguished name (RFC 2253), and Issuer that of who vouches for it.
	Subject, Issuer string
	// DNSNames, URIs and Emails are its alternative names.
	DNSNames, URIs, Emails []string
}

// NewCallerCertificate gives what a verified certificate says.
func NewCallerCertificate(c *x509.Certificate) *CallerCertificate {
	out := &CallerCertificate{Subject: c.Subject.String(), Issuer: c.Issuer.String(), DNSNames: c.DNSNames, Emails: c.EmailAddresses}
	for _, u := range c.URIs {
		out.URIs = append(out.URIs, u.String())
	}
	return out
}

// String gives the subject.
func (c *CallerCertificate) String() string { return c.Subject }

// MarshalText gives the subject.
func (c *CallerCertificate) MarshalText() ([]byte, error) { return []byte(c.Subject), nil }

type callerCertificateKey struct{}

// WithCallerCertificate gives a context that carries what the caller of its request showed.
// [CallerOf] has it then, whoever else lets the caller in.
func WithCallerCertificate(ctx context.Context, c *CallerCertificate) context.Context {
	return context.WithValue(ctx, callerCertificateKey{}, c)
}
