package plan

import (
	"context"

	"capd/engine/diag"
	"capd/engine/spec"
)

// scriptStep runs a script on what the inputs and the earlier steps gave.
type scriptStep struct {
	index int
	step  string
}

func (d *draft) scriptStep(decl *spec.Step) (step, *fault) {
	return nil, faultf(diag.CodeUnsupportedFeature, "", decl.Span, "step %s is a script, which is not supported yet", decl.Name.Value)
}

func (s *scriptStep) name() string                            { return s.step }
func (s *scriptStep) hasEffects() bool                        { return false }
func (s *scriptStep) expressions(func(*expression))           {}
func (s *scriptStep) run(context.Context, *run, *scope) error { return nil }
