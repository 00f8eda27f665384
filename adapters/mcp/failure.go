package mcp

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"capd/engine/plan"
)

// logFailure records what failed: who failed and why, never what was sent. name says what
// the client asked for; op may be nil.
func (e *endpoint) logFailure(ctx context.Context, message, doc, id string, failure *plan.Error, name slog.Attr, op *plan.Operation) {
	level := levelOf(failure.Code)
	if !e.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", id),
		slog.String("code", failure.Code.String()),
		slog.String("document", doc),
		name,
		slog.String("message", failure.Message),
	}
	if op != nil {
		attrs = append(attrs, slog.String("operation", op.Name()))
	}
	if failure.Cause != nil {
		attrs = append(attrs, slog.String("cause", causeText(failure.Cause)))
	}
	e.opts.Logger.LogAttrs(ctx, level, message, attrs...)
}

// levelOf says how much a failure concerns the operator: a caller's mistake little, the
// upstream's and the configuration's more, capd's own most.
func levelOf(code plan.Code) slog.Level {
	switch code {
	case plan.CodeInternal:
		return slog.LevelError
	case plan.CodeNotConfigured, plan.CodeUpstreamFailed, plan.CodeUpstreamTimeout, plan.CodeUpstreamTooLarge, plan.CodeBadOutput:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// causeText gives a cause for the log. An error of net/http quotes the URL, whose query
// can hold a key: only what happened is kept of it.
func causeText(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Op + ": " + ue.Err.Error()
	}
	return err.Error()
}
