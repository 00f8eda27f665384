package rest

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"capd/engine/plan"
)

// inbound is a request's body while it is read, perhaps by the upstream's transport and
// after the call has ended. It remembers why reading failed, because the layers in between
// report such a failure as one of the upstream.
type inbound struct {
	body   io.ReadCloser
	limit  int64 // 0: none
	left   int64 // until the limit
	failed atomic.Pointer[plan.Error]
}

// newInbound gives a request's body, nil for none, or a *plan.Error when its declared length is
// over the limit (0: no limit).
func newInbound(r *http.Request, limit int64) (*inbound, error) {
	switch {
	case limit > 0 && r.ContentLength > limit:
		return nil, bodyTooLarge(limit)
	case r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody:
		return nil, nil
	}
	return &inbound{body: r.Body, limit: limit, left: limit}, nil
}

func bodyTooLarge(limit int64) *plan.Error {
	return plan.Errorf(plan.CodeBodyTooLarge, "the request body is larger than the %d bytes accepted here", limit)
}

// content gives the body as the plan takes it. length is the declared one, -1 if unknown.
func (b *inbound) content(length int64) plan.Body {
	if b == nil {
		return plan.Body{}
	}
	return plan.Body{Stream: b, Len: length}
}

// Read reads the body. Beyond the limit it fails with a *plan.Error.
func (b *inbound) Read(p []byte) (int, error) {
	if e := b.failed.Load(); e != nil {
		return 0, e
	}
	// One byte more than allowed tells a body that ends at the limit from a longer one.
	if b.limit > 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.limit > 0 && int64(n) > b.left {
		n, err = int(b.left), bodyTooLarge(b.limit)
	}
	b.left -= int64(n)
	if err == nil || err == io.EOF || errors.Is(err, http.ErrBodyReadAfterClose) {
		return n, err
	}
	var e *plan.Error
	if !errors.As(err, &e) {
		e = &plan.Error{Code: plan.CodeInvalidInput, Message: "the request body could not be read to its end", Cause: err}
	}
	b.failed.Store(e)
	return n, e
}

// Close closes the body.
func (b *inbound) Close() error { return b.body.Close() }

// cause gives the real reason of a failed call.
func (b *inbound) cause(err error) error {
	if b == nil {
		return err
	}
	if e := b.failed.Load(); e != nil {
		return e
	}
	return err
}
