package mcp

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"capd/engine/portable"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Methods that are more than passed on: the first begins a session of the older protocol, and
// the second an answer that stays open.
const (
	methodInitialize = "initialize"
	methodListen     = "subscriptions/listen"
	methodCallTool   = "tools/call"
	methodListTools  = "tools/list"
	methodComplete   = "completion/complete"
	methodRead       = "resources/read"
)

// maxInstructions is how much of a server's instructions clients read, in bytes.
const maxInstructions = 2048

// newServer makes the SDK's part of an endpoint. It has nothing of its own: the middleware
// answers for the catalogue, and says which capabilities there are.
func newServer(e *endpoint, log *slog.Logger) *sdk.Server {
	s := sdk.NewServer(
		implementation(e.now().view, e.opts.Version),
		&sdk.ServerOptions{
			Logger: log,
			Capabilities: &sdk.ServerCapabilities{
				Tools:       &sdk.ToolCapabilities{ListChanged: true},
				Prompts:     &sdk.PromptCapabilities{ListChanged: true},
				Completions: &sdk.CompletionCapabilities{},
				Resources:   &sdk.ResourceCapabilities{ListChanged: true},
				Logging:     &sdk.LoggingCapabilities{},
			},
			SubscribeHandler:   e.watches.subscribe,
			UnsubscribeHandler: e.watches.unsubscribe,
			SetCacheable:       func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { *c = e.now().caching() },
		})
	s.AddReceivingMiddleware(e.receive)
	announceTools(s)
	announceResources(s)
	announcePrompts(s)
	return s
}

// announceTools tells clients that the list of tools changed. The SDK does so when a tool is
// registered again; so do the next two.
func announceTools(s *sdk.Server) {
	s.AddTool(&sdk.Tool{Name: dispatcher, InputSchema: json.RawMessage(portable.AnyObject)}, dispatch)
}

func announceResources(s *sdk.Server) {
	s.AddResource(&sdk.Resource{Name: "dispatch", URI: resourceDispatcher}, dispatchRead)
}

func announcePrompts(s *sdk.Server) {
	s.AddPrompt(&sdk.Prompt{Name: promptDispatcher}, dispatchPrompt)
}

// receive answers for the catalogue, and lets the SDK do the rest.
func (e *endpoint) receive(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (res sdk.Result, err error) {
		defer func() {
			if p := recover(); p != nil {
				res, err = nil, e.panicked(ctx, method, requestID(req), p)
			}
		}()
		if ctx, err = e.identify(ctx, method, req); err != nil {
			return nil, err
		}
		if e.now().bound.IsWatched() {
			ctx = traced(ctx, req)
		}
		if err := e.offers(method); err != nil {
			return nil, err
		}
		leave, err := e.occupy(ctx, method, req)
		if err != nil {
			return nil, err
		}
		defer leave()
		ctx, done := waited(ctx)
		defer done()
		switch req := req.(type) {
		case *sdk.ListToolsRequest, *sdk.ListResourcesRequest, *sdk.ListResourceTemplatesRequest, *sdk.ListPromptsRequest:
			return e.list(ctx, req)
		case *sdk.CallToolRequest:
			return e.call(ctx, method, req, next)
		case *sdk.ReadResourceRequest:
			return e.readResource(ctx, method, req, next)
		case *sdk.GetPromptRequest:
			return e.getPrompt(ctx, method, req, next)
		case *sdk.CompleteRequest:
			return e.complete(ctx, req)
		case *sdk.ServerRequest[*sdk.CancelledParams]:
			e.cancelled(req)
		case *sdk.ServerRequest[*sdk.SetLoggingLevelParams]:
			e.older.log(sessionOf(req))
		case *sdk.SubscriptionsListenRequest:
			if !isModern(req.Params) {
				return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "this protocol version has no " + method}
			}
			listening, leave, _ := e.streams.join(ctx)
			defer leave()
			return next(listening, method, req)
		}
		if res, err = next(ctx, method, downgraded(req)); err == nil {
			e.introduce(res, e.hasSession(req))
			if s, ok := req.GetSession().(*sdk.ServerSession); ok && method == methodInitialize && s.ID() != "" {
				e.older.open(opening(ctx), s)
			}
		}
		return res, err
	}
}

