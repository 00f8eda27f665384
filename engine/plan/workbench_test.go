package plan

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestLentMemoryIsBounded: however many calls end at once, little of what they used is kept for the next ones.
func TestLentMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var w workbenches
	bodies, renderings := make([]*[]byte, 64), make([]*rendering, 64)
	for i := range bodies {
		bodies[i], renderings[i] = w.body(), w.rendering()
		*bodies[i], renderings[i].text = make([]byte, 0, 1<<20), make([]byte, 0, 1<<20)
	}
	var group sync.WaitGroup
	for i := range bodies {
		group.Go(func() { w.takeBody(bodies[i]); w.takeRendering(renderings[i]) })
	}
	group.Wait()
	kept := 0
	for range bodies {
		kept += cap(*w.body()) + cap(w.rendering().text)
	}
	if kept > 2*maxStock {
		t.Errorf("%d bytes are kept", kept)
	}
	// Nothing is left, whoever took it: what comes back next is kept.
	w.body()
	if !w.bodiesAtHand.takes(1 << 20) {
		t.Error("nothing is at hand, and nothing is taken")
	}
}

// TestManyCompletions: what is remembered of a list to choose from is bounded.
func TestManyCompletions(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	for i := range 2 * maxCounted {
		fmt.Fprintf(&list, ",%d", i)
	}
	c := &Completion{Operation: &Operation{}}
	values, total, err := c.Chosen("", []byte("["+list.String()[1:]+"]"))
	if len(values) != MaxCompletions || total != maxCounted || err != nil {
		t.Errorf("%d of %d: %v", len(values), total, err)
	}
	if values, total, err = c.Chosen("1", []byte(`["1a", "b", 12, null, {"1": 1}, "1a"]`)); fmt.Sprint(values, total, err) != "[1a 12] 2 <nil>" {
		t.Errorf("%v of %d: %v", values, total, err)
	}
}
