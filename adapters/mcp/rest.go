package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// restTool is the wished name of the tool that gives the rest of cut results.
const restTool = "read_result"

// resultScheme begins the URIs of kept results.
const resultScheme = "capd://result/"

const restSchema = `{"type":"object","properties":{"id":{"type":"string","description":"The id that the cut result names."},` +
	`"offset":{"type":"integer","description":"Where to go on, as the cut result says.","minimum":0}},"required":["id"]}`

// gone says why a rest is not there. What a caller may not read is not there for it.
const gone = "this result is not kept here any more (results are kept for 10 minutes, in the memory of the replica that made them); " +
	"call the tool that gave it again, with narrower arguments"

// restTools gives the tool that reads the rest of results where a document limits them, so
// that cuts are to be expected. What is listed does not depend on what was called.
func restTools(v *plan.View) []*ownTool {
	for _, m := range v.Members {
		for _, t := range m.Tools {
			if t.MaxResult > 0 && t.Refusal == nil {
				return []*ownTool{newRestTool()}
			}
		}
	}
	return nil
}

func newRestTool() *ownTool {
	closed := false
	return &ownTool{
		listing: &sdk.Tool{
			Name: restTool, Title: "Read the rest of a result",
			Description: "Gives the next part of a result of another tool of this server that was too long. The result says which id and offset to use.",
			InputSchema: json.RawMessage(restSchema),
			Annotations: &sdk.ToolAnnotations{Title: "Read the rest of a result", ReadOnlyHint: true, IdempotentHint: true, DestructiveHint: &closed, OpenWorldHint: &closed},
		},
		call: readRest, reads: true,
	}
}

// limited cuts the texts of a result that are longer than the tool's results may be, says so,
// and keeps the rest.
func (c *pendingCall) limited(ctx context.Context, res *sdk.CallToolResult) *sdk.CallToolResult {
	limit := int(c.endpoint.opts.MaxText)
	if own := c.tool.tool.MaxResult; own > 0 {
		limit = int(own)
	}
	k := cutTexts(res, limit, c.tool.surface().answer != nil && !res.IsError)
	if k == nil {
		return res
	}
	id := c.endpoint.kept.keep(c.owner(ctx), c.bound.Quota(c.tool.exposure.Unit), k.whole, limit)
	t := truncation{Unit: k.whole.unit(), Of: strings.Join(k.of, "."), Shown: k.shown, Total: k.whole.total(), Next: restURI(id, k.shown)}
	res.Content = append(res.Content, &sdk.TextContent{Text: t.marker(id, k.shown, c.catalogue().restTool()) + " Or call the tool again with narrower arguments."})
	if id != "" && c.version >= firstLink {
		res.Content = append(res.Content, &sdk.ResourceLink{URI: t.Next, Name: c.tool.name + " (rest)", Title: "The rest of the result", MIMEType: k.whole.mediaType()})
	}
	if res.Meta == nil {
		res.Meta = sdk.Meta{}
	}
	res.Meta[metaTruncated] = t
	return res
}

// owner is who may read what this call leaves.
func (c *pendingCall) owner(ctx context.Context) owner { return owner{c.endpoint, callerOf(ctx)} }

// callerOf gives what tells callers apart.
func callerOf(ctx context.Context) any { return plan.CallerOf(ctx).ID() }

// restTool gives the name of the tool that reads the rest of results; empty when it is not
// listed.
func (c *catalogue) restTool() string {
	for i := len(c.listed) - 1; i >= 0 && c.listed[i].own != nil; i-- {
		if c.listed[i].own.reads {
			return c.listed[i].name
		}
	}
	return ""
}

func (w whole) mediaType() string {
	if w.list != nil {
		return "application/json"
	}
	return "text/plain"
}

// restURI gives the URI of a part of a kept result; empty when it is not kept.
func restURI(id string, offset int) string {
	if id == "" {
		return ""
	}
	return resultScheme + id + "?offset=" + strconv.Itoa(offset)
}

