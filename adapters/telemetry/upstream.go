package telemetry

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"capd/engine/plan"
)

// Upstream gives next with each request counted, traced, and told which trace it belongs to. It
// belongs right in front of the transport, so that it sees what is sent.
func (t *Telemetry) Upstream(next plan.Upstream) plan.Upstream {
	if t == nil || t.metrics == nil && t.tracing == nil {
		return next
	}
	return plan.UpstreamFunc(func(ctx context.Context, req *plan.Request) (*plan.Response, error) {
		begun := time.Now()
		var span trace.Span
		if t.tracing != nil {
			ctx, span = t.tracing.upstream(ctx, req)
			req = t.telling(req, span)
		}
		resp, err := next.Do(ctx, req)
		status, code := 0, ""
		if err != nil {
			code = plan.AsError(err).Code.String()
		} else {
			status = resp.Status
			code = statusClass(status)
		}
		if span != nil {
			endWith(span, status, err)
		}
		if t.metrics != nil {
			t.metrics.sent(req.Call, code, time.Since(begun))
		}
		return resp, err
	})
}

// telling gives the request with its trace in the header. What a document says there stays.
func (t *Telemetry) telling(req *plan.Request, span trace.Span) *plan.Request {
	isTrace := func(f plan.Field) bool {
		return strings.EqualFold(f.Name, "traceparent") || strings.EqualFold(f.Name, "tracestate")
	}
	if t.opts.NotUpstream || slices.ContainsFunc(req.Header, isTrace) {
		return req
	}
	said := t.said(span.SpanContext())
	if said.Parent == "" {
		return req
	}
	out := *req
	out.Header = append(slices.Clip(req.Header), plan.Field{Name: "traceparent", Value: said.Parent})
	if said.State != "" {
		out.Header = append(out.Header, plan.Field{Name: "tracestate", Value: said.State})
	}
	return &out
}
