package plan

import (
	"os"
	"strings"
	"testing"

	"capd/engine/spec"
)

// TestSegments: what a path of a policy matches, and what routes reach into it.
func TestSegments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, path         string
		match, above, overlap bool
	}{
		{"team-a/**", "team-a/rooms", true, true, true},
		{"team-a/**", "team-a", true, true, true},
		{"team-a/**", "team-ab/rooms", false, false, false},
		{"team-a/*", "team-a/x/y", false, false, false},
		{"*/public/**", "b/public/x/y", true, true, true},
		{"**/x", "a/b/x", true, true, true},
		{"**/x", "x", true, true, true},
		{"a/**/b", "a/b", true, true, true},
		{"a/**/b", "a/x/y/b", true, true, true},
		{"a/**/b", "a/x/y/c", false, true, false},
		{"a/b/c", "a/b", false, true, false},
		{"v*1/x", "v-beta-1/x", true, false, true},
		{"orders/**", "{}/1", false, false, true},
		{"orders/x", "{}/{}", false, false, true},
		{"orders/x", "{}/y", false, false, false},
		{"orders/x/y", "orders/~", false, false, true},
	} {
		s, problem := parseSegments(tt.pattern)
		if problem != "" {
			t.Fatal(problem)
		}
		names := strings.Split(tt.path, "/")
		if got := s.match(names); got != tt.match {
			t.Errorf("%s matches %s: %v", tt.pattern, tt.path, got)
		}
		if got := s.above(names); got != tt.above && !strings.ContainsAny(tt.path, "{~") {
			t.Errorf("%s is above %s: %v", tt.pattern, tt.path, got)
		}
		var route []Segment
		for _, n := range names {
			switch n {
			case "{}":
				route = append(route, Segment{{Param: 0}})
			case "~":
				route = append(route, Segment{{Param: 0, Many: true}})
			default:
				route = append(route, Segment{{Literal: n, Param: -1}})
			}
		}
		if got := s.overlaps(route); got != tt.overlap {
			t.Errorf("%s overlaps %s: %v", tt.pattern, tt.path, got)
		}
	}
}

// TestGrantsAddUp: rules add, denials win, the smallest limit counts, and a rule that only tags
// match cannot give.
func TestGrantsAddUp(t *testing.T) {
	t.Parallel()
	p, found := ReadPolicy("policy.yaml", []byte(`policy: 1
rules:
- { allow: { variables: [SHARED_*] }, limits: { calls: 50, rate: 100/s } }
- { match: { path: [team-a/**, team-c/**] }, allow: { variables: [TEAM_A_*] }, deny: { variables: ['*_ROOT'] }, limits: { calls: 100, memory: 1MiB, rate: {count: 60, period: 1m} } }
- { match: { path: team-a/**, tags: public }, allow: { variables: [PUBLIC] }, limits: { calls: 7 } }
`), spec.Limits{})
	if p == nil || len(found) > 0 {
		t.Fatal(found)
	}
	for _, tt := range []struct {
		id, tags, variable string
		want               bool
	}{
		{"team-b/x", "", "SHARED_X", true}, {"team-b/x", "", "TEAM_A_X", false}, {"team-b/x", "public", "PUBLIC", false},
		{"team-a/x", "", "SHARED_X", true}, {"team-a/x", "", "TEAM_A_X", true}, {"team-a/x", "", "SHARED_ROOT", false},
		{"team-a/x", "public", "PUBLIC", true}, {"team-a/x", "", "PUBLIC", false}, {"", "public", "PUBLIC", false},
		{"team-c/x", "", "TEAM_A_X", true},
	} {
		g := p.Grant(tt.id, strings.Fields(tt.tags))
		if d := g.variable(&Variable{Source: tt.variable}); (d == nil) != tt.want {
			t.Errorf("%s %s reads %s: %v", tt.id, tt.tags, tt.variable, d)
		}
	}
	if got, want := p.Grant("team-a/x", []string{"public"}).Caps(), (Caps{Calls: 7, Memory: 1 << 20, Rate: Rate{60, 60e9, 60}}); got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
	if p.Grant("team-a/x", nil) != p.Grant("team-c/y", nil) || p.Grant("team-a/x", nil).Key() == p.Grant("team-b/x", nil).Key() {
		t.Error("grants of the same rules are one, of others are not")
	}
}

