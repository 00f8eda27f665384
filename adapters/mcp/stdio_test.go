package mcp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// pipes is an adapter with one client on a pair of streams.
type pipes struct {
	t        *testing.T
	adapter  *mcp.Adapter
	upstream *upstream
	log      *records
	bound    *plan.Bound
	in       *io.PipeWriter // to capd
	out      *io.PipeReader // from capd
	lines    *bufio.Scanner // of out
	ended    <-chan struct{}
}

// pipe serves documents by their IDs over streams.
func pipe(t *testing.T, docs map[string]string, o mcp.Options) *pipes {
	t.Helper()
	p := &pipes{t: t, upstream: &upstream{}, log: &records{}}
	p.upstream.set(echo)
	o.Logger = slog.New(p.log)
	p.adapter = mcp.New(o)
	p.load(docs)
	in, toCapd := io.Pipe()
	fromCapd, out := io.Pipe()
	p.in, p.out, p.lines = toCapd, fromCapd, bufio.NewScanner(fromCapd)
	p.lines.Buffer(nil, 16<<20)
	p.ended = p.adapter.Connect(in, out)
	t.Cleanup(func() {
		_ = toCapd.Close()
		_ = fromCapd.Close()
		<-p.ended
	})
	return p
}

// load replaces what is served, as a reload does.
func (p *pipes) load(docs map[string]string) {
	p.t.Helper()
	next := bind(p.t, docs, nil, plan.LinkOptions{Stdio: &plan.StdioOptions{}}, p.upstream)
	swap, err := p.adapter.Prepare(context.Background(), p.bound, next)
	if err != nil {
		p.t.Fatal(err)
	}
	_, retire := swap()
	p.bound = next
	retire()
}

// connect opens a client of the SDK, in the era of the version.
func (p *pipes) connect(version string, o *sdk.ClientOptions) *sdk.ClientSession {
	p.t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	s, err := c.Connect(context.Background(), &sdk.IOTransport{Reader: p.out, Writer: p.in}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		p.t.Fatal(err)
	}
	if got := s.InitializeResult().ProtocolVersion; got != version {
		p.t.Fatalf("negotiated %s, want %s", got, version)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	return s
}

// send writes lines, each with an end of line.
func (p *pipes) send(lines ...string) {
	p.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(p.in, l+"\n"); err != nil {
			p.t.Error(err)
		}
	}
}

// next gives the next line that capd writes.
func (p *pipes) next() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("no more lines: %v", p.lines.Err())
	}
	return p.lines.Text()
}

// message gives the next line as a message.
func (p *pipes) message() message {
	p.t.Helper()
	var m message
	line := p.next()
	if err := json.Unmarshal([]byte(line), &m); err != nil {
		p.t.Fatalf("%v: %s", err, line)
	}
	return m
}

// handshake opens a session of the older era.
func (p *pipes) handshake(version string) {
	p.t.Helper()
	p.send(`{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"` + version + `","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if line := p.next(); !strings.Contains(line, `"protocolVersion":"`+version+`"`) {
		p.t.Fatalf("initialize: %s", line)
	}
	p.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// request gives a message of an era; params is a JSON object.
func request(era, id, method, params string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(params, "{"), "}")
	if era >= "2026-07-28" {
		meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + era + `","io.modelcontextprotocol/clientCapabilities":{}}`
		inner = strings.TrimSuffix(meta+","+inner, ",")
	}
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + inner + `}}`
}

func getRoom(era, id string) string {
	return request(era, id, "tools/call", `{"name":"get-room","arguments":{"id":"7"}}`)
}

const (
	older  = "2025-11-25"
	newest = "2026-07-28"
)

// TestStdio: the SDK's client lists and calls in both eras; one document has no prefix.
func TestStdio(t *testing.T) {
	t.Parallel()
	for _, era := range []string{newest, older, "2025-06-18", "2025-03-26", "2024-11-05"} {
		p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{Version: "v9"})
		s := p.connect(era, nil)
		if got := toolNames(t, s); !slices.Equal(got, []string{"create-room", "get-room", "list_rooms"}) {
			t.Errorf("%s: %q", era, got)
		}
		p.upstream.set(respond(200, "application/json", "{\n  \"floor\": 2\n}"))
		res := call(t, s, "get-room", map[string]any{"id": "7"})
		if got := text(t, res); got != "{\n  \"floor\": 2\n}" {
			t.Errorf("%s: %q", era, got)
		}
		p.upstream.set(respond(404, "text/plain", "no such room"))
		if res := call(t, s, "get-room", map[string]any{"id": "8"}); !res.IsError {
			t.Errorf("%s: a failed call is no error", era)
		}
		if !s.InitializeResult().Capabilities.Tools.ListChanged {
			t.Errorf("%s: news of other tools are not offered", era)
		}
		if info := s.InitializeResult(); info.ServerInfo.Name != "rooms" || info.Instructions != "Find and book rooms." {
			t.Errorf("%s: %+v", era, info)
		}
	}
}

