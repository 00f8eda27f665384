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
	f := &forwarded{method: src.Method, rest: src.Rest}
	conditions := slices.Clone(src.Conditions)
	var pairs []string
	for pair := range strings.SplitSeq(src.Query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		if i := slices.Index(conditions, Pair{unescape(name), unescape(value)}); i >= 0 {
			conditions = slices.Delete(conditions, i, i+1)
			continue
		}
		if !p.set["query "+unescape(name)] {
			pairs = append(pairs, pair)
		}
	}
	f.query = strings.Join(pairs, "&")
	f.header = p.pass(src.Header)
	return f, nil
}

// pass gives the headers that are passed on: the trusted ones, and those that say what the
// body is, what answer is wanted, and of which version. Whatever says who the caller is stays.
func (p *forwardPlan) pass(h http.Header) []Field {
	named := map[string]bool{} // by Connection: for this connection only
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			named[strings.ToLower(textproto.TrimString(name))] = true
		}
	}
	var out []Field
	for _, name := range sortedKeys(h) {
		lower := strings.ToLower(name)
		if named[lower] || p.set["header "+lower] || !isPassedHeader(lower) && !p.trusted[lower] {
			continue
		}
		for _, v := range h[name] {
			out = append(out, Field{Name: name, Value: v, Secret: isCredentialHeader(lower)})
		}
	}
	return out
}

// isPassedHeader reports whether a header of a caller is always passed on. Content-Type and
// Content-Encoding come with the body, Accept-Encoding by the rule of whole answers.
func isPassedHeader(lower string) bool {
	switch lower {
	case "accept", "accept-language",
		"content-language", "content-disposition", "content-range", "content-md5", "content-digest", "digest",
		"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range":
		return true
	}
	return false
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
	switch lower {
	case "authorization", "cookie":
		return true
	}
	return credentialName.MatchString(lower)
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
		for _, segment := range strings.FieldsFunc(overlong.Replace(rest), func(r rune) bool { return r == '/' || r == '\\' }) {
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
