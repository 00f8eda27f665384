package engine

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"capd/engine/plan"
)

// requestIDHeader carries the identifier that joins an answer with its log lines.
const requestIDHeader = "X-Request-Id"

// front stands before the adapters at one address, for one snapshot. It keeps out who may
// not call, names the request, and sends it to the adapter its first path segment belongs to.
type front struct {
	door     *door
	listener *plan.Listener
	prefixed []prefixed
	rest     http.Handler // everything under no prefix; may be nil
	known    wellKnown
	waits    waits
	log      *slog.Logger
	watch    plan.Watcher // nil: nobody
	proxies  proxies
	places   *places // connections; nil: any number
	dates    dates
}

// prefixed is the handler of the kind with a prefix of its own.
type prefixed struct {
	prefix  string
	handler http.Handler
	stream  bool // its answers may be streams
}

// visit is one request and its answer: everything that each request has, in one piece of memory.
type visit struct {
	answer
	arrival plan.Arrival
	request http.Request // as its handler gets it
	id      [1]string
}

// ServeHTTP serves one request. The header of the answer has its identifier.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{answer: answer{ResponseWriter: w, front: f, body: newInbound(w, r, f.waits)}}
	id := plan.NewRequestID()
	v.id[0] = id
	w.Header()[requestIDHeader] = v.id[:]
	handler, stream := f.handler(r.URL)
	f.waits.limitAnswer(w, stream)
	if f.log.Enabled(r.Context(), slog.LevelDebug) {
		defer f.record(&v.answer, r, id, time.Now())
	}
	defer f.recovered(&v.answer, id)
	ctx := r.Context()
	if v.body != nil && !stream { // a stream has no other bound than its caller
		ctx = v.body.context(ctx)
	}
	f.serve(ctx, v, r, handler)
	v.begin(http.StatusOK) // an answer without a word is a 200
}

// serve gives a request to its handler, nil for none, if it may come in.
func (f *front) serve(ctx context.Context, v *visit, r *http.Request, handler http.Handler) {
	out, id := &v.answer, v.id[0]
	if reason := f.door.refuse(r); reason != "" {
		writeProblem(out, http.StatusForbidden, plan.Errorf(plan.CodeForbidden, "%s", reason), id)
		return
	}
	out.sharing = f.door.sharing(r)
	switch {
	case out.sharing.isPreflight(r):
		out.sharing.preflight(out, r)
	case handler == nil:
		writeProblem(out, http.StatusNotFound, plan.Errorf(plan.CodeNotFound, "nothing is served under this address"), id)
	default:
		who := plan.Caller{RequestID: id, Address: f.proxies.caller(r)}
		if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
			who.Certificate = plan.NewCallerCertificate(r.TLS.VerifiedChains[0][0])
		}
		v.arrival = plan.NewArrival(ctx, who)
		ctx = &v.arrival
		if f.watch != nil {
			var ended func(int)
			ctx, ended = f.watch.Receive(traced(ctx, r.Header), f.kind(r.URL), r.Method)
			defer func() { ended(out.status) }()
		}
		v.request = *r.WithContext(ctx)
		if out.body != nil {
			v.request.Body = out.body
		}
		handler.ServeHTTP(out, &v.request)
	}
}

// traced gives ctx with the trace that a request says it belongs to. Of two parents neither is
// believed.
func traced(ctx context.Context, h http.Header) context.Context {
	parent := h["Traceparent"]
	if len(parent) != 1 {
		return ctx
	}
	return plan.WithTrace(ctx, plan.TraceContext{Parent: parent[0], State: strings.Join(h["Tracestate"], ",")})
}

// kind gives the kind of adapter that a URL is for; empty when it is capd's own.
func (f *front) kind(u *url.URL) plan.Kind {
	switch first := firstSegment(u); first {
	case ".well-known":
		return ""
	case plan.MCP.Prefix():
		return plan.MCP
	case plan.Skill.Prefix():
		return plan.Skill
	case plan.Control.Prefix():
		return plan.Control
	}
	return plan.REST
}

