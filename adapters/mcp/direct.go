package mcp

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

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// This file and answer.go are a way past the SDK for what clients ask most: one plain tools/call
// over HTTP. The SDK decodes every part of a message several times and encodes its answer twice
// (docs/decisions/0046). Both ways meet in [pendingCall.answer].
//
// A call is plain when nothing about it is left open: its headers and its body are as the protocol
// wants them, no member is there that is not looked at here, and nothing is asked or told before its
// answer. Everything else goes to the SDK, which knows what is wrong with a request and says so. When
// in doubt a call is not plain.

// directCall is a plain call on its way.
type directCall struct {
	pendingCall
	id     []byte // as the client wrote it
	events bool   // the answer is an event stream of one event
}

// defaultVersion is the version of clients without a session that do not say theirs (specification
// 2025-06-18, basic/transports).
const defaultVersion = "2025-03-26"

// serveDirect answers a plain call. It is false for any other request: then nothing has happened,
// but that its body may have been read and put back.
func (e *endpoint) serveDirect(w http.ResponseWriter, r *http.Request) bool {
	if e.opts.viaSDK || !e.wellHeaded(r) {
		return false
	}
	body, whole := readAhead(r, e.opts.MaxBody)
	if !whole {
		return false
	}
	var m plainMessage
	if !m.read(body) {
		return false
	}
	c := e.plainCall(r, &m)
	if c == nil {
		return false
	}
	defer c.close()
	ctx := r.Context()
	if c.bound.IsWatched() && m.trace.Parent != "" {
		ctx = plan.WithTrace(ctx, m.trace)
	}
	if c.modern || e.opts.WithoutSessions {
		res, err := c.safely(ctx) // a client that goes away cancels its call
		c.write(w, res, err)
		return true
	}
	// A client with a session cancels its call by saying so.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	call := string(m.id)
	x, taken := e.older.begin(r.Header.Get(headerSession), plan.CallerOf(ctx).ID(), call, c.tool.steps() > 0, cancel)
	switch {
	case x == nil:
		return false
	case taken:
		c.refuse(w)
		return true
	}
	c.version = x.version
	res, err := c.safely(ctx)
	e.older.end(x, call) // before it is answered: then its client may use the ID again
	c.write(w, res, err)
	return true
}

// close gives free what the answer was made of, which is in memory until it is written.
func (c *directCall) close() {
	if c.out != nil {
		_ = c.out.Close() // it was read, or nobody wants it
	}
}

// safely runs the call. A panic is an error of it.
func (c *directCall) safely(ctx context.Context) (res *sdk.CallToolResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, c.endpoint.panicked(ctx, methodCallTool, c.requestID, p)
		}
	}()
	return c.answer(ctx)
}

// wellHeaded reports whether the headers of a request may be those of a plain call.
func (e *endpoint) wellHeaded(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodPost || h.Get("Expect") != "" || h["Last-Event-Id"] != nil || !isJSONType(h.Get("Content-Type")) {
		return false
	}
	json, stream := accepts(h)
	version, method := h.Get(headerVersion), h.Get(headerMethod)
	if version == firstModern {
		return json && method == methodCallTool
	}
	return json && stream && (version == "" || version < firstModern && slices.Contains(e.versions, version)) &&
		(method == "" || method == methodCallTool) && (e.opts.WithoutSessions || h.Get(headerSession) != "")
}

// isJSONType reports whether a body is JSON by its Content-Type.
func isJSONType(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// plainCall gives the plain call that a request with that body is; nil when it is none.
func (e *endpoint) plainCall(r *http.Request, m *plainMessage) *directCall {
	st, ctx, version := e.current.Load(), r.Context(), r.Header.Get(headerVersion)
	modern := version == firstModern
	if !m.fits(r.Header, modern) || st.isGuarded() && plan.CallerOf(ctx).Scheme == "" {
		return nil
	}
	named := st.catalogue().tools[string(m.name)]
	if named == nil {
		return nil
	}
	tool, arguments := st.meant(ctx, named, m.arguments)
	if tool.own == nil && (tool.tool.Mirrored || tool.tool.Operation != nil && tool.tool.Operation.Asks()) {
		return nil
	}
	if tool.steps() > 0 && (m.told || !modern && e.opts.WithoutSessions) {
		return nil // its client is told of them, as every one is that has neither a session nor the modern protocol
	}
	events := !modern
	if modern && (named.own != nil || named.steps() > 0) {
		_, events = accepts(r.Header)
	}
	return &directCall{
		pendingCall: pendingCall{
			endpoint: e, state: st, tool: tool, arguments: arguments, modern: modern,
			version: cmp.Or(version, defaultVersion), requestID: plan.RequestID(ctx),
		},
		id: m.id, events: events,
	}
}

// fits reports whether a body says the same as the headers.
func (m *plainMessage) fits(h http.Header, modern bool) bool {
	if !modern {
		return m.version == nil
	}
	name := h.Get(headerName)
	if decoded, ok := decodeHeaderValue(name); ok {
		name = decoded
	}
	return name == string(m.name) && string(m.version) == firstModern && m.capabilities
}

// plainMessage is the body of a plain call. It is part of the body.
type plainMessage struct {
	id, name     []byte
	arguments    []byte // an object; nil when there are none
	version      []byte // that _meta says; nil when it says none
	capabilities bool   // _meta has those of the client
	told         bool   // its client wants to know what happens meanwhile
	trace        plan.TraceContext

	not bool // something was found that makes it no plain call
}

// maxNested is how many objects and lists a body may have to be a plain call's: the SDK refuses
// those that nest as deep.
const maxNested = 1000

// read reads a body, and reports whether it is that of a plain call: each member once, spelled
// without escapes, and with a value of its type.
func (m *plainMessage) read(body []byte) bool {
	if bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) > maxNested {
		return false
	}
	if !bytes.Contains(body, []byte(methodCallTool)) || !utf8.Valid(body) || !expr.Valid(body) || expr.Kind(body) != '{' {
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
	if m.not || string(version) != `"2.0"` || string(method) != `"`+methodCallTool+`"` || !isPlainID(m.id) || expr.Kind(params) != '{' {
		return false
	}
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
	m.not = m.not || m.name == nil || m.arguments != nil && expr.Kind(m.arguments) != '{'
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

// rpcID gives the ID as the SDK knows it.
func (c *directCall) rpcID() jsonrpc.ID {
	var v any = string(plainText(c.id))
	if expr.Kind(c.id) != '"' {
		v, _ = strconv.ParseFloat(string(c.id), 64) // a whole number
	}
	id, _ := jsonrpc.MakeID(v) // of a text or a number there is one
	return id
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
