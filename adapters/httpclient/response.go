package httpclient

import (
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"capd/engine/plan"
)

// response hands the answer on. The exchange ends when its body is closed.
func (x *exchange) response(attempts int) *plan.Response {
	resp := &x.given
	resp.Status, resp.Header, resp.Attempts = x.answer.StatusCode, fields(x.fields[:0], x.answer.Header), attempts
	if x.answer.ContentLength == 0 || x.answer.Body == http.NoBody || x.req.Method == http.MethodHead {
		_ = x.answer.Body.Close()
		x.release()
		return resp
	}
	resp.Body = plan.Body{Stream: x, Len: x.answer.ContentLength}
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

// fields appends an answer's header, by name, without what concerned the connection alone.
// net/http hides a Connection field that says close, and what else that one names.
func fields(out []plan.Field, h http.Header) []plan.Field {
	named := listed(h["Connection"])
	for name, values := range h {
		if hopByHop(name) || slices.Contains(named, name) {
			continue
		}
		for _, v := range values {
			out = append(out, plan.Field{Name: name, Value: v})
		}
	}
	// The values of one name keep their order.
	slices.SortStableFunc(out, func(a, b plan.Field) int { return strings.Compare(a.Name, b.Name) })
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

// Read reads the answer's content.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.answer.Body.Read(p)
	if err != nil && err != io.EOF {
		err = x.fault(err, inAnswer)
	}
	return n, err
}

// Close ends the exchange.
func (x *exchange) Close() error {
	err := x.answer.Body.Close()
	x.release()
	return err
}
