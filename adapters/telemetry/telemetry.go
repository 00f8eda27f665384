// Package telemetry says what capd is doing: a line of audit for each call, metrics for
// Prometheus, and traces of OpenTelemetry. It watches calls through [plan.Watcher] and what
// goes upstream through a [plan.Upstream]; adapters know nothing of it.
//
// Nothing that it writes has a value of a caller, of an upstream or of a variable: names that
// documents declare, codes, times and identifiers only.
package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"capd/engine/plan"
)

// Options say what is wanted. With the zero value nothing is, and it costs nothing.
type Options struct {
	// Audit opens what audit lines are written to; nil: no audit. It is called by New and by
	// Reopen.
	Audit Opener
	// AuditQueue is how many lines wait for a slow disk before lines are dropped; 0 means 8192.
	AuditQueue int
	// Metrics are counted, and served by Handler.
	Metrics bool
	// MaxOperations bounds the operations that have series of their own; 0 means 2000. What
	// comes later shares one.
	MaxOperations int
	// Spans takes the spans of traces; nil: there are no traces.
	Spans sdktrace.SpanExporter
	// NotUpstream keeps what a trace is called from upstreams.
	NotUpstream bool
	// Version of capd.
	Version string
	// Logger is told what cannot be written or sent; nil means nobody is.
	Logger *slog.Logger
}

// Telemetry watches calls. It is safe for concurrent use. A nil one watches nothing.
type Telemetry struct {
	opts    Options
	audit   *audit   // nil: none
	metrics *metrics // nil: none
	tracing *tracing // nil: none
	format  propagation.TraceContext
}

// New begins to watch. It gives nil when nothing is wanted, and an error when the audit log
// cannot be opened.
func New(o Options) (*Telemetry, error) {
	if o.Audit == nil && !o.Metrics && o.Spans == nil {
		return nil, nil
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Telemetry{opts: o}
	if o.Metrics {
		t.metrics = newMetrics(o.MaxOperations, o.Version)
	}
	if o.Audit != nil {
		var err error
		if t.audit, err = newAudit(o.Audit, o.AuditQueue, o.Logger); err != nil {
			return nil, err
		}
		if t.metrics != nil {
			t.metrics.countDropped(t.audit)
		}
	}
	if o.Spans != nil {
		t.tracing = newTracing(o.Spans, o.Version, o.Logger)
	}
	return t, nil
}

// Watcher gives what is told of calls; nil when nothing is watched.
func (t *Telemetry) Watcher() plan.Watcher {
	if t == nil {
		return nil
	}
	return t
}

// Handler serves the metrics for Prometheus; nothing is found there when they are not counted.
func (t *Telemetry) Handler() http.Handler {
	if t == nil || t.metrics == nil {
		return http.NotFoundHandler()
	}
	return t.metrics.handler()
}

// Reopen opens the audit log again, for those who move its file away. When that fails, lines
// go on where they went.
func (t *Telemetry) Reopen() {
	if t != nil && t.audit != nil {
		t.audit.reopen()
	}
}

// Close writes and sends what is left, as long as ctx lasts.
func (t *Telemetry) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	var errs []error
	if t.tracing != nil {
		errs = append(errs, t.tracing.provider.Shutdown(ctx))
	}
	if t.audit != nil {
		errs = append(errs, t.audit.close(ctx))
	}
	return errors.Join(errs...)
}

// Reload is a reload of documents, or the first load.
type Reload struct {
	Begun time.Time
	Took  time.Duration
	Err   error // everything is as it was
	// Policy says how reading the policy file ended: ok or failed; empty when there is none.
	Policy string
	// Documents counts what is there now by its state.
	Documents map[string]int
	// Serves reports whether a document is served now.
	Serves func(id string) bool
}

// Reloaded is told of each reload.
func (t *Telemetry) Reloaded(r Reload) {
	if t != nil && t.metrics != nil {
		t.metrics.reloaded(&r)
	}
}

// StateFailed counts what could not be done in the folder of last good forms: open, read, write
// or remove.
func (t *Telemetry) StateFailed(operation string) {
	if t != nil && t.metrics != nil {
		t.metrics.state.WithLabelValues(operation).Inc()
	}
}

