package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// promptDispatcher is the one prompt the SDK knows. Requests for every prompt are sent to
// it; it is never listed, and asking for it by its own name finds no prompt.
const promptDispatcher = "__capd_prompt"

// prompts are a view's prompts as clients see them. They are immutable.
type prompts struct {
	listed []*sdk.Prompt
	byName map[string]*promptEntry
}

// promptEntry is a prompt that can be asked for, or whose refusal is explained.
type promptEntry struct {
	prompt   *plan.Prompt
	exposure *plan.Exposure
	prefix   string // of the URIs of its exposure's resources in the view
}

func newPrompts(v *plan.View) *prompts {
	p := &prompts{byName: map[string]*promptEntry{}}
	for _, m := range v.Members {
		for _, x := range m.Prompts {
			p.add(&promptEntry{x, m.Exposure, schemePrefix(m.Alias)}, behind(m.Alias, x.Name))
		}
	}
	return p
}

func (p *prompts) add(e *promptEntry, name string) {
	p.byName[name] = e
	x := e.prompt
	if x.Refusal != nil {
		return
	}
	out := &sdk.Prompt{Name: name, Title: x.Title, Description: x.Description, Icons: icons(x.Icons)}
	for _, a := range x.Arguments {
		out.Arguments = append(out.Arguments, &sdk.PromptArgument{Name: a.Name, Title: a.Title, Description: a.Description, Required: a.Required})
	}
	p.listed = append(p.listed, out)
}

// page gives the prompts that follow cursor, which names the last one of the page before.
func (p *prompts) page(cursor string, seen permitted) (*sdk.ListPromptsResult, error) {
	all := filtered(p.listed, seen, func(x *sdk.Prompt) []string { return p.byName[x.Name].prompt.Scopes })
	page, next, err := pageOf(all, cursor, func(x *sdk.Prompt) string { return x.Name })
	if err != nil {
		return nil, err
	}
	return &sdk.ListPromptsResult{Prompts: page, NextCursor: next}, nil
}

// pendingPrompt is a prompts/get on its way through the SDK to the dispatcher.
type pendingPrompt struct {
	endpoint *endpoint
	bound    *plan.Bound
	library  *library
	*promptEntry
}

type pendingPromptKey struct{}

// getPrompt finds the prompt and sends the request on to the dispatcher, as [endpoint.call]
// does.
func (e *endpoint) getPrompt(ctx context.Context, method string, req *sdk.GetPromptRequest, next sdk.MethodHandler) (sdk.Result, error) {
	st := e.now()
	all := st.catalogue()
	p := all.prompts.byName[req.Params.Name]
	if p == nil {
		return nil, &jsonrpc.Error{
			Code:    jsonrpc.CodeInvalidParams,
			Message: fmt.Sprintf("unknown prompt %q; prompts/list gives the prompts there are", truncate(req.Params.Name, 128)),
		}
	}
	ctx = context.WithValue(ctx, pendingPromptKey{}, &pendingPrompt{e, st.bound, all.library, p})
	sent, params := *req, *req.Params
	params.Name = promptDispatcher
	sent.Params = &params
	return next(ctx, method, &sent)
}

// dispatchPrompt is the handler of the one prompt the SDK knows.
func dispatchPrompt(ctx context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
	p, ok := ctx.Value(pendingPromptKey{}).(*pendingPrompt)
	if !ok {
		return nil, internalError()
	}
	var ask *asker
	if p.prompt.Asks() {
		ask = askerOf(p.endpoint, req, isModern(req.Params), req.Params.InputResponses, req.Params.RequestState, p.identity(req.Params.Arguments)...)
	}
	ended := p.bound.Begin(ctx, p.exposure, p.prompt.Name)
	messages, err := p.render(ctx, req.Params.Arguments, ask)
	ended(200, err)
	if e, ok := wireError(err); ok {
		return nil, e
	}
	if ask.open() {
		return &sdk.GetPromptResult{InputRequests: ask.requests, RequestState: ask.next}, nil
	}
	if err != nil {
		failure := plan.AsError(err)
		p.endpoint.logFailure(ctx, "MCP prompt failed", p.exposure.Unit.ID, requestID(req), failure, slog.String("prompt", p.prompt.Name), nil)
		return nil, protocolError(failure, "prompt")
	}
	res := &sdk.GetPromptResult{Description: p.prompt.Description, Messages: []*sdk.PromptMessage{}}
	s := &speaker{version: req.ProtocolVersion(), uri: resultURI(p.exposure.Unit.ID, p.prompt.Name), address: p.library.addresses(p.prefix)}
	for i := range messages {
		m := &messages[i]
		res.Messages = append(res.Messages, &sdk.PromptMessage{Role: sdk.Role(m.Role), Content: s.content(&m.ContentItem)})
	}
	return res, nil
}

// identity says what is asked for, for the state of its questions.
func (p *pendingPrompt) identity(args map[string]string) []string {
	out := subject("prompt", p.exposure, p.prompt.Questions(), p.prompt.Name)
	for _, name := range slices.Sorted(maps.Keys(args)) {
		out = append(out, name, args[name])
	}
	return out
}

// render fills the prompt in, when nothing is left to be asked.
func (p *pendingPrompt) render(ctx context.Context, args map[string]string, ask *asker) ([]plan.PromptMessage, error) {
	if err := permit(ctx, p.exposure, p.prompt.Scopes); err != nil {
		return nil, err
	}
	if p.prompt.Refusal != nil {
		return nil, p.prompt.Refusal.Error()
	}
	if ask != nil {
		err := ask.until(ctx, p.prompt.Requires(), func(answers *plan.Answers) (open *plan.Ask, err error) {
			filled, open, err := p.prompt.Ask(args, answers)
			if open == nil && err == nil {
				args = filled
			}
			return open, err
		})
		if err != nil || ask.open() {
			return nil, err
		}
	}
	return p.prompt.Render(args)
}
