package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// errLongLine is a line over the limit. It was read to its end.
var errLongLine = errors.New("the line is too long")

// lines reads lines up to a length.
type lines struct {
	in    *bufio.Reader
	limit int64
	first bool // nothing was read yet
}

func newLines(in io.Reader, limit int64) *lines {
	return &lines{in: bufio.NewReaderSize(in, 64<<10), limit: limit, first: true}
}

// next gives the next line, the last one also without an end of line. It gives errLongLine
// for a line over the limit, of which no more than the limit is ever held, and io.EOF or the
// error of the input when there are no more.
func (l *lines) next() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := l.in.ReadSlice('\n')
		if l.first {
			l.first = false
			part = bytes.TrimPrefix(part, []byte("\ufeff"))
		}
		if long = long || int64(len(line)+len(part)) > l.limit+1; long { // and its end
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case err == nil:
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case len(line) == 0 && !long:
			return nil, err
		}
		if long {
			return nil, errLongLine
		}
		return line, nil
	}
}

func isJSON(b []byte) bool { return utf8.Valid(b) && json.Valid(b) }

// maxID is the largest number that an ID may be: beyond it, numbers of JavaScript and of the
// SDK lose digits.
const maxID = 1 << 53

// decode reads a message. The ID is that of a call that cannot be read further, where it has
// a proper one.
func decode(raw []byte) (_ jsonrpc.Message, id json.RawMessage, _ error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil, nil, errors.New("a message is a JSON object")
	}
	id, given := members["id"]
	if _, call := members["method"]; call && given && !properID(id) {
		return nil, nil, errors.New("the ID of a request is a string or an integer of at most 2^53")
	}
	msg, err := jsonrpc.DecodeMessage(raw)
	if err != nil {
		if !given || !properID(id) {
			id = nil
		}
		return nil, id, errors.New("this is no message of JSON-RPC 2.0")
	}
	return msg, nil, nil
}

func properID(raw json.RawMessage) bool {
	if len(raw) > 0 && raw[0] == '"' {
		return true
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return err == nil && n >= -maxID && n <= maxID
}

// rawID gives an ID as it stands in a message.
func rawID(id jsonrpc.ID) json.RawMessage {
	b, err := json.Marshal(id.Raw())
	if err != nil { // strings and integers always marshal
		return nil
	}
	return b
}

// isModernMessage reports whether a message is of the era whose requests name their version.
func isModernMessage(m *jsonrpc.Request) bool {
	if !bytes.Contains(m.Params, []byte(sdk.MetaKeyProtocolVersion)) {
		return false
	}
	var params struct {
		Meta map[string]json.RawMessage `json:"_meta"`
	}
	var version string
	return json.Unmarshal(m.Params, &params) == nil &&
		json.Unmarshal(params.Meta[sdk.MetaKeyProtocolVersion], &version) == nil && version >= firstModern
}

// batch is several messages on one line (revision 2025-03-26), which are answered on one.
type batch struct {
	mu      sync.Mutex
	waiting int
	answers []json.RawMessage
}

// takeBatch takes the messages of a line with several.
func (p *pipe) takeBatch(line []byte) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || len(raw) == 0 {
		p.refuse(nil, nil, jsonrpc.CodeInvalidRequest, "a batch has at least one message")
		return
	}
	if l := p.started(); l == nil || !l.takesBatches() {
		p.refuse(nil, nil, jsonrpc.CodeInvalidRequest, fmt.Sprintf("batches are of protocol versions before %s; send one message a line", firstWithoutBatches))
		return
	}
	b := &batch{waiting: 1} // for the end of the batch
	for _, m := range raw {
		p.takeOne(m, b)
	}
	_ = p.put(b, nil)
}

// wait counts a message that will be answered.
func (b *batch) wait() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting++
}

// add takes the answer of a message, nil for none, and gives the answer of the whole batch
// when it is complete.
func (b *batch) add(answer []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if answer != nil {
		b.answers = append(b.answers, answer)
	}
	if b.waiting--; b.waiting > 0 || len(b.answers) == 0 {
		return nil
	}
	text, err := json.Marshal(b.answers)
	if err != nil { // it is made of answers
		return nil
	}
	return text
}
