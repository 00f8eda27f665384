package scripts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"capd/engine/plan"
	"capd/engine/script"
)

// DefaultChildren is how many processes a [Pool] has at most.
const DefaultChildren = 4

// grace is how much longer than its time a script may take before its process is killed: in
// its process, it is stopped by itself, which says more.
const grace = 2 * time.Second

// PoolOptions say how processes are started.
type PoolOptions struct {
	// Command is the program and its arguments: something that calls [Work].
	Command []string
	// Most are the most a document may ask for; zero fields have the defaults.
	Most script.Limits
	// Children is how many processes there are at most; 0 means DefaultChildren.
	Children int
}

// Pool runs scripts in processes of their own: without environment, in the root folder, with
// memory that the system bounds. A process is started when it is needed, runs one script
// after the other, and is killed when a script does not end in time or its caller goes away.
type Pool struct {
	command []string
	most    script.Limits
	slots   chan *child // of a place for each process; nil: not started
}

// NewPool gives a pool without processes.
func NewPool(o PoolOptions) (*Pool, error) {
	if len(o.Command) == 0 {
		return nil, errors.New("no command given for the processes of scripts")
	}
	if o.Children <= 0 {
		o.Children = DefaultChildren
	}
	p := &Pool{command: o.Command, most: most(o.Most), slots: make(chan *child, o.Children)}
	for range o.Children {
		p.slots <- nil
	}
	return p, nil
}

// Close ends all processes, after the scripts that are running.
func (p *Pool) Close() {
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			c.kill()
		}
	}
}

// Run implements [plan.ScriptRunner].
func (p *Pool) Run(ctx context.Context, program *script.Program, lim script.Limits, input []byte) ([]byte, bool, error) {
	lim = lim.Within(p.most)
	var c *child
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	defer func() { p.slots <- c }()
	if c != nil && c.ended() {
		c.kill()
		c = nil
	}
	if c == nil {
		var err error
		if c, err = start(p.command); err != nil {
			return nil, false, &plan.Error{Code: plan.CodeInternal, Message: "the process for scripts cannot be started", Cause: err}
		}
	}
	in := &request{Language: program.Language(), Sources: program.Sources(), Input: input, Limits: lim}
	out, err := c.ask(ctx, in, lim.Time+grace)
	if err != nil {
		said := c.kill()
		c = nil
		return nil, false, lost(ctx, program, lim, err, said)
	}
	switch {
	case out.Failed != nil:
		return nil, false, out.Failed
	case out.Other != "":
		return nil, false, &plan.Error{Code: plan.CodeInternal, Message: "the process for scripts failed", Cause: errors.New(out.Other)}
	}
	return out.Result, out.Set, nil
}

var errLate = errors.New("the script did not end in time")

// lost says why a process gave no answer.
func lost(ctx context.Context, program *script.Program, lim script.Limits, err error, said string) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errLate):
		return &script.Error{Kind: script.Timeout, Name: program.Name(), Message: fmt.Sprintf("the script took longer than %s", lim.Time)}
	}
	for _, sign := range [...]string{"out of memory", "cannot allocate memory", "pthread_create failed", "stack exceeds", "stack overflow"} {
		if bytes.Contains([]byte(said), []byte(sign)) {
			return &script.Error{Kind: script.MemoryLimit, Name: program.Name(), Message: "the script took more memory than its process may have"}
		}
	}
	return &plan.Error{Code: plan.CodeInternal, Message: "the process for scripts ended", Cause: fmt.Errorf("%w: %s", err, said)}
}

// child is a process.
type child struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	said    *opening
	gone    chan struct{} // closed when the process has ended
}

func start(command []string) (*child, error) {
	c := &child{command: exec.Command(command[0], command[1:]...), said: &opening{}, gone: make(chan struct{})}
	c.command.Env, c.command.Dir, c.command.Stderr = []string{}, "/", c.said
	var err error
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	if c.out, err = c.command.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = c.command.Wait() // how it ended is known from what it said
		close(c.gone)
	}()
	return c, nil
}

func (c *child) ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// ask sends a request and waits for its answer, for the end of the time or for the caller's
// going away. After an error the process must not be asked again.
func (c *child) ask(ctx context.Context, in *request, most time.Duration) (*answer, error) {
	type reply struct {
		out *answer
		err error
	}
	got := make(chan reply, 1)
	go func() {
		out := new(answer)
		err := writeFrame(c.in, in)
		if err == nil {
			err = readFrame(c.out, out)
		}
		got <- reply{out, err}
	}()
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case r := <-got:
		return r.out, r.err
	case <-late.C:
		return nil, errLate
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// kill ends the process and gives the last that it said.
func (c *child) kill() string {
	_ = c.command.Process.Kill() // it may have ended
	<-c.gone
	_ = c.in.Close()
	return c.said.String()
}

// opening keeps the beginning of what a process says before it ends; that is where a fault of
// the runtime is named.
type opening struct {
	mu   sync.Mutex
	text []byte
}

// Write keeps the first few KiB.
func (o *opening) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if left := 4<<10 - len(o.text); left > 0 {
		o.text = append(o.text, b[:min(left, len(b))]...)
	}
	return len(b), nil
}

// String gives what was kept.
func (o *opening) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
