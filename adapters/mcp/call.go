package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"runtime/debug"
	"strings"

	"capd/engine/plan"
	"capd/engine/portable"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// dispatcher is the one tool the SDK knows. Calls of every tool of the catalogue are sent
// to it; it is never listed, and a call by its own name finds no tool.
const dispatcher = "__capd_call"

// Methods that are more than passed on: the first begins a session of the older protocol, and
// the second an answer that stays open.
const (
	methodInitialize = "initialize"
	methodListen     = "subscriptions/listen"
	methodCallTool   = "tools/call"
	methodComplete   = "completion/complete"
	methodRead       = "resources/read"
)

// maxInstructions is how much of a server's instructions clients read, in bytes.
const maxInstructions = 2048

// newServer makes the SDK's part of an endpoint. It has nothing of its own: the middleware
// answers for the catalogue, and says which capabilities there are.
func newServer(e *endpoint, log *slog.Logger) *sdk.Server {
	s := sdk.NewServer(
		implementation(e.current.Load().view, e.opts.Version),
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
			SetCacheable:       func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { *c = e.current.Load().caching() },
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
				e.opts.Logger.ErrorContext(ctx, "panic in an MCP request", e.name, "method", method,
					"request_id", requestID(req), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				res, err = nil, internalError()
			}
		}()
		if ctx, err = e.identify(ctx, method, req); err != nil {
			return nil, err
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

// list answers the list methods, whose parameters may be left out.
func (e *endpoint) list(ctx context.Context, req sdk.Request) (sdk.Result, error) {
	st := e.current.Load()
	c, seen := st.catalogue(), st.permitted(ctx)
	cursor := ""
	switch req := req.(type) {
	case *sdk.ListToolsRequest:
		if req.Params != nil {
			cursor = req.Params.Cursor
		}
		page, err := c.page(cursor, st.visible(ctx, req))
		if err != nil {
			return nil, err
		}
		page.Cacheable = st.caching()
		return page, nil
	case *sdk.ListResourcesRequest:
		if req.Params != nil {
			cursor = req.Params.Cursor
		}
		page, err := c.library.page(ctx, e.opts.Logger, cursor, seen)
		if err != nil {
			return nil, err
		}
		page.Cacheable = st.caching()
		return page, nil
	case *sdk.ListResourceTemplatesRequest:
		if req.Params != nil {
			cursor = req.Params.Cursor
		}
		page, err := c.library.templatePage(cursor, seen)
		if err != nil {
			return nil, err
		}
		page.Cacheable = st.caching()
		return page, nil
	case *sdk.ListPromptsRequest:
		if req.Params != nil {
			cursor = req.Params.Cursor
		}
		page, err := c.prompts.page(cursor, seen)
		if err != nil {
			return nil, err
		}
		page.Cacheable = st.caching()
		return page, nil
	}
	return nil, internalError()
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
	st := e.current.Load()
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

// pendingCall is a tools/call on its way through the SDK to the dispatcher.
type pendingCall struct {
	endpoint *endpoint
	*state   // the call ends with what it began with
	tool     *entry
}

type pendingCallKey struct{}

// call finds the tool and sends the request on to the dispatcher. It does not answer
// itself: only results that passed through the SDK's own handler are complete.
func (e *endpoint) call(ctx context.Context, method string, req *sdk.CallToolRequest, next sdk.MethodHandler) (sdk.Result, error) {
	st := e.current.Load()
	c, seen := st.catalogue(), st.visible(ctx, req)
	tool := c.tools[req.Params.Name]
	if tool == nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: c.unknown(req.Params.Name, seen).Message}
	}
	sent, params := *req, *req.Params
	if f := c.finder; f != nil && tool.name == f.call {
		if target, args, err := f.target(params.Arguments, seen); err == nil {
			tool, params.Arguments = target, args // from here on it is the call of that tool
		}
	}
	ctx = context.WithValue(ctx, pendingCallKey{}, &pendingCall{e, st, tool})
	params.Name = dispatcher
	sent.Params = &params
	return next(ctx, method, &sent)
}

// dispatch is the handler of the one tool the SDK knows.
func dispatch(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	c, ok := ctx.Value(pendingCallKey{}).(*pendingCall)
	if !ok {
		return nil, internalError()
	}
	res, err := c.run(ctx, req)
	if err == nil {
		return res, nil
	}
	if e, ok := wireError(err); ok {
		return nil, e
	}
	failure := plan.AsError(err)
	c.endpoint.logFailure(ctx, "MCP call failed", c.tool.whose(), requestID(req), failure, c.tool.attr(), c.tool.operation())
	return failed(failure)
}

// run binds the arguments, invokes the operation and shapes its result.
func (c *pendingCall) run(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	if own := c.tool.own; own != nil {
		return own.call(ctx, c, req)
	}
	t := c.tool.tool
	if err := permit(ctx, c.tool.exposure, t.Scopes); err != nil {
		return nil, err
	}
	if t.Refusal != nil {
		return nil, t.Refusal.Error()
	}
	surface := c.tool.surface()
	raw, err := surface.arguments(req.Params.Arguments)
	if err != nil {
		return nil, err
	}
	var ask *asker
	if t.Operation.Asks() {
		ask = askerOf(c.endpoint, req, isModern(req.Params), req.Params.InputResponses, req.Params.RequestState,
			subject("tool", c.tool.exposure, t.Operation.Questions(), t.Name, sortedJSON(raw))...)
	}
	out, err := c.endpoint.invoke(ctx, c.bound, t.Operation, &plan.Source{Arguments: raw}, follow(ctx, req, c.tool.name, t.Operation), ask)
	if err != nil {
		return nil, err
	}
	if out.Kind == plan.Asks {
		return &sdk.CallToolResult{InputRequests: ask.requests, RequestState: ask.next}, nil
	}
	binary := t.Operation.Binary()
	body, err := c.endpoint.body(ctx, out, binary)
	if err != nil {
		return nil, err
	}
	if out.Kind == plan.Contents {
		return c.finished(ctx, req, c.saying(req, out), out, body)
	}
	res := shaped(out, body, resultURI(c.tool.exposure.Unit.ID, t.Name), isBytes(out, body, binary), isModern(req.Params))
	res.IsError = res.IsError || out.IsError
	return c.finished(ctx, req, res, out, body)
}

// finished adds what fits the published schema, looks whether it does, and keeps to the limit.
func (c *pendingCall) finished(ctx context.Context, req *sdk.CallToolRequest, res *sdk.CallToolResult, out *plan.Result, body []byte) (*sdk.CallToolResult, error) {
	answer := c.tool.surface().answer
	if answer == nil || res.IsError {
		return c.limited(ctx, req, res), nil
	}
	misfit, err := c.tool.tool.Operation.JudgeAnswer(out, body)
	if err != nil {
		return nil, err
	}
	if misfit != "" {
		c.endpoint.opts.Logger.WarnContext(ctx, "MCP answer does not fit its output schema", "request_id", requestID(req),
			"document", c.tool.whose(), c.tool.attr(), "misfit", misfit)
	}
	res.StructuredContent = answer.structured(out, body)
	return c.limited(ctx, req, res), nil
}

// saying shapes an answer whose content the document says.
func (c *pendingCall) saying(req *sdk.CallToolRequest, out *plan.Result) *sdk.CallToolResult {
	s := &speaker{
		version: req.ProtocolVersion(), uri: resultURI(c.tool.exposure.Unit.ID, c.tool.tool.Name),
		address: c.catalogue().library.addresses(c.tool.prefix),
	}
	return s.saying(out)
}

// invoke binds what a caller gave and runs the operation. What is declared of the type of
// its bytes wins over what the upstream says of them. watch may be nil, and ask
// where op asks nothing. A result of kind Asks means that the request is to be answered with what
// ask has ready.
func (e *endpoint) invoke(ctx context.Context, bound *plan.Bound, op *plan.Operation, src *plan.Source, watch plan.Observer, ask *asker) (*plan.Result, error) {
	args, err := op.Bind(src)
	if err != nil {
		return nil, err
	}
	in := &plan.Invocation{Args: args, Bound: bound, Caller: plan.CallerOf(ctx), Observe: watch}
	var out *plan.Result
	if !op.Asks() {
		out, err = op.Invoke(ctx, in)
	} else {
		err = ask.until(ctx, op.Requires(), func(answers *plan.Answers) (*plan.Ask, error) {
			in.Answers = answers
			if out, err = op.Invoke(ctx, in); err != nil {
				return nil, err
			}
			return out.Ask, nil
		})
	}
	if err != nil || out.Kind == plan.Asks {
		return out, err
	}
	if b := op.Binary(); b.Declared && b.MediaType != "" && !isFailure(out.Status) {
		out.MediaType = b.MediaType
	}
	return out, nil
}

// body reads the whole body of a result. One that is not text has a limit of its own.
func (e *endpoint) body(ctx context.Context, out *plan.Result, binary plan.Binary) ([]byte, error) {
	limit := e.opts.MaxResult
	media, _ := parseMediaType(out.MediaType)
	kind, _, _ := strings.Cut(media, "/")
	known := binary.Declared || isBinary(kind, media) || kind == "image" || kind == "audio"
	if known && !isFailure(out.Status) {
		limit = min(limit, binary.Max)
	}
	body, err := read(ctx, out.Body, limit)
	if err != nil {
		return nil, err
	}
	if _, isText := textOf(body, out.MediaType); !isText && int64(len(body)) > binary.Max {
		return nil, tooLarge(binary.Max)
	}
	return body, nil
}

// isBytes reports whether a body is bytes because that is declared. JSON that comes as such
// is not: where the type of the bytes is not declared, it is what the upstream says instead
// of them.
func isBytes(out *plan.Result, body []byte, b plan.Binary) bool {
	media, _ := parseMediaType(out.MediaType)
	saysJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	return b.Declared && (b.MediaType != "" || !saysJSON || !json.Valid(body))
}

// logFailure records what failed: who failed and why, never what was sent. name says what
// the client asked for; op may be nil.
func (e *endpoint) logFailure(ctx context.Context, message, doc, id string, failure *plan.Error, name slog.Attr, op *plan.Operation) {
	level := levelOf(failure.Code)
	if !e.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", id),
		slog.String("code", failure.Code.String()),
		slog.String("document", doc),
		name,
		slog.String("message", failure.Message),
	}
	if op != nil {
		attrs = append(attrs, slog.String("operation", op.Name()))
	}
	if failure.Cause != nil {
		attrs = append(attrs, slog.String("cause", causeText(failure.Cause)))
	}
	e.opts.Logger.LogAttrs(ctx, level, message, attrs...)
}

