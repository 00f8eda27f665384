package mcp

import (
	"io"
	"net/http"

	"capd/engine/plan"
)

// heldBody is the body of a request, which the SDK reads whole. What is read of it counts as
// held by the document until release.
type heldBody struct {
	io.ReadCloser
	quota *plan.Quota
	held  int64
	read  int64
	known bool // its length is, and no more can be read of it
	full  bool // the document holds as much as it may
}

// bodyStride is how many bytes of unknown length are counted at once.
const bodyStride = 64 << 10

// holdBody counts the body of a request, at once when its length is known. One over the limit is
// left for the SDK to refuse.
func holdBody(r *http.Request, q *plan.Quota, limit int64) *heldBody {
	b := &heldBody{ReadCloser: r.Body, quota: q}
	if b.known = r.ContentLength > 0 && r.ContentLength <= limit; b.known {
		b.hold(r.ContentLength)
	}
	if r.Body != nil {
		r.Body = b
	}
	return b
}

func (b *heldBody) hold(n int64) {
	if b.quota.Hold(n) {
		b.held += n
		return
	}
	b.full = true
}

// Read reads no further than there is room. The end of a body of known length takes none.
func (b *heldBody) Read(p []byte) (int, error) {
	if !b.known && b.read >= b.held && !b.full {
		b.hold(bodyStride)
	}
	if b.full {
		return 0, b.quota.Overloaded()
	}
	if !b.known {
		p = p[:min(int64(len(p)), b.held-b.read)]
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

func (b *heldBody) release() {
	b.quota.Release(b.held)
	b.held = 0
}
