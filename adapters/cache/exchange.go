package cache

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// key is equal for requests that have the same answer.
type key [sha256.Size]byte

func (k key) text() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// exchange is a request as the cache sees it.
type exchange struct {
	req  *plan.Request
	rule *plan.Caching
	want directives
	// header is what is asked of the upstream: without the conditions of the caller, which are
	// judged here.
	header      []plan.Field
	ifNoneMatch []string
	ifModified  string
	// bypass: the request is none for a cache.
	bypass bool

	// asIs: the answer will not be kept, so that the conditions of the caller go upstream.
	asIs  bool
	key   key
	path  key
	epoch epoch // of path; zero: nothing can be kept
}

func newExchange(ctx context.Context, secret []byte, req *plan.Request) *exchange {
	x := &exchange{req: req, rule: &req.Resilience.Cache}
	x.header = make([]plan.Field, 0, len(req.Header)+2)
	var said []string
	for _, f := range req.Header {
		switch http.CanonicalHeaderKey(f.Name) {
		case "Range", "If-Range", "If-Match", "If-Unmodified-Since":
			x.bypass = true
		case "Cache-Control":
			said = append(said, f.Value)
		case "If-None-Match":
			if x.keeps() {
				x.ifNoneMatch = append(x.ifNoneMatch, f.Value)
				continue
			}
		case "If-Modified-Since":
			if x.keeps() {
				x.ifModified = f.Value
				continue
			}
		}
		x.header = append(x.header, f)
	}
	x.want = parseDirectives(said)
	if len(said) == 0 {
		x.want.noCache = strings.EqualFold(trim(valueOf(req.Header, "Pragma")), "no-cache")
	}
	x.bypass = x.bypass || x.want.noStore
	if !x.bypass {
		x.key, x.path = x.requestKey(ctx, secret), pathKey(secret, req, req.Target)
	}
	return x
}

// isConditional reports whether the caller has an answer already, and asks for another only.
func (x *exchange) isConditional() bool { return len(x.ifNoneMatch) > 0 || x.ifModified != "" }

// keeps reports whether answers are kept, and not only shared.
func (x *exchange) keeps() bool { return x.rule.Max > 0 }

// maxUnkept bounds answers that are shared where none are kept.
const maxUnkept = 1 << 20

// most gives how large an answer may be that is kept or shared.
func (x *exchange) most() int64 {
	if x.keeps() {
		return x.rule.Max
	}
	return maxUnkept
}

// hasher makes keys of parts, so that no two lists of parts have the same.
type hasher struct{ parts []byte }

func newHasher(what string) *hasher {
	h := &hasher{make([]byte, 0, 1024)}
	h.text(what)
	return h
}

func (h *hasher) bytes(b []byte) {
	h.parts = append(binary.BigEndian.AppendUint64(h.parts, uint64(len(b))), b...)
}

func (h *hasher) text(parts ...string) {
	for _, p := range parts {
		h.parts = append(binary.BigEndian.AppendUint64(h.parts, uint64(len(p))), p...)
	}
}

// sum gives the key, which only those can compute who have the secret.
func (h *hasher) sum(secret []byte) key {
	if len(secret) == 0 {
		return sha256.Sum256(h.parts)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(h.parts)
	return key(mac.Sum(nil))
}

// requestKey hashes all that the answer may depend on: whose document and API it is, where and
// how it goes, every header, the credential, and the caller. So an upstream need not say what its
// answer varies by. A GET and a HEAD have the same key.
func (x *exchange) requestKey(ctx context.Context, secret []byte) key {
	req := x.req
	h := newHasher("answer")
	h.text(documentOf(req), req.Resilience.Scope, req.Base.Scheme, req.Base.Host)
	h.text(req.Target)
	header := slices.Clone(x.header)
	for i := range header {
		header[i].Name = strings.ToLower(header[i].Name)
	}
	slices.SortStableFunc(header, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
	for i := range header {
		if f := &header[i]; f.Name != "cache-control" && f.Name != "pragma" {
			h.text(f.Name, f.Value)
		}
	}
	h.text("", req.Accept.Encoding)
	if t := req.Transport; t != nil {
		h.text(t.Roots, t.ServerName, t.Proxy, strconv.FormatBool(t.Direct), strconv.FormatBool(t.Plain))
	}
	if req.Auth != nil {
		h.text("auth", req.Auth.Scheme())
		h.bytes(req.Auth.Key().AppendTo(nil))
	}
	if req.Certificate != nil {
		h.text("certificate")
		h.bytes(req.Certificate.Key().AppendTo(nil))
	}
	if !x.rule.Shared || isForCaller(req) {
		h.text("caller")
		h.bytes(plan.CallerOf(ctx).ID().AppendTo(nil))
	}
	return h.sum(secret)
}

// isForCaller reports whether the request is made in the name of its caller.
func isForCaller(req *plan.Request) bool {
	o, ok := req.Auth.(*plan.OAuth2)
	return ok && (o.Grant == plan.GrantTokenExchange || !o.SubjectToken.IsEmpty())
}

// pathKey hashes what a change is known by: the document and the path, whatever the query.
func pathKey(secret []byte, req *plan.Request, target string) key {
	h := newHasher("path")
	h.text(documentOf(req), req.Base.Scheme, req.Base.Host)
	path, _, _ := strings.Cut(target, "?")
	h.text(path)
	return h.sum(secret)
}

func documentOf(req *plan.Request) string {
	if req.Call == nil || req.Call.Unit() == nil {
		return ""
	}
	return req.Call.Unit().ID
}

// sameOrigin gives the target that a reference of an answer names, if it is one of the same
// server.
func sameOrigin(req *plan.Request, ref string) string {
	if ref == "" {
		return ""
	}
	from, err := url.Parse(req.URL())
	if err != nil {
		return ""
	}
	to, err := from.Parse(ref)
	if err != nil || to.Scheme != from.Scheme || !strings.EqualFold(to.Host, from.Host) {
		return ""
	}
	return to.RequestURI()
}

// isCurrent reports whether the caller has the answer already (RFC 9110 section 13.2.2).
func (x *exchange) isCurrent(e *entry) bool {
	if e.status != http.StatusOK {
		return false
	}
	if len(x.ifNoneMatch) > 0 {
		return matches(x.ifNoneMatch, e.get("ETag"))
	}
	if x.ifModified == "" {
		return false
	}
	since, err := http.ParseTime(x.ifModified)
	if err != nil {
		return false
	}
	changed, err := http.ParseTime(e.get("Last-Modified"))
	return err == nil && !changed.After(since)
}

// matches reports whether one of the tags in If-None-Match fields is that of the answer, by the
// weak comparison.
func matches(fields []string, tag string) bool {
	tag = strings.TrimPrefix(trim(tag), "W/")
	for _, field := range fields {
		if trim(field) == "*" {
			return true
		}
		for field = trim(field); field != ""; field = strings.TrimLeft(field, ", \t") {
			field = strings.TrimPrefix(field, "W/")
			if field == "" || field[0] != '"' {
				break // it is no list of tags
			}
			end := strings.IndexByte(field[1:], '"')
			if end < 0 {
				break
			}
			if field[:end+2] == tag {
				return true
			}
			field = field[end+2:]
		}
	}
	return false
}
