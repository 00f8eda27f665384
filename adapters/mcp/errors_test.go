package mcp

import (
	"errors"
	"strings"
	"testing"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestEveryCodeHasAnOutcome walks plan's closed set of codes: each is either a result that
// a model can read, or an error of the protocol that tells no internals.
func TestEveryCodeHasAnOutcome(t *testing.T) {
	t.Parallel()
	protocol := map[plan.Code]int64{
		plan.CodeNotFound:         jsonrpc.CodeInvalidParams,
		plan.CodeMethodNotAllowed: jsonrpc.CodeInvalidParams,
		plan.CodeInternal:         jsonrpc.CodeInternalError,
	}
	leads := map[string]plan.Code{}
	for code := plan.Code(1); code < plan.NumCodes; code++ {
		e := &plan.Error{Code: code, Message: "the reason", Cause: errors.New("the cause")}
		res, err := failed(e)
		if want, ok := protocol[code]; ok {
			var wire *jsonrpc.Error
			if !errors.As(err, &wire) || wire.Code != want {
				t.Errorf("%v: %v, %v; want JSON-RPC error %d", code, res, err, want)
			}
			if code == plan.CodeInternal && strings.Contains(err.Error(), "reason") {
				t.Errorf("%v tells %q", code, err)
			}
			continue
		}
		if err != nil || !res.IsError || res.Meta[metaCode] != code.String() {
			t.Errorf("%v: %+v, %v; want a result with isError and the code", code, res, err)
			continue
		}
		text := res.Content[0].(*sdk.TextContent).Text
		lead, reason, _ := strings.Cut(text, ": ")
		if reason != "the reason" || strings.Contains(text, "cause") {
			t.Errorf("%v: text %q, want a lead and the reason", code, text)
		}
		if other, dup := leads[lead]; dup || lead == "" {
			t.Errorf("%v and %v both say %q", code, other, lead)
		}
		leads[lead] = code
	}
}
