package mcp

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"bytes"
	"cmp"
	"context"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"capd/engine/expr"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// This file and answer.go are a way past the SDK for what clients ask most: one plain tools/call or
// tools/list over HTTP. The SDK decodes every part of a message several times and encodes its answer
// twice (docs/decisions/0046). For a call, both ways meet in [pendingCall.answer].
//
// A request is plain when nothing about it is left open: its headers and its body are as the protocol
// wants them, no member is there that is not looked at here, and nothing is asked or told before its
// answer. Everything else goes to the SDK, which knows what is wrong with a request and says so. When
// in doubt a request is not plain.

// directCall is a plain tools/call on its way.
type directCall struct {
	pendingCall
	reply reply
}

// defaultVersion is the version of clients without a session that do not say theirs (specification
// 2025-06-18, basic/transports).
const defaultVersion = "2025-03-26"

// serveDirect answers a plain request. It is false for any other one: then nothing has happened, but
// that its body may have been read and put back.
func (e *endpoint) serveDirect(w http.ResponseWriter, r *http.Request) bool {
	if e.opts.viaSDK || !e.wellHeaded(r) {
		return false
	}
	body, whole := readAhead(r, e.opts.MaxBody)
	if !whole {
		return false
	}
	var m plainMessage
	modern := r.Header.Get(headerVersion) == firstModern
	st := e.now()
	if !m.read(body) || !m.fits(r.Header, modern) || st.isGuarded() && plan.CallerOf(r.Context()).Scheme == "" {
		return false
	}
	answer := reply{e, m.id, modern, !modern}
	if m.lists {
		return e.listDirect(w, r, st, &answer)
	}
	c := e.plainCall(r, st, &m, answer)
	return c != nil && c.serve(w, r, m.trace)
}

// listDirect answers a plain tools/list, where all callers see the same.
func (e *endpoint) listDirect(w http.ResponseWriter, r *http.Request, st state, answer *reply) bool {
	if st.scoped || st.firstPage() == nil {
		return false
	}
	if !answer.modern && !e.opts.WithoutSessions {
		id := string(answer.id)
		x, taken := e.older.begin(r.Header.Get(headerSession), plan.CallerOf(r.Context()).ID(), id, false, func() {})
		if x == nil {
			return false
		}
		if taken {
			answer.refuse(w)
			return true
		}
		e.older.end(x, id)
	}
	answer.write(w, func(b []byte) ([]byte, error) { return answer.appendPage(b, st.firstPage()), nil }, nil)
	return true
}

// serve runs the call and answers it. It is false when the SDK has to.
func (c *directCall) serve(w http.ResponseWriter, r *http.Request, trace plan.TraceContext) bool {
	defer c.close()
	ctx, e := r.Context(), c.endpoint
	if c.bound.IsWatched() && trace.Parent != "" {
		ctx = plan.WithTrace(ctx, trace)
	}
	if c.modern || e.opts.WithoutSessions {
		c.write(w, c.safely(ctx)) // a client that goes away cancels its call
		return true
	}
	// A client with a session cancels its call by saying so.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	id := string(c.reply.id)
	x, taken := e.older.begin(r.Header.Get(headerSession), plan.CallerOf(ctx).ID(), id, c.tool.steps() > 0, cancel)
	switch {
	case x == nil:
		return false
	case taken:
		c.reply.refuse(w)
		return true
	}
	c.version = x.version
	ran := c.safely(ctx)
	e.older.end(x, id) // before it is answered: then its client may use the ID again
	c.write(w, ran)
	return true
}

// ran is what became of a call.
type ran struct {
	result *sdk.CallToolResult
	err    error
}

func (c *directCall) write(w http.ResponseWriter, of ran) {
	c.reply.write(w, func(b []byte) ([]byte, error) { return c.reply.appendResult(b, of.result) }, of.err)
}

// close gives free what the answer was made of, which is in memory until it is written.
func (c *directCall) close() {
	if c.out != nil {
		_ = c.out.Close() // it was read, or nobody wants it
	}
}

// safely runs the call. A panic is an error of it.
func (c *directCall) safely(ctx context.Context) (of ran) {
	defer func() {
		if p := recover(); p != nil {
			of = ran{err: c.endpoint.panicked(ctx, methodCallTool, c.requestID, p)}
		}
	}()
	of.result, of.err = c.answer(ctx)
	return of
}

