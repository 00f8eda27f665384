package plan

import (
	"context"
	"crypto/rand"
)

type requestIDKey struct{}

// NewRequestID gives a new random identifier of a request: 26 letters and digits.
func NewRequestID() string { return rand.Text() }

// WithRequestID gives a context that carries the identifier of the request it belongs to.
// Whoever receives the request first sets it; a caller's own header is never taken for it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID gives the identifier of the request the context belongs to, or "" when nobody
// set one.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
