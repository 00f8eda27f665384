package httpclient

import (
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"capd/engine/plan"
)

// response hands the answer on. The exchange ends when its body is closed.
func (x *exchange) response(attempts int) *plan.Response {
	resp := &plan.Response{Status: x.answer.StatusCode, Header: fields(x.answer.Header), Attempts: attempts}
	if x.answer.ContentLength == 0 || x.answer.Body == http.NoBody || x.req.Method == http.MethodHead {
		_ = x.answer.Body.Close()
		x.release()
		return resp
	}
	resp.Body = plan.Body{Stream: &answerBody{x}, Len: x.answer.ContentLength}
	return resp
}

// hopByHop are the fields that concern one connection only (RFC 9110 section 7.6.1), in
// canonical spelling.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

// fields copies an answer's header, by name, without what concerned the connection alone.
// net/http hides a Connection field that says close, and what else that one names.
func fields(h http.Header) []plan.Field {
	named := listed(h["Connection"])
	out := make([]plan.Field, 0, len(h))
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if hopByHop(name) || slices.Contains(named, name) {
			continue
		}
		for _, v := range h[name] {
			out = append(out, plan.Field{Name: name, Value: v})
		}
	}
	return out
}

// listed gives the canonical names that Connection fields list.
func listed(values []string) []string {
	var out []string
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			out = append(out, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	return out
}

// answerBody is an answer's content. Its errors are *[plan.Error].
type answerBody struct{ x *exchange }

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.x.answer.Body.Read(p)
	if err != nil && err != io.EOF {
		err = b.x.fault(err, inAnswer)
	}
	return n, err
}

func (b *answerBody) Close() error {
	err := b.x.answer.Body.Close()
	b.x.release()
	return err
}