// panicked logs a panic, and gives the error that a client gets.
func (e *endpoint) panicked(ctx context.Context, method, requestID string, p any) error {
	e.opts.Logger.ErrorContext(ctx, "panic in an MCP request", e.name, "method", method,
		"request_id", requestID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return internalError()
}

// list answers the list methods, whose parameters may be left out.
func (e *endpoint) list(ctx context.Context, req sdk.Request) (sdk.Result, error) {
	st := e.now()
	c, seen, cacheable, cursor := st.catalogue(), st.permitted(ctx), st.caching(), cursorOf(req)
	switch req.(type) {
	case *sdk.ListToolsRequest:
		page, err := c.page(cursor, st.visible(ctx))
		return paged(page, err, func(p *sdk.ListToolsResult) { p.Cacheable = cacheable })
	case *sdk.ListResourcesRequest:
		page, err := c.library.page(ctx, e.opts.Logger, cursor, seen)
		return paged(page, err, func(p *sdk.ListResourcesResult) { p.Cacheable = cacheable })
	case *sdk.ListResourceTemplatesRequest:
		page, err := c.library.templatePage(cursor, seen)
		return paged(page, err, func(p *sdk.ListResourceTemplatesResult) { p.Cacheable = cacheable })
	case *sdk.ListPromptsRequest:
		page, err := c.prompts.page(cursor, seen)
		return paged(page, err, func(p *sdk.ListPromptsResult) { p.Cacheable = cacheable })
	}
	return nil, internalError()
}

// paged gives a page with how long it may be kept, or its error.
func paged[P sdk.Result](page P, err error, keep func(P)) (sdk.Result, error) {
	if err != nil {
		return nil, err
	}
	keep(page)
	return page, nil
}

// cursorOf gives where a list is to go on; empty for its beginning.
func cursorOf(req sdk.Request) string {
	switch p := req.GetParams().(type) {
	case *sdk.ListToolsParams:
		if p != nil {
			return p.Cursor
		}
	case *sdk.ListResourcesParams:
		if p != nil {
			return p.Cursor
		}
	case *sdk.ListResourceTemplatesParams:
		if p != nil {
			return p.Cursor
		}
	case *sdk.ListPromptsParams:
		if p != nil {
			return p.Cursor
		}
	}
	return ""
}

// occupy keeps the session of req from being idle until leave is called: a call goes on
// when its HTTP request has ended. A session can only be opened by a request that was
// admitted for it.
func (e *endpoint) occupy(ctx context.Context, method string, req sdk.Request) (leave func(), _ error) {
	s, ok := req.GetSession().(*sdk.ServerSession)
	if !ok || s == nil || s.ID() == "" { // one without ID is a single request
		return func() {}, nil
	}
	x, _ := e.older.find(s.ID())
	if x == nil && method == methodInitialize {
		if x = opening(ctx); x == nil {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "initialize must be the message of a POST without a session"}
		}
		e.older.enter(x)
	}
	return func() { e.older.leave(x) }, nil
}

// introduce puts the exposure's present description into what a client reads first, and
// takes out the capabilities for what it has not.
func (e *endpoint) introduce(res sdk.Result, session bool) {
	st := e.now()
	text := instructions(st.view, st.catalogue().finder)
	switch res := res.(type) {
	case *sdk.InitializeResult:
		res.Instructions = text
		e.offer(res.Capabilities)
		if !session {
			offerAlone(res.Capabilities)
		}
	case *sdk.DiscoverResult:
		res.Instructions = text
		e.offer(res.Capabilities)
	}
}

// offers refuses the methods of a capability that is not offered, as clients expect both to
// agree; the SDK would answer them. Reads are looked at later: the rest of a result can be
// read everywhere.
func (e *endpoint) offers(method string) error {
	what, _, _ := strings.Cut(method, "/")
	if what == "resources" && !e.hasResources.Load() && method != methodRead || what == "prompts" && !e.hasPrompts.Load() ||
		what == "logging" && !e.hasSteps.Load() || method == methodComplete && !e.hasCompletions.Load() {
		return notOffered(what)
	}
	return nil
}

func notOffered(what string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "this server has no " + what}
}

// offer leaves the capabilities for what the endpoint has, or had since it began: a client
// that was told of prompts may go on asking for them.
func (e *endpoint) offer(c *sdk.ServerCapabilities) {
	if !e.hasResources.Load() {
		c.Resources = nil
	}
	if !e.hasPrompts.Load() {
		c.Prompts = nil
	}
	if !e.hasSteps.Load() {
		c.Logging = nil
	}
	if !e.hasCompletions.Load() {
		c.Completions = nil
	}
}

// offerAlone takes out what needs a session: clients of the older protocol are told of changes
// only there.
func offerAlone(c *sdk.ServerCapabilities) {
	c.Tools.ListChanged = false
	if c.Prompts != nil {
		c.Prompts.ListChanged = false
	}
	if c.Resources != nil {
		c.Resources.ListChanged, c.Resources.Subscribe = false, false
	}
}

// sessionOf gives the ID of the session of a request; empty when it is a single request.
func sessionOf(req sdk.Request) string {
	if s, ok := req.GetSession().(*sdk.ServerSession); ok && s != nil {
		return s.ID()
	}
	return ""
}

// hasSession reports whether a client of the older protocol can be told of changes: over HTTP
// in a session with an ID, over a stream always.
func (e *endpoint) hasSession(req sdk.Request) bool { return e.local || sessionOf(req) != "" }

// downgraded asks for a session in the newest version that has sessions, where a client asked
// for a newer one. The SDK answers the same either way, but would remember what was asked for, and
// then send no notification that the version asked for does not have.
func downgraded(req sdk.Request) sdk.Request {
	r, ok := req.(*sdk.ServerRequest[*sdk.InitializeParams])
	if !ok || r.Params == nil || r.Params.ProtocolVersion < firstModern {
		return req
	}
	asked, params := *r, *r.Params
	params.ProtocolVersion = lastOlder
	asked.Params = &params
	return &asked
}
