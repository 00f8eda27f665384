package plan

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Call is a compiled consumed operation as one exposed operation uses it. It is immutable.
type Call struct {
	*callTarget
	path    []pathPart
	query   []queryPart
	headers []headerPart
	// required are the slots that must have a value before anything is sent.
	required []requirement
	body     *bodyPlan // nil: it sends none
	samples  []Sample
	mapped   bool // the answer is mapped, so it must be held and decoded
	*rareCall
}

// callTarget is what all calls of a consumed operation have in common.
type callTarget struct {
	unit        *Unit
	name        string
	method      string
	description string
	base        *BaseURI
	basic       *basicAuth
	credential  *credentialPlan // what works on the finished request; nil for none
	literals    []Secret        // credentials that are written into the document
	transport   *Transport      // nil: as the process has it
	resilience  *Resilience
}

// rareCall is what few calls have. All others share one that is empty.
type rareCall struct {
	hosts      []baseChoice // base for each value of hostInputs; none when no input chooses it
	hostInputs []requirement
	cookies    []headerPart
	forward    *forwardPlan // nil unless requests are passed on as they are
	why        *provenance  // nil unless explained
}

// pathPart is escaped literal text, or a value when value is set.
type pathPart struct {
	text  string // literal, or what the value is called
	value *expression
	from  source // of the value
}

// source is who gives a value.
type source uint8

const (
	fromConfiguration source = iota
	fromCaller
	fromStep
)

type queryPart struct {
	name  string
	value *expression
	auth  bool // the value authenticates, so it must not be empty
}

type headerPart struct {
	name   string
	prefix string // put before the value unless it is there: "Bearer "
	value  *expression
	giver  string // of the value: an input as the caller knows it, or what of an earlier step
	from   source // whether there is a giver
	secret bool   // the value is, or holds, a secret
	auth   bool   // the value authenticates, so it must not be empty
}

type basicAuth struct{ username, password expression }

// requirement is a slot that needs a value; input is its name as the caller knows it.
// nullable: an explicit null is a value (contract E4).
type requirement struct {
	value    *expression
	input    string
	nullable bool
	step     string // what of an earlier step gives the value, instead of an input
}

// missing is the error of a requirement that is not met.
func (r *requirement) missing() *Error {
	if r.step != "" {
		return Errorf(CodeBadOutput, "%s has no value, which parameter %q needs", r.step, r.input)
	}
	return Errorf(CodeInvalidInput, "input %q is required", r.input)
}

func (r *requirement) isUnmet(s *scope) bool {
	v := r.value.eval(s)
	return isAbsent(v) || v == nil && !r.nullable
}

// Name gives "<consumed namespace>.<operation>".
func (c *Call) Name() string { return c.name }

// Unit gives the document the call belongs to.
func (c *Call) Unit() *Unit { return c.unit }

// Method gives the upstream's method, upper case.
func (c *Call) Method() string { return c.method }

// Segments gives the pattern of the operation's path, the base path left out. The Param
// numbers of its parts have no further meaning.
func (c *Call) Segments() []Segment {
	if c.forward != nil {
		return nil // it has no path of its own
	}
	text := []byte{'/'}
	for i := range c.path {
		part := c.path[i].text
		if c.path[i].value != nil {
			part = "{x}"
		}
		if i == 0 {
			part = strings.TrimPrefix(part, "/")
		}
		text = append(text, part...)
	}
	pattern, _ := compilePattern(string(text))
	return pattern
}

// Sample is a place of the upstream's answer that the operation's output reads.
type Sample struct {
	Path []string // member names from the root; an empty name stands for a list's elements
	Type string   // string, number, integer, boolean, object, array or empty
}

// Samples gives the places the operation's output mappings read; none when it hands the
// whole body on.
func (c *Call) Samples() []Sample { return c.samples }