// TestPolicyPage: every example of the page is a policy.
func TestPolicyPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(page), "```yaml\n")[1:]
	if len(examples) < 3 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, text := range examples {
		text, _, _ = strings.Cut(text, "```")
		if p, found := ReadPolicy("policy.yaml", []byte(text), spec.Limits{}); p == nil {
			t.Errorf("%s\n%v", text, found)
		}
	}
}

// TestPolicyResilience: a policy says what holds where a document says nothing, and what holds
// whatever it says, for the calls of one API.
func TestPolicyResilience(t *testing.T) {
	t.Parallel()
	p, found := ReadPolicy("policy.yaml", []byte("policy: 1\ndefault: allow\nrules:\n"+
		"- { match: { namespace: up }, resilience: { retry: { max: 1 }, coalesce: true }, enforce: { maxBody: 1KiB } }\n"), spec.Limits{})
	if p == nil {
		t.Fatal(found)
	}
	for api, want := range map[string]Resilience{
		"up":    {Retry: Retry{Max: 5}, Coalesce: true, MaxBody: 1 << 10},
		"other": {Retry: Retry{Max: 5}, MaxBody: 1 << 20},
	} {
		doc, list := spec.Parse("doc.yaml", []byte(`naftiko: 1.0.0-alpha2
capability:
  consumes:
  - namespace: `+api+`
    baseUri: https://up.example.com
    resilience: { retry: { max: 5 }, maxBody: 1MiB }
    resources: [{ path: /x, operations: [{ name: get, method: GET }] }]
  exposes:
  - type: rest
    port: 8081
    resources: [{ path: /x, operations: [{ method: GET, name: get, call: `+api+`.get }] }]
`), spec.Limits{})
		if doc == nil {
			t.Fatal(list)
		}
		u, list := Compiler{Grant: p.Grant("doc", nil)}.Compile(doc, nil)
		if u == nil {
			t.Fatal(list)
		}
		got := u.operations()[0].Calls()[0].resilience
		if got.Retry.Max != want.Retry.Max || got.Coalesce != want.Coalesce || got.MaxBody != want.MaxBody {
			t.Errorf("%s: %+v, want %+v", api, got, want)
		}
	}
}

// FuzzParsePolicy: no text of a policy does harm, and one that is taken gives every document a
// grant that can be asked anything.
func FuzzParsePolicy(f *testing.F) {
	f.Add("policy: 1\nrules:\n- match: { path: 'a/**' }\n  allow: { hosts: ['*.x:1', 10.0.0.0/8], ports: [1-2], files: [./a], secrets: ['v://a/*'] }\n", "a/b", "http://x:1")
	f.Add("policy: 1\ndefault: allow\nroutes: [{ path: /a/**/b, owner: a }]\nrules: [{ deny: { hosts: ['::1'] }, limits: { rate: 1/s } }]\n", "**", "https://[::1]")
	f.Fuzz(func(t *testing.T, text, id, host string) {
		p, found := ReadPolicy("policy.yaml", []byte(text), spec.Limits{})
		if (p == nil) != found.HasErrors() {
			t.Fatalf("policy %v with %v", p, found)
		}
		g := p.Grant(id, []string{id})
		_ = g.url(host, host)
		_ = g.variable(&Variable{Source: id, Location: &Location{Text: host, Scheme: "vault"}})
		_, _, _ = g.File(id, [][]string{strings.Split(id, "/"), strings.Split(id, "/")}, true)
		segments, _ := compilePattern("/" + id)
		_ = p.owner(segments)
		if p != nil && g.Key() == "" {
			t.Error("a grant without a key")
		}
	})
}
