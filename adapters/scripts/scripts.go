// Package scripts gives the ways to run the scripts of steps: in this process, in processes
// of their own, or not at all. Each is a [plan.ScriptRunner].
package scripts

import (
	"context"

	"capd/engine/plan"
	"capd/engine/script"
)

// InProcess runs scripts in this process. Its limits are the most a document may ask for;
// zero fields have the defaults of [script.Limits], which says how far they reach.
type InProcess struct{ Most script.Limits }

// Run implements [plan.ScriptRunner].
func (r InProcess) Run(ctx context.Context, p *script.Program, lim script.Limits, input []byte) ([]byte, bool, error) {
	return p.Run(ctx, input, lim.Within(most(r.Most)))
}

// most fills what is not given with the defaults, so that no document gets more.
func most(l script.Limits) script.Limits {
	def := script.Limits{Time: script.DefaultTime, Steps: script.DefaultSteps, Memory: script.DefaultMemory, Output: script.DefaultOutput}
	if l.Time > 0 {
		def.Time = l.Time
	}
	if l.Steps > 0 {
		def.Steps = l.Steps
	}
	if l.Memory > 0 {
		def.Memory = l.Memory
	}
	if l.Output > 0 {
		def.Output = l.Output
	}
	return def
}

// Off runs nothing: every call of a script fails.
type Off struct{}

// Run implements [plan.ScriptRunner].
func (Off) Run(_ context.Context, p *script.Program, _ script.Limits, _ []byte) ([]byte, bool, error) {
	return nil, false, plan.Errorf(plan.CodeRefused, "script %q is not run: scripts are switched off here", p.Name())
}
