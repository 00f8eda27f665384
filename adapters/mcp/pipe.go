package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// maxPiped bounds the calls under way on one connection. When there are as many, nothing
	// more is read until one is answered.
	maxPiped = 256
	// maxListens bounds the subscriptions of one connection.
	maxListens = 100
)

const (
	methodCancelled = "notifications/cancelled"
	methodAck       = "notifications/subscriptions/acknowledged"
)

// firstWithoutBatches is the first version whose messages stand alone on their line.
const firstWithoutBatches = "2025-06-18"

// pipe is a client behind a pair of streams, with messages on lines. The SDK's own transport
// ends the connection at the first line that is no message, and its sessions are of one era:
// a pipe answers such lines, and keeps a session for each era and for each subscription,
// so that neither knows of the others.
type pipe struct {
	endpoint *endpoint
	slots    chan struct{} // one for each call under way
	hungUp   chan struct{} // closed when no more is read
	hang     sync.Once
	ended    chan struct{} // closed when nothing more comes
	end      sync.Once
	idle     chan struct{} // closed when finishing and every call is answered

	writing sync.Mutex
	out     io.Writer

	mu            sync.Mutex
	calls         map[jsonrpc.ID]*pipedCall // of the client, by its IDs
	unanswered    int                       // calls whose answer is not written yet
	listens       int
	older, modern *lane          // nil until needed
	lanes         map[*lane]bool // that have not ended
	finishing     bool
	broken        bool // nothing can be written
}

// pipedCall is a call that the client waits for.
type pipedCall struct {
	method    string
	requestID string
	begun     time.Time
	lane      *lane
	batch     *batch // nil: it came alone
	cancelled bool   // nobody waits any more
}

func newPipe(e *endpoint, out io.Writer) *pipe {
	return &pipe{
		endpoint: e, out: out, slots: make(chan struct{}, maxPiped), hungUp: make(chan struct{}), ended: make(chan struct{}),
		idle: make(chan struct{}), calls: map[jsonrpc.ID]*pipedCall{}, lanes: map[*lane]bool{},
	}
}

// read takes line after line until there are no more.
func (p *pipe) read(in io.Reader) {
	defer p.noMore()
	lines := newLines(in, p.endpoint.opts.MaxBody)
	for {
		line, err := lines.next()
		select {
		case <-p.hungUp:
			return
		default:
		}
		switch {
		case errors.Is(err, errLongLine):
			p.refuse(nil, nil, jsonrpc.CodeInvalidRequest, fmt.Sprintf("a message is over the limit of %d bytes", p.endpoint.opts.MaxBody))
		case err != nil:
			return
		default:
			p.take(line)
		}
	}
}

// noMore says that nothing more comes from the client, or gets to it.
func (p *pipe) noMore() {
	p.hangUp()
	p.end.Do(func() { close(p.ended) })
}

// hangUp reads no more. What the client was asked it will not answer then.
func (p *pipe) hangUp() {
	p.hang.Do(func() {
		close(p.hungUp)
		p.mu.Lock()
		older := p.older
		p.mu.Unlock()
		if older != nil {
			older.giveUpAsking()
		}
		p.endpoint.streams.end()
	})
}

// take takes one line.
func (p *pipe) take(line []byte) {
	line = bytes.TrimSpace(line)
	switch {
	case len(line) == 0:
	case !isJSON(line):
		p.refuse(nil, nil, jsonrpc.CodeParseError, "the line is not JSON in UTF-8")
	case line[0] == '[':
		p.takeBatch(line)
	default:
		p.takeOne(line, nil)
	}
}

// takeOne takes one message, which may be one of a batch.
func (p *pipe) takeOne(raw []byte, b *batch) {
	msg, id, err := decode(raw)
	if err != nil {
		p.refuse(b, id, jsonrpc.CodeInvalidRequest, err.Error())
		return
	}
	switch m := msg.(type) {
	case *jsonrpc.Response:
		if l := p.started(); l != nil && l.answered(m.ID) {
			l.deliver(m)
		}
	case *jsonrpc.Request:
		switch {
		case m.IsCall():
			p.call(m, b)
		case m.Method == methodCancelled:
			p.cancel(m)
		default:
			p.lane(isModernMessage(m)).deliver(m)
		}
	}
}

// started gives the session of the older era, nil before there is one.
func (p *pipe) started() *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.older
}

// lane gives the session of an era, which begins with the first message for it.
func (p *pipe) lane(modern bool) *lane {
	p.mu.Lock()
	at := &p.older
	if modern {
		at = &p.modern
	}
	l := *at
	if l == nil {
		l = p.newLane(modern)
		*at = l
	}
	p.mu.Unlock()
	l.begin()
	return l
}

