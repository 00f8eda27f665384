package rest

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"capd/engine/plan"
)

// TestFirstCallsTogether: the table of an exposure is made by its first call, also when several are the
// first at the same time. Each finds its route.
func TestFirstCallsTogether(t *testing.T) {
	t.Parallel()
	srv := &server{opts: New(Options{}).opts, bound: bound(t, &plan.Plan{}), calls: newCalls(), buffers: newBuffers()}
	for range 20 {
		x := exposure(t, &plan.Unit{ID: "rooms"}, "first", "GET /a/{id}", "GET /a/b", "GET /{any}/c", "GET /x-{n}")
		s := newSite(&plan.Listener{Addr: addr, Mounts: []*plan.Mount{mount(x, true, "rooms")}}, &table{}, newLazyTable)
		m, _ := s.mounts.longest([]string{"rooms"})
		if m.table.made.Load() != nil {
			t.Fatal("the table is there before anyone calls")
		}
		h := srv.handler(s)
		begin, calls := make(chan struct{}), sync.WaitGroup{}
		for range 2 {
			for target, route := range map[string]string{"a/1": "GET /a/{id}", "a/b": "GET /a/b", "z/c": "GET /{any}/c", "x-1": "GET /x-{n}"} {
				calls.Go(func() {
					<-begin
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/apis/rooms/"+target, nil))
					if !strings.Contains(w.Body.String(), "rooms/first "+route+`"`) {
						t.Errorf("%s: %d %s", target, w.Code, w.Body)
					}
				})
			}
		}
		close(begin)
		calls.Wait()
	}
}
