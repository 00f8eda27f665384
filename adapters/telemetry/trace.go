package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"capd/engine/plan"
)

// The attributes that spans may have; there are no others. None is a value of a caller, of an
// upstream or of a variable.
const (
	attrDocument  = attribute.Key("capd.document")
	attrAdapter   = attribute.Key("capd.adapter")
	attrWire      = attribute.Key("capd.wire")
	attrOperation = attribute.Key("capd.operation")
	attrStep      = attribute.Key("capd.step")
	attrConsumed  = attribute.Key("capd.consumed_operation")
	attrRequestID = attribute.Key("capd.request_id")
	attrMethod    = attribute.Key("http.request.method")
	attrStatus    = attribute.Key("http.response.status_code")
	attrServer    = attribute.Key("server.address")
	attrError     = attribute.Key("error.type")
)

// tracing makes spans.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	lost     *atomic.Int64 // spans that could not be sent
}

func newTracing(to sdktrace.SpanExporter, version string, log *slog.Logger) *tracing {
	// Who capd is in a trace is the operator's to say, by OTEL_SERVICE_NAME.
	own := resource.NewSchemaless(attribute.String("service.name", "capd"), attribute.String("service.version", version))
	if said, err := resource.New(context.Background(), resource.WithFromEnv(), resource.WithTelemetrySDK()); err == nil {
		if both, err := resource.Merge(own, said); err == nil {
			own = both
		}
	}
	lost := new(atomic.Int64)
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(&quietExporter{SpanExporter: to, log: log, lost: lost}), sdktrace.WithResource(own))
	return &tracing{p, p.Tracer("capd", trace.WithInstrumentationVersion(version)), lost}
}

// quietExporter tells the log when spans cannot be sent, once, and again when they can: a
// collector that is away is nothing that a call should feel, or a log be filled with.
type quietExporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
	lost    *atomic.Int64
}

func (e *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.lost.Add(int64(len(spans)))
	}
	if was := e.failing.Swap(err != nil); err != nil && !was {
		e.log.Warn("traces cannot be sent", "error", cause(err))
	} else if err == nil && was {
		e.log.Info("traces can be sent again")
	}
	return nil
}

// cause leaves out the URL of the collector, which may hold a key.
func cause(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Op + ": " + u.Err.Error()
	}
	return err.Error()
}

func (t *tracing) inbound(ctx context.Context, kind plan.Kind, method string) (context.Context, trace.Span) {
	method = knownMethod(method)
	name := method
	if prefix := kind.Prefix(); prefix != "" {
		name += " /" + prefix
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attrWire.String(string(kind)), attrMethod.String(method), attrRequestID.String(plan.RequestID(ctx)),
	))
}

// knownMethod gives a method that callers cannot make up.
func knownMethod(method string) string {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return method
	}
	return "_OTHER"
}

func (t *tracing) operation(ctx context.Context, c *plan.Called) (context.Context, trace.Span) {
	attrs := []attribute.KeyValue{attrOperation.String(c.Name)}
	name := c.Name
	if x := c.Exposure; x != nil {
		name = string(x.Kind) + " " + x.Unit.ID + "/" + c.Name
		attrs = append(attrs, attrDocument.String(x.Unit.ID), attrAdapter.String(x.Namespace), attrWire.String(string(x.Kind)))
	}
	if c.Caller != nil {
		attrs = append(attrs, attrRequestID.String(c.Caller.RequestID))
	}
	return t.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
}

func (t *tracing) step(ctx context.Context, s plan.Step) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, "step "+s.Name, trace.WithAttributes(attrStep.String(s.Name)))
}

func (t *tracing) upstream(ctx context.Context, req *plan.Request) (context.Context, trace.Span) {
	name, attrs := "token", []attribute.KeyValue{attrMethod.String(req.Method), attrServer.String(hostOf(req))}
	if req.Call != nil {
		name = req.Call.Name()
		attrs = append(attrs, attrDocument.String(req.Call.Unit().ID), attrConsumed.String(name))
	}
	return t.tracer.Start(ctx, req.Method+" "+name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
}

func endInbound(span trace.Span, status int) {
	span.SetAttributes(attrStatus.Int(status))
	if status == 0 || status >= 500 {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

func endCall(span trace.Span, o *plan.Outcome) {
	if o.Err != nil {
		endWith(span, 0, o.Err)
		return
	}
	endWith(span, o.Status, nil)
}

// endWith ends a span. Of an error it keeps the code only.
func endWith(span trace.Span, status int, err error) {
	if status != 0 {
		span.SetAttributes(attrStatus.Int(status))
	}
	if err != nil {
		code := plan.AsError(err).Code.String()
		span.SetAttributes(attrError.String(code))
		span.SetStatus(codes.Error, code)
	} else if status >= 400 {
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
