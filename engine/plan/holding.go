package plan

import (
	"errors"
	"io"
	"sync/atomic"

	"capd/engine/expr"
)

// smallest is what is worth counting: of smaller pieces a call holds few, and the calls are
// counted. stride is how many bytes of unknown length are asked for at once.
const (
	smallest = 4 << 10
	stride   = 64 << 10
)

// holding is the memory that one call holds, of the quota of its document. A nil one is not
// counted. It is safe for concurrent use, since steps are.
type holding struct {
	quota   *Quota
	tree    int64 // bytes that a text may take while it is decoded; 0: any
	bytes   atomic.Int64
	effects atomic.Bool // something was sent that may have changed what is upstream
}

// treeTimes is how many times as large as the answers that may be held a text may be while it is
// decoded. Values of some letters, as most are, take five times their text; a list of {} takes 80 times.
const treeTimes = 6

func (b *Bound) mostTree() int64 { return treeTimes * b.opts.MaxUpstreamBody }

// Tree is how many bytes a text may take while it is decoded; 0: any.
func (h *holding) Tree() int64 {
	if h == nil {
		return 0
	}
	return h.tree
}

// Take counts n bytes more, before they are there. It is false when that is too much.
func (h *holding) Take(n int64) bool {
	if h == nil || h.quota == nil || n < smallest {
		return true
	}
	if !h.quota.Hold(n) {
		return false
	}
	h.bytes.Add(n)
	return true
}

// Give gives back n bytes that were taken.
func (h *holding) Give(n int64) {
	if h != nil && h.quota != nil && n >= smallest {
		h.quota.Release(n)
		h.bytes.Add(-n)
	}
}

// add counts n bytes that are there already. What was done for them is not thrown away: others
// find less room instead.
func (h *holding) add(n int) {
	if h == nil || h.quota == nil || n < smallest {
		return
	}
	h.quota.used.memory.Add(int64(n))
	h.bytes.Add(int64(n))
}

// release gives everything back.
func (h *holding) release() {
	if h != nil && h.quota != nil {
		h.quota.Release(h.bytes.Swap(0))
	}
}

// full is the error of a call for which there is no room. One that may have changed something
// must not sound as if it could be tried again.
func (h *holding) full() *Error {
	if h.effects.Load() {
		return Errorf(CodeUpstreamTooLarge, "the upstream answered, but this capability holds as much in memory as it may, so the answer cannot be given")
	}
	return h.quota.Overloaded()
}

// unfound is the error of an answer in which paths find nothing since they cannot be evaluated;
// what says so.
func (h *holding) unfound(what string, err error) *Error {
	switch {
	case errors.Is(err, expr.ErrNoRoom):
		return h.full()
	case errors.Is(err, expr.ErrTree):
		return &Error{Code: CodeUpstreamTooLarge, Message: what + tooManyValues, Cause: err}
	case errors.Is(err, expr.ErrTooMuch):
		return &Error{Code: CodeUpstreamTooLarge, Message: what + ": it holds values within values, of which a path finds too many", Cause: err}
	}
	return &Error{Code: CodeBadOutput, Message: what, Cause: err}
}

// unread is unfound for what the caller sent.
func (h *holding) unread(what string, err error) *Error {
	switch {
	case errors.Is(err, expr.ErrNoRoom):
		return h.full()
	case errors.Is(err, expr.ErrTree):
		return &Error{Code: CodeBodyTooLarge, Message: what + tooManyValues, Cause: err}
	}
	return &Error{Code: CodeInvalidInput, Message: what, Cause: err}
}

const tooManyValues = ": it holds too many values to look into all of them"

// reader counts what is read of a body of unknown length.
func (h *holding) reader(from io.Reader) io.Reader {
	if h == nil || h.quota == nil {
		return from
	}
	return &heldReader{from: from, held: h, room: smallest}
}

// heldReader is a reader whose bytes are kept by who reads.
type heldReader struct {
	from io.Reader
	held *holding
	room int64 // that may still be read
}

func (r *heldReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.room -= int64(n)
	if r.room < 0 {
		more := max(-r.room, stride)
		if !r.held.Take(more) {
			return 0, r.held.full()
		}
		r.room += more
	}
	return n, err
}

// Reader gives the content to read once, by somebody who keeps all of it until Close.
func (r *Result) Reader() io.Reader {
	if r.Body.Stream == nil || r.held == nil {
		return r.Body.Reader()
	}
	return r.held.reader(r.Body.Stream)
}

// Close closes the body, and gives back what the call held in memory. It may be called again.
func (r *Result) Close() error {
	err := r.Body.Close()
	r.held.release()
	return err
}

// Release gives back what [Operation.Bind] holds in memory. It is called when nothing of the
// inputs is used any more, and may be called again.
func (a *Args) Release() { a.held.release() }
