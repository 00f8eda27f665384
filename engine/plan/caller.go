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

// Arrival is the context of a request with what is known of it before any adapter looks at it:
// who calls, nobody in particular, from where, and the identifier of the request. [CallerOf],
// [CallerAddress] and [RequestID] find it in every context that is made from it.
type Arrival struct {
	context.Context
	caller Caller
}

// NewArrival makes it of the context that the request came with.
func NewArrival(ctx context.Context, c Caller) Arrival {
	c.Address = c.Address.Unmap().WithZone("")
	return Arrival{ctx, c}
}

type arrivalKey struct{}

// Value gives what is known under a key.
func (a *Arrival) Value(key any) any {
	switch key.(type) {
	case arrivalKey:
		return a
	case callerKey:
		return &a.caller
	}
	return a.Context.Value(key)
}

// arrivalOf gives the arrival of the request that ctx belongs to, or nil.
func arrivalOf(ctx context.Context) *Arrival {
	a, _ := ctx.Value(arrivalKey{}).(*Arrival)
	return a
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
	c := Caller{}
	if known, _ := ctx.Value(callerKey{}).(*Caller); known != nil {
		c = *known
	}
	a := NewArrival(ctx, c.arriving(Caller{RequestID: id, Address: from}))
	return &a
}

// CallerAddress gives the address from which the request came that the context belongs to: that
// of the client also when proxies that are trusted stand between. It is the zero Addr when nobody
// knows.
func CallerAddress(ctx context.Context) netip.Addr {
	if a := arrivalOf(ctx); a != nil {
		return a.caller.Address
	}
	return netip.Addr{}
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
	if a := arrivalOf(ctx); a != nil {
		return a.caller.RequestID
	}
	return ""
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

// arriving gives the caller of a request with what else its arrival says. Where a caller came
// from stays, and the certificate that was shown counts whoever else lets it in.
func (c Caller) arriving(with Caller) Caller {
	if with.RequestID != "" {
		c.RequestID = with.RequestID
	}
	if with.Certificate != nil {
		c.Certificate = with.Certificate
	}
	if !c.Address.IsValid() && !c.Local {
		c.Address = with.Address
	}
	return c
}

// WithCaller gives a context that carries who makes the request it belongs to.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	out := Caller{}
	if c != nil {
		out = *c
	}
	if a := arrivalOf(ctx); a != nil {
		out = out.arriving(a.caller)
	}
	return context.WithValue(ctx, callerKey{}, &out)
}

// CallerOf gives who makes the request that the context belongs to, with the identifier of
// the request. Of nobody in particular only that is known; it is never nil. It belongs to the
// context and is not changed.
func CallerOf(ctx context.Context) *Caller {
	if c, _ := ctx.Value(callerKey{}).(*Caller); c != nil {
		return c
	}
	return &Caller{}
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
