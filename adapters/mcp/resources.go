package mcp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// resourceDispatcher is the one resource the SDK knows. What is read is sent to it; it is
// never listed, and reading it by its own URI finds nothing.
const resourceDispatcher = "capd://dispatch/read"

// codeResourceNotFound is what the older protocol answers for a URI that nothing is behind;
// the modern one has no code of its own for that.
const codeResourceNotFound = -32002

// library is a view's resources as clients see them. It is immutable, but the files of
// folders are looked at anew each time.
type library struct {
	all       []*volume // in the order of declaration
	exact     map[string]*volume
	patterns  []*volume      // that stand for more than one URI
	position  map[string]int // of a URI or a template in all
	templates []*sdk.ResourceTemplate
}

// volume is a resource in a view.
type volume struct {
	*plan.Resource
	exposure *plan.Exposure
	prefix   string // of its URIs in a view of several
}

// uri gives the URI, or the template, as clients see it.
func (v *volume) uri() string { return v.prefix + v.URI }

// match gives what a URI as clients write it says beside the resource.
func (v *volume) match(uri string) ([]string, bool) {
	own, ok := strings.CutPrefix(uri, v.prefix)
	if !ok {
		return nil, false
	}
	return v.Match(own)
}

func newLibrary(v *plan.View) *library {
	l := &library{exact: map[string]*volume{}, position: map[string]int{}}
	for _, m := range v.Members {
		for _, r := range m.Resources {
			l.add(&volume{r, m.Exposure, schemePrefix(m.Alias)})
		}
	}
	return l
}

func (l *library) add(v *volume) {
	l.position[v.uri()] = len(l.all)
	l.all = append(l.all, v)
	if len(v.Params) == 0 {
		l.exact[v.uri()] = v
	}
	if len(v.Params) > 0 || v.Folder != nil {
		l.patterns = append(l.patterns, v)
	}
	if len(v.Params) > 0 && v.Refusal == nil {
		l.templates = append(l.templates, &sdk.ResourceTemplate{
			Name: v.Name, Title: v.Title, Description: v.Description, MIMEType: v.MimeType, URITemplate: v.uri(),
			Annotations: annotations(v.Annotations), Icons: icons(v.Icons),
		})
	}
}

// listings are what the lists hold, folders standing for their files.
func (l *library) listings() []any {
	var out []any
	for _, r := range l.all {
		if r.Refusal == nil && len(r.Params) == 0 {
			out = append(out, listedResource(r, ""))
		}
	}
	for _, t := range l.templates {
		out = append(out, t)
	}
	return out
}

// find gives the resource behind a URI, and what the URI says beside: the values of its
// variables, or the path of a file. A URI that is declared as it is comes before templates.
func (l *library) find(uri string) (*volume, []string) {
	if v := l.exact[uri]; v != nil {
		if values, ok := v.match(uri); ok {
			return v, values
		}
	}
	for _, v := range l.patterns {
		if values, ok := v.match(uri); ok {
			return v, values
		}
	}
	for _, v := range l.all { // a URI may be written in another way than the declared one
		if values, ok := v.match(uri); ok {
			return v, values
		}
	}
	return nil, nil
}

