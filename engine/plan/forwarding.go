package plan

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// forwarded is a caller's request as it is passed on, its body aside.
type forwarded struct {
	method string
	rest   string // of the path, escaped as it came: empty, or with a leading slash
	query  string // raw, without what the route and the call claim
	header []Field
}

// bind takes from a request what is passed on.
func (p *forwardPlan) bind(src *Source) (*forwarded, *Error) {
	switch {
	case src.Method == http.MethodConnect || src.Method == http.MethodTrace || !isToken(src.Method):
		return nil, Errorf(CodeMethodNotAllowed, "requests with this method are not forwarded")
	case asksUpgrade(src.Header):
		return nil, Errorf(CodeRefused, "this path forwards requests and answers; a connection cannot be upgraded (WebSocket)")
	}
	if err := checkRemainder(src.Rest); err != nil {
		return nil, err
	}
	return &forwarded{method: src.Method, rest: src.Rest, query: p.passQuery(src), header: p.pass(src.Header)}, nil
}

// passQuery gives the query without what the route and the call claim.
func (p *forwardPlan) passQuery(src *Source) string {
	conditions := slices.Clone(src.Conditions)
	var out strings.Builder
	for pair := range strings.SplitSeq(src.Query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if i := slices.Index(conditions, Pair{unescape(name), unescape(value)}); i >= 0 {
			conditions = slices.Delete(conditions, i, i+1)
			continue
		}
		if p.query[unescape(name)] {
			continue
		}
		if out.Len() == 0 {
			out.Grow(len(src.Query))
		} else {
			out.WriteByte('&')
		}
		out.WriteString(pair)
	}
	return out.String()
}

// pass gives the headers that are passed on: the trusted ones, and those that say what the
// body is, what answer is wanted, and of which version. Whatever says who the caller is stays.
func (p *forwardPlan) pass(h http.Header) []Field {
	out := make([]Field, 0, min(len(h), len(p.passed)))
	for name, values := range h {
		secret, ok := p.passed[textproto.CanonicalMIMEHeaderKey(name)]
		if !ok || isOfConnection(h, name) {
			continue
		}
		for _, v := range values {
			out = append(out, Field{Name: name, Value: v, Secret: secret})
		}
	}
	slices.SortStableFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// isOfConnection reports whether a header is named by Connection: for this connection only.
func isOfConnection(h http.Header, name string) bool {
	for _, v := range h["Connection"] {
		for named := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(textproto.TrimString(named), name) {
				return true
			}
		}
	}
	return false
}

// passedHeaders are the headers of a caller that are always passed on. Content-Type and
// Content-Encoding come with the body, Accept-Encoding by the rule of whole answers.
var passedHeaders = []string{
	"Accept", "Accept-Language",
	"Content-Language", "Content-Disposition", "Content-Range", "Content-MD5", "Content-Digest", "Digest",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range",
}

func isPassedHeader(name string) bool {
	return slices.ContainsFunc(passedHeaders, func(passed string) bool { return strings.EqualFold(passed, name) })
}

// isConnectionHeader reports whether a header is about one connection or the framing of one
// message (RFC 9110 section 7.6.1), or is made anew for each.
func isConnectionHeader(lower string) bool {
	switch lower {
	case "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect", "http2-settings":
		return true
	}
	return strings.HasPrefix(lower, "proxy-")
}

// isCredentialHeader reports whether the value of a trusted header is not to be shown.
func isCredentialHeader(lower string) bool {
	return lower == "cookie" || isCredentialName(lower)
}

// asksUpgrade reports whether a request wants another protocol on its connection. An offer of
// HTTP/2, which clients make by themselves, is no such wish and may be ignored.
func asksUpgrade(h http.Header) bool {
	for _, v := range h["Upgrade"] {
		for token := range strings.SplitSeq(v, ",") {
			switch token = strings.ToLower(textproto.TrimString(token)); {
			case token == "", token == "h2c", strings.HasPrefix(token, "http/"), strings.HasPrefix(token, "tls/"):
			default:
				return true
			}
		}
	}
	return false
}

// checkRemainder refuses a rest of a path that could leave the base path, as any server may
// read it: dot segments, also escaped, escaped twice or behind an escaped slash or a
// backslash, or with a parameter; and an empty first segment, which some take for a host.
func checkRemainder(rest string) *Error {
	if strings.HasPrefix(rest, "//") {
		return Errorf(CodeInvalidInput, "the path that is forwarded must not begin with an empty segment")
	}
	for level := 0; level < 3; level++ {
		read := rest
		if strings.IndexByte(rest, 0xc0) >= 0 || strings.IndexByte(rest, 0xc1) >= 0 {
			read = overlong.Replace(rest)
		}
		for segment := range strings.FieldsFuncSeq(read, func(r rune) bool { return r == '/' || r == '\\' }) {
			segment, _, _ = strings.Cut(segment, ";")
			if segment == "." || segment == ".." {
				return Errorf(CodeInvalidInput, `the path that is forwarded must not have a segment "." or ".."`)
			}
		}
		if strings.ContainsFunc(rest, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return Errorf(CodeInvalidInput, "the path that is forwarded must not hold control characters")
		}
		decoded, err := url.PathUnescape(rest)
		if err != nil && level == 0 {
			return Errorf(CodeInvalidInput, "the path is not valid: a %% must be followed by two hexadecimal digits")
		}
		if err != nil || decoded == rest {
			return nil
		}
		rest = decoded
	}
	return nil
}

// overlong spells dots and slashes as they should be that old servers read in UTF-8 of more
// bytes than needed.
var overlong = strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`)

// fill makes of the rendered parts of a call the request that is passed on.
func (f *forwarded) fill(req *Request) {
	req.Method = f.method
	path, query, _ := strings.Cut(req.Target, "?")
	var room [256]byte
	target := append(room[:0], path...)
	if f.rest != "" {
		target = joinedPath(append(target, f.rest...), len(path))
	}
	sep := byte('?')
	for _, q := range [...]string{f.query, query} {
		if q != "" {
			target = append(append(target, sep), q...)
			sep = '&'
		}
	}
	req.Target = string(target)
	req.Header = append(req.Header, f.header...)
}
