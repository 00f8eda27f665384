package cache

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
)

// answer is what is given for a request: what is kept, or what an upstream gave just now.
type answer struct {
	*entry
	result Result
	joined bool // it was the answer to another request
	// stream is the body of an answer that is still read; nil: it is entry.body.
	stream io.ReadCloser
	length int64 // of stream; -1: not known
	// status of the upstream that was asked because of the entry; 0: it gave none.
	asked int

	attempts int
	secrets  []plan.Secret
}

// respond gives an answer to the request of x.
func (c *Cache) respond(x *exchange, a *answer) *plan.Response {
	if result := a.counted(); x.keeps() || result == Coalesced {
		c.opts.Count(x.req.Call, result)
	}
	resp := &plan.Response{Status: a.status, Attempts: a.attempts, Secrets: a.secrets, Body: plan.BytesBody(a.body)}
	if a.stream != nil {
		resp.Body = plan.Body{Stream: a.stream, Len: a.length}
	}
	resp.Header = c.header(x, a)
	if x.req.Method == http.MethodHead && a.stream == nil {
		resp.Body = plan.Body{}
	}
	if x.keeps() && x.isCurrent(a.entry) {
		spare(a, x.rule.Max)
		resp.Status, resp.Body = http.StatusNotModified, plan.Body{}
		resp.Header = withoutContent(resp.Header)
	}
	return resp
}

// counted gives what became of the request.
func (a *answer) counted() Result {
	if a.joined {
		return Coalesced
	}
	return a.result
}

// spare ends a body that the caller does not need. One that is short is read, so that it is
// kept.
func spare(a *answer, most int64) {
	if a.stream == nil {
		return
	}
	if a.length >= 0 && a.length <= most {
		_, _ = io.Copy(io.Discard, a.stream)
	}
	_ = a.stream.Close()
}

// header gives the headers of an answer, with its age and what was done here.
func (c *Cache) header(x *exchange, a *answer) []plan.Field {
	if !x.keeps() && !a.joined {
		return a.entry.header
	}
	out := make([]plan.Field, 0, len(a.entry.header)+2)
	kept := a.result == Hit || a.result == Stale || a.result == Revalidated
	for _, f := range a.entry.header {
		if !kept || !strings.EqualFold(f.Name, "Age") {
			out = append(out, f)
		}
	}
	if !kept {
		return append(out, x.status(a.forwarded()))
	}
	u := a.usage(x.rule, c.opts.Now())
	out = append(out, plan.Field{Name: "Age", Value: strconv.FormatInt(int64(u.age/time.Second), 10)})
	if a.result != Hit {
		return append(out, x.status(a.forwarded()))
	}
	return append(out, x.status("hit; ttl="+strconv.FormatInt(int64((u.lifetime-u.age)/time.Second), 10)))
}

// forwarded says how the upstream was asked (RFC 9211).
func (a *answer) forwarded() string {
	text := "fwd=stale"
	if a.result == Miss && a.asked == 0 {
		text = "fwd=uri-miss"
	}
	if a.asked != 0 {
		text += "; fwd-status=" + strconv.Itoa(a.asked)
	}
	if a.joined {
		text += "; collapsed"
	}
	return text
}

// status gives the header that tells what was done here.
func (x *exchange) status(what string) plan.Field {
	return plan.Field{Name: "Cache-Status", Value: "capd; " + what}
}

// withoutContent leaves out what describes a body that is not sent.
func withoutContent(header []plan.Field) []plan.Field {
	out := make([]plan.Field, 0, len(header))
	for _, f := range header {
		if !ofContent(f.Name) {
			out = append(out, f)
		}
	}
	return out
}
