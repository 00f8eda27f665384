package plan

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// recordingStep writes its own element of the results, the way every step must.
type recordingStep struct {
	index int
	begun *sync.WaitGroup
	fail  error
}

func (s *recordingStep) name() string                  { return "recording" }
func (s *recordingStep) hasEffects() bool              { return false }
func (s *recordingStep) expressions(func(*expression)) {}

func (s *recordingStep) run(_ context.Context, r *run, _ *scope) error {
	if s.begun != nil { // wait until the other step runs too
		s.begun.Done()
		s.begun.Wait()
	}
	r.results[s.index] = stepResult{response: &Response{Status: 200 + s.index}}
	return s.fail
}

// TestStepsOfAWaveRunTogether: each step waits for the other, and writes its own element of
// the results, which the race detector watches.
func TestStepsOfAWaveRunTogether(t *testing.T) {
	t.Parallel()
	var begun sync.WaitGroup
	begun.Add(2)
	op := &Operation{
		steps: []step{&recordingStep{index: 0, begun: &begun}, &recordingStep{index: 1, begun: &begun}},
		waves: [][]int{{0, 1}},
	}
	r := &run{in: Invocation{Bound: &Bound{}}, results: make([]stepResult, 2)}
	if err := op.runSteps(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for i := range r.results {
		if got := r.results[i].response.Status; got != 200+i {
			t.Errorf("result %d is %d", i, got)
		}
	}
}

// TestFailedStepEndsTheOperation: what comes after a failed step is not run.
func TestFailedStepEndsTheOperation(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	op := &Operation{
		steps: []step{&recordingStep{index: 0, fail: boom}, &recordingStep{index: 1}},
		waves: [][]int{{0}, {1}},
	}
	r := &run{in: Invocation{Bound: &Bound{}}, results: make([]stepResult, 2)}
	if err := op.runSteps(t.Context(), r); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if r.results[1].response != nil {
		t.Error("the second step was run")
	}
}
