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

func (s *recordingStep) name() string { return "recording" }

func (s *recordingStep) run(_ context.Context, r *run) error {
	if s.begun != nil { // wait until the other step runs too
		s.begun.Done()
		s.begun.Wait()
	}
	r.results[s.index] = stepResult{response: &Response{Status: 200 + s.index}}
	return s.fail
}

// TestStepsHaveTheirOwnResult pins the seam that lets independent steps run together: each
// writes its own element, and the race detector sees no other write.
func TestStepsHaveTheirOwnResult(t *testing.T) {
	t.Parallel()
	var begun sync.WaitGroup
	begun.Add(2)
	r := &run{in: &Invocation{}, results: make([]stepResult, 2)}
	var ended sync.WaitGroup
	for i := range 2 {
		ended.Go(func() {
			if err := (&recordingStep{index: i, begun: &begun}).run(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
	ended.Wait()
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
	op := &Operation{steps: []step{&recordingStep{index: 0, fail: boom}, &recordingStep{index: 1}}}
	r := &run{in: &Invocation{}, results: make([]stepResult, 2)}
	if err := op.runSteps(t.Context(), r); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if r.results[1].response != nil {
		t.Error("the second step was run")
	}
}
