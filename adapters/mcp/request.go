package mcp

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"capd/engine/expr"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Headers of streamable HTTP (specification 2026-07-28, basic/transports), and the one that
// carries the request's ID to the call: a session's calls do not run under the context of
// their own HTTP request.
const (
	headerVersion   = "Mcp-Protocol-Version"
	headerMethod    = "Mcp-Method"
	headerName      = "Mcp-Name"
	headerSession   = "Mcp-Session-Id"
	headerRequestID = "X-Request-Id"

	headerTraceParent = "Traceparent"
	headerTraceState  = "Tracestate"
)

// forSDK gives the request as the SDK is to see it: with the headers that it reads. A session keeps
// those of its last request, which are not to be the caller's credentials or cookies.
func forSDK(r *http.Request) *http.Request {
	header := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		if isRead(name) {
			header[name] = slices.Clone(values) // of which net/http keeps all in one piece
		}
	}
	if len(header[headerName]) > 0 {
		header.Set(headerName, nameOf(header))
	}
	header.Set(headerRequestID, plan.RequestID(r.Context()))
	if t := plan.TraceOf(r.Context()); t.Parent != "" {
		header[headerTraceParent], header[headerTraceState] = []string{t.Parent}, []string{t.State}
	}
	out := r.WithContext(r.Context())
	out.Header = header
	return out
}

// isRead reports whether the SDK reads a header.
func isRead(name string) bool {
	switch name {
	case "Accept", "Content-Type", "Last-Event-Id":
		return true
	}
	return strings.HasPrefix(name, "Mcp-")
}

// traced gives ctx with the trace that a request belongs to: what its _meta says (specification
// 2026-07-28), or else the HTTP request that carries it.
func traced(ctx context.Context, req sdk.Request) context.Context {
	var t plan.TraceContext
	if p := req.GetParams(); p != nil && !isNil(p) {
		meta := p.GetMeta()
		t.Parent, _ = meta["traceparent"].(string)
		t.State, _ = meta["tracestate"].(string)
	}
	if x := req.GetExtra(); t.Parent == "" && x != nil {
		t = plan.TraceContext{Parent: x.Header.Get(headerTraceParent), State: x.Header.Get(headerTraceState)}
	}
	if t.Parent == "" {
		return ctx
	}
	return plan.WithTrace(ctx, t)
}

