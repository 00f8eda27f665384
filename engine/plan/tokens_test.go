package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

func TestEstimateTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                     0,
		" \n\t":                0,
		"room":                 1,
		"list rooms":           2,
		"internationalization": 3,
		"listRoomCodes":        3,
		"HTTPServer":           2,
		"list_room-codes":      5,
		"2026-07-28":           6,
		`{"type":"object"}`:    5,
		"会議室の一覧":               6,
		"комната":              2,
	} {
		if got := plan.EstimateTokens(text); got != want {
			t.Errorf("EstimateTokens(%q) = %d, want %d", text, got, want)
		}
	}
}

// TestTokenCost: only what an author should look at is a finding, of a tool and of all tools
// of an adapter.
func TestTokenCost(t *testing.T) {
	t.Parallel()
	words := func(n int) string { return strings.TrimSpace(strings.Repeat("room ", n)) }
	for _, tc := range []struct {
		name         string
		tools, words int
		refused      bool
		want         []string
	}{
		{name: "little", tools: 10, words: 400},
		{name: "a tool", tools: 2, words: 1100, want: []string{
			"info tool t0 costs a model about 1111 tokens in every conversation", "info tool t1 costs a model about 1111 tokens in every conversation",
		}},
		{name: "an adapter", tools: 20, words: 400, want: []string{
			"info the 20 tools of this adapter cost a model about 8220 tokens in every conversation; most of all t0 (411), t1 (411), t2 (411)",
		}},
		{name: "too many", tools: 100, words: 400, want: []string{
			"warning the 100 tools of this adapter cost a model about 41100 tokens in every conversation; most of all t0 (411), t1 (411), t2 (411)",
		}},
		{name: "refused ones cost nothing", tools: 100, words: 2000, refused: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			call := "api.get"
			if tc.refused {
				call = "api.nothing"
			}
			var tools strings.Builder
			for i := range tc.tools {
				fmt.Fprintf(&tools, "    - { name: t%d, description: %s, call: %s }\n", i, words(tc.words), call)
			}
			u, found := compileText(t, tools.String())
			var got []string
			for _, d := range found {
				if d.Code == diag.CodeTokenCost {
					got = append(got, d.Severity.String()+" "+d.Message)
				}
			}
			if strings.Join(got, "\n") != strings.Join(tc.want, "\n") {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tc.want, "\n"))
			}
			x := u.Exposures[0]
			v := &plan.View{Members: []plan.Member{{Exposure: x, Tools: x.Tools}}}
			sum := 0
			for _, tool := range x.Tools {
				if tool.Refusal == nil {
					sum += tool.Tokens()
				}
			}
			if v.Tokens() != sum {
				t.Errorf("the view costs %d, its tools %d", v.Tokens(), sum)
			}
		})
	}
}

// TestMaxResultSize: what a tool says of how it is shown wins over its adapter.
func TestMaxResultSize(t *testing.T) {
	t.Parallel()
	u, found := compileText(t, strings.Join([]string{
		"    - { name: a, call: api.get }",
		"    - { name: b, call: api.get, portable: true, maxResultSize: 2MiB }",
		"    - { name: c, call: api.get, portable: false, maxResultSize: 12 }",
		"    - { name: d, call: api.get, maxResultSize: much }",
		"    portable: false",
		"    maxResultSize: 64KiB",
	}, "\n")+"\n")
	var got strings.Builder
	for _, tool := range u.Exposures[0].Tools {
		fmt.Fprintln(&got, tool.Name, tool.AsDeclared, tool.MaxResult)
	}
	if want := "a true 65536\nb false 2097152\nc true 1024\nd true 65536\n"; got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	var texts []string
	for _, d := range found {
		texts = append(texts, d.Message)
	}
	if want := `maxResultSize is 12, and the least is 1KiB|"much" is no size, so it sets no limit`; strings.Join(texts, "|") != want {
		t.Errorf("found %q", texts)
	}
}

// compileText compiles a document with these tools.
func compileText(t *testing.T, tools string) (*plan.Unit, diag.List) {
	t.Helper()
	doc, found := spec.Parse("rooms.yaml", []byte("naftiko: 1.0.0-alpha2\ncapability:\n  consumes:\n  - type: http\n    namespace: api\n    baseUri: https://api.example.test\n"+
		"    resources:\n    - path: /rooms\n      operations:\n      - { name: get, method: GET }\n  exposes:\n  - type: mcp\n    namespace: rooms\n    port: 9090\n    tools:\n"+tools), spec.Limits{})
	if doc == nil {
		t.Fatal(found)
	}
	u, more := plan.Compile(doc, nil)
	if u == nil {
		t.Fatal(more)
	}
	return u, append(found, more...)
}
