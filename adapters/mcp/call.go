package mcp

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"capd/engine/expr"
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// dispatcher is the one tool the SDK knows. Calls of every tool of the catalogue are sent
// to it; it is never listed, and a call by its own name finds no tool.
const dispatcher = "__capd_call"

// pendingCall is a tools/call under way: through the SDK to the dispatcher, or past it (direct.go).
type pendingCall struct {
	endpoint  *endpoint
	state     // the call ends with what it began with
	tool      *entry
	arguments json.RawMessage
	modern    bool
	version   string               // of the protocol; empty when not known
	requestID string               // of the HTTP request
	request   *sdk.CallToolRequest // for what asks and what tells; nil past the SDK, where neither is
	out       *plan.Result         // is in memory until the answer is written; nil until there is one
}

type pendingCallKey struct{}

// call finds the tool and sends the request on to the dispatcher. It does not answer
// itself: only results that passed through the SDK's own handler are complete.
func (e *endpoint) call(ctx context.Context, method string, req *sdk.CallToolRequest, next sdk.MethodHandler) (sdk.Result, error) {
	st := e.now()
	tool := st.catalogue().tools[req.Params.Name]
	if tool == nil {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: st.catalogue().unknown(req.Params.Name, st.visible(ctx)).Message}
	}
	sent, params := *req, *req.Params
	tool, params.Arguments = st.meant(ctx, tool, params.Arguments)
	params.Name = dispatcher
	sent.Params = &params
	pending := &pendingCall{
		endpoint: e, state: st, tool: tool, arguments: params.Arguments, modern: isModern(&params), version: req.ProtocolVersion(),
		requestID: requestID(req), request: &sent,
	}
	return next(context.WithValue(ctx, pendingCallKey{}, pending), method, &sent)
}

// meant gives the tool that a call is for, and its arguments: a call of the call tool is from here
// on that of the tool that it names, if there is one.
func (s state) meant(ctx context.Context, tool *entry, arguments json.RawMessage) (*entry, json.RawMessage) {
	if f := s.catalogue().finder; f != nil && tool.name == f.call {
		if target, args, err := f.target(arguments, s.visible(ctx)); err == nil {
			return target, args
		}
	}
	return tool, arguments
}

// dispatch is the handler of the one tool the SDK knows.
func dispatch(ctx context.Context, _ *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	c, ok := ctx.Value(pendingCallKey{}).(*pendingCall)
	if !ok {
		return nil, internalError()
	}
	defer func() {
		if c.out != nil {
			c.endpoint.heldUntilSent(c.requestID, c.out)
		}
	}()
	return c.answer(ctx)
}

// answer runs the call and gives what its client gets: a result, or an error of the protocol.
func (c *pendingCall) answer(ctx context.Context) (*sdk.CallToolResult, error) {
	res, err := c.run(ctx)
	if err == nil {
		return res, nil
	}
	if e, ok := wireError(err); ok {
		return nil, e
	}
	failure := plan.AsError(err)
	c.endpoint.logFailure(ctx, "MCP call failed", c.tool.whose(), c.requestID, failure, c.tool.attr(), c.tool.operation())
	return failed(failure)
}

// run binds the arguments, invokes the operation and shapes its result.
func (c *pendingCall) run(ctx context.Context) (*sdk.CallToolResult, error) {
	if own := c.tool.own; own != nil {
		return own.call(ctx, c)
	}
	t := c.tool.tool
	raw, err := c.admitted(ctx)
	if err != nil {
		c.bound.Begin(ctx, c.tool.exposure, t.Name)(0, err)
		return nil, err
	}
	var ask *asker
	if t.Operation.Asks() {
		p := c.request.Params
		ask = askerOf(c.endpoint, c.request, c.modern, p.InputResponses, p.RequestState,
			subject("tool", c.tool.exposure, t.Operation.Questions(), t.Name, sortedJSON(raw))...)
	}
	out, err := c.endpoint.invoke(ctx, c.bound, t.Operation, &plan.Source{Arguments: raw}, c.follow(ctx), ask)
	if err != nil {
		return nil, err
	}
	if out.Kind == plan.Asks {
		return &sdk.CallToolResult{InputRequests: ask.requests, RequestState: ask.next}, nil
	}
	c.out = out
	binary := t.Operation.Binary()
	body, err := c.endpoint.body(ctx, out, binary)
	if err != nil {
		return nil, err
	}
	if out.Kind == plan.Contents {
		return c.finished(ctx, c.saying(out), body)
	}
	res := shaped(out, body, c.uri, isBytes(out, body, binary), c.modern)
	res.IsError = res.IsError || out.IsError
	return c.finished(ctx, res, body)
}