// TestStdioErasBeside: clients of both eras share one connection, in any order. A client may
// look for the new era first and take the older one.
func TestStdioErasBeside(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	p.send(request(newest, "1", "server/discover", "{}"))
	if line := p.next(); !strings.Contains(line, `"supportedVersions":["2026-07-28","2025-11-25","2025-06-18","2025-03-26","2024-11-05"]`) {
		t.Errorf("discover: %s", line)
	}
	p.handshake(older)
	for _, era := range []string{older, newest, older} {
		p.send(getRoom(era, `"x"`))
		m := p.message()
		if m.Error != nil || strings.Contains(string(m.Result), `"resultType":"complete"`) != (era == newest) {
			t.Errorf("%s: %s %v", era, m.Result, m.Error)
		}
	}
	p.send(request("2031-01-01", "2", "tools/list", "{}"))
	if m := p.message(); m.Error == nil || m.Error.Code != -32022 {
		t.Errorf("a version of the future: %+v", m)
	}
	p.send(request(newest, "3", "initialize", "{}"), request(older, "4", "server/discover", "{}"), request(newest, "5", "no/such", "{}"))
	for range 3 {
		if m := p.message(); m.Error == nil || m.Error.Code != -32601 {
			t.Errorf("a method of the other era, or of none: %+v", m)
		}
	}
}

// TestStdioBadLines: a line that is no proper message is answered, and the next one is read.
func TestStdioBadLines(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{MaxBody: limit})
	deep := strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)
	tests := []struct {
		line string
		code int
		id   string
	}{
		{"nonsense", -32700, "null"},
		{`{"jsonrpc":"2.0","id":1,"method":"ping"`, -32700, "null"},
		{`{"jsonrpc":"2.0","id":1,"method":"ping"} {"jsonrpc":"2.0","id":2,"method":"ping"}`, -32700, "null"},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", -32700, "null"},
		{deep, -32700, "null"},
		{`7`, -32600, "null"},
		{`"text"`, -32600, "null"},
		{`null`, -32600, "null"},
		{`{}`, -32600, "null"},
		{`[]`, -32600, "null"},
		{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, -32600, "null"},
		{`{"jsonrpc":"2.0","id":null,"method":"ping"}`, -32600, "null"},
		{`{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, -32600, "null"},
		{`{"jsonrpc":"2.0","id":90071992547409930,"method":"ping"}`, -32600, "null"},
		{`{"jsonrpc":"2.0","id":{},"method":"ping"}`, -32600, "null"},
		{`{"jsonrpc":"1.0","id":"a","method":"ping"}`, -32600, `"a"`},
		{`{"id":7,"method":"ping"}`, -32600, `7`},
		{`{"jsonrpc":"2.0","id":7,"method":7}`, -32600, `7`},
		{`{"jsonrpc":"2.0","id":7,"method":"ping","params":"` + strings.Repeat("x", limit) + `"}`, -32600, "null"},
	}
	for _, tt := range tests {
		p.send(tt.line)
		m := p.message()
		if m.Error == nil || m.Error.Code != tt.code || string(m.ID) != tt.id {
			t.Errorf("%.80s: %s %+v, want %s %d", tt.line, m.ID, m.Error, tt.id, tt.code)
		}
	}
	// What needs no answer gets none.
	p.send("", " \t", `{"jsonrpc":"2.0","method":"notifications/unknown"}`, `{"jsonrpc":"2.0","id":77,"result":{}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}`,
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[]}}`, `{"jsonrpc":"2.0","method":"notifications/cancelled"}`,
		`{"jsonrpc":"2.0","id":"last","method":"ping"}`+"\r")
	if line := p.next(); line != `{"jsonrpc":"2.0","id":"last","result":{}}` {
		t.Errorf("the last answer is %s", line)
	}
}