// Lost counts what could not be told of calls: audit lines that found no place, and spans that
// could not be sent.
func (t *Telemetry) Lost() (auditLines, spans int64) {
	if t == nil {
		return 0, 0
	}
	if t.audit != nil {
		auditLines = t.audit.dropped.Load()
	}
	if t.tracing != nil {
		spans = t.tracing.lost.Load()
	}
	return auditLines, spans
}

// WatchStore is told of a store that replicas share.
func (t *Telemetry) WatchStore(up func() bool) {
	if t != nil && t.metrics != nil {
		t.metrics.watchStore(up)
	}
}

// StoreFailed counts an operation that the store did not do.
func (t *Telemetry) StoreFailed(operation string) {
	if t != nil && t.metrics != nil {
		t.metrics.storeErrors.WithLabelValues(operation).Inc()
	}
}

// Limited is told of each call that a limit of its document refused or put off.
func (t *Telemetry) Limited(document string, l plan.Limit) {
	if t != nil && t.metrics != nil {
		t.metrics.limit(document, l)
	}
}

// KeptOut is told of each request that was not let in, and why: one of a few words.
func (t *Telemetry) KeptOut(document, reason string) {
	if t != nil && t.metrics != nil {
		t.metrics.keptOut(document, reason)
		if reason == plan.CodeRateLimited.String() {
			t.metrics.limit(document, plan.LimitAuth)
		}
	}
}

// Receive is [plan.Watcher]'s.
func (t *Telemetry) Receive(ctx context.Context, kind plan.Kind, method string) (context.Context, func(int)) {
	begun := time.Now()
	var span trace.Span
	if t.tracing != nil {
		ctx, span = t.tracing.inbound(t.remote(ctx), kind, method)
		ctx = plan.WithTrace(ctx, t.said(span.SpanContext()))
	}
	if t.metrics != nil {
		t.metrics.receiving.WithLabelValues(string(kind)).Inc()
	}
	return ctx, func(status int) {
		if span != nil {
			endInbound(span, status)
		}
		if t.metrics != nil {
			t.metrics.received(kind, status, time.Since(begun))
		}
	}
}

// remote gives ctx with the span of the caller, as it says it. What is no trace context is none.
func (t *Telemetry) remote(ctx context.Context) context.Context {
	said := plan.TraceOf(ctx)
	if said.Parent == "" {
		return ctx
	}
	remote := trace.SpanContextFromContext(t.format.Extract(context.Background(), propagation.MapCarrier{"traceparent": said.Parent, "tracestate": said.State}))
	if !remote.IsValid() {
		return ctx
	}
	here := trace.SpanContextFromContext(ctx)
	if here.TraceID() == remote.TraceID() && here.SpanID() == remote.SpanID() {
		return ctx // it is the span of the request, as it was told
	}
	return trace.ContextWithRemoteSpanContext(ctx, remote)
}

// said gives a span as others are told of it.
func (t *Telemetry) said(c trace.SpanContext) plan.TraceContext {
	carrier := propagation.MapCarrier{}
	t.format.Inject(trace.ContextWithSpanContext(context.Background(), c), carrier)
	return plan.TraceContext{Parent: carrier["traceparent"], State: carrier["tracestate"]}
}

// Begin is [plan.Watcher]'s.
func (t *Telemetry) Begin(ctx context.Context, c *plan.Called) (context.Context, plan.CallObserver) {
	o := &call{t: t, begun: time.Now(), Called: c}
	ctx = t.remote(ctx)
	if t.tracing != nil {
		ctx, o.span = t.tracing.operation(ctx, c)
	}
	o.trace = trace.SpanContextFromContext(ctx).TraceID()
	if t.metrics != nil {
		t.metrics.inFlight.Inc()
	}
	return ctx, o
}

var _ plan.Watcher = (*Telemetry)(nil)

// hostOf gives the host of a request as it may be shown.
func hostOf(req *plan.Request) string {
	if req.Base == nil {
		return ""
	}
	holds := func(s plan.Secret) bool { return !s.IsEmpty() && containsFold(req.Base.Host, s.Reveal()) }
	if slices.ContainsFunc(req.Secrets, holds) {
		return plan.Masked
	}
	return req.Base.Host
}
