package rest

import (
	"fmt"
	"testing"

	"capd/engine/plan"
)

// BenchmarkFind looks one request up among more and more routes: the figures should stay
// about the same.
func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 1_000, 10_000} {
		x := &plan.Exposure{}
		for i := range n / 5 {
			for _, form := range []string{
				"GET /v1/things-%d", "GET /v1/things-%d/{id}", "POST /v1/things-%d/{id}:run", "GET /v1/report-%d-{id}.csv", "GET /v1/{id}/part-%d",
			} {
				x.Routes = append(x.Routes, parseRoute(b, fmt.Sprintf(form, i)))
			}
		}
		table := newTable(x)
		for _, request := range []struct{ name, method, path string }{
			{"literal", "GET", "/v1/things-1"},
			{"placeholder", "GET", "/v1/things-1/42"},
			{"mixed", "GET", "/v1/report-1-42.csv"},
			{"backtrack", "GET", "/v1/things-1/part-1"},
			{"unknown", "GET", "/v2/things-1"},
		} {
			b.Run(fmt.Sprintf("%s/routes=%d", request.name, n), func(b *testing.B) {
				b.ReportAllocs()
				var s search // as a call has one already
				for b.Loop() {
					s = search{}
					segments, _ := splitPath(request.path, true, s.segments[:0])
					m := s.find(table, request.method, segments, "")
					if (m.entry == nil) != (request.name == "unknown") {
						b.Fatal("wrong answer")
					}
				}
			})
		}
	}
}

// BenchmarkNewTable builds the table of 10,000 routes.
func BenchmarkNewTable(b *testing.B) {
	x := &plan.Exposure{}
	for i := range 10_000 {
		x.Routes = append(x.Routes, parseRoute(b, fmt.Sprintf("GET /v1/things-%d/{id}/parts/{part}", i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		newTable(x)
	}
}
