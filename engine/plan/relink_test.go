package plan_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"capd/engine/plan"
	"capd/engine/spec"
)

// TestRelink: what is linked after another plan is what is linked with none before, whichever
// documents came, changed and went: some that have to do with no other, and some that claim what
// others claim.
func TestRelink(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	ids := []string{"a", "b", "c", "team", "team/a", "team/b", "team/a/one", "z"}
	for n := range 30 {
		ids = append(ids, fmt.Sprintf("other/%02d", n))
	}
	now := map[string]*plan.Unit{}
	for _, id := range ids[len(ids)/2:] {
		now[id] = linkable(t, dice, id)
	}
	var prev *plan.Plan
	shared, kept := 0, 0
	for step := range 2000 {
		for range 1 + dice.IntN(2) {
			id := ids[dice.IntN(len(ids))]
			if dice.IntN(4) == 0 {
				delete(now, id)
			} else {
				now[id] = linkable(t, dice, id)
			}
		}
		var units []*plan.Unit
		for _, u := range now {
			units = append(units, u)
		}
		got, found := plan.Link(prev, units, plan.LinkOptions{})
		want, wanted := plan.Link(nil, units, plan.LinkOptions{})
		if a, b := linked(got), linked(want); a != b {
			t.Fatalf("step %d:\ngot\n%s\nwant\n%s", step, a, b)
		}
		if !reflect.DeepEqual(found, wanted) {
			t.Fatalf("step %d:\ngot  %v\nwant %v", step, found, wanted)
		}
		if prev != nil {
			mounts, n := 0, 0
			for _, l := range got.Listeners {
				for _, m := range l.Mounts {
					mounts++
					if old := prev.Listener(l.Addr); old != nil && slices.Contains(old.Mounts, m) {
						n++
					}
				}
			}
			if shared++; n > mounts/2 {
				kept++
			}
		}
		prev = got
	}
	if kept < shared/10 || kept == shared {
		t.Errorf("%d of %d plans share what they have with the one before; both ways must be taken", kept, shared)
	}
}

// linkable makes a document with some adapters. Half of them share their paths with others.
func linkable(t *testing.T, dice *rand.Rand, id string) *plan.Unit {
	t.Helper()
	var b strings.Builder
	b.WriteString("naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n" +
		"  - { type: http, namespace: api, baseUri: 'https://api.example.test', resources: [{ path: /r, operations: [{ name: get, method: GET }] }] }\n  exposes:\n")
	own := "/" + strings.ReplaceAll(id, "/", "-")
	if dice.IntN(3) == 0 {
		own = ""
	}
	for n := range 1 + dice.IntN(3) {
		port := 8080 + dice.IntN(3)
		switch kind := dice.IntN(20); {
		case kind < 10:
			fmt.Fprintf(&b, "  - type: rest\n    namespace: n%d\n    port: %d\n    resources:\n", n, port)
			for k := range 1 + dice.IntN(3) {
				path := []string{"/x", "/x/{id}", "/x/{name}", "/a/one", "/one/x", "/apis/x", "/control/x"}[dice.IntN(7)]
				call := []string{"api.get", "api.get", "api.nothing"}[dice.IntN(3)]
				fmt.Fprintf(&b, "    - path: %s%s\n      operations: [{ name: o%d, method: GET, call: %s }]\n", own, path, k, call)
			}
		case kind < 18:
			fmt.Fprintf(&b, "  - type: mcp\n    namespace: n%d\n    port: %d\n    tools: [{ name: get, description: Get, call: api.get }]\n", n, port)
		case kind < 19:
			fmt.Fprintf(&b, "  - type: skill\n    namespace: n%d\n    port: %d\n    skills: [{ name: %s, description: S }]\n", n, port, []string{"team", "a", "desk"}[dice.IntN(3)])
		default:
			fmt.Fprintf(&b, "  - { type: control, namespace: n%d, port: %d, management: { health: true } }\n", n, port)
		}
	}
	doc, list := spec.Parse(id+".yaml", []byte(b.String()), spec.Limits{})
	if doc == nil {
		t.Fatal(list)
	}
	doc.ID = id
	u, list := plan.Compile(doc, nil)
	if u == nil {
		t.Fatal(list)
	}
	return u
}

// linked writes what is served where.
func linked(p *plan.Plan) string {
	var b strings.Builder
	mount := func(m *plan.Mount) string {
		if m == nil {
			return "none"
		}
		return fmt.Sprintf("%s %p %q %v", m.Path, m.Exposure, m.Segments, m.Main)
	}
	for _, u := range p.Units {
		fmt.Fprintf(&b, "%s %p\n", u.ID, u)
	}
	for _, l := range p.Listeners {
		fmt.Fprintf(&b, "%s sole %s, %s\n", l.Addr, mount(l.SoleMCP), mount(l.SoleControl))
		for _, m := range l.Mounts {
			fmt.Fprintf(&b, "  %s\n", mount(m))
		}
		for _, r := range l.Bare {
			fmt.Fprintf(&b, "  bare %s %s %p %p\n", r.Route.Method, r.Route.Path, r.Exposure, r.Route)
		}
		for _, s := range l.Skills {
			fmt.Fprintf(&b, "  skill %p %p\n", s.Exposure, s.Skill)
		}
	}
	return b.String()
}
