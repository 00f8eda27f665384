package memory

import (
	"container/heap"
	"encoding/binary"
	"time"
)

// times keeps an instant for each id, at most so many. An instant that has passed says nothing
// any more. It holds no pointers to entries, so that the collector does not walk them.
type times struct {
	most  int
	begun time.Time  // from which instants are counted, so that the clock may be set
	at    map[id]int // place in heap
	heap  []timed    // the earliest first
	// spilled are the latest of the instants that found no place, by a part of the id. nil: what
	// finds none is forgotten.
	spilled []time.Duration
}

type timed struct {
	id   id
	time time.Duration // since begun
}

// spills is how many instants stand for all that found no place.
const spills = 1 << 12

func newTimes(most int, begun time.Time) *times {
	return &times{most: most, begun: begun, at: map[id]int{}}
}

// get gives the instant of an id; one that has passed when there is none. One that found no
// place before gets what was spilled there, which is its own or a later one; whoever gets it
// keeps it, so that it is in nobody else's way.
func (t *times) get(of id) time.Time {
	if i, ok := t.at[of]; ok {
		return t.begun.Add(t.heap[i].time)
	}
	if t.spilled == nil {
		return time.Time{}
	}
	at := &t.spilled[of.spill()]
	got := t.begun.Add(*at)
	*at = 0
	return got
}

// set keeps an instant. When there are too many the earliest of all goes.
func (t *times) set(of id, to, now time.Time) {
	since, past := to.Sub(t.begun), now.Sub(t.begun)
	if i, ok := t.at[of]; ok {
		t.heap[i].time = since
		heap.Fix(t, i)
		return
	}
	// Two that have passed for each one that comes get rid of all, and hold nobody up.
	for range 2 {
		if len(t.heap) > 0 && t.heap[0].time <= past {
			heap.Pop(t)
		}
	}
	if len(t.heap) >= t.most {
		t.spill(heap.Pop(t).(timed))
	}
	heap.Push(t, timed{of, since})
}

func (t *times) spill(lost timed) {
	if t.spilled != nil {
		at := &t.spilled[lost.id.spill()]
		*at = max(*at, lost.time)
	}
}

func (of id) spill() uint64 { return binary.BigEndian.Uint64(of[:]) % spills }

// Len is [heap.Interface]'s.
func (t *times) Len() int { return len(t.heap) }

// Less is [heap.Interface]'s.
func (t *times) Less(i, j int) bool { return t.heap[i].time < t.heap[j].time }

// Swap is [heap.Interface]'s.
func (t *times) Swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.at[t.heap[i].id], t.at[t.heap[j].id] = i, j
}

// Push is [heap.Interface]'s.
func (t *times) Push(x any) {
	t.at[x.(timed).id] = len(t.heap)
	t.heap = append(t.heap, x.(timed))
}

// Pop is [heap.Interface]'s.
func (t *times) Pop() any {
	last := t.heap[len(t.heap)-1]
	t.heap = t.heap[:len(t.heap)-1]
	delete(t.at, last.id)
	return last
}