// TestStdioFirstByte: a byte order mark before the first message is not part of it, and the
// last one needs no end of line.
func TestStdioFirstByte(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	if _, err := io.WriteString(p.in, "\ufeff"+`{"jsonrpc":"2.0","id":1,"method":"ping"}`); err != nil {
		t.Fatal(err)
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if line := p.next(); line != `{"jsonrpc":"2.0","id":1,"result":{}}` {
		t.Error(line)
	}
	<-p.ended
}

// TestStdioBatch: the revision with batches answers one on one line; notifications and
// cancelled calls have no answer in it.
func TestStdioBatch(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	p.handshake("2025-03-26")
	p.send(`[` + strings.Join([]string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, getRoom(older, "2"),
		`7`, getRoom(newest, "3"), `{"jsonrpc":"2.0","id":2,"method":"ping"}`, `{"jsonrpc":"2.0","id":4,"method":"no/such"}`,
	}, ",") + `]`)
	var all []message
	if err := json.Unmarshal([]byte(p.next()), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, m := range all {
		code := 0
		if m.Error != nil {
			code = m.Error.Code
		}
		got[fmt.Sprintf("%s %d", m.ID, code)]++
	}
	// Two are no messages, or their ID is taken; of those it depends which one is slower.
	if len(all) != 6 || got["1 0"] != 1 || got["3 -32600"] != 1 || got["4 -32601"] != 1 || got["2 0"] == 0 || got["null -32600"] == 0 {
		t.Errorf("%v", got)
	}
	p.send(`[{"jsonrpc":"2.0","method":"notifications/initialized"}]`, `{"jsonrpc":"2.0","id":5,"method":"ping"}`)
	if line := p.next(); line != `{"jsonrpc":"2.0","id":5,"result":{}}` {
		t.Errorf("after a batch without calls: %s", line)
	}
}

// TestStdioCancel: a cancelled call stops its call upstream and is not answered, in both eras;
// another call of its ID while it runs is refused.
func TestStdioCancel(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	p.handshake(older)
	started, canceled := make(chan struct{}), make(chan error)
	p.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		started <- struct{}{}
		<-ctx.Done()
		canceled <- ctx.Err()
		return nil, ctx.Err()
	})
	for id, era := range map[string]string{"5": older, "7": newest} {
		p.send(getRoom(era, id))
		<-started
		p.send(getRoom(era, id))
		if m := p.message(); m.Error == nil || m.Error.Code != -32600 || string(m.ID) != "null" {
			t.Errorf("%s: the same ID twice: %s %+v", era, m.ID, m.Error)
		}
		p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
		if err := <-canceled; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", era, err)
		}
	}
	// The answers of the cancelled calls would be written before the end.
	p.send(request(older, "6", "ping", "{}"))
	if m := p.message(); string(m.ID) != "6" {
		t.Errorf("a cancelled call was answered: %s %s", m.ID, m.Result)
	}
	go func() {
		_ = p.in.Close()
		<-p.ended
		_ = p.adapter.Drain(context.Background())
		_ = p.out.Close()
	}()
	if p.lines.Scan() {
		t.Errorf("written at the end: %s", p.lines.Text())
	}
}

