package rest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"

	"capd/engine/plan"
)

// recoverPanics serves a call, and turns a panic into a failed one, so that it ends this call only.
func recoverPanics(c *call, serve func(*call) error) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			cutConnection()
		}
		err = &plan.Error{Code: plan.CodeInternal, Message: "internal error", Cause: &panicError{text: panicText(v), stack: debug.Stack()}}
	}()
	return serve(c)
}

// panicError is a recovered panic.
type panicError struct {
	text  string
	stack []byte
}

func (e *panicError) Error() string { return "panic: " + e.text }

// panicText describes a panic. Only the runtime's own panics are quoted: any other value
// could hold what a caller sent.
func panicText(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

// fail is where every error of a request ends: it is logged, and answered with a problem
// document if there is still somebody to answer and nothing was sent yet.
func (s *server) fail(err error, c *call) {
	if errors.Is(err, errAbort) {
		cutConnection()
	}
	e := plan.AsError(err)
	if canceled(c.Request().Context()) {
		e = &plan.Error{Code: plan.CodeCanceled, Message: "the client went away", Cause: e}
	}
	if c.Response().Committed {
		s.cutOff(c, e)
		cutConnection() // returning would end the answer as if it were complete
	}
	s.logFailed(c, e)
	if e.Code == plan.CodeCanceled {
		cutConnection()
	}
	writeProblem(c.Response(), c.Request(), e)
}

// cutConnection ends a request without an end of its answer. It does not return.
func cutConnection() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // the one way that net/http has for it
}

// logFailed records a call that failed before anything of an answer was sent.
func (s *server) logFailed(c *call, e *plan.Error) {
	s.log(c, "call failed", e, slog.Int("status", answerOf(e.Code).status))
}

// cutOff sends and records as much of an answer as there is, when it cannot be sent to its
// end. The status is the one that was sent: the failure came too late to have its own.
func (s *server) cutOff(c *call, e *plan.Error) {
	// What was written may still be in a buffer. Sent, it shows the client an answer that
	// was cut; dropped, it would look as if nobody had answered.
	flush(c)
	if canceled(c.Request().Context()) {
		e = &plan.Error{Code: plan.CodeCanceled, Message: e.Message, Cause: e.Cause}
	}
	s.log(c, "answer cut off", e,
		slog.Int("status", c.Response().Status), slog.Int64("bytes_sent", c.Response().Size))
}

// log records a failure: who failed and why, never what was sent.
func (s *server) log(c *call, what string, e *plan.Error, outcome ...slog.Attr) {
	ctx := c.Request().Context()
	level := levelOf(e.Code)
	if !s.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", plan.RequestID(ctx)),
		slog.String("code", e.Code.String()),
		slog.String("message", e.Message),
	}
	attrs = append(attrs, outcome...)
	if op := c.op; op != nil {
		attrs = append(attrs, slog.String("operation", op.Name()))
		if u := op.Unit(); u != nil {
			attrs = append(attrs, slog.String("document", u.ID))
		}
	}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", causeText(e.Cause)))
	}
	var p *panicError
	if errors.As(e.Cause, &p) {
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	s.opts.Logger.LogAttrs(ctx, level, what, attrs...)
}

// causeText gives a cause for the log. An error of net/http quotes the URL, whose query
// can hold a key: only what happened is kept of it.
func causeText(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Op + ": " + ue.Err.Error()
	}
	return err.Error()
}

// levelOf says how much a failure concerns the operator: a caller's mistake little, the
// upstream's more, capd's own most.
func levelOf(code plan.Code) slog.Level {
	switch code {
	case plan.CodeInternal:
		return slog.LevelError
	case plan.CodeNotConfigured, plan.CodeUpstreamFailed, plan.CodeUpstreamTimeout, plan.CodeUpstreamTooLarge, plan.CodeBadOutput:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
