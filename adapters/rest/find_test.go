package rest_test

import (
	"slices"
	"testing"

	"capd/adapters/rest"
	"capd/engine/plan"
)

func TestFind(t *testing.T) {
	t.Parallel()
	one := func(s string) plan.Segment { return plan.Segment{{Literal: s, Param: -1}} }
	x := &plan.Exposure{Kind: plan.REST}
	x.Routes = []*plan.Route{
		{Name: "read", Method: "GET", Path: "/rooms/{id}", Segments: []plan.Segment{one("rooms"), {{Param: 0}}}, Params: []string{"id"}, Operation: &plan.Operation{}},
		{Name: "drop", Method: "DELETE", Path: "/rooms/{id}", Segments: []plan.Segment{one("rooms"), {{Param: 0}}}, Params: []string{"id"}, Operation: &plan.Operation{}},
	}
	mounts := []*plan.Mount{{Exposure: x, Path: "/apis/team/rooms"}, {Exposure: x, Path: "/apis/team/rooms/api"}}
	for _, c := range []struct {
		method, target, route, value, query string
		methods                             []string
	}{
		{"GET", "/rooms/7?limit=5", "read", "7", "limit=5", nil},
		{"GET", "/apis/team/rooms/rooms/7", "read", "7", "", nil},
		{"DELETE", "/apis/team/rooms/api/rooms/7", "drop", "7", "", nil},
		{"GET", "/rooms/7?limit=50%", "read", "7", "limit=50%", nil},
		{"GET", "/rooms/a%2Fb", "read", "a/b", "", nil},
		{"PUT", "/rooms/7", "", "", "", []string{"DELETE", "GET", "HEAD", "OPTIONS"}},
		{"GET", "/halls/7", "", "", "", nil},
		{"GET", "/rooms/%zz", "", "", "", nil},
		{"GET", "/apis/team/roomsrooms/7", "", "", "", nil},
	} {
		found, methods, ok := rest.Find(mounts, c.method, c.target)
		if ok != (c.route != "") {
			t.Errorf("%s %s: found %v", c.method, c.target, ok)
			continue
		}
		for _, m := range c.methods {
			if !slices.Contains(methods, m) {
				t.Errorf("%s %s: methods %v, want %s among them", c.method, c.target, methods, m)
			}
		}
		if !ok {
			if len(c.methods) == 0 && len(methods) > 0 {
				t.Errorf("%s %s: methods %v, want none", c.method, c.target, methods)
			}
			continue
		}
		if found.Route.Name != c.route || found.Exposure != x || !slices.Equal(found.Path, []string{c.value}) || found.Query != c.query {
			t.Errorf("%s %s: got %s %v %q", c.method, c.target, found.Route.Name, found.Path, found.Query)
		}
	}
}