// TestStdioEnd: when the input has ended, calls in flight are answered; what listens is ended.
func TestStdioEnd(t *testing.T) {
	t.Parallel()
	for _, era := range []string{older, newest} {
		p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
		started, finish := make(chan struct{}), make(chan struct{})
		p.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
			close(started)
			<-finish
			return response(200, "text/plain", "late"), nil
		})
		p.handshake(older)
		p.send(request(newest, `"l"`, "subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`))
		p.next() // the acknowledgement
		p.send(getRoom(era, "1"))
		<-started
		if err := p.in.Close(); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		if m := p.message(); string(m.ID) != `"l"` || m.Error != nil {
			t.Errorf("%s: the end of the subscription: %+v", era, m)
		}
		close(finish)
		if line := p.next(); !strings.Contains(line, "late") {
			t.Errorf("%s: %s", era, line)
		}
		if err := p.adapter.Drain(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestStdioDrain: a stop without the end of the input answers calls in flight, reads no more,
// and cuts calls off when its time is up.
func TestStdioDrain(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, canceled := make(chan struct{}), make(chan error, 1)
	p.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		close(started)
		<-ctx.Done()
		canceled <- ctx.Err()
		return nil, ctx.Err()
	})
	p.send(getRoom(newest, "1"))
	<-started
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.adapter.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that calls were cut off", err)
	}
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestStdioClientGone: a client that does not read any more ends the connection, and its
// calls.
func TestStdioClientGone(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	started, canceled := make(chan struct{}), make(chan error, 1)
	p.upstream.set(func(ctx context.Context, _ *plan.Request) (*plan.Response, error) {
		close(started)
		<-ctx.Done()
		canceled <- ctx.Err()
		return nil, ctx.Err()
	})
	p.send(getRoom(newest, "1"))
	<-started
	if err := p.out.Close(); err != nil {
		t.Fatal(err)
	}
	p.send(request(older, "2", "ping", "{}"))
	<-p.ended
	if err := <-canceled; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := p.adapter.Drain(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestStdioSubscriptions: each subscription of a connection is told of changes by its own ID,
// also two of the same kind; a cancelled one is not, and neither is a client of the older era
// before its session has begun.
func TestStdioSubscriptions(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	p.send(request(newest, "1", "tools/list", "{}"))
	p.next()
	for _, id := range []string{`"a"`, `"b"`, `"c"`} {
		p.send(request(newest, id, "subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`))
		if m := p.message(); m.Method != "notifications/subscriptions/acknowledged" || !strings.Contains(string(m.Params), id) {
			t.Errorf("%s: %+v", id, m)
		}
	}
	p.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}`, request(older, "2", "ping", "{}"))
	p.next()
	told := func(n int) (ids []string) {
		for range n {
			m := p.message()
			var params struct {
				Meta map[string]string `json:"_meta"`
			}
			if err := json.Unmarshal(m.Params, &params); m.Method != "notifications/tools/list_changed" || err != nil && len(m.Params) > 0 {
				t.Fatalf("%+v %v", m, err)
			}
			ids = append(ids, params.Meta["io.modelcontextprotocol/subscriptionId"])
		}
		slices.Sort(ids)
		return ids
	}
	p.load(map[string]string{"rooms": strings.ReplaceAll(rooms, "Get a room.", "Get one room.")})
	if got := told(2); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("told %q", got)
	}
	p.handshake(older)
	p.send(request(older, "3", "ping", "{}"))
	p.next()
	p.load(map[string]string{"rooms": rooms})
	if got := told(3); !slices.Equal(got, []string{"", "a", "b"}) {
		t.Errorf("told %q", got)
	}
}

// TestStdioReload: what is served follows the documents: one is served as it is, several
// behind prefixes, and none at all for as long as there is none.
func TestStdioReload(t *testing.T) {
	t.Parallel()
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	told := make(chan struct{}, 8)
	s := p.connect(older, &sdk.ClientOptions{
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { told <- struct{}{} },
	})
	if c := s.InitializeResult().Capabilities; c.Tools == nil || !c.Tools.ListChanged {
		t.Errorf("capabilities %+v, want the change of lists", c.Tools)
	}
	for _, tt := range []struct {
		docs map[string]string
		want []string
	}{
		{map[string]string{"rooms": rooms, "halls": rooms}, []string{
			"halls__create-room", "halls__get-room", "halls__list_rooms", "rooms__create-room", "rooms__get-room", "rooms__list_rooms",
		}},
		{map[string]string{}, nil},
		{map[string]string{"halls": rooms}, []string{"create-room", "get-room", "list_rooms"}},
	} {
		p.load(tt.docs)
		<-told
		if got := toolNames(t, s); !slices.Equal(got, tt.want) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestStdioManyCalls: a connection runs calls beside each other, but not all of thousands.
func TestStdioManyCalls(t *testing.T) {
	t.Parallel()
	const calls = 2000
	p := pipe(t, map[string]string{"rooms": rooms}, mcp.Options{})
	var now, most atomic.Int64
	var once sync.Once
	full := make(chan struct{})
	p.upstream.set(func(context.Context, *plan.Request) (*plan.Response, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			was := most.Load()
			if n <= was || most.CompareAndSwap(was, n) {
				break
			}
		}
		if n == 256 {
			once.Do(func() { close(full) })
		}
		<-full
		return response(200, "text/plain", "ok"), nil
	})
	go func() {
		var b bytes.Buffer
		for i := range calls {
			b.WriteString(getRoom(newest, fmt.Sprint(i)) + "\n")
		}
		if _, err := p.in.Write(b.Bytes()); err != nil {
			t.Error(err)
		}
	}()
	seen := map[string]bool{}
	for range calls {
		m := p.message()
		if m.Error != nil {
			t.Fatalf("%+v", m.Error)
		}
		seen[string(m.ID)] = true
	}
	if len(seen) != calls || most.Load() != 256 {
		t.Errorf("%d answers, %d calls at once", len(seen), most.Load())
	}
}

// FuzzStdio: whatever comes in, each line that goes out is a message, and the end ends it.
func FuzzStdio(f *testing.F) {
	for _, line := range []string{
		"", "x", "[]", `[1,{"jsonrpc":"2.0","id":1,"method":"ping"}]`, getRoom(newest, "1") + "\n" + getRoom(older, "1"), `{"jsonrpc":"2.0","id":1,"result":{}}`,
		request(newest, `"l"`, "subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`),
		`{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` +
			"\n" + `[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}]`,
	} {
		f.Add([]byte(line))
	}
	u := &upstream{}
	u.set(respond(200, "text/plain", "ok"))
	f.Fuzz(func(t *testing.T, input []byte) {
		a := mcp.New(mcp.Options{MaxBody: 1 << 12})
		swap, err := a.Prepare(context.Background(), nil, bind(t, map[string]string{"rooms": rooms}, nil, plan.LinkOptions{Stdio: &plan.StdioOptions{}}, u))
		if err != nil {
			t.Fatal(err)
		}
		swap()
		var out bytes.Buffer
		<-a.Connect(bytes.NewReader(input), &out)
		if err := a.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) || strings.TrimSpace(line) == "" {
				t.Errorf("%q", line)
			}
		}
	})
}