// wellHeaded reports whether the headers of a request may be those of a plain request.
func (e *endpoint) wellHeaded(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodPost || h.Get("Expect") != "" || h["Last-Event-Id"] != nil || !isJSONType(h.Get("Content-Type")) {
		return false
	}
	json, stream := accepts(h)
	version, method := h.Get(headerVersion), h.Get(headerMethod)
	if version == firstModern {
		return json && (method == methodCallTool || method == methodListTools)
	}
	return json && stream && (version == "" || version < firstModern && slices.Contains(e.versions, version)) &&
		(method == "" || method == methodCallTool || method == methodListTools) && (e.opts.WithoutSessions || h.Get(headerSession) != "")
}

// isJSONType reports whether a body is JSON by its Content-Type.
func isJSONType(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// plainCall gives the plain tools/call that a request with that body is; nil when it is none.
func (e *endpoint) plainCall(r *http.Request, st state, m *plainMessage, answer reply) *directCall {
	ctx := r.Context()
	named := st.catalogue().tools[string(m.name)]
	if named == nil {
		return nil
	}
	tool, arguments := st.meant(ctx, named, m.arguments)
	if tool.own == nil && (tool.tool.Mirrored || tool.tool.Operation != nil && tool.tool.Operation.Asks()) {
		return nil
	}
	if tool.steps() > 0 && (m.told || !answer.modern && e.opts.WithoutSessions) {
		return nil // its client is told of them, as every one is that has neither a session nor the modern protocol
	}
	if answer.modern && (named.own != nil || named.steps() > 0) {
		_, answer.events = accepts(r.Header)
	}
	return &directCall{
		pendingCall: pendingCall{
			endpoint: e, state: st, tool: tool, arguments: arguments, modern: answer.modern,
			version: cmp.Or(r.Header.Get(headerVersion), defaultVersion), requestID: plan.RequestID(ctx),
		},
		reply: answer,
	}
}

// fits reports whether a body says the same as the headers.
func (m *plainMessage) fits(h http.Header, modern bool) bool {
	if !modern {
		return m.version == nil
	}
	if m.lists {
		return h.Get(headerMethod) == methodListTools && string(m.version) == firstModern && m.capabilities
	}
	return h.Get(headerMethod) == methodCallTool && nameOf(h) == string(m.name) && string(m.version) == firstModern && m.capabilities
}

// plainMessage is what the body of a plain request says. It is part of the body.
type plainMessage struct {
	lists        bool // is a tools/list, else a tools/call
	id, name     []byte
	arguments    []byte // an object; nil when there are none
	version      []byte // that _meta says; nil when it says none
	capabilities bool   // _meta has those of the client
	told         bool   // its client wants to know what happens meanwhile
	trace        plan.TraceContext

	not bool // something was found that makes it no plain request
}

// maxNested is how many objects and lists a body may have to be a plain request's: the SDK refuses
// those that nest as deep.
const maxNested = 1000

// read reads a body, and reports whether it is that of a plain request: each member once,
// spelled without escapes, and with a value of its type.
func (m *plainMessage) read(body []byte) bool {
	if bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) > maxNested {
		return false
	}
	if !bytes.Contains(body, []byte("tools/")) || !utf8.Valid(body) || !expr.Valid(body) || expr.Kind(body) != '{' {
		return false
	}
	var version, method, params []byte
	expr.RawMembers(body, func(key, value []byte) {
		switch string(key) {
		case `"jsonrpc"`:
			m.once(&version, value)
		case `"id"`:
			m.once(&m.id, value)
		case `"method"`:
			m.once(&method, value)
		case `"params"`:
			m.once(&params, value)
		default:
			m.not = true
		}
	})
	m.lists = string(method) == `"`+methodListTools+`"`
	if m.not || string(version) != `"2.0"` || !m.lists && string(method) != `"`+methodCallTool+`"` || !isPlainID(m.id) {
		return false
	}
	if m.lists && params == nil {
		return true
	}
	m.not = expr.Kind(params) != '{'
	m.readParams(params)
	return !m.not
}

func (m *plainMessage) once(to *[]byte, value []byte) {
	m.not = m.not || *to != nil
	*to = value
}

func (m *plainMessage) readParams(params []byte) {
	var name, meta []byte
	expr.RawMembers(params, func(key, value []byte) {
		switch string(key) {
		case `"name"`:
			m.once(&name, value)
		case `"arguments"`:
			m.once(&m.arguments, value)
		case `"_meta"`:
			m.once(&meta, value)
		default:
			m.not = true
		}
	})
	m.name = plainText(name)
	switch {
	case m.lists:
		m.not = m.not || name != nil || m.arguments != nil
	case m.name == nil, m.arguments != nil && expr.Kind(m.arguments) != '{':
		m.not = true
	}
	if meta != nil && !m.not {
		m.not = expr.Kind(meta) != '{'
		m.readMeta(meta)
	}
}

