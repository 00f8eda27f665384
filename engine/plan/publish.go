package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// MaxSchema is the largest input schema that all clients take, in bytes: some drop a tool
// whose schema is larger, and say nothing.
const MaxSchema = 16 << 10

// minResult is the least that a result may be limited to: less is not worth a call.
const minResult = 1 << 10

// publishTool reads how a tool is shown to clients, and its results. What a tool says wins
// over what its adapter says.
func (c *compiler) publishTool(e *spec.Exposed, x *exposed, t *Tool) {
	t.AsDeclared = x.decl.Portable == spec.False || e.Portable == spec.False && x.decl.Portable == spec.Unset
	c.judgeMirrored(x, t)
	for _, size := range []spec.Text{x.decl.MaxResult, e.MaxResult} {
		if n, ok := c.resultSize(size, x.unit); ok {
			t.MaxResult = n
			break
		}
	}
	n := len(t.InputSchema)
	if n <= MaxSchema {
		return
	}
	f := faultf(diag.CodeSchemaSize, "M", placeOr(x.decl.Name.Span(), x.decl.Span), "the input schema of %s has %d bytes, and clients take %d; its longest texts are left out where it is published", x.title(), n, MaxSchema)
	if t.AsDeclared {
		f = faultf(diag.CodeSchemaSize, "M", placeOr(x.decl.Name.Span(), x.decl.Span), "the input schema of %s has %d bytes, and some clients drop a tool whose schema has more than %d", x.title(), n, MaxSchema)
	}
	c.note(diag.Warning, x.unit, f.hintf("shorten the descriptions of its inputs, or make several tools of it"))
}

// resultSize reads maxResultSize.
func (c *compiler) resultSize(t spec.Text, unit diag.Unit) (int64, bool) {
	n, ok := c.size(t, unit)
	if ok && n < minResult {
		c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "M", t.Span(), "maxResultSize is %s, and the least is 1KiB", strings.TrimSpace(t.Value)))
		n = minResult
	}
	return n, ok
}
