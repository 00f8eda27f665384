package rest

import (
	"net/http/httptest"
	"sync"
	"testing"

	"capd/engine/plan"
)

// TestDescriptionsAreMadeWhenAsked: an API that nobody asks about costs nothing, one that is
// asked about is described once.
func TestDescriptionsAreMadeWhenAsked(t *testing.T) {
	t.Parallel()
	u := &plan.Unit{ID: "rooms"}
	x := exposure(t, u, "first", "GET /a/{id}")
	s := newSite(&plan.Listener{Addr: addr, Mounts: []*plan.Mount{mount(x, true, "rooms")}}, &table{}, newLazyTable)
	srv := &server{opts: New(Options{}).opts, bound: bound(t, &plan.Plan{}), calls: newCalls(), buffers: newBuffers()}
	h := srv.handler(s)
	m, _ := s.mounts.longest([]string{"rooms"})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/apis/rooms", nil))
	if m.description.made.Load() != nil {
		t.Fatal("the description is there before anyone asks for it")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/apis/rooms/openapi.json", nil))
			if w.Code != 200 {
				t.Error(w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	made := m.description.made.Load()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/apis/rooms/openapi.json", nil))
	if made == nil || m.description.made.Load() != made {
		t.Error("the description is made again")
	}
}