// handler gives the adapter of a URL, or nil, and whether its answers may be streams that live
// long. The path is split before it is decoded, so that an encoded slash stays inside its
// segment.
func (f *front) handler(u *url.URL) (h http.Handler, stream bool) {
	first := firstSegment(u)
	if first == ".well-known" {
		if h := f.known.handler(u); h != nil || !f.listener.AnswersWellKnown(u.EscapedPath()) {
			return h, false
		}
		return f.rest, false
	}
	for _, p := range f.prefixed {
		if p.prefix == first {
			return p.handler, p.stream
		}
	}
	return f.rest, false
}

// firstSegment gives the first segment of the path, decoded.
func firstSegment(u *url.URL) string {
	if u.RawPath == "" {
		first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		return first
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.RawPath, "/"), "/")
	if decoded, err := url.PathUnescape(first); err == nil {
		return decoded
	}
	return first
}

// recovered turns a panic into an answer. An answer that has begun is broken off instead, so
// that nobody takes half of it for the whole.
func (f *front) recovered(out *answer, id string) {
	if out.body != nil {
		defer out.body.leave()
	}
	v := recover()
	if v == nil {
		return
	}
	if v != http.ErrAbortHandler {
		logFault(f.log, "serving a request", v, "request_id", id)
		if out.status == 0 {
			writeProblem(out, http.StatusInternalServerError, plan.Errorf(plan.CodeInternal, "internal error"), id)
			return
		}
	}
	out.aborted = true
	panic(http.ErrAbortHandler)
}

// record logs an answer. Paths and queries hold values of callers, so neither is in it.
func (f *front) record(out *answer, r *http.Request, id string, begun time.Time) {
	attrs := []slog.Attr{
		slog.String("request_id", id),
		slog.Int("status", out.status),
		slog.Duration("duration", time.Since(begun)),
	}
	if out.aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if doc := f.document(r.URL); doc != "" {
		attrs = append(attrs, slog.String("document", doc))
	}
	f.log.LogAttrs(r.Context(), slog.LevelDebug, "request", attrs...)
}

// document gives the ID of the document whose fixed address a URL is under, or "".
func (f *front) document(u *url.URL) string {
	path, id, longest := u.EscapedPath(), "", 0
	for _, m := range f.listener.Mounts {
		if rest, ok := strings.CutPrefix(path, m.Path); ok && (rest == "" || rest[0] == '/') && len(m.Path) > longest {
			id, longest = m.Exposure.Unit.ID, len(m.Path)
		}
	}
	return id
}

// problem is the body of an answer that capd itself gives (RFC 9457).
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"requestId"`
}

func writeProblem(w http.ResponseWriter, status int, e *plan.Error, id string) {
	body, err := json.Marshal(problem{"about:blank", http.StatusText(status), status, e.Message, e.Code.String(), id})
	if err != nil {
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that is gone does not read it
}

// answer knows whether an answer has begun, and keeps the shortcuts of the writer below.
type answer struct {
	http.ResponseWriter
	front   *front
	body    *inbound // of the request; nil for none
	sharing sharing
	status  int // 0 until the header is written
	aborted bool
}

// WriteHeader keeps the first final status.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.begin(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write writes the header if nobody did.
func (a *answer) Write(b []byte) (int, error) {
	a.begin(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

// ReadFrom lets the server copy from socket to socket.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	a.begin(http.StatusOK)
	return io.Copy(a.ResponseWriter, r)
}

// Flush sends what was written so far.
func (a *answer) Flush() {
	a.begin(http.StatusOK)
	_ = http.NewResponseController(a.ResponseWriter).Flush() // a server's writer can flush
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// begin completes the header of an answer that begins, once.
func (a *answer) begin(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	h := a.Header()
	h["Date"] = a.front.dates.now()
	a.sharing.mark(h)
	if a.body != nil && !a.body.drain() || a.front.places.isCrowded() {
		h.Set("Connection", "close")
	}
}

// dates writes the header Date, which is the same for all answers of a second: written for each, it
// took a hundredth of a call.
type dates struct{ last atomic.Pointer[date] }

type date struct {
	second int64
	text   []string // never written into
}

func (d *dates) now() []string {
	now := time.Now()
	if last := d.last.Load(); last != nil && last.second == now.Unix() {
		return last.text
	}
	made := &date{now.Unix(), []string{now.UTC().Format(http.TimeFormat)}}
	d.last.Store(made)
	return made.text
}
