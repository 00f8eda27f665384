package mcp

import (
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// metaCode is where a failed call's code stands in a result's _meta, for programs; the text
// is for models.
const metaCode = "capd/code"

// metaRetryAfter is where it stands after how many seconds the call may succeed.
const metaRetryAfter = "capd/retryAfter"

// outcome says how a code appears in MCP: as a tool's result that a model reads (lead is
// what its text begins with), or as an error of the protocol with that JSON-RPC code.
type outcome struct {
	lead     string
	protocol int64
}

// outcomeOf is the one table from plan's codes to MCP. what is a tool, a resource or a
// prompt.
func outcomeOf(c plan.Code, what string) outcome {
	switch c {
	case plan.CodeInvalidInput:
		return outcome{lead: "The arguments do not fit this " + what}
	case plan.CodeBodyTooLarge:
		return outcome{lead: "The arguments are too large"}
	case plan.CodeRefused:
		return outcome{lead: "This " + what + " is declared but cannot be served"}
	case plan.CodeUnauthorized:
		return outcome{lead: "This call needs credentials"}
	case plan.CodeForbidden:
		return outcome{lead: "This call is not allowed"}
	case plan.CodeNotConfigured:
		return outcome{lead: "This " + what + " is not configured, and trying again will not help"}
	case plan.CodeUpstreamFailed:
		return outcome{lead: "The upstream API gave no usable answer"}
	case plan.CodeUpstreamTimeout:
		return outcome{lead: "The upstream API did not answer in time, and the call may have taken effect"}
	case plan.CodeUpstreamUnavailable:
		return outcome{lead: "The upstream API fails at the moment, so nothing was sent to it"}
	case plan.CodeRateLimited:
		return outcome{lead: "Too many calls; wait before the next one"}
	case plan.CodeOverloaded:
		return outcome{lead: "The server is busy and did not begin this call; try again later"}
	case plan.CodeUpstreamTooLarge:
		return outcome{lead: "The upstream API's answer is too large"}
	case plan.CodeBadOutput:
		return outcome{lead: "The upstream API's answer does not have the declared shape"}
	case plan.CodeStepFailed:
		return outcome{lead: "A step of this tool failed"}
	case plan.CodeDeclined:
		return outcome{lead: "The user said no. Do not call this " + what + " again unless the user asks for it"}
	case plan.CodeCannotAsk:
		return outcome{lead: "This " + what + " asks the user first, which this client does not let it do; trying again will not help"}
	case plan.CodeCanceled:
		return outcome{lead: "The call was cancelled"}
	case plan.CodeNotFound, plan.CodeMethodNotAllowed:
		return outcome{protocol: jsonrpc.CodeInvalidParams}
	case plan.CodeInternal:
		return outcome{protocol: jsonrpc.CodeInternalError}
	}
	return outcome{protocol: jsonrpc.CodeInternalError}
}

// failed gives the result, or the error of the protocol, that a failed call ends in.
func failed(e *plan.Error) (*sdk.CallToolResult, error) {
	o := outcomeOf(e.Code, "tool")
	switch o.protocol {
	case 0:
		res := &sdk.CallToolResult{
			Meta:    sdk.Meta{metaCode: e.Code.String()},
			IsError: true,
			Content: []sdk.Content{&sdk.TextContent{Text: o.lead + ": " + e.Message}},
		}
		if e.RetryAfter > 0 {
			res.Meta[metaRetryAfter] = e.RetryAfterSeconds()
		}
		return res, nil
	case jsonrpc.CodeInternalError:
		return nil, internalError()
	}
	return nil, &jsonrpc.Error{Code: o.protocol, Message: e.Message}
}

// internalError tells nothing: what happened is in the log.
func internalError() error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
}