// page gives the resources that follow cursor and that the caller may see. A cursor names the last resource of the page
// before, and of a folder its file: it stays good when others come and go.
func (l *library) page(ctx context.Context, log *slog.Logger, cursor string, seen permitted) (*sdk.ListResourcesResult, error) {
	from, after, err := l.resume(cursor)
	if err != nil {
		return nil, err
	}
	res := &sdk.ListResourcesResult{Resources: []*sdk.Resource{}}
	last := ""
	for i := from; i < len(l.all); i++ {
		r := l.all[i]
		if !seen.has(r.Scopes) {
			continue
		}
		for _, name := range filesOf(ctx, log, r) {
			if i == from && after != nil && name <= *after {
				continue
			}
			if len(res.Resources) == pageSize {
				res.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(last))
				return res, nil
			}
			listed := listedResource(r, name)
			listed.Size = r.Size(name)
			res.Resources = append(res.Resources, listed)
			last = r.uri() + "\x00" + name
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// resume gives where a page begins: a resource and, of a folder, the file before it.
func (l *library) resume(cursor string) (int, *string, error) {
	if cursor == "" {
		return 0, nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	uri, name, ok := strings.Cut(string(text), "\x00")
	at, known := l.position[uri]
	if err != nil || !ok || !known {
		return 0, nil, invalidCursor()
	}
	return at, &name, nil
}

// filesOf gives what a resource is listed as: nothing, itself, or its files.
func filesOf(ctx context.Context, log *slog.Logger, r *volume) []string {
	switch {
	case r.Refusal != nil || len(r.Params) > 0:
		return nil
	case r.Folder == nil:
		return []string{""}
	}
	names, more, err := r.Folder.Files(ctx)
	if err != nil {
		log.WarnContext(ctx, "MCP resource has no files", "resource", r.Name, "message", err.Error())
		return nil
	}
	if more {
		log.WarnContext(ctx, "MCP resource has more files than are listed", "resource", r.Name, "listed", len(names))
	}
	return names
}

// listedResource gives a resource, or a file of one, as it is listed. Files have names of
// their own, so that people can tell them apart.
func listedResource(r *volume, name string) *sdk.Resource {
	out := &sdk.Resource{
		Name: r.Name, Title: r.Title, Description: r.Description, MIMEType: r.MimeType, URI: r.uri(),
		Annotations: annotations(r.Annotations), Icons: icons(r.Icons),
	}
	if r.Folder == nil {
		return out
	}
	if out.MIMEType == "" {
		out.MIMEType = typeByName(r.Folder.FileName(name))
	}
	if name != "" {
		out.URI, out.Name = r.prefix+r.FileURI(name), r.Name+"/"+name
		if r.Title != "" {
			out.Title = r.Title + ": " + name
		}
	}
	return out
}

// templatePage gives the templates that follow cursor, which names the last one of the page
// before.
func (l *library) templatePage(cursor string, seen permitted) (*sdk.ListResourceTemplatesResult, error) {
	all := filtered(l.templates, seen, func(t *sdk.ResourceTemplate) []string { return l.all[l.position[t.URITemplate]].Scopes })
	page, next, err := pageOf(all, cursor, func(t *sdk.ResourceTemplate) string { return t.URITemplate })
	if err != nil {
		return nil, err
	}
	return &sdk.ListResourceTemplatesResult{ResourceTemplates: page, NextCursor: next}, nil
}

// pendingRead is a resources/read on its way through the SDK to the dispatcher.
type pendingRead struct {
	endpoint *endpoint
	state    state // the read ends with what it began with
	uri      string
	modern   bool
	request  string // ID of the HTTP request; empty for none
	resource *volume
	values   []string
	rest     *rest // of a result that was cut, instead of a resource
}

type pendingReadKey struct{}

// readResource finds the resource and sends the request on to the dispatcher, as
// [endpoint.call] does.
func (e *endpoint) readResource(ctx context.Context, method string, req *sdk.ReadResourceRequest, next sdk.MethodHandler) (sdk.Result, error) {
	st := e.now()
	p := &pendingRead{endpoint: e, state: st, uri: req.Params.URI, modern: isModern(req.Params), request: requestID(req)}
	if id, offset, ok := parseRestURI(p.uri); ok {
		if p.rest = e.rest(owner{e, callerOf(ctx)}, id, offset); p.rest == nil {
			return nil, p.restNotFound()
		}
	} else if !e.hasResources.Load() {
		return nil, notOffered("resources")
	} else if p.resource, p.values = st.catalogue().library.find(p.uri); p.resource == nil {
		return nil, p.notFound()
	}
	ctx = context.WithValue(ctx, pendingReadKey{}, p)
	sent, params := *req, *req.Params
	params.URI = resourceDispatcher
	sent.Params = &params
	return next(ctx, method, &sent)
}

// dispatchRead is the handler of the one resource the SDK knows.
func dispatchRead(ctx context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
	p, ok := ctx.Value(pendingReadKey{}).(*pendingRead)
	if !ok {
		return nil, internalError()
	}
	if p.rest != nil {
		return &sdk.ReadResourceResult{Contents: p.rest.contents(p.uri, p.state.catalogue().restTool())}, nil
	}
	var ask *asker
	if op := p.resource.Operation; op != nil && op.Asks() {
		ask = askerOf(p.endpoint, req, p.modern, req.Params.InputResponses, req.Params.RequestState,
			subject("resource", p.resource.exposure, op.Questions(), p.uri)...)
	}
	contents, err := p.run(ctx, ask)
	if e, ok := wireError(err); ok {
		return nil, e
	}
	if ask.open() {
		return &sdk.ReadResourceResult{InputRequests: ask.requests, RequestState: ask.next}, nil
	}
	if err != nil {
		failure := plan.AsError(err)
		p.endpoint.logFailure(ctx, "MCP read failed", p.resource.exposure.Unit.ID, requestID(req), failure, slog.String("resource", p.resource.Name), p.resource.Operation)
		return nil, p.failed(failure)
	}
	contents.URI = p.uri
	if contents.Blob == nil && contents.Text == "" {
		contents.Blob = []byte{} // the SDK leaves out a text that is empty, and clients want one of the two
	}
	return &sdk.ReadResourceResult{Contents: []*sdk.ResourceContents{contents}}, nil
}

// run reads the file, or invokes the operation.
func (p *pendingRead) run(ctx context.Context, ask *asker) (*sdk.ResourceContents, error) {
	r := p.resource
	if contents, done, err := p.local(ctx); done {
		p.state.bound.Begin(ctx, r.exposure, r.Name)(http.StatusOK, err)
		return contents, err
	}
	out, err := p.endpoint.invoke(ctx, p.state.bound, r.Operation, r.Source(p.values), nil, ask)
	if err != nil || out.Kind == plan.Asks {
		return nil, err
	}
	binary := r.Operation.Binary()
	if r.MimeType != "" && !isFailure(out.Status) {
		out.MediaType = r.MimeType
	}
	defer p.endpoint.heldUntilSent(p.request, out)
	body, err := p.endpoint.body(ctx, out, binary)
	if err != nil {
		return nil, err
	}
	if isFailure(out.Status) {
		return nil, p.upstreamFailure(out, body)
	}
	return resourceContents(out, body, r.Binary || isBytes(out, body, binary)), nil
}

// local reads the file of a resource, or says why it cannot be read. done is false where an
// operation must be run.
func (p *pendingRead) local(ctx context.Context) (_ *sdk.ResourceContents, done bool, err error) {
	r := p.resource
	if err := permit(ctx, r.exposure, r.Scopes); err != nil {
		return nil, true, err
	}
	switch {
	case r.Refusal != nil:
		return nil, true, r.Refusal.Error()
	case r.Folder == nil:
		return nil, false, nil
	}
	limit := r.exposure.MaxBinary
	if limit == 0 {
		limit = plan.DefaultMaxBinary
	}
	quota := p.state.bound.Quota(r.exposure.Unit)
	size := int64(0)
	if stamp, ok := r.Folder.Stamp(p.values[0]); ok && stamp.Size <= limit {
		size = stamp.Size
	}
	if !quota.Hold(size) {
		return nil, true, quota.Overloaded()
	}
	defer p.endpoint.callers.until(p.request, func() { quota.Release(size) })
	b, err := r.Folder.Read(p.values[0], min(limit, p.endpoint.opts.MaxResult))
	if err != nil {
		return nil, true, err
	}
	return fileContents(b, r.Resource, r.Folder.FileName(p.values[0])), true, nil
}

// upstreamFailure is the error of a read that the upstream answered with a failure: what it
// says of that is no content.
func (p *pendingRead) upstreamFailure(out *plan.Result, body []byte) error {
	const most = 1000
	if out.Status == http.StatusNotFound || out.Status == http.StatusGone {
		return plan.Errorf(plan.CodeNotFound, "upstream answered %s", statusLine(out.Status))
	}
	text := "it answered " + statusLine(out.Status)
	if c, ok := contentOf(body, out.MediaType, func() string { return p.uri }, false).(*sdk.TextContent); ok && strings.TrimSpace(c.Text) != "" && !isRedirect(out.Status) {
		text += ": " + truncate(strings.TrimSpace(c.Text), most)
	}
	return plan.Errorf(plan.CodeUpstreamFailed, "%s", text)
}

func (p *pendingRead) notFound() error {
	code := int64(codeResourceNotFound)
	if p.modern {
		code = jsonrpc.CodeInvalidParams
	}
	return &jsonrpc.Error{Code: code, Message: "resource not found; resources/list and resources/templates/list give what there is", Data: errorData("uri", p.uri)}
}

// failed gives the error of the protocol that a failed read ends in: a read has no result
// that could say that it failed.
func (p *pendingRead) failed(e *plan.Error) error {
	if e.Code == plan.CodeNotFound {
		return p.notFound()
	}
	return protocolError(e, "resource")
}

// errorData is the data of an error, an object with one member.
func errorData(name, value string) json.RawMessage {
	b, err := json.Marshal(map[string]string{name: value})
	if err != nil { // strings always marshal
		return nil
	}
	return b
}

// protocolError gives a failure as an error of the protocol, where no result can say it.
func protocolError(e *plan.Error, what string) error {
	o := outcomeOf(e.Code, what)
	switch {
	case e.Code == plan.CodeInternal || o.protocol == jsonrpc.CodeInternalError:
		return internalError()
	case o.protocol != 0:
		return &jsonrpc.Error{Code: o.protocol, Message: e.Message}
	case e.Code == plan.CodeInvalidInput || e.Code == plan.CodeBodyTooLarge:
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("%s: %s", o.lead, e.Message), Data: errorData(metaCode, e.Code.String())}
	}
	return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: fmt.Sprintf("%s: %s", o.lead, e.Message), Data: errorData(metaCode, e.Code.String())}
}