// render makes req the upstream request of one call.
func (c *Call) render(req *Request, s *scope, args *Args) *Error {
	for i := range c.required {
		if r := &c.required[i]; r.isUnmet(s) && s.err == nil {
			return r.missing()
		}
	}
	if s.err != nil {
		return s.err
	}
	uri, err := c.chooseBase(s)
	if err != nil {
		return err
	}
	base, err := s.vars.base(uri, s)
	if err != nil {
		return err
	}
	*req = Request{Method: c.method, Base: base, Call: c, Grant: s.vars.grant, Transport: c.transport, Resilience: c.resilience}
	req.Target, err = c.target(base, s)
	if err != nil {
		return err
	}
	var contentType string
	req.Body, contentType, err = c.body.render(s, args)
	if err != nil {
		return err
	}
	if req.Header, err = c.header(s, contentType, &req.Body, args); err != nil {
		return err
	}
	if s.err != nil {
		return s.err
	}
	if args.forwarded != nil {
		args.forwarded.fill(req)
	}
	req.Accept = Accept{Stream: !c.mapped, Encoding: args.encoding}
	for _, v := range c.literals {
		s.use(v)
	}
	if err := c.authenticate(req, s); err != nil {
		return err
	}
	req.Secrets = s.secrets
	return nil
}

// chooseBase gives the base URI, by the values of the inputs that choose the host (contract
// V4): only a host that the document itself names.
func (c *Call) chooseBase(s *scope) (*BaseURI, *Error) {
	left := c.hosts
	for i := range c.hostInputs {
		in := &c.hostInputs[i]
		value := textOf(in.value.eval(s))
		left = slices.DeleteFunc(slices.Clone(left), func(h baseChoice) bool { return h.values[i] != value })
		if len(left) == 0 {
			return nil, Errorf(CodeInvalidInput, "input %q must be one of the values that the operation declares for it", in.input)
		}
	}
	if len(left) == 0 {
		return c.base, nil
	}
	return left[0].base, nil
}

// bases gives every base URI the call can use.
func (c *Call) bases() []*BaseURI {
	out := []*BaseURI{c.base}
	for i := range c.hosts {
		if c.hosts[i].base != c.base {
			out = append(out, c.hosts[i].base)
		}
	}
	return out
}

// target joins base path and path with one slash (contract C8) and appends the query.
func (c *Call) target(base *Base, s *scope) (string, *Error) {
	var room [256]byte
	target := append(room[:0], base.Path...)
	for i := range c.path {
		p := &c.path[i]
		if p.value == nil {
			target = append(target, p.text...)
			continue
		}
		v, _ := p.value.joinedText(s)
		if s.err != nil {
			return "", s.err
		}
		if v == "" || v == "." || v == ".." {
			return "", p.refuse()
		}
		target = appendPercent(target, v, "%20")
	}
	target, err := c.appendQuery(joinedPath(target, len(base.Path)), s)
	return string(target), err
}

// refuse says that a value cannot stand in a path (contract U4).
func (p *pathPart) refuse() *Error {
	switch p.from {
	case fromStep:
		return Errorf(CodeBadOutput, "%s is empty, \".\" or \"..\", but it is part of a path", p.text)
	case fromCaller:
		return Errorf(CodeInvalidInput, "input %q must not be empty, \".\" or \"..\", since it is part of a path", p.text)
	}
	return Errorf(CodeNotConfigured, "the configured value for %q is empty, \".\" or \"..\", but it is part of a path", p.text)
}

// joinedPath puts exactly one slash between a base path, which is the first n bytes, and the path
// behind it, and normalises nothing else. A path that is empty leaves the base path as it is.
func joinedPath(b []byte, n int) []byte {
	before, after := n > 0 && b[n-1] == '/', n < len(b) && b[n] == '/'
	switch {
	case n == len(b) && n > 0:
		return b
	case before && after:
		return slices.Delete(b, n, n+1)
	case !before && !after:
		return slices.Insert(b, n, '/')
	}
	return b
}

func (c *Call) appendQuery(target []byte, s *scope) ([]byte, *Error) {
	sep := byte('?')
	add := func(name, value string) {
		target = append(target, sep)
		sep = '&'
		target = appendPercent(target, name, "+")
		target = append(target, '=')
		target = appendPercent(target, value, "+")
	}
	for i := range c.query {
		q := &c.query[i]
		v := q.value.eval(s)
		if isMissing(v) {
			continue
		}
		if q.auth && textOf(v) == "" && s.err == nil {
			return nil, emptyCredential(q.name)
		}
		counted := len(target)
		isList := eachText(v, func(text string) bool {
			add(q.name, text)
			if len(target) > counted+stride { // held until the call ends
				if !s.held.Take(int64(len(target) - counted)) {
					s.err = s.held.full()
				}
				counted = len(target)
			}
			return s.err == nil
		})
		if !isList {
			add(q.name, textOf(v))
		}
	}
	return target, s.err
}