// marker says to a reader that there is more, and how to get it. tool is empty when there is
// none for that.
func (t *truncation) marker(id string, next int, tool string) string {
	what := fmt.Sprintf("%d of %d %s", t.Shown, t.Total, t.Unit)
	if t.Of != "" {
		what += " of " + t.Of
	}
	text := "[This result is cut: the first " + what + " are shown."
	if id == "" {
		return text + " The rest is too large to be kept.]"
	}
	text += " For what follows "
	if tool != "" {
		text += fmt.Sprintf(`call %s with {"id":"%s","offset":%d}, or `, tool, id, next)
	}
	return text + "read the resource " + t.Next + " within 10 minutes.]"
}

// rest is a part of a kept result.
type rest struct {
	text, media string
	truncation  *truncation // nil: nothing follows
	id          string
	next        int
}

// rest gives the part of a kept result at an offset; nil when it is not kept for this caller.
func (e *endpoint) rest(o owner, id string, offset int) *rest {
	k := e.kept.find(o, id)
	if k == nil || offset < 0 || offset > k.whole.total() {
		return nil
	}
	text, next := k.whole.part(offset, k.limit)
	r := &rest{text: text, media: k.whole.mediaType(), id: id, next: next}
	if next < k.whole.total() {
		r.truncation = &truncation{Unit: k.whole.unit(), Shown: next, Total: k.whole.total(), Next: restURI(id, next)}
	}
	return r
}

// readRest is the call of the tool that reads the rest of results.
func readRest(ctx context.Context, c *pendingCall) (*sdk.CallToolResult, error) {
	var args struct {
		ID     string  `json:"id"`
		Offset float64 `json:"offset"` // models write 10.0 too
	}
	if err := json.Unmarshal(c.arguments, &args); err != nil || args.ID == "" || args.Offset != float64(int(args.Offset)) {
		return nil, plan.Errorf(plan.CodeInvalidInput, "id must be the text and offset the number that the cut result names")
	}
	id, offset := args.ID, int(args.Offset)
	if of, from, ok := parseRestURI(args.ID); ok {
		if id = of; offset == 0 {
			offset = from
		}
	}
	r := c.endpoint.rest(c.owner(ctx), id, offset)
	if r == nil {
		return &sdk.CallToolResult{
			Meta: sdk.Meta{metaCode: plan.CodeNotFound.String()}, IsError: true,
			Content: []sdk.Content{&sdk.TextContent{Text: "There is nothing to read: " + gone}},
		}, nil
	}
	res := &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: r.text}}}
	if t := r.truncation; t != nil {
		res.Meta = sdk.Meta{metaTruncated: t}
		res.Content = append(res.Content, &sdk.TextContent{Text: t.marker(r.id, r.next, c.tool.name)})
	}
	return res, nil
}

// parseRestURI reads the URI of a part of a kept result.
func parseRestURI(uri string) (id string, offset int, ok bool) {
	text, ok := strings.CutPrefix(uri, resultScheme)
	if !ok {
		return "", 0, false
	}
	id, query, _ := strings.Cut(text, "?")
	if id == "" || strings.Contains(id, "/") {
		return "", 0, false // it names the bytes of a result, which cannot be read
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", 0, false
	}
	offset, err = strconv.Atoi(values.Get("offset"))
	return id, offset, err == nil || !values.Has("offset")
}

// contents gives a part as the contents of a resource: itself, and where there is more, a
// text that says where.
func (r *rest) contents(uri, tool string) []*sdk.ResourceContents {
	part := &sdk.ResourceContents{URI: uri, MIMEType: r.media, Text: r.text}
	if r.text == "" {
		part.Blob = []byte{} // the SDK leaves out a text that is empty
	}
	t := r.truncation
	if t == nil {
		return []*sdk.ResourceContents{part}
	}
	part.Meta = sdk.Meta{metaTruncated: t}
	return []*sdk.ResourceContents{part, {URI: t.Next, MIMEType: "text/plain", Text: t.marker(r.id, r.next, tool)}}
}

// restNotFound is the error of the protocol for a rest that is not there.
func (p *pendingRead) restNotFound() error {
	code := int64(codeResourceNotFound)
	if p.modern {
		code = jsonrpc.CodeInvalidParams
	}
	return &jsonrpc.Error{Code: code, Message: gone, Data: errorData("uri", p.uri)}
}
