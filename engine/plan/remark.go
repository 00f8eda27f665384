package plan

import (
	"context"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Remark is what a step says to its caller when it begins.
type Remark struct {
	Level string // one of RFC 5424's, in the words of MCP: debug to emergency
	Text  string
}

// RemarkObserver is an [Observer] that wants to hear the remarks of steps.
type RemarkObserver interface {
	Remarked(ctx context.Context, r Remark)
}

// remark is a compiled Remark.
type remark struct {
	level string
	text  expression
}

// remarkLevels are the levels of log messages (RFC 5424 section 6.2.1), the least urgent first.
func remarkLevels() []string {
	return []string{"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
}

// remark compiles the key log of a step: a template, or a mapping of message and level.
func (d *draft) remark(decl *spec.Step) (*remark, *fault) {
	v := decl.Log
	if v == nil {
		return nil, nil
	}
	out, message := &remark{level: "info"}, v
	if v.Kind == spec.Map {
		message = v.Get("message")
		if level := v.Get("level"); level != nil && level.Kind != spec.Null {
			out.level = strings.ToLower(level.AsText().Value)
			if !slices.Contains(remarkLevels(), out.level) {
				f := faultf(diag.CodeStep, "", level.Span(), "the level of a log line is %q", level.AsText().Value)
				if near, ok := diag.Nearest(out.level, remarkLevels()); ok {
					return nil, f.hintf("did you mean %s?", near)
				}
				return nil, f.hintf("write %s", strings.Join(remarkLevels(), ", "))
			}
		}
	}
	if message == nil || message.Kind == spec.Null || message.Kind == spec.Map || message.Kind == spec.List {
		return nil, faultf(diag.CodeStep, "", v.Span(), "the log line of step %s has no text", decl.Name.Value).
			hintf("write log: a text, or log: {message: a text, level: info}")
	}
	b := d.newBuilder(nil, nil)
	x, f := b.value(message, false)
	if f != nil {
		return nil, f
	}
	b.noteInputs(x, nil)
	out.text = x
	return out, nil
}

// say tells the remark of a step to who listens. Secrets in it are hidden; one that cannot be
// made is not said.
func (op *Operation) say(ctx context.Context, r *run, i int) {
	if i >= len(op.remarks) || op.remarks[i] == nil {
		return
	}
	to, ok := r.in.Observe.(RemarkObserver)
	if !ok {
		return
	}
	s := r.scope()
	text := textOf(op.remarks[i].text.eval(s))
	if s.err == nil {
		to.Remarked(ctx, Remark{op.remarks[i].level, newMasker(s.secrets).text(text)})
	}
}

// remarkStep is a step that only says something. Nothing else runs at the same time, so that
// remarks come in the order of the document.
type remarkStep struct{ step string }

func (s *remarkStep) name() string                            { return s.step }
func (s *remarkStep) hasEffects() bool                        { return true }
func (s *remarkStep) run(context.Context, *run, *scope) error { return nil }
func (s *remarkStep) expressions(func(*expression))           {}
