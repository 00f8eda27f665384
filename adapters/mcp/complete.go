package mcp

import (
	"context"
	"fmt"
	"log/slog"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// What a completion is for.
const (
	refPrompt   = "ref/prompt"
	refResource = "ref/resource"
)

// completes reports whether a member of a view has values to choose from.
func completes(m plan.Member) bool {
	for _, r := range m.Resources {
		if r.Refusal == nil && len(r.Completions) > 0 {
			return true
		}
	}
	for _, p := range m.Prompts {
		for _, a := range p.Arguments {
			if p.Refusal == nil && a.Complete != nil {
				return true
			}
		}
	}
	return false
}

// completed is the value that a user is typing.
type completed struct {
	name     string // of the prompt, or of the template
	exposure *plan.Exposure
	scopes   []string
	from     *plan.Completion // nil: there is nothing to choose from
}

// complete answers with the values that fit what a user has typed so far.
func (e *endpoint) complete(ctx context.Context, req *sdk.CompleteRequest) (sdk.Result, error) {
	if req.Params == nil || req.Params.Ref == nil || req.Params.Argument.Name == "" {
		return nil, invalidParams("completion/complete needs a ref and the name of an argument")
	}
	st := e.now()
	what, err := st.catalogue().completed(req.Params.Ref, req.Params.Argument.Name)
	if err != nil {
		return nil, err
	}
	if err := permit(ctx, what.exposure, what.scopes); err != nil {
		return nil, protocolError(plan.AsError(err), "completion")
	}
	res := &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}
	if what.from == nil {
		return res, nil
	}
	if err := e.choose(ctx, st, what, req, &res.Completion); err != nil {
		failure := plan.AsError(err)
		e.logFailure(ctx, "MCP completion failed", what.exposure.Unit.ID, requestID(req), failure, slog.String("completion", what.name), what.from.Operation)
		return nil, protocolError(failure, "completion")
	}
	return res, nil
}

// choose fills in the values. While a value that the operation needs is not filled in yet,
// there are none.
func (e *endpoint) choose(ctx context.Context, st state, what *completed, req *sdk.CompleteRequest, out *sdk.CompletionResultDetails) error {
	typed, op := req.Params.Argument.Value, what.from.Operation
	var answer []byte
	if op != nil {
		var others map[string]string
		if req.Params.Context != nil {
			others = req.Params.Context.Arguments
		}
		src := what.from.Source(typed, others)
		if _, err := op.Bind(src); err != nil && plan.AsError(err).Code == plan.CodeInvalidInput {
			return nil
		}
		got, err := e.invoke(ctx, st.bound, op, src, nil, nil)
		if err != nil {
			return err
		}
		if answer, err = e.body(ctx, got, op.Binary()); err != nil {
			return err
		}
		if isFailure(got.Status) {
			return plan.Errorf(plan.CodeUpstreamFailed, "it answered %s", statusLine(got.Status))
		}
	}
	values, total, err := what.from.Chosen(typed, answer)
	if err != nil {
		return err
	}
	out.Values, out.Total, out.HasMore = values, total, total > len(values)
	return nil
}

// completed finds the argument of a prompt, or the variable of a template.
func (c *catalogue) completed(ref *sdk.CompleteReference, argument string) (*completed, error) {
	var out *completed
	known := false
	switch ref.Type {
	case refPrompt:
		p := c.prompts.byName[ref.Name]
		if p == nil || p.prompt.Refusal != nil {
			return nil, invalidParams(fmt.Sprintf("unknown prompt %q; prompts/list gives the prompts there are", truncate(ref.Name, 128)))
		}
		out = &completed{name: p.prompt.Name, exposure: p.exposure, scopes: p.prompt.Scopes}
		for _, a := range p.prompt.Arguments {
			if a.Name == argument {
				known, out.from = true, a.Complete
			}
		}
	case refResource:
		at, ok := c.library.position[ref.URI]
		if !ok || c.library.all[at].Refusal != nil || len(c.library.all[at].Params) == 0 {
			return nil, invalidParams(fmt.Sprintf("unknown template %q; resources/templates/list gives the templates there are", truncate(ref.URI, 128)))
		}
		v := c.library.all[at]
		out = &completed{name: v.Name, exposure: v.exposure, scopes: v.Scopes, from: v.Completions[argument]}
		for _, name := range v.Variables() {
			known = known || name == argument
		}
	default:
		return nil, invalidParams(fmt.Sprintf("a completion is for %s or %s", refPrompt, refResource))
	}
	if !known {
		return nil, invalidParams(fmt.Sprintf("%s has no argument %q", truncate(out.name, 128), truncate(argument, 128)))
	}
	return out, nil
}

func invalidParams(message string) error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: message}
}
