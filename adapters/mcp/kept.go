package mcp

import (
	"container/list"
	"crypto/rand"
	"sync"
	"time"

	"capd/engine/plan"
)

// What is kept of results that were cut, by this process.
const (
	maxKept      = 64 << 20 // bytes in total
	maxKeptEntry = 16 << 20 // bytes of one result
	keepFor      = 10 * time.Minute
)

// keptResults are the results that were cut, so that their rest can be read. They are in
// memory only: another replica has them not, and a restart loses them.
type keptResults struct {
	now func() time.Time

	mu    sync.Mutex
	byID  map[string]*list.Element
	order *list.List // of *keptResult, the last used one first
	bytes int
	of    map[string]int // bytes of each document
	timer *time.Timer
}

// keptResult is a result that can be read in parts.
type keptResult struct {
	id    string
	owner owner
	quota *plan.Quota // of the document, which holds it
	whole whole
	limit int // bytes of a part
	used  time.Time
}

// owner is who may read a kept result: whoever calls the same endpoint as the same caller.
type owner struct {
	endpoint *endpoint
	caller   any // nil where everybody may call
}

func newKeptResults(now func() time.Time) *keptResults {
	return &keptResults{now: now, byID: map[string]*list.Element{}, order: list.New(), of: map[string]int{}}
}

// keep gives the ID of a result of a document that is kept from now on; empty when it is too
// large, or the document holds as much as it may. The document of which most is kept makes room,
// with what was not used for longest: none pushes out what others need.
func (k *keptResults) keep(o owner, q *plan.Quota, w whole, limit int) string {
	size := w.size()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire()
	if size > maxKeptEntry || !q.Hold(int64(size)) {
		return ""
	}
	k.of[q.Document()] += size
	for k.bytes+size > maxKept {
		k.drop(k.last(k.largest()))
	}
	r := &keptResult{id: rand.Text(), owner: o, quota: q, whole: w, limit: limit, used: k.now()}
	k.byID[r.id] = k.order.PushFront(r)
	k.bytes += size
	if k.timer == nil {
		k.timer = time.AfterFunc(keepFor, k.tick)
	}
	return r.id
}

// find gives a kept result to its owner; nil when there is none.
func (k *keptResults) find(o owner, id string) *keptResult {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.expire()
	e := k.byID[id]
	if e == nil || e.Value.(*keptResult).owner != o {
		return nil
	}
	r := e.Value.(*keptResult)
	r.used = k.now()
	k.order.MoveToFront(e)
	return r
}

// expire drops what was not used for the time that results are kept.
func (k *keptResults) expire() {
	limit := k.now().Add(-keepFor)
	for e := k.order.Back(); e != nil && !e.Value.(*keptResult).used.After(limit); e = k.order.Back() {
		k.drop(e)
	}
}

// largest gives the document of which most is kept.
func (k *keptResults) largest() (out string) {
	most := -1
	for document, bytes := range k.of {
		if bytes > most {
			out, most = document, bytes
		}
	}
	return out
}

// last gives what was used longest ago, of a document if there is any of it.
func (k *keptResults) last(of string) *list.Element {
	for e := k.order.Back(); e != nil; e = e.Prev() {
		if e.Value.(*keptResult).quota.Document() == of {
			return e
		}
	}
	return k.order.Back()
}

func (k *keptResults) drop(e *list.Element) {
	r := k.order.Remove(e).(*keptResult)
	size := r.whole.size()
	delete(k.byID, r.id)
	k.bytes -= size
	r.quota.Release(int64(size))
	document := r.quota.Document()
	if k.of[document] -= size; k.of[document] <= 0 {
		delete(k.of, document)
	}
}

// tick gives memory back when nobody calls.
func (k *keptResults) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.expire(); k.order.Len() > 0 {
		k.timer.Reset(keepFor)
		return
	}
	k.timer = nil
}