// call sends a call to its session.
func (p *pipe) call(m *jsonrpc.Request, b *batch) {
	modern := isModernMessage(m)
	if b != nil && (modern || m.Method == methodInitialize) {
		p.refuse(b, rawID(m.ID), jsonrpc.CodeInvalidRequest, m.Method+" must not be part of a batch")
		return
	}
	c := &pipedCall{method: m.Method, requestID: plan.NewRequestID(), begun: time.Now(), batch: b}
	m.Extra = &sdk.RequestExtra{Header: http.Header{headerRequestID: {c.requestID}}}
	listen := modern && m.Method == methodListen
	if !listen {
		select {
		case p.slots <- struct{}{}:
		case <-p.hungUp:
			return
		}
		c.lane = p.lane(modern)
	}
	if problem := p.enter(m.ID, c, listen); problem != "" {
		if !listen {
			<-p.slots
		}
		// Whoever waits for the other call of that ID must not take this for its answer.
		p.refuse(b, nil, jsonrpc.CodeInvalidRequest, problem)
		return
	}
	c.lane.begin()
	c.lane.deliver(m)
}

// enter registers a call, or says why it cannot be.
func (p *pipe) enter(id jsonrpc.ID, c *pipedCall, listen bool) (problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.calls[id] != nil:
		return fmt.Sprintf("the request ID %s is that of a call under way", rawID(id))
	case listen && p.listens == maxListens:
		return fmt.Sprintf("there are %d subscriptions already; cancel one", maxListens)
	case listen:
		p.listens++
		c.lane = p.newLane(true)
		c.lane.listens = true
	}
	p.calls[id] = c
	p.unanswered++
	if c.batch != nil {
		c.batch.wait()
	}
	return ""
}

// cancel passes on that nobody waits for a call any more. It is not answered then.
func (p *pipe) cancel(m *jsonrpc.Request) {
	var params struct {
		RequestID any `json:"requestId"`
	}
	if json.Unmarshal(m.Params, &params) != nil {
		return
	}
	id, err := jsonrpc.MakeID(params.RequestID)
	if err != nil {
		return
	}
	p.mu.Lock()
	c := p.calls[id]
	if c != nil && c.method != methodInitialize {
		c.cancelled = true
	}
	p.mu.Unlock()
	if c != nil && c.method != methodInitialize {
		if c.lane.listens {
			c.lane.hush()
		}
		c.lane.deliver(m)
	}
}

// answer writes the answer of a call.
func (p *pipe) answer(l *lane, m *jsonrpc.Response) error {
	p.mu.Lock()
	c := p.calls[m.ID]
	delete(p.calls, m.ID) // before the answer is written: its ID may be used again then
	cancelled := c != nil && c.cancelled
	p.mu.Unlock()
	if c == nil {
		return nil
	}
	if c.method == methodInitialize {
		l.negotiated(m)
	}
	p.endpoint.opts.Logger.Debug("MCP request", p.endpoint.name, slog.String("request_id", c.requestID),
		slog.String("method", truncate(c.method, 64)), slog.Bool("failed", m.Error != nil), slog.Bool("cancelled", cancelled), slog.Duration("duration", time.Since(c.begun)))
	var text []byte
	var err error
	if !cancelled {
		text, err = jsonrpc.EncodeMessage(m)
	}
	if err == nil {
		err = p.put(c.batch, text)
	}
	p.leave(c)
	return err
}

// leave ends what enter began, once the answer is written.
func (p *pipe) leave(c *pipedCall) {
	if c.lane.listens {
		c.lane.end()
	} else {
		<-p.slots
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.lane.listens {
		p.listens--
		delete(p.lanes, c.lane)
	}
	p.unanswered--
	p.settle()
}

// settle tells when all is done. p.mu is held.
func (p *pipe) settle() {
	if p.finishing && (p.unanswered == 0 || p.broken) {
		select {
		case <-p.idle:
		default:
			close(p.idle)
		}
	}
}

// refuse answers what is no proper call. A nil id is that of a message without one.
func (p *pipe) refuse(b *batch, id json.RawMessage, code int64, message string) {
	if id == nil {
		id = json.RawMessage("null")
	}
	text, err := json.Marshal(refusal{"2.0", id, jsonrpc.Error{Code: code, Message: message}})
	if err != nil { // an ID that was read can be written
		return
	}
	if b != nil {
		b.wait()
	}
	_ = p.put(b, text)
}

// refusal is an answer whose ID may be null, which the SDK would leave out.
type refusal struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   jsonrpc.Error   `json:"error"`
}

// put writes an answer, or keeps it until its batch is complete. No text is no answer.
func (p *pipe) put(b *batch, text []byte) error {
	if b != nil {
		text = b.add(text)
	}
	if text == nil {
		return nil
	}
	return p.write(text)
}

// write writes a line.
func (p *pipe) write(text []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.out.Write(append(text, '\n'))
	if err != nil {
		p.endpoint.opts.Logger.Debug("cannot write to the MCP client", "error", err)
		p.lose()
	}
	return err
}

// lose gives up a client that does not read any more: nobody waits for its calls.
func (p *pipe) lose() {
	p.noMore()
	p.mu.Lock()
	p.broken = true
	p.settle()
	p.mu.Unlock()
	p.cut()
}
