package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"unicode/utf8"

	"capd/engine/expr"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// answerBuffers are where the answers to plain calls are put together. One is given back when its
// answer is written: nothing refers to it then. One whose answer could not be written is not: HTTP/2
// may still read it when the write has failed, because its client reset the stream.
type answerBuffers struct{ pool sync.Pool }

type answerBuffer struct{ bytes []byte }

// maxPooled is the largest buffer that is kept for the next answer.
const maxPooled = 64 << 10

func (a *answerBuffers) get() *answerBuffer {
	if b, ok := a.pool.Get().(*answerBuffer); ok {
		return b
	}
	return &answerBuffer{make([]byte, 0, 4<<10)}
}

func (a *answerBuffers) put(b *answerBuffer) {
	if cap(b.bytes) <= maxPooled {
		b.bytes = b.bytes[:0]
		a.pool.Put(b)
	}
}

// reply is how a plain request is answered.
type reply struct {
	endpoint *endpoint
	id       []byte // of the request, as the client wrote it
	modern   bool
	events   bool // with an event stream of one event
}

// write answers with a result, which result appends, or with an error of the protocol.
func (r *reply) write(w http.ResponseWriter, result func([]byte) ([]byte, error), err error) {
	status := http.StatusOK
	if err != nil && r.modern {
		status = statusOf(err)
	}
	b, mediaType := r.endpoint.buffers.get(), "application/json"
	if r.events && status == http.StatusOK {
		mediaType = "text/event-stream"
		b.bytes = append(b.bytes, "event: message\ndata: "...)
		b.bytes = append(r.append(b.bytes, result, err), "\n\n"...)
	} else {
		b.bytes = r.append(b.bytes, result, err)
	}
	if r.send(w, status, mediaType, b.bytes) == nil {
		r.endpoint.buffers.put(b)
	}
}

// refuse answers a request with the ID of another one that the session has under way.
func (r *reply) refuse(w http.ResponseWriter) {
	err := &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: fmt.Sprintf("duplicate in-flight request ID %v", r.rpcID().Raw())}
	_ = r.send(w, http.StatusBadRequest, "application/json", r.append(nil, nil, err)) // who is gone does not read it
}

// statusOf gives the status of an error of the modern protocol (specification 2026-07-28,
// basic/transports).
func statusOf(err error) int {
	e, ok := wireError(err)
	switch {
	case !ok:
	case e.Code == jsonrpc.CodeMethodNotFound:
		return http.StatusNotFound
	case e.Code == jsonrpc.CodeInvalidParams, e.Code == sdk.CodeUnsupportedProtocolVersion, e.Code == sdk.CodeMissingRequiredClientCapabilities:
		return http.StatusBadRequest
	}
	return http.StatusOK
}

// send writes an answer. A client that takes nothing of it for too long does not get the rest.
func (r *reply) send(w http.ResponseWriter, status int, mediaType string, b []byte) error {
	h, values := w.Header(), [...]string{mediaType, "no-cache, no-transform", strconv.Itoa(len(b))}
	h["Content-Type"], h["Cache-Control"], h["Content-Length"] = values[0:1:1], values[1:2:2], values[2:3:3]
	w.WriteHeader(status)
	_, err := writeInTime(w, http.NewResponseController(w), r.endpoint.opts.StallTimeout, b)
	return err
}

// append appends the message that is the answer: the bytes that the SDK would write.
func (r *reply) append(b []byte, result func([]byte) ([]byte, error), err error) []byte {
	begin := len(b)
	if err == nil {
		b = append(append(append(b, `{"jsonrpc":"2.0","id":`...), r.id...), `,"result":`...)
		if b, err = result(b); err == nil {
			return append(b, '}')
		}
		err = internalError()
	}
	text, err := jsonrpc.EncodeMessage(&jsonrpc.Response{ID: r.rpcID(), Error: err})
	if err != nil { // texts and numbers always marshal
		text = []byte("{}")
	}
	return append(b[:begin], text...)
}