// isNil reports whether parameters are a pointer to nothing: of lists they may be left out.
func isNil(p sdk.Params) bool {
	v := reflect.ValueOf(p)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// peek reads the body of a request, and puts it back. What is over the limit, or breaks off, is
// left for the SDK to refuse.
func peek(r *http.Request, limit int64) []byte {
	body, _ := readAhead(r, limit)
	return body
}

// ahead is a body that was read ahead of whoever wants it. It gives everything once more.
type ahead struct {
	io.ReadCloser // what follows
	body          []byte
	given         int // bytes of body
	whole         bool
}

// Read gives what was read ahead, and then what follows.
func (a *ahead) Read(p []byte) (int, error) {
	if a.given == len(a.body) {
		return a.ReadCloser.Read(p)
	}
	n := copy(p, a.body[a.given:])
	a.given += n
	return n, nil
}

// maxAnnounced is up to what length a body gets the memory that it needs before it is there.
const maxAnnounced = 64 << 10

// readAhead reads the body of a request, and puts it back. Who asks again gets what was read, until
// somebody takes the body. whole is false when it is over the limit, or breaks off.
func readAhead(r *http.Request, limit int64) (body []byte, whole bool) {
	if a, ok := r.Body.(*ahead); ok {
		return a.body, a.whole
	}
	a := &ahead{ReadCloser: r.Body}
	if n := r.ContentLength; 0 < n && n <= min(limit, maxAnnounced) {
		a.body = make([]byte, n)
		got, err := io.ReadFull(r.Body, a.body)
		a.body, a.whole = a.body[:got], err == nil
	} else {
		var b bytes.Buffer
		b.Grow(int(min(max(n, 0)+bytes.MinRead, limit, 1<<20)))
		got, err := b.ReadFrom(io.LimitReader(r.Body, limit+1))
		a.body, a.whole = b.Bytes(), err == nil && got <= limit
	}
	r.Body = a
	return a.body, a.whole
}

// isReadable lets the SDK have a body, or answers. One that is not one JSON value is refused (nested too deep, cut off,
// or with more behind it), since the SDK would take what comes first; and one of which the SDK would make far more than it is.
func isReadable(w http.ResponseWriter, r *http.Request, limit int64) bool {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || media != "application/json" {
		return true
	}
	body, whole := readAhead(r, limit)
	status, refusal := http.StatusBadRequest, `{"code":-32700,"message":"the body is not one JSON value"}`
	switch {
	case !whole:
		return true
	case expr.Valid(body):
		if !saysTooMuch(body) {
			return true
		}
		status, refusal = http.StatusRequestEntityTooLarge, `{"code":-32600,"message":"the message holds too many values beside the arguments of a tool"}`
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":`+refusal+"}\n")
	return false
}

// maxSaid bounds what a message takes beside its bytes once the SDK has decoded it, as [expr.DecodedValues]
// reckons. It does so before anybody knows whose memory that is. What clients say of themselves is some hundred values.
const maxSaid = 4 << 20

// saysTooMuch reports whether more than that is in a body, or in one message of a batch. Arguments of tools are
// not decoded by the SDK.
func saysTooMuch(body []byte) bool {
	left := maxSaid - expr.DecodedValues(body)
	if left >= 0 {
		return false
	}
	if expr.Kind(body) != '[' {
		return left+expr.DecodedValues(toolArguments(body)) < 0
	}
	left = maxSaid
	expr.EachElement(body, func(message []byte) bool {
		left -= expr.DecodedValues(message) - expr.DecodedValues(toolArguments(message))
		return left >= 0
	})
	return left < 0
}

// toolArguments gives the arguments of a message that certainly calls a tool.
func toolArguments(message []byte) []byte {
	var params, arguments []byte
	methods, calls := 0, false
	expr.RawMembers(message, func(key, value []byte) {
		switch {
		case string(key) == `"params"`:
			params = value
		case bytes.IndexByte(key, '\\') >= 0: // it may say anything
			methods = 2
		case bytes.EqualFold(key, []byte(`"method"`)):
			methods++
			calls = string(key) == `"method"` && string(value) == `"`+methodCallTool+`"`
		}
	})
	if !calls || methods > 1 || expr.Kind(params) != '{' {
		return nil
	}
	expr.RawMembers(params, func(key, value []byte) {
		if string(key) == `"arguments"` {
			arguments = value
		}
	})
	return arguments
}

// accepts reports whether a client takes JSON, and whether it takes event streams.
func accepts(h http.Header) (json, stream bool) {
	for field := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		media, _, _ := strings.Cut(field, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/json", "application/*":
			json = true
		case "text/event-stream", "text/*":
			stream = true
		case "*/*":
			json, stream = true, true
		}
	}
	return json, stream
}

// nameOf gives what a request says in its headers that it is for.
func nameOf(h http.Header) string {
	name := h.Get(headerName)
	if decoded, ok := decodeHeaderValue(name); ok {
		return decoded
	}
	return name
}

// decodeHeaderValue decodes "=?base64?…?=", in which clients send names that a header
// cannot hold. The SDK compares the header with the body without decoding it.
func decodeHeaderValue(v string) (string, bool) {
	encoded, ok := strings.CutPrefix(v, "=?base64?")
	if !ok {
		return "", false
	}
	if encoded, ok = strings.CutSuffix(encoded, "?="); !ok {
		return "", false
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !utf8.Valid(raw) {
		return "", false
	}
	return string(raw), true
}

// isModern reports whether the request is of the era whose requests name their version.
// The session's own idea does not tell: it holds what an older client asked for.
func isModern(params interface{ GetMeta() map[string]any }) bool {
	v, _ := params.GetMeta()[sdk.MetaKeyProtocolVersion].(string)
	return v >= firstModern
}

// requestID gives the ID of the HTTP request that carries req.
func requestID(req sdk.Request) string {
	if x := req.GetExtra(); x != nil {
		return x.Header.Get(headerRequestID)
	}
	return ""
}
