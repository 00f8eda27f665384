package mcp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

// TestSDKLogs: chatter is dropped, clients' mistakes are for debugging, and what only the
// server can have done keeps its level.
func TestSDKLogs(t *testing.T) {
	t.Parallel()
	logged := func(level slog.Level) string {
		var out bytes.Buffer
		l := quiet(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))).With("a", 1).WithGroup("g")
		l.Info("chatter")
		l.Warn("calling a client")
		l.Error("method invalid during initialization")
		l.Error("failed to connect: no memory")
		l.Error("server connect error")
		l.Error("jsonrpc2 internal error")
		return out.String()
	}
	got := logged(slog.LevelDebug)
	for _, want := range []string{
		`level=DEBUG msg="calling a client"`, `level=DEBUG msg="method invalid during initialization"`,
		`level=ERROR msg="failed to connect: no memory" a=1`, `level=ERROR msg="server connect error"`, `level=ERROR msg="jsonrpc2 internal error"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "chatter") {
		t.Errorf("chatter in\n%s", got)
	}
	if got := logged(slog.LevelInfo); strings.Contains(got, "calling") || strings.Contains(got, "method") || strings.Count(got, "\n") != 3 {
		t.Errorf("at level info:\n%s", got)
	}
	silent := quiet(slog.New(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelError})))
	if silent.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the logger's own level does not count any more")
	}
}
