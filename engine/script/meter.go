package script

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
)

// meter counts what one run does and holds. It belongs to the goroutine of the run.
type meter struct {
	ctx    context.Context
	limits Limits
	steps  uint64
	grown  int64 // bytes since the heap was last looked at
	base   int64 // bytes of the heap when the run began
	failed *Error
}

func newMeter(ctx context.Context, l Limits) *meter {
	return &meter{ctx: ctx, limits: l, base: -1}
}

// step counts one round of a loop or one call.
func (m *meter) step() error {
	if m.steps++; m.steps > m.limits.Steps {
		return m.fail(StepLimit, "the script did more than %d steps", m.limits.Steps)
	}
	return nil
}

// largest gives how many bytes a single value may take: half of the memory, since making it
// larger needs a copy.
func (m *meter) largest() int64 { return m.limits.Memory / 2 }

// grow counts n bytes that are about to be taken, or were just taken.
//
// What a script has let go is not known, so what it took is only compared with the process:
// a script fails that took more than the limit since the last look while the process grew
// by more than the limit since the run began.
func (m *meter) grow(n int64) error {
	if n < 0 || n > m.largest() {
		return m.fail(MemoryLimit, "a value of the script takes more than %d bytes", m.largest())
	}
	if m.base < 0 {
		m.base = heap()
	}
	if m.grown += n; m.grown <= m.limits.Memory {
		return nil
	}
	if m.ctx.Err() != nil {
		return context.Cause(m.ctx)
	}
	m.grown = 0
	if heap()-m.base > m.limits.Memory {
		runtime.GC()
		if heap()-m.base > m.limits.Memory {
			return m.fail(MemoryLimit, "the script holds more than %d bytes", m.limits.Memory)
		}
	}
	return nil
}

// heap gives the bytes of the process's heap, what is not collected yet included.
func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(sample[0].Value.Uint64())
}

func (m *meter) fail(kind Kind, format string, args ...any) error {
	if m.failed == nil {
		m.failed = &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
	}
	return m.failed
}

// verdict gives why a run failed; nil when it did not. What the meter found, and the end of
// the time, weigh more than what the script made of it.
func (m *meter) verdict(name string, err error) error {
	var own *Error
	isOwn := errors.As(err, &own)
	switch cause := context.Cause(m.ctx); {
	case m.failed != nil:
		failed := *m.failed
		failed.Name = name
		if isOwn && own.Name != "" {
			failed.Name, failed.Line = own.Name, own.Line
		}
		return &failed
	case err == nil:
		return nil
	case errors.Is(cause, errTimeout):
		return &Error{Kind: Timeout, Name: name, Message: fmt.Sprintf("the script took longer than %s", m.limits.Time)}
	case cause != nil:
		return m.ctx.Err()
	case isOwn:
		if own.Name == "" {
			own.Name = name
		}
		return own
	}
	return &Error{Kind: Exception, Name: name, Message: bounded(err.Error())}
}
