package mcp

import (
	"context"
	"sync"

	"capd/engine/plan"
)

// streams are an endpoint's responses that stay open until somebody ends them.
type streams struct {
	max int

	mu     sync.Mutex
	taken  int // places
	open   map[int]context.CancelFunc
	next   int
	ending bool
	ended  chan struct{} // closed when ending and none is open
}

func newStreams(limit int) *streams {
	return &streams{max: limit, open: map[int]context.CancelFunc{}, ended: make(chan struct{})}
}

// reserve takes one of the places for streams, here and of the document, which leave gives
// back. ok is false when all are taken.
func (s *streams) reserve(q *plan.Quota) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= s.max || !q.OpenStream() {
		return func() {}, false
	}
	s.taken++
	return func() {
		q.CloseStream()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
	}, true
}

// join registers a stream. Its context ends with ctx or with [streams.end]; leave must be
// called when the stream is over. ok is false when no more streams are wanted: the context
// has then ended already.
func (s *streams) join(ctx context.Context) (_ context.Context, leave func(), ok bool) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		cancel()
		return ctx, func() {}, false
	}
	id := s.next
	s.next++
	s.open[id] = cancel
	return ctx, func() { s.leave(id) }, true
}

func (s *streams) leave(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[id]()
	delete(s.open, id)
	if s.ending && len(s.open) == 0 {
		close(s.ended)
	}
}

// end ends all streams and gives a channel that is closed when they are gone. It may be
// called again.
func (s *streams) end() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.ending = true
		if len(s.open) == 0 {
			close(s.ended)
		}
	}
	for _, cancel := range s.open {
		cancel()
	}
	return s.ended
}

// tally counts what is under way.
type tally struct {
	mu   sync.Mutex
	n    int
	then func()
}

func (t *tally) enter() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
}

func (t *tally) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	t.settle()
}

// whenNone calls f once nothing is under way, which may be now. f must not wait.
func (t *tally) whenNone(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.then = f
	t.settle()
}

func (t *tally) settle() {
	if t.n == 0 && t.then != nil {
		t.then()
		t.then = nil
	}
}
