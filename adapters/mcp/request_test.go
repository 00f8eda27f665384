package mcp

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

func TestDecodeHeaderValue(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"=?base64?bGlzdC1yw7ZvbXM=?=": "list-röoms",
		"=?base64??=":                 "",
	} {
		if got, ok := decodeHeaderValue(v); !ok || got != want {
			t.Errorf("decodeHeaderValue(%q) = %q, %t; want %q", v, got, ok, want)
		}
	}
	for _, v := range []string{"", "list", "=?base64?", "=?base64?x", "=?base64?*?=", "=?base64?/w==?="} {
		if got, ok := decodeHeaderValue(v); ok {
			t.Errorf("decodeHeaderValue(%q) = %q, want it left alone", v, got)
		}
	}
}

func TestSDKLogsWarningsOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := quiet(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))).With("a", 1).WithGroup("g")
	l.Info("chatter")
	l.Warn("trouble")
	if s := out.String(); strings.Contains(s, "chatter") || !strings.Contains(s, "trouble") {
		t.Errorf("logged %q, want the warning alone", s)
	}
	silent := quiet(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	if silent.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the logger's own level does not count any more")
	}
}
