package credential

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"capd/engine/plan"
)

// Options are the settings of an [Authenticator]. The zero value is ready to use.
type Options struct {
	// MaxBody bounds a streamed body that must be held in memory, because a signature covers
	// it or because it may have to be sent again; 0 means 10 MiB.
	MaxBody int64
	// TokenTimeout bounds one request to a token endpoint; 0 means 30 s.
	TokenTimeout time.Duration
	// OpenKey opens the files of signing keys; nil means that none can be read.
	OpenKey plan.KeyOpener
	// Now is the clock; nil means the machine's.
	Now func() time.Time
	// Random is where nonces come from; nil means the machine's.
	Random io.Reader
}

// Authenticator is a [plan.Upstream] that adds what Request.Auth asks for. It is safe for
// concurrent use.
type Authenticator struct {
	next       plan.Upstream
	opts       Options
	tokens     store[tokenSource]
	exchanged  store[tokenSource] // of callers, who are many: they push nobody else out
	challenges store[challenge]
	keys       store[rsaKey]
}

// New makes an authenticator in front of next. Requests for tokens go through next as well,
// so that its rules hold for them.
func New(next plan.Upstream, o Options) *Authenticator {
	if o.MaxBody <= 0 {
		o.MaxBody = 10 << 20
	}
	if o.TokenTimeout <= 0 {
		o.TokenTimeout = 30 * time.Second
	}
	if o.OpenKey == nil {
		o.OpenKey = func(plan.KeyFile) (fs.File, error) { return nil, fs.ErrPermission }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Authenticator{next: next, opts: o}
}

// Do authenticates the request and sends it. A request without Auth goes on as it is.
func (a *Authenticator) Do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	if req.Auth == nil {
		return a.next.Do(ctx, req)
	}
	resp, err := a.do(ctx, req)
	if err != nil {
		_ = req.Body.Close()
		return nil, err
	}
	return resp, nil
}

func (a *Authenticator) do(ctx context.Context, req *plan.Request) (*plan.Response, error) {
	switch c := req.Auth.(type) {
	case *plan.OAuth2:
		return a.bearer(ctx, req, c)
	case *plan.Digest:
		return a.digest(ctx, req, c)
	case *plan.OAuth1:
		return a.sign(ctx, req, bodyWhole, func(m *message) (*signature, error) { return a.oauth1(m, c) })
	case *plan.SigV4:
		return a.sign(ctx, req, bodyOfSigV4(req, c), func(m *message) (*signature, error) { return a.sigV4(ctx, m, c) })
	case *plan.Veracode:
		return a.sign(ctx, req, bodyUnseen, func(m *message) (*signature, error) { return a.veracode(m, c) })
	case *plan.HMAC:
		return a.sign(ctx, req, bodyOfHMAC(c), func(m *message) (*signature, error) { return a.hmac(m, c) })
	}
	return nil, plan.Errorf(plan.CodeInternal, "internal error")
}

// message is a request that is to be signed, with its content. A body that stays a stream
// has no content here.
type message struct {
	req  *plan.Request
	body []byte
}

// signature is what signing adds to a request.
type signature struct {
	header  []plan.Field
	target  string        // to be sent in place of the request's own; empty leaves that
	secrets []plan.Secret // what must not be shown of it
}

// bodyUse is what a signature wants of the content.
type bodyUse uint8

const (
	bodyUnseen  bodyUse = iota // nothing
	bodyIfShort                // all of it, if it can be held
	bodyWhole                  // all of it
)

// sign adds a signature to the request and sends it once.
func (a *Authenticator) sign(ctx context.Context, req *plan.Request, use bodyUse, with func(*message) (*signature, error)) (*plan.Response, error) {
	held := req
	if use != bodyUnseen {
		var err error
		if held, err = a.hold(req); errors.Is(err, errTooLong) && use == bodyWhole {
			return nil, a.tooLong()
		} else if err != nil && !errors.Is(err, errTooLong) {
			return nil, err
		}
	}
	sig, err := with(&message{held, held.Body.Bytes})
	if err != nil {
		return nil, err
	}
	return a.send(ctx, sig.apply(held), sig.secrets)
}

// send sends an authenticated request. What it added is masked in the answer too.
func (a *Authenticator) send(ctx context.Context, req *plan.Request, added []plan.Secret) (*plan.Response, error) {
	resp, err := a.next.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	if len(added) > 0 {
		resp.Secrets = slices.Concat(resp.Secrets, added)
	}
	return resp, nil
}

// apply gives a copy of the request with the signature, in place of headers of its names.
func (s *signature) apply(req *plan.Request) *plan.Request {
	out := *req
	out.Auth, out.Signed = nil, true
	out.Header = withHeader(req.Header, s.header...)
	out.Secrets = slices.Concat(req.Secrets, s.secrets)
	if s.target != "" {
		out.Target = s.target
	}
	return &out
}

// withHeader gives the fields with those of add in place of all that have their names.
func withHeader(header []plan.Field, add ...plan.Field) []plan.Field {
	out := make([]plan.Field, 0, len(header)+len(add))
	for _, f := range header {
		if !slices.ContainsFunc(add, func(n plan.Field) bool { return strings.EqualFold(n.Name, f.Name) }) {
			out = append(out, f)
		}
	}
	return append(out, add...)
}

func headerOf(req *plan.Request, name string) string {
	for _, f := range req.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// hostOf gives the host as the request says it, without the usual port of its scheme.
func hostOf(req *plan.Request) string {
	host := headerOf(req, "Host")
	if host == "" {
		host = req.Base.Host
	}
	port := map[string]string{"http": ":80", "https": ":443"}[req.Base.Scheme]
	return strings.ToLower(strings.TrimSuffix(host, port))
}

// cutTarget gives the path and the query of a request, as they stand on the wire.
func cutTarget(req *plan.Request) (path, query string) {
	path, query, _ = strings.Cut(req.Target, "?")
	return path, query
}

// nonce gives random text.
func (a *Authenticator) nonce() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(a.opts.Random, b[:]); err != nil {
		return "", &plan.Error{Code: plan.CodeInternal, Message: "internal error", Cause: err}
	}
	return hex.EncodeToString(b[:]), nil
}

// misconfigured is the error of a credential that cannot be used.
func misconfigured(message string, cause error) *plan.Error {
	return &plan.Error{Code: plan.CodeNotConfigured, Message: message, Cause: cause}
}
