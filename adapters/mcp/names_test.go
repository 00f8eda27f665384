package mcp

import (
	"slices"
	"strings"
	"testing"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestPublishedNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 70)
	tests := map[string]struct{ declared, want []string }{
		"names every client takes stay":     {[]string{"list-rooms", "get_room", "X1"}, []string{"list-rooms", "get_room", "X1"}},
		"a dot becomes an underscore":       {[]string{"list-openapi.yml"}, []string{"list-openapi_yml"}},
		"too long is cut":                   {[]string{long}, []string{long[:64]}},
		"two cuts differ":                   {[]string{long + "1", long + "2"}, []string{long[:64], long[:62] + "_2"}},
		"a declared name wins over aliases": {[]string{"a.b", "a_b"}, []string{"a_b_2", "a_b"}},
		"case alone does not tell apart":    {[]string{"Get", "get"}, []string{"Get", "get_2"}},
		"nothing usable":                    {[]string{"..."}, []string{"tool"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tools []*plan.Tool
			for _, n := range tt.declared {
				tools = append(tools, &plan.Tool{Name: n})
			}
			if got := publish(tools); !slices.Equal(got, tt.want) {
				t.Errorf("publish(%q) = %q, want %q", tt.declared, got, tt.want)
			}
		})
	}
}

func TestRefusedToolKeepsItsName(t *testing.T) {
	t.Parallel()
	c := newCatalogue(plan.Single(&plan.Mount{Exposure: &plan.Exposure{Unit: &plan.Unit{}, Tools: []*plan.Tool{
		{Name: "a_b", Refusal: &plan.Refusal{Code: "no-call", Reason: "there is no call"}},
		{Name: "a.b", InputSchema: []byte(anyObject)},
	}}}))
	if len(c.listed) != 1 || c.listed[0].name != "a_b_2" {
		t.Fatalf("listed %v, want the served tool alone, as a_b_2", c.listed)
	}
	if c.tools["a_b"].tool.Refusal == nil {
		t.Error("the refused tool's name leads to another tool")
	}
	if c.tools["a.b"] == nil || c.tools["a.b"] != c.tools["a_b_2"] {
		t.Error("the declared name and the alias are not one tool")
	}
}

// TestOwnToolsGiveWay: a tool of capd's own never takes a name from a declared one, whatever
// its case, and is listed behind them.
func TestOwnToolsGiveWay(t *testing.T) {
	t.Parallel()
	for declared, want := range map[string]string{"other": "search", "search": "search_2", "Search": "search_2"} {
		c := newCatalogue(plan.Single(&plan.Mount{Exposure: &plan.Exposure{Unit: &plan.Unit{}, Tools: []*plan.Tool{
			{Name: declared, InputSchema: []byte(anyObject)},
		}}}), &ownTool{listing: &sdk.Tool{Name: "search"}})
		if len(c.listed) != 2 || c.listed[0].name != declared || c.listed[1].listing().Name != want || c.tools[want].own == nil || c.tools[declared].own != nil {
			t.Errorf("beside %s it is %q, want %q", declared, c.listed[1].name, want)
		}
	}
}
