package telemetry_test

import (
	"context"
	"io"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"capd/adapters/telemetry"
	"capd/engine/plan"
)

// BenchmarkCall is what it costs to watch a call that sends one request upstream.
func BenchmarkCall(b *testing.B) {
	resp := &plan.Response{Status: 200}
	next := plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return resp, nil })
	for _, mode := range []struct {
		name string
		telemetry.Options
	}{
		{name: "metrics", Options: telemetry.Options{Metrics: true}},
		{name: "audit", Options: telemetry.Options{Audit: func() (io.WriteCloser, error) { return discard{io.Discard}, nil }}},
		{name: "traces", Options: telemetry.Options{Spans: tracetest.NewNoopExporter()}},
	} {
		b.Run(mode.name, func(b *testing.B) {
			t, err := telemetry.New(mode.Options)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = t.Close(context.Background()) })
			up := t.Upstream(next)
			req := &plan.Request{Method: "GET", Base: &plan.Base{Scheme: "https", Host: "api.test"}, Target: "/things/42"}
			b.ReportAllocs()
			for b.Loop() {
				ctx, call := t.Watcher().Begin(b.Context(), &plan.Called{Name: "bench"})
				ctx, done := call.Step(ctx, plan.Step{})
				call.Sent(ctx, req)
				resp, err := up.Do(ctx, req)
				call.Received(ctx, req, resp, err)
				done(err)
				call.Ended(plan.Outcome{Status: 200})
			}
		})
	}
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }
