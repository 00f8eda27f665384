package mcp

import (
	"encoding/json"

	"capd/engine/plan"
	"capd/engine/portable"
)

// publishedSchema gives the input schema of a tool as clients get it, and what is renamed in
// it. One that is published as declared is not looked at.
func publishedSchema(t *plan.Tool) (json.RawMessage, portable.Renames) {
	if t.AsDeclared && len(t.InputSchema) > 0 {
		return t.InputSchema, portable.Renames{}
	}
	return portable.Input(t.InputSchema)
}

// Tokens estimates what each tool of a view that is not refused costs a model, as clients get
// it: its name, its description and the schema of its inputs.
func Tokens(v *plan.View) map[*plan.Tool]int {
	out := map[*plan.Tool]int{}
	for _, e := range newCatalogue(v).listed {
		if e.tool != nil {
			out[e.tool] = plan.EstimateTokens(e.name) + plan.EstimateTokens(e.tool.Description) + plan.EstimateTokens(string(e.surface().schema))
		}
	}
	return out
}

// arguments gives the arguments of a call under their declared names.
func (s *surface) arguments(raw json.RawMessage) ([]byte, error) {
	declared, err := s.inputs.Arguments(raw)
	if err != nil {
		return nil, plan.Errorf(plan.CodeInvalidInput, "%s", err.Error())
	}
	return declared, nil
}
