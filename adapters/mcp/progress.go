package mcp

//lint:file-ignore SA1019 clients of the older protocol have what 2026-07-28 deprecates

import (
	"context"
	"sync"
	"time"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// follower tells the client of a call how far its steps are: by progress notifications when
// the request has a token for them, and by log messages when the client asked for them.
type follower struct {
	ctx     context.Context // of the request, whose answer carries what is told
	session *sdk.ServerSession
	token   any    // nil: no progress is wanted
	logger  string // what the log messages are about: the tool
	total   int

	mu       sync.Mutex // also held while telling, so that progress never goes back
	finished int
}

// follow gives the observer of a call, or nil when there is nothing to tell: an operation
// that is one call is over when its first step is.
func (c *pendingCall) follow(ctx context.Context) plan.Observer {
	steps := c.tool.tool.Operation.StepCount()
	if steps == 0 || c.request == nil || c.request.Session == nil {
		return nil
	}
	f := &follower{ctx: ctx, session: c.request.Session, logger: c.tool.name, total: steps}
	switch t := c.request.Params.GetProgressToken().(type) {
	case string, float64, int64, int: // what a token can be; anything else is not sent back
		f.token = t
	}
	return f
}

// Step is [plan.Observer]'s.
func (f *follower) Step(ctx context.Context, s plan.Step) (context.Context, func(error)) {
	begun := time.Now()
	return ctx, func(err error) { f.ended(s.Name, time.Since(begun), err) }
}

// ended tells that a step ended: never with what. A step that was stopped, because another
// one failed or the client does not wait any more, is not told.
func (f *follower) ended(step string, took time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	event := stepEvent{Step: step, DurationMS: took.Milliseconds()}
	if err == nil {
		f.finished++
		f.progress(step)
		f.log("info", event)
		return
	}
	if code := plan.AsError(err).Code; code != plan.CodeCanceled {
		event.Failure = code.String()
		f.log("error", event)
	}
}

// stepEvent is the data of a log message about a step.
type stepEvent struct {
	Step       string `json:"step"`
	DurationMS int64  `json:"durationMs"`
	Failure    string `json:"failure,omitempty"` // a code
}

// progress tells how many steps are finished. A client that does not take it misses it.
func (f *follower) progress(step string) {
	if f.token != nil {
		_ = f.session.NotifyProgress(f.ctx, &sdk.ProgressNotificationParams{
			ProgressToken: f.token, Progress: float64(f.finished), Total: float64(f.total), Message: step,
		})
	}
}

// log sends a message, which the SDK drops unless the client asked for its level.
func (f *follower) log(level sdk.LoggingLevel, data any) {
	_ = f.session.Log(f.ctx, &sdk.LoggingMessageParams{Logger: f.logger, Level: level, Data: data})
}

// Sent is [plan.Observer]'s; requests are nobody's business but capd's.
func (f *follower) Sent(context.Context, *plan.Request) {}

// Received is [plan.Observer]'s.
func (f *follower) Received(context.Context, *plan.Request, *plan.Response, error) {}

// Remarked is [plan.RemarkObserver]'s.
func (f *follower) Remarked(_ context.Context, r plan.Remark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log(sdk.LoggingLevel(r.Level), r.Text)
}
