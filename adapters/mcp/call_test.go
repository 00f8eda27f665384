package mcp

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestPanicBehindTheProtocol: whatever panics while a request is answered, the SDK's
// goroutine, and with it the process, must not die of it.
func TestPanicBehindTheProtocol(t *testing.T) {
	t.Parallel()
	var logged strings.Builder
	o := Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))}.withDefaults()
	x := &plan.Exposure{Unit: &plan.Unit{ID: "rooms"}, Kind: plan.MCP}
	v := plan.Single(&plan.Mount{Exposure: x})
	e := New(o).newEndpoint(v)
	e.swap(e.prepare(v))
	handle := e.receive(func(context.Context, string, sdk.Request) (sdk.Result, error) { panic("boom") })
	res, err := handle(context.Background(), "ping", &sdk.ServerRequest[*sdk.PingParams]{})
	var wire *jsonrpc.Error
	if res != nil || !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInternalError || strings.Contains(wire.Message, "boom") {
		t.Errorf("%v, %v; want JSON-RPC error -32603 that tells nothing", res, err)
	}
	for _, want := range []string{"boom", "document=rooms", "method=ping", "call_test.go"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("no %q in the log: %s", want, logged.String())
		}
	}
}

// brokenBody gives some bytes and then an error.
type brokenBody struct {
	err    error
	closed bool
}

func (b *brokenBody) Read(p []byte) (int, error) { return copy(p, "x"), b.err }
func (b *brokenBody) Close() error               { b.closed = true; return nil }

func TestReadOfABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancelLate := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancelLate()
	tests := map[string]struct {
		ctx  context.Context
		err  error
		want plan.Code
	}{
		"connection lost":       {context.Background(), io.ErrUnexpectedEOF, plan.CodeUpstreamFailed},
		"the caller went away":  {gone, context.Canceled, plan.CodeCanceled},
		"the time is up":        {late, context.DeadlineExceeded, plan.CodeUpstreamTimeout},
		"the upstream tells it": {context.Background(), plan.Errorf(plan.CodeUpstreamTooLarge, "over"), plan.CodeUpstreamTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &brokenBody{err: tt.err}
			_, err := read(tt.ctx, &plan.Result{Body: plan.Body{Stream: b, Len: -1}}, 10)
			if e := plan.AsError(err); e.Code != tt.want {
				t.Errorf("%v (%v), want %v", e.Code, err, tt.want)
			}
			if !b.closed {
				t.Error("the body was left open")
			}
		})
	}
}

func TestReadLimit(t *testing.T) {
	t.Parallel()
	stream := func(n int) plan.Body {
		return plan.Body{Stream: io.NopCloser(strings.NewReader(strings.Repeat("x", n))), Len: -1}
	}
	for name, b := range map[string]plan.Body{
		"bytes": plan.BytesBody(make([]byte, 11)), "stream": stream(11), "known length": {Stream: &brokenBody{}, Len: 11},
	} {
		if _, err := read(context.Background(), &plan.Result{Body: b}, 10); err == nil || plan.AsError(err).Code != plan.CodeUpstreamTooLarge {
			t.Errorf("%s over the limit: %v", name, err)
		}
	}
	for name, b := range map[string]plan.Body{"bytes": plan.BytesBody(make([]byte, 10)), "stream": stream(10)} {
		if got, err := read(context.Background(), &plan.Result{Body: b}, 10); err != nil || len(got) != 10 {
			t.Errorf("%s at the limit: %d bytes, %v", name, len(got), err)
		}
	}
}