// rpcID gives the ID as the SDK knows it.
func (r *reply) rpcID() jsonrpc.ID {
	var v any = string(plainText(r.id))
	if expr.Kind(r.id) != '"' {
		v, _ = strconv.ParseFloat(string(r.id), 64) // a whole number
	}
	id, _ := jsonrpc.MakeID(v) // of a text or a number there is one
	return id
}

// appendServer appends what every result of the modern protocol says of the server.
func (r *reply) appendServer(b []byte) []byte {
	return append(append(append(b, `"_meta":{"`+sdk.MetaKeyServerInfo+`":`...), r.endpoint.serverInfo...), '}', ',')
}

// appendPage appends the result of a list, of which page is what all versions of the protocol have.
func (r *reply) appendPage(b, page []byte) []byte {
	if !r.modern {
		return append(b, page...)
	}
	return append(r.appendServer(append(b, `{"resultType":"complete",`...)), page[1:]...)
}

// appendResult appends the result of a call. What is not in most of them is left to encoding/json.
func (r *reply) appendResult(b []byte, res *sdk.CallToolResult) (_ []byte, err error) {
	b = append(b, '{')
	if r.modern {
		if res.Meta == nil {
			b = r.appendServer(b)
		} else {
			res.Meta[sdk.MetaKeyServerInfo] = r.endpoint.serverInfo
		}
	}
	if len(res.Meta) > 0 {
		if b, err = appendMarshalled(append(b, `"_meta":`...), res.Meta); err != nil {
			return b, err
		}
		b = append(b, ',')
	}
	b = append(b, `"content":[`...)
	for i, content := range res.Content {
		if i > 0 {
			b = append(b, ',')
		}
		if t, ok := content.(*sdk.TextContent); ok && t.Annotations == nil && t.Meta == nil {
			b = append(appendText(append(b, `{"type":"text","text":`...), t.Text), '}')
		} else if b, err = appendMarshalled(b, content); err != nil {
			return b, err
		}
	}
	b = append(b, ']')
	if raw, ok := res.StructuredContent.(json.RawMessage); ok && len(raw) > 0 {
		b = appendRaw(append(b, `,"structuredContent":`...), raw)
	} else if res.StructuredContent != nil {
		if b, err = appendMarshalled(append(b, `,"structuredContent":`...), res.StructuredContent); err != nil {
			return b, err
		}
	}
	if res.IsError {
		b = append(b, `,"isError":true`...)
	}
	if r.modern {
		b = append(b, `,"resultType":"complete"`...)
	}
	return append(b, '}'), nil
}

func appendMarshalled(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

const hexDigits = "0123456789abcdef"

// appendText appends a text in quotes, as json.Marshal writes it.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(append(b, s[begin:i]...), `\ufffd`...)
				begin = i + size
			case r == '\u2028' || r == '\u2029':
				b = append(append(b, s[begin:i]...), `\u202`...)
				b = append(b, hexDigits[r&0xF])
				begin = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && !isOfHTML(c) {
			i++
			continue
		}
		b = append(b, s[begin:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
		}
		i++
		begin = i
	}
	return append(append(b, s[begin:]...), '"')
}

// appendRaw appends a JSON value as json.Marshal writes a json.RawMessage: without space between
// its parts, and with the same characters escaped as in texts.
func appendRaw(b, raw []byte) []byte {
	begin, inText := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inText = !inText
		case c == '\\':
			i++ // it stands in texts alone
		case c <= ' ' && !inText:
			b = append(b, raw[begin:i]...)
			begin = i + 1
		case isOfHTML(c):
			b = append(append(b, raw[begin:i]...), '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
			begin = i + 1
		case c == 0xE2 && i+2 < len(raw) && raw[i+1] == 0x80 && raw[i+2]&^1 == 0xA8: // U+2028 and U+2029
			b = append(append(b, raw[begin:i]...), '\\', 'u', '2', '0', '2', hexDigits[raw[i+2]&0xF])
			i += 2
			begin = i + 1
		}
	}
	return append(b, raw[begin:]...)
}

// isOfHTML reports the characters that encoding/json escapes because they mean something in HTML.
func isOfHTML(c byte) bool { return c == '<' || c == '>' || c == '&' }
