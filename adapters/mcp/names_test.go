package mcp

import (
	"testing"

	"capd/engine/plan"
	"capd/engine/portable"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

func TestRefusedToolKeepsItsName(t *testing.T) {
	t.Parallel()
	c := newCatalogue(plan.Single(&plan.Mount{Exposure: &plan.Exposure{Unit: &plan.Unit{}, Tools: []*plan.Tool{
		{Name: "a_b", Refusal: &plan.Refusal{Code: "no-call", Reason: "there is no call"}},
		{Name: "a.b", InputSchema: []byte(portable.AnyObject)},
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
			{Name: declared, InputSchema: []byte(portable.AnyObject)},
		}}}), &ownTool{listing: &sdk.Tool{Name: "search"}})
		if len(c.listed) != 2 || c.listed[0].name != declared || c.listed[1].listing().Name != want || c.tools[want].own == nil || c.tools[declared].own != nil {
			t.Errorf("beside %s it is %q, want %q", declared, c.listed[1].name, want)
		}
	}
}
