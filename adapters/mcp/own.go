package mcp

import (
	"context"
	"log/slog"
	"strings"

	"capd/engine/plan"
	"capd/engine/portable"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// ownTool is a tool of capd's own, which a catalogue has beside those that documents declare.
// It is called like any other: its result passes through the SDK, and an error of call that
// is a [plan.Error] is told as that of a declared tool.
type ownTool struct {
	listing *sdk.Tool // Name is the wished one: a declared name comes first
	call    func(ctx context.Context, c *pendingCall) (*sdk.CallToolResult, error)
	reads   bool // it gives the rest of results that were cut
}

// own gives capd's own tools for the catalogue of a view.
func (e *endpoint) own(v *plan.View) []*ownTool { return restTools(v) }

// addOwn puts a tool of capd's own behind the declared ones. A declared name stays what it is:
// ours then gets a number.
func (c *catalogue) addOwn(t *ownTool) {
	listing := *t.listing
	listing.Name = portable.Unique(listing.Name, c.has)
	e := &entry{name: listing.Name, own: &ownTool{&listing, t.call, t.reads}}
	c.list(e)
	c.tools[e.name] = e
}

// list puts an entry behind the listed ones.
func (c *catalogue) list(e *entry) {
	e.at = len(c.listed)
	c.listed = append(c.listed, e)
}

// has reports whether a name is taken, whatever its case: some clients fold it.
func (c *catalogue) has(name string) bool {
	for taken := range c.tools {
		if strings.EqualFold(taken, name) {
			return true
		}
	}
	return false
}

// whose gives the document of a tool, for the log; capd's own are of none.
func (e *entry) whose() string {
	if e.own != nil {
		return ""
	}
	return e.exposure.Unit.ID
}

// operation is what a call of the tool runs; nil when it is refused, or capd's own.
func (e *entry) operation() *plan.Operation {
	if e.own != nil {
		return nil
	}
	return e.tool.Operation
}

// attr names a tool in the log: as it is declared.
func (e *entry) attr() slog.Attr {
	if e.own != nil {
		return slog.String("tool", e.name)
	}
	return slog.String("tool", e.tool.Name)
}