// admitted gives what a caller sends to a tool it may call, and that can be called.
func (c *pendingCall) admitted(ctx context.Context) ([]byte, error) {
	t := c.tool.tool
	if err := permit(ctx, c.tool.exposure, t.Scopes); err != nil {
		return nil, err
	}
	if t.Refusal != nil {
		return nil, t.Refusal.Error()
	}
	return c.tool.surface().arguments(c.arguments)
}

// finished adds what fits the published schema, looks whether it does, and keeps to the limit.
func (c *pendingCall) finished(ctx context.Context, res *sdk.CallToolResult, body []byte) (*sdk.CallToolResult, error) {
	answer := c.tool.surface().answer
	if answer == nil || res.IsError {
		return c.limited(ctx, res), nil
	}
	misfit, err := c.tool.tool.Operation.JudgeAnswer(c.out, body)
	if err != nil {
		return nil, err
	}
	if misfit != "" {
		c.endpoint.opts.Logger.WarnContext(ctx, "MCP answer does not fit its output schema", "request_id", c.requestID,
			"document", c.tool.whose(), c.tool.attr(), "misfit", misfit)
	}
	res.StructuredContent = answer.structured(c.out, body)
	return c.limited(ctx, res), nil
}

// uri names what the call gives, where that needs a name.
func (c *pendingCall) uri() string { return resultURI(c.tool.exposure.Unit.ID, c.tool.tool.Name) }

// saying shapes an answer whose content the document says.
func (c *pendingCall) saying(out *plan.Result) *sdk.CallToolResult {
	s := &speaker{
		version: c.version, uri: c.uri(),
		address: c.catalogue().library.addresses(c.tool.prefix),
	}
	return s.saying(out)
}

// invoke binds what a caller gave and runs the operation. What is declared of the type of
// its bytes wins over what the upstream says of them. watch may be nil, and ask
// where op asks nothing. A result of kind Asks means that the request is to be answered with what
// ask has ready.
func (e *endpoint) invoke(ctx context.Context, bound *plan.Bound, op *plan.Operation, src *plan.Source, watch plan.Observer, ask *asker) (*plan.Result, error) {
	src.Bound = bound
	args, err := op.Bind(src)
	if err != nil {
		bound.Refused(ctx, op, err)
		return nil, err
	}
	defer args.Release()
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
	body, err := read(ctx, out, limit)
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > binary.Max {
		if _, isText := textOf(body, out.MediaType); !isText {
			return nil, tooLarge(binary.Max)
		}
	}
	return body, nil
}

// heldUntilSent closes a result when the HTTP request that it answers is over: until then it is
// in memory.
func (e *endpoint) heldUntilSent(request string, out *plan.Result) {
	e.callers.until(request, func() { _ = out.Close() }) // it was read, or nobody wants it
}

// isBytes reports whether a body is bytes because that is declared. JSON that comes as such
// is not: where the type of the bytes is not declared, it is what the upstream says instead
// of them.
func isBytes(out *plan.Result, body []byte, b plan.Binary) bool {
	media, _ := parseMediaType(out.MediaType)
	saysJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	return b.Declared && (b.MediaType != "" || !saysJSON || !expr.Valid(body))
}

// read gives the whole body, and closes it.
func read(ctx context.Context, out *plan.Result, limit int64) ([]byte, error) {
	b := out.Body
	defer func() { _ = b.Close() }()
	if b.Len > limit || int64(len(b.Bytes)) > limit {
		return nil, tooLarge(limit)
	}
	if b.Stream == nil {
		return b.Bytes, nil
	}
	body, err := io.ReadAll(io.LimitReader(out.Reader(), limit+1))
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
