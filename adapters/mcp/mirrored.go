package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// mirrored are the tools that the SDK knows beside the dispatcher: those whose schemas have
// clients repeat arguments in headers (x-mcp-header; specification 2026-07-28). The SDK then
// refuses calls whose headers say something else than their bodies; apart from that their
// calls take the way of all others. It reads the schema of such a tool with every call.
type mirrored struct {
	mu    sync.Mutex
	known map[string][]byte // schemas by published name
}

// update makes s know the tools of c, and forget others.
func (m *mirrored) update(e *endpoint, s *sdk.Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.known
	m.known = map[string][]byte{}
	for _, t := range e.now().catalogue().listed {
		if t.own != nil || !t.tool.Mirrored {
			continue
		}
		schema := t.surface().schema
		if bytes.Equal(before[t.name], schema) || e.addMirrored(s, t.name, schema) {
			m.known[t.name] = schema
		}
	}
	for name := range before {
		if m.known[name] == nil {
			s.RemoveTools(name)
		}
	}
}

// addMirrored reports whether the SDK takes the schema. Those that no client takes are told when
// documents are loaded; what else it does not take costs the comparison, and not the tool.
func (e *endpoint) addMirrored(s *sdk.Server, name string, schema []byte) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			e.opts.Logger.Warn("the headers that repeat arguments of an MCP tool are not compared", e.name, "tool", name, "why", fmt.Sprint(p))
		}
	}()
	s.AddTool(&sdk.Tool{Name: name, InputSchema: json.RawMessage(schema)}, dispatch)
	return true
}
