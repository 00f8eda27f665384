package telemetry

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Exporter gives where spans are sent, as the OTEL_* variables of OpenTelemetry say; nil when they
// say nothing, or that nothing is to be sent. The exporter reads endpoints, headers and
// certificates from the process environment itself; lookup is asked for the rest.
func Exporter(ctx context.Context, lookup func(name string) (string, bool)) (sdktrace.SpanExporter, error) {
	get := func(names ...string) string {
		for _, name := range names {
			if v, _ := lookup(name); strings.TrimSpace(v) != "" {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	switch to := get("OTEL_TRACES_EXPORTER"); to {
	case "none":
		return nil, nil
	case "otlp":
	case "":
		if get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
			return nil, nil
		}
	default:
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: capd has no exporter of that name, write otlp or none")
	}
	switch get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: capd cannot speak that, write http/protobuf or grpc")
}
