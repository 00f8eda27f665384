package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Words that mean something in one kind of adapter and nothing in another.

// noteMisplaced reports the words of an adapter that belong to adapters of another type.
func (c *compiler) noteMisplaced(e *spec.Exposed, kind Kind, unit diag.Unit) {
	switch {
	case kind == REST:
		c.misplaced(e.Node, unit, "adapters of type mcp", "transport", "ttlMs", "cacheScope", "icons", "outputValidation", "portable", "maxResultSize", "toolsets")
		if len(e.Tools) == 0 {
			break
		}
		c.note(diag.Warning, unit, faultf(diag.CodeNotHonoured, "", e.Node.Get("tools").Span(), "an adapter of type rest serves no tools").
			hintf("write them into an adapter of type mcp, or write resources with operations"))
	case kind == MCP:
		if e.Auth != nil && strings.EqualFold(e.Transport.Value, transportStdio) {
			c.note(diag.Warning, unit, faultf(diag.CodeNotHonoured, "D4", e.Auth.Span(), "authentication has no effect with transport stdio: who can start capd has the document and its secrets").
				hintf("leave it out, or serve the adapter over HTTP"))
		}
		if t := e.Transport; t.Value != "" && !strings.EqualFold(t.Value, transportStdio) && !strings.EqualFold(t.Value, "http") {
			c.note(diag.Warning, unit, faultf(diag.CodeNotHonoured, "", t.Span(), "transport %s is not defined; the adapter is served over HTTP", t.Value).
				hintf("write transport: http, or leave it out"))
		}
		for i := range e.Tools {
			unit.Name = e.Tools[i].Name.Value
			c.misplaced(e.Tools[i].Node, unit, "operations of adapters of type rest", "method", "path", "responses", "responseBinary")
		}
	}
	for i := range e.Resources {
		for j := range e.Resources[i].Operations {
			o := &e.Resources[i].Operations[j]
			unit.Name = o.Name.Value
			c.misplaced(o.Node, unit, "tools", "hints", "content", "isError", "inputSchema", "outputSchema", "outputValidation", "icons", "portable", "maxResultSize")
		}
	}
}

// misplaced reports those words of a mapping that have no effect there.
func (c *compiler) misplaced(v *spec.Value, unit diag.Unit, belongs string, words ...string) {
	for i := range v.Members {
		m := &v.Members[i]
		if m.Value.Kind != spec.Null && slices.Contains(words, m.Key.Value) {
			c.note(diag.Info, unit, faultf(diag.CodeNotHonoured, "", m.Key.Span(), "%s has no effect here; it belongs to %s", m.Key.Value, belongs))
		}
	}
}

// judgeTransport says why nothing of an API is called: it is none of HTTP, or stands behind
// a tunnel.
func (c *compiler) judgeTransport(api *spec.Consumed) *fault {
	switch strings.ToLower(api.Type.Value) {
	case "", "http", "https", "rest":
		return c.judgeTunnel(api)
	}
	return faultf(diag.CodeUnsupportedFeature, "C1", api.Type.Span(), "%s is an API of type %s, and only HTTP APIs are called", api.Namespace.Value, api.Type.Value).
		hintf("write type: http")
}