// levelOf says how much a failure concerns the operator: a caller's mistake little, the
// upstream's and the configuration's more, capd's own most.
func levelOf(code plan.Code) slog.Level {
	switch code {
	case plan.CodeInternal:
		return slog.LevelError
	case plan.CodeNotConfigured, plan.CodeUpstreamFailed, plan.CodeUpstreamTimeout, plan.CodeUpstreamTooLarge, plan.CodeBadOutput:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// causeText gives a cause for the log. An error of net/http quotes the URL, whose query
// can hold a key: only what happened is kept of it.
func causeText(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Op + ": " + ue.Err.Error()
	}
	return err.Error()
}

// read gives the whole body, and closes it.
func read(ctx context.Context, b plan.Body, limit int64) ([]byte, error) {
	defer func() { _ = b.Close() }()
	if b.Len > limit || int64(len(b.Bytes)) > limit {
		return nil, tooLarge(limit)
	}
	if b.Stream == nil {
		return b.Bytes, nil
	}
	body, err := io.ReadAll(io.LimitReader(b.Stream, limit+1))
	if err != nil {
		return nil, broken(ctx, err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

func tooLarge(limit int64) error {
	return plan.Errorf(plan.CodeUpstreamTooLarge, "it is over the limit of %d bytes", limit)
}

// broken gives the error of a body that broke off.
func broken(ctx context.Context, err error) error {
	if e := plan.AsError(err); e.Code != plan.CodeInternal {
		return e
	}
	switch ctx.Err() {
	case context.Canceled:
		return &plan.Error{Code: plan.CodeCanceled, Message: "the caller went away", Cause: err}
	case context.DeadlineExceeded:
		return &plan.Error{Code: plan.CodeUpstreamTimeout, Message: "its answer broke off at the time limit", Cause: err}
	}
	return &plan.Error{Code: plan.CodeUpstreamFailed, Message: "its answer broke off", Cause: err}
}

// isModern reports whether the request is of the era whose requests name their version.
// The session's own idea does not tell: it holds what an older client asked for.
func isModern(params interface{ GetMeta() map[string]any }) bool {
	v, _ := params.GetMeta()[sdk.MetaKeyProtocolVersion].(string)
	return v >= firstModern
}

// requestID gives the ID of the HTTP request that carries req.
func requestID(req sdk.Request) string {
	if x := req.GetExtra(); x != nil {
		return x.Header.Get(headerRequestID)
	}
	return ""
}
