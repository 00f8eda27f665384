package mcp

import (
	"context"
	"log/slog"
	"strings"
)

// quiet gives a logger for the SDK. It writes several lines per request at level info, and
// calls mistakes of clients errors, which an operator cannot act on.
func quiet(l *slog.Logger) *slog.Logger { return slog.New(demoted{l.Handler()}) }

// demoted drops chatter, and lowers warnings and errors to debug unless the server itself
// is at fault.
type demoted struct{ next slog.Handler }

// Enabled cannot know the message, so it asks for the level that the record may end with.
func (h demoted) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.next.Enabled(ctx, l)
}

// Handle passes the record on with its level.
func (h demoted) Handle(ctx context.Context, r slog.Record) error {
	if !ownFault(r.Message) {
		r.Level = slog.LevelDebug
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// ownFault tells what no client can bring about: the SDK could not make a session, and
// answered with status 500, or broke its own rules.
func ownFault(message string) bool {
	return message == "server connect error" || message == "jsonrpc2 internal error" || strings.HasPrefix(message, "failed to connect: ")
}

// WithAttrs is [slog.Handler]'s.
func (h demoted) WithAttrs(attrs []slog.Attr) slog.Handler { return demoted{h.next.WithAttrs(attrs)} }

// WithGroup is [slog.Handler]'s.
func (h demoted) WithGroup(name string) slog.Handler { return demoted{h.next.WithGroup(name)} }