// header gives the headers of a request, with those that args add.
func (c *Call) header(s *scope, contentType string, body *Body, args *Args) ([]Field, *Error) {
	hasBody := !body.IsEmpty()
	most := len(c.headers) + len(args.conditions)
	if hasBody {
		most += 2
	}
	if c.basic != nil || len(c.cookies) > 0 {
		most += 2
	}
	if args.forwarded != nil {
		most += len(args.forwarded.header)
	}
	out := make([]Field, 0, most)
	for i := range c.headers {
		h := &c.headers[i]
		text, ok := h.value.joinedText(s)
		if !ok {
			continue
		}
		if s.err != nil {
			return nil, s.err
		}
		if err := h.check(text); err != nil {
			return nil, err
		}
		if h.prefix != "" && (len(text) < len(h.prefix) || !strings.EqualFold(text[:len(h.prefix)], h.prefix)) {
			text = h.prefix + text
		}
		if strings.EqualFold(h.name, "Content-Type") {
			if !hasBody {
				continue
			}
			contentType = ""
		}
		out = append(out, Field{Name: h.name, Value: text, Secret: h.secret})
	}
	if c.basic != nil {
		user, pass := c.basic.username.textOf(s), c.basic.password.textOf(s)
		token := base64.StdEncoding.EncodeToString([]byte(user + ":" + pass))
		s.use(NewSecret(token))
		out = append(out, Field{Name: "Authorization", Value: "Basic " + token, Secret: true})
	}
	if cookie, err := c.cookie(s); err != nil {
		return nil, err
	} else if cookie != "" {
		out = append(out, Field{Name: "Cookie", Value: cookie, Secret: true})
	}
	if contentType != "" && hasBody {
		out = append(out, Field{Name: "Content-Type", Value: contentType})
	}
	if c.body.passes() && args.contentEncoding != "" && hasBody {
		out = append(out, Field{Name: "Content-Encoding", Value: args.contentEncoding})
	}
	return append(out, args.conditions...), s.err
}

// cookie gives the one Cookie header (RFC 6265 4.2.1).
func (c *Call) cookie(s *scope) (string, *Error) {
	var b strings.Builder
	for i := range c.cookies {
		k := &c.cookies[i]
		text, ok := k.value.joinedText(s)
		if !ok {
			continue
		}
		if s.err != nil {
			return "", s.err
		}
		if err := k.check(text); err != nil {
			return "", err
		}
		if strings.Contains(text, ";") {
			return "", k.refuse("a semicolon, since it is sent as a cookie")
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(k.name + "=" + text)
	}
	return b.String(), nil
}

// check refuses what could end a header or begin another (RFC 9110 5.5), and a credential
// that is empty.
func (h *headerPart) check(text string) *Error {
	if h.auth && text == "" {
		return emptyCredential(h.name)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) {
		return h.refuse("control characters, since it is sent as a header")
	}
	return nil
}

// refuse says that a value holds what it must not, and whose fault that is.
func (h *headerPart) refuse(what string) *Error {
	switch h.from {
	case fromCaller:
		return Errorf(CodeInvalidInput, "input %q must not hold %s", h.giver, what)
	case fromStep:
		return Errorf(CodeBadOutput, "%s must not hold %s", h.giver, what)
	}
	return Errorf(CodeNotConfigured, "the configured value for %q must not hold %s", h.name, what)
}

// emptyCredential refuses to call an upstream with nothing where a credential belongs.
func emptyCredential(name string) *Error {
	return Errorf(CodeNotConfigured, "the credential for %q is empty: the variable it comes from is set to nothing", name)
}

// appendPercent percent-encodes everything but unreserved characters (contract U1). space stands
// for a space: %20 in a path, + in a query.
func appendPercent(dst []byte, s, space string) []byte {
	const upper = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case isUnreserved(c):
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, space...)
		default:
			dst = append(dst, '%', upper[c>>4], upper[c&15])
		}
	}
	return dst
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// escapeLiteral encodes only what RFC 3986 forbids in a path (contract U2). Escapes that
// are there already stay.
func escapeLiteral(s string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isUnreserved(c), strings.IndexByte("/:@!$&'()*+,;=", c) >= 0:
			b.WriteByte(c)
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upper[c>>4])
			b.WriteByte(upper[c&15])
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return slices.Contains([]byte("0123456789abcdefABCDEF"), c)
}