// readMeta reads what a client says of itself. The SDK reads all of it, so that a value that it
// could not read makes the call none that is plain.
func (m *plainMessage) readMeta(meta []byte) {
	var version, info, capabilities, parent, state []byte
	expr.RawMembers(meta, func(key, value []byte) {
		switch m.not = m.not || bytes.IndexByte(key, '\\') >= 0 || !isPlain(value, 0); string(key) {
		case `"` + sdk.MetaKeyProtocolVersion + `"`:
			m.once(&version, value)
		case `"` + sdk.MetaKeyClientInfo + `"`:
			m.once(&info, value)
		case `"` + sdk.MetaKeyClientCapabilities + `"`:
			m.once(&capabilities, value)
		case `"progressToken"`, `"` + sdk.MetaKeyLogLevel + `"`:
			m.told = true
		case `"traceparent"`:
			m.once(&parent, value)
		case `"tracestate"`:
			m.once(&state, value)
		}
	})
	m.capabilities = capabilities != nil
	m.trace = plan.TraceContext{Parent: string(plainText(parent)), State: string(plainText(state))}
	if version != nil {
		m.version = plainText(version)
		m.not = m.not || m.version == nil
	}
	m.not = m.not || info != nil && !isPlainInfo(info) || capabilities != nil && !arePlainCapabilities(capabilities)
}

// isPlainInfo reports whether a value says who a client is, in texts alone.
func isPlainInfo(info []byte) bool {
	plain := expr.Kind(info) == '{'
	expr.RawMembers(info, func(key, value []byte) {
		plain = plain && expr.Kind(value) == '"' && string(key) != `"icons"`
	})
	return plain
}

// arePlainCapabilities reports whether a value says what a client can do: members that are
// objects, and in those that the protocol knows, members of the right type.
func arePlainCapabilities(capabilities []byte) bool {
	plain := expr.Kind(capabilities) == '{'
	expr.RawMembers(capabilities, func(key, value []byte) {
		plain = plain && expr.Kind(value) == '{'
		expr.RawMembers(value, func(inner, value []byte) {
			switch string(key) {
			case `"roots"`:
				kind := expr.Kind(value)
				plain = plain && (string(inner) != `"listChanged"` || kind == 't' || kind == 'f')
			case `"sampling"`, `"elicitation"`:
				plain = plain && expr.Kind(value) == '{'
			}
		})
	})
	return plain
}

// maxPlainDepth is how deep the values of a plain _meta nest.
const maxPlainDepth = 20

// isPlain reports whether a value means the same to every reader of JSON: texts and names without
// escapes, and short whole numbers.
func isPlain(value []byte, depth int) bool {
	switch kind := expr.Kind(value); kind {
	case '"':
		return plainText(value) != nil
	case '{', '[':
		plain := depth < maxPlainDepth
		if kind == '[' {
			expr.EachElement(value, func(e []byte) bool {
				plain = plain && isPlain(e, depth+1)
				return plain
			})
			return plain
		}
		expr.RawMembers(value, func(key, value []byte) {
			plain = plain && plainText(key) != nil && isPlain(value, depth+1)
		})
		return plain
	case 't', 'f':
		return true
	}
	return isPlainNumber(value)
}

// plainText gives what stands in a text without escapes; nil for another value.
func plainText(value []byte) []byte {
	if expr.Kind(value) != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return nil
	}
	return value[1 : len(value)-1]
}

// isPlainNumber reports whether a value is a whole number that every reader reads exactly.
func isPlainNumber(value []byte) bool {
	const digits = 15 // that a float64 holds
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	return len(value) > 0 && len(value) <= digits && !slices.ContainsFunc(value, func(c byte) bool { return !digit(c) })
}

// isPlainID reports whether an ID is sent back as it stands: a whole number, or a text of
// printable ASCII.
func isPlainID(id []byte) bool {
	if isPlainNumber(id) {
		return true
	}
	text := plainText(id)
	return text != nil && !slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c > '~' })
}

// cancelled cancels the call that a client of a session does not wait for any more, where the SDK
// does not know it.
func (e *endpoint) cancelled(req *sdk.ServerRequest[*sdk.CancelledParams]) {
	if req.Params == nil {
		return
	}
	switch id := req.Params.RequestID.(type) {
	case string:
		e.older.cancel(sessionOf(req), `"`+id+`"`)
	case float64:
		e.older.cancel(sessionOf(req), strconv.FormatFloat(id, 'f', -1, 64))
	}
}
