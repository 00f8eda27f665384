package mcp

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"capd/engine/plan"
)

// stdioKey is the key of what is served over a pair of streams.
var stdioKey = endpointKey{stdio: true}

// Connect serves the plan's view for standard input and output to one client: it reads
// messages of both eras from in and writes to out, each on a line, and nothing else. A reload
// changes what is served, and tells the client. ended is closed when nothing more can come
// from the client, or get to it. [Adapter.Drain] ends the connection, whether the input has
// ended or not.
func (a *Adapter) Connect(in io.Reader, out io.Writer) (ended <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	ep := a.views[stdioKey]
	if ep == nil {
		v := stdioView(a.latest.Load())
		ep = a.newEndpoint(v)
		ep.name, ep.local = slog.String("view", "stdio"), true
		ep.swap(ep.prepare(v))
		a.views[stdioKey] = ep
	}
	ep.once.Do(ep.begin)
	p := newPipe(ep, out)
	a.pipes = append(a.pipes, p)
	go p.read(in)
	return p.ended
}

// stdioView gives what is served over streams, which may have become nothing.
func stdioView(b *plan.Bound) *plan.View {
	if b != nil && b.Plan() != nil && b.Plan().Stdio != nil {
		return b.Plan().Stdio
	}
	return &plan.View{Kind: plan.ViewAll}
}

// finish reads no more, and ends what stays open by itself. Calls in flight go on.
func (p *pipe) finish() {
	p.hangUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.finishing {
		p.finishing = true
		p.settle()
	}
}

// drain returns when every call is answered. Those that are not when ctx ends are cut off.
func (p *pipe) drain(ctx context.Context) error {
	defer p.cut()
	select {
	case <-p.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("answering the MCP calls of standard input: %w", ctx.Err())
	}
}

// cut ends the sessions, and with them the calls that are under way.
func (p *pipe) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.lanes {
		l.end()
	}
}
