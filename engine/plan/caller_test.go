package plan

import (
	"context"
	"testing"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	if got := RequestID(context.Background()); got != "" {
		t.Errorf("a context without a request has the ID %q", got)
	}
	ctx := WithRequestID(context.Background(), "r1")
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	if got := RequestID(child); got != "r1" {
		t.Errorf("got %q, want r1", got)
	}
	if a, b := NewRequestID(), NewRequestID(); a == b || len(a) < 16 {
		t.Errorf("IDs %q and %q are not random", a, b)
	}
}
