package mcp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"capd/adapters/mcp"
	"capd/adapters/memory"
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

const (
	room7 = `{"id":"7"}`
	aYes  = `{"confirm":{"action":"accept"}}`
)

// wasUsed reports whether an answer says that the state was used.
func wasUsed(a answer) bool {
	return a.status == http.StatusBadRequest && len(a.messages) == 1 && a.messages[0].Error != nil &&
		a.messages[0].Error.Code == jsonrpc.CodeInvalidParams && strings.Contains(a.body, "made with it already")
}

// identified gives each request an ID of its own, as the listener of an engine does.
func (h *house) identified() {
	inner := *h.handler.Load()
	var outer http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(plan.WithCaller(r.Context(), &plan.Caller{RequestID: rand.Text()})))
	})
	h.handler.Store(&outer)
}

// TestAskedOnce: a yes makes one call, however often and at however many replicas it is sent.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	o := mcp.Options{StateKey: []byte("shared"), Once: memory.New(memory.Options{})}
	a, sentByA := counted(t, o)
	b, sentByB := counted(t, o)
	sent := func() int { return len(sentByA()) + len(sentByB()) }
	a.identified()
	b.identified()

	_, state := required(t, a.round("delete", room7, elicits, ""))
	var done, used atomic.Int32
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			got := []*house{a, b}[i%2].round("delete", room7, elicits, with(state, aYes))
			switch {
			case strings.Contains(got.body, "done /rooms/7"):
				done.Add(1)
			case wasUsed(got):
				used.Add(1)
			default:
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	group.Wait()
	if done.Load() != 1 || used.Load() != 19 || sent() != 1 {
		t.Errorf("%d done, %d refused, %d sent", done.Load(), used.Load(), sent())
	}

	// Who calls anew is asked anew, also when it is the same call: here two at the same time.
	_, first := required(t, a.round("delete", room7, elicits, ""))
	_, second := required(t, b.round("delete", room7, elicits, ""))
	for _, s := range []string{first, second} {
		if got := a.round("delete", room7, elicits, with(s, aYes)); !strings.Contains(got.body, "done /rooms/7") {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if sent() != 3 {
		t.Errorf("%d sent", sent())
	}
}

// TestAskedOnceInRounds: going back to the state of an earlier round is allowed, since an answer
// can be lost on its way; all that comes of it is still good for one call.
func TestAskedOnceInRounds(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{Once: memory.New(memory.Options{})})
	details, reason := `{"details":{"action":"accept","content":{"colour":"red"}}}`, `{"reason":{"action":"accept","content":{"why":"x"}}}`
	_, zero := required(t, h.round("colour", `{}`, elicits, ""))
	_, one := required(t, h.round("colour", `{}`, elicits, with(zero, details)))
	_, again := required(t, h.round("colour", `{}`, elicits, with(zero, details)))
	var last []string
	for _, s := range []string{one, one, again} {
		_, two := required(t, h.round("colour", `{}`, elicits, with(s, reason)))
		last = append(last, two)
	}
	for i, s := range last {
		got := h.round("colour", `{}`, elicits, with(s, aYes))
		if done := strings.Contains(got.body, "done /rooms/red?why=x"); done != (i == 0) || !done && !wasUsed(got) {
			t.Errorf("%d: %d %s", i, got.status, got.body)
		}
	}
	if len(sent()) != 1 {
		t.Errorf("sent %v", sent())
	}
}

// TestAskedNoLonger: rounds cannot be spun out until nobody remembers that the call was made.
func TestAskedNoLonger(t *testing.T) {
	t.Parallel()
	const rounds = 12
	var questions, answers strings.Builder
	for i := range rounds {
		fmt.Fprintf(&questions, "        - {name: q%d, message: 'And?', fields: {v: {required: true}}}\n", i)
		fmt.Fprintf(&answers, `,"q%d":{"action":"accept","content":{"v":"x"}}`, i)
	}
	spec := strings.Replace(asking, "        confirm: 'Delete room {{id}}?'\n", "        ask:\n"+questions.String(), 1)
	var passed atomic.Int64
	now := func() time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(passed.Load())) }
	store := memory.New(memory.Options{Now: now})
	h := open(t, map[string]string{"ask": spec}, mcp.Options{Now: now, Once: store})
	sent := 0
	h.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		sent++
		return response(200, "text/plain", "done"), nil
	})
	all := func() string { return "{" + answers.String()[1:] + "}" }
	_, state := required(t, h.round("delete", room7, elicits, ""))
	early := state
	for range rounds - 1 { // the whole flow at once, to its call
		_, state = required(t, h.round("delete", room7, elicits, with(state, all())))
	}
	if h.round("delete", room7, elicits, with(state, all())); sent != 1 {
		t.Fatalf("%d sent", sent)
	}
	// And once more from the first state, with nine minutes for each answer.
	state = early
	for round := 0; ; round++ {
		passed.Add(int64(9 * time.Minute))
		got := h.round("delete", room7, elicits, with(state, all()))
		if got.status == http.StatusBadRequest {
			if !strings.Contains(got.body, "expired") || round != 6 {
				t.Errorf("after %v: %s", time.Duration(passed.Load()), got.body)
			}
			break
		}
		_, state = required(t, got)
	}
	if sent != 1 {
		t.Errorf("%d sent", sent)
	}
}

// TestAskedAndUnknown: when nobody can tell whether the answers were used, they are not.
func TestAskedAndUnknown(t *testing.T) {
	t.Parallel()
	h, sent := counted(t, mcp.Options{Once: noMemory{}})
	_, state := required(t, h.round("delete", room7, elicits, ""))
	got := h.round("delete", room7, elicits, with(state, aYes))
	if !strings.Contains(got.body, "try again") || !strings.Contains(got.body, `"capd/code":"overloaded"`) || len(sent()) != 0 {
		t.Errorf("%d %s, sent %v", got.status, got.body, sent())
	}
}

type noMemory struct{}

func (noMemory) Claim(context.Context, string, time.Duration) (bool, error) {
	return false, errors.New("gone")
}
