package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// lane is one session of the SDK on a [pipe]: what it reads and writes. The SDK knows one
// subscription of a kind for a session, and one era, so there are several of them.
type lane struct {
	pipe    *pipe
	modern  bool
	listens bool // is that of one subscription
	in      chan jsonrpc.Message
	gone    chan struct{}
	start   sync.Once
	stop    sync.Once

	mu      sync.Mutex
	version string // that was agreed on; empty before
	told    bool   // of a subscription: it is acknowledged
	hushed  bool   // of a subscription: it is cancelled
	asked   map[jsonrpc.ID]bool
}

// newLane makes a session. p.mu is held.
func (p *pipe) newLane(modern bool) *lane {
	l := &lane{pipe: p, modern: modern, in: make(chan jsonrpc.Message), gone: make(chan struct{}), asked: map[jsonrpc.ID]bool{}}
	p.lanes[l] = true
	return l
}

// begin connects the session to the protocol engine, once.
func (l *lane) begin() {
	l.start.Do(func() {
		_, _ = l.pipe.endpoint.server.Load().Connect(context.Background(), l, nil) // a lane always connects
	})
}

// end lets the session read that there is no more.
func (l *lane) end() { l.stop.Do(func() { close(l.gone) }) }

// deliver hands a message to the session.
func (l *lane) deliver(m jsonrpc.Message) {
	select {
	case l.in <- m:
	case <-l.gone:
	}
}

// Connect is [sdk.Transport]'s.
func (l *lane) Connect(context.Context) (sdk.Connection, error) { return l, nil }

// SessionID is [sdk.Connection]'s. A stream has one client, so it needs none.
func (l *lane) SessionID() string { return "" }

// Close is [sdk.Connection]'s.
func (l *lane) Close() error {
	l.end()
	return nil
}

// Read is [sdk.Connection]'s.
func (l *lane) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-l.in:
		return m, nil
	case <-l.gone:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Write is [sdk.Connection]'s.
func (l *lane) Write(_ context.Context, msg jsonrpc.Message) error {
	switch m := msg.(type) {
	case *jsonrpc.Response:
		return l.pipe.answer(l, m)
	case *jsonrpc.Request:
		switch {
		case m.IsCall() && !l.ask(m.ID):
			go l.deliver(unanswerable(m.ID))
			return nil
		case !m.IsCall() && !l.wants(m.Method):
			return nil
		}
	}
	text, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	return l.pipe.write(text)
}

// wants reports whether the client is to be told. The SDK tells of changes whoever has not
// said its era yet; a subscription begins with its acknowledgement.
func (l *lane) wants(method string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if method == methodAck {
		l.told = true
	}
	changed := strings.HasSuffix(method, "/list_changed") || strings.HasSuffix(method, "/updated")
	switch {
	case !changed:
		return true
	case l.modern:
		return l.told && !l.hushed
	}
	return l.version != ""
}

// hush tells the client of no more changes, from now on: the SDK ends a subscription that was
// cancelled when it gets to it.
func (l *lane) hush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hushed = true
}

// negotiated reads the version that the session agrees on.
func (l *lane) negotiated(m *jsonrpc.Response) {
	var result struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	if m.Error == nil && json.Unmarshal(m.Result, &result) == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.version = result.ProtocolVersion
	}
}

// takesBatches reports whether the version that was agreed on has batches.
func (l *lane) takesBatches() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version != "" && l.version < firstWithoutBatches
}

// ask records a question to the client. It is false when no answer can come any more.
func (l *lane) ask(id jsonrpc.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.pipe.hungUp:
		return false
	default:
	}
	l.asked[id] = true
	return true
}

// answered reports whether an answer is one that is waited for.
func (l *lane) answered(id jsonrpc.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.asked[id]
	delete(l.asked, id)
	return was
}

// giveUpAsking answers in place of a client that will not.
func (l *lane) giveUpAsking() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.asked {
		go l.deliver(unanswerable(id))
	}
	clear(l.asked)
}

func unanswerable(id jsonrpc.ID) *jsonrpc.Response {
	return &jsonrpc.Response{ID: id, Error: errors.New("the client has closed its end of the connection")}
}
