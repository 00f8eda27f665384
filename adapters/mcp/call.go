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

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// dispatcher is the one tool the SDK knows. Calls of every tool of the catalogue are sent
// to it; it is never listed, and a call by its own name finds no tool.
const dispatcher = "__capd_call"

// methodInitialize begins a session of the older protocol.
const methodInitialize = "initialize"

// maxInstructions is how much of a server's instructions clients read, in bytes.
const maxInstructions = 2048

// newServer makes the SDK's part of an endpoint. It has no tools of its own: the
// middleware answers for the catalogue. Prompts and resources are declared, because the SDK
// answers their (empty) lists in any case and clients expect both to agree.
func newServer(e *endpoint, log *slog.Logger) *sdk.Server {
	s := sdk.NewServer(
		&sdk.Implementation{Name: e.unit.ID, Title: e.unit.Label, Version: e.opts.Version},
		&sdk.ServerOptions{
			Logger: log,
			Capabilities: &sdk.ServerCapabilities{
				Tools:     &sdk.ToolCapabilities{ListChanged: true},
				Prompts:   &sdk.PromptCapabilities{},
				Resources: &sdk.ResourceCapabilities{},
			},
			SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { *c = caching() },
		})
	s.AddReceivingMiddleware(e.receive)
	announce(s)
	return s
}

// announce tells clients that the list of tools changed. The SDK does so when a tool is
// registered again.
func announce(s *sdk.Server) {
	s.AddTool(&sdk.Tool{Name: dispatcher, InputSchema: json.RawMessage(anyObject)}, dispatch)
}

// receive answers for the catalogue, and lets the SDK do the rest.
func (e *endpoint) receive(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (res sdk.Result, err error) {
		defer func() {
			if p := recover(); p != nil {
				e.opts.Logger.ErrorContext(ctx, "panic in an MCP request", "document", e.unit.ID, "method", method,
					"request_id", requestID(req), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				res, err = nil, internalError()
			}
		}()
		leave, err := e.occupy(ctx, method, req)
		if err != nil {
			return nil, err
		}
		defer leave()
		switch req := req.(type) {
		case *sdk.ListToolsRequest:
			cursor := ""
			if req.Params != nil {
				cursor = req.Params.Cursor
			}
			page, err := e.current.Load().catalogue().page(cursor)
			if err != nil {
				return nil, err
			}
			return page, nil
		case *sdk.CallToolRequest:
			return e.call(ctx, method, req, next)
		case *sdk.SubscriptionsListenRequest:
			listening, leave, _ := e.streams.join(ctx)
			defer leave()
			return next(listening, method, req)
		}
		if res, err = next(ctx, method, req); err == nil {
			e.introduce(res)
			if s, ok := req.GetSession().(*sdk.ServerSession); ok && method == methodInitialize && s.ID() != "" {
				e.older.open(opening(ctx), s)
			}
		}
		return res, err
	}
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

// introduce puts the exposure's present description into what a client reads first.
func (e *endpoint) introduce(res sdk.Result) {
	x := e.current.Load().exposure
	text := x.Description
	if text == "" {
		text = x.Unit.Description
	}
	text = truncate(text, maxInstructions)
	switch res := res.(type) {
	case *sdk.InitializeResult:
		res.Instructions = text
	case *sdk.DiscoverResult:
		res.Instructions = text
	}
}

// pendingCall is a tools/call on its way through the SDK to the dispatcher.
type pendingCall struct {
	endpoint *endpoint
	bound    *plan.Bound // the call ends with what it began with
	tool     *entry
}

type pendingCallKey struct{}

// call finds the tool and sends the request on to the dispatcher. It does not answer
// itself: only results that passed through the SDK's own handler are complete.
func (e *endpoint) call(ctx context.Context, method string, req *sdk.CallToolRequest, next sdk.MethodHandler) (sdk.Result, error) {
	st := e.current.Load()
	tool := st.catalogue().tools[req.Params.Name]
	if tool == nil {
		return nil, &jsonrpc.Error{
			Code:    jsonrpc.CodeInvalidParams,
			Message: fmt.Sprintf("unknown tool %q; tools/list gives the tools there are", truncate(req.Params.Name, 128)),
		}
	}
	ctx = context.WithValue(ctx, pendingCallKey{}, &pendingCall{e, st.bound, tool})
	sent, params := *req, *req.Params
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
	failure := plan.AsError(err)
	c.log(ctx, requestID(req), failure)
	return failed(failure)
}

// run binds the arguments, invokes the operation and shapes its result.
func (c *pendingCall) run(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	t := c.tool.tool
	if t.Refusal != nil {
		return nil, t.Refusal.Error()
	}
	raw, err := c.tool.inputs.arguments(req.Params.Arguments)
	if err != nil {
		return nil, err
	}
	args, err := t.Operation.Bind(&plan.Source{Arguments: raw})
	if err != nil {
		return nil, err
	}
	out, err := t.Operation.Invoke(ctx, &plan.Invocation{
		Args:   args,
		Bound:  c.bound,
		Caller: &plan.Caller{RequestID: requestID(req)},
	})
	if err != nil {
		return nil, err
	}
	body, err := read(ctx, out.Body, c.endpoint.opts.MaxResult)
	if err != nil {
		return nil, err
	}
	return shaped(out, body, resultURI(c.endpoint.unit.ID, t.Name), isModern(req)), nil
}

// log records a failed call: who failed and why, never what was sent.
func (c *pendingCall) log(ctx context.Context, id string, e *plan.Error) {
	level := levelOf(e.Code)
	if !c.endpoint.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", id),
		slog.String("code", e.Code.String()),
		slog.String("document", c.endpoint.unit.ID),
		slog.String("tool", c.tool.tool.Name),
		slog.String("message", e.Message),
	}
	if op := c.tool.tool.Operation; op != nil {
		attrs = append(attrs, slog.String("operation", op.Name()))
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", causeText(e.Cause)))
	}
	c.endpoint.opts.Logger.LogAttrs(ctx, level, "MCP call failed", attrs...)
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
	tooLarge := plan.Errorf(plan.CodeUpstreamTooLarge, "it is over the limit of %d bytes", limit)
	if b.Len > limit || int64(len(b.Bytes)) > limit {
		return nil, tooLarge
	}
	if b.Stream == nil {
		return b.Bytes, nil
	}
	body, err := io.ReadAll(io.LimitReader(b.Stream, limit+1))
	if err != nil {
		return nil, broken(ctx, err)
	}
	if int64(len(body)) > limit {
		return nil, tooLarge
	}
	return body, nil
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
func isModern(req *sdk.CallToolRequest) bool {
	v, _ := req.Params.GetMeta()[sdk.MetaKeyProtocolVersion].(string)
	return v >= firstModern
}

// requestID gives the ID of the HTTP request that carries req.
func requestID(req sdk.Request) string {
	if x := req.GetExtra(); x != nil {
		return x.Header.Get(headerRequestID)
	}
	return ""
}
