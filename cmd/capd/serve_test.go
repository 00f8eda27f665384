package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestServe runs the exchanges of testdata/serve: one spec, one call through each door, the
// request that reached the upstream, and the answer each caller got. The files hold
//
//	spec.yaml    the document; its upstream is the variable UPSTREAM
//	env, flags   more variables and flags, one on each line
//	upstream     the upstream's answer as on the wire; 200 {} when absent
//	rest         the REST request as on the wire, its path below /apis/spec
//	mcp          {"name": ..., "arguments": {...}}
//	sent         what both doors sent upstream, or rest.sent and mcp.sent where they differ
//	rest.answer, mcp.answer
//
// With -update the last three are written anew.
func TestServe(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/serve/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no exchange found (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			conversation{file, ar}.test(t)
		})
	}
}

// conversation is one file of testdata/serve.
type conversation struct {
	file string
	*txtar.Archive
}

func (c conversation) test(t *testing.T) {
	up := scriptedUpstream(t, c.section("upstream"))
	spec := specFile(t, "spec.yaml", c.section("spec.yaml"))
	env := append([]string{"UPSTREAM=" + up.url}, c.lines("env")...)
	i := start(t, env, append(c.lines("flags"), spec)...)

	got := map[string]string{}
	var sent []string
	if request := c.section("rest"); request != "" {
		got["rest.answer"] = restDoor(t, i, request)
		sent = append(sent, describe(up.take()))
	}
	if call := c.section("mcp"); call != "" {
		got["mcp.answer"] = mcpDoor(t, i, call)
		sent = append(sent, describe(up.take()))
	}
	switch {
	case len(sent) == 0:
		t.Fatal("the file makes no call: it needs a section rest or mcp")
	case len(sent) == 1 || sent[0] == sent[1]:
		got["sent"] = sent[0]
	default:
		got["rest.sent"], got["mcp.sent"] = sent[0], sent[1]
	}
	c.compare(t, got)
}

// outcomes are the sections that a run gives.
var outcomes = []string{"sent", "rest.sent", "mcp.sent", "rest.answer", "mcp.answer"}

// compare wants exactly the outcomes of the file, or writes them to it.
func (c conversation) compare(t *testing.T, got map[string]string) {
	if *update {
		c.Files = slices.DeleteFunc(c.Files, func(f txtar.File) bool { return slices.Contains(outcomes, f.Name) })
		for _, name := range outcomes {
			if text, ok := got[name]; ok {
				c.Files = append(c.Files, txtar.File{Name: name, Data: []byte(text)})
			}
		}
		if err := os.WriteFile(c.file, txtar.Format(c.Archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range outcomes {
		if want := c.section(name); got[name] != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got[name], want)
		}
	}
}

// section gives the text of a file of the archive, empty when it has none.
func (c conversation) section(name string) string {
	for _, f := range c.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (c conversation) lines(name string) []string {
	return strings.FieldsFunc(c.section(name), func(r rune) bool { return r == '\n' })
}

// scriptedUpstream answers every request with the given wire text.
func scriptedUpstream(t *testing.T, wire string) upstream {
	if wire == "" {
		wire = "HTTP/1.1 200 OK\nContent-Type: application/json\n\n{}"
	}
	head, body, _ := strings.Cut(wire, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(crlf(head)+"\r\n\r\n")), nil)
	if err != nil {
		t.Fatalf("section upstream: %v", err)
	}
	_ = resp.Body.Close()
	rec := &recorder{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec.record(r)
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return upstream{rec, server.URL}
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// restDoor sends a request exactly as it stands in the file, so that nothing between the
// test and capd tidies it up.
func restDoor(t *testing.T, i *instance, request string) string {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	line, fields, _ := strings.Cut(strings.TrimSuffix(head, "\n"), "\n")
	method, path, ok := strings.Cut(line, " ")
	if !ok {
		t.Fatalf("section rest: %q is no request line", line)
	}
	host := strings.TrimPrefix(i.url, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if fields != "" {
		fields = crlf(strings.TrimSuffix(fields, "\n")) + "\r\n"
	}
	if body != "" {
		fields += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if _, err := fmt.Fprintf(conn, "%s /apis/spec%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n%s", method, path, host, fields, body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s\n%s\n%s\n", resp.StatusCode, http.StatusText(resp.StatusCode),
		describeHeader(resp.Header, "Date", "Content-Length", "X-Request-Id"), withoutID(string(text)))
}

var requestID = regexp.MustCompile(`"requestId":"[A-Z2-7]+"`)

// withoutID replaces the request ID of a problem document, which is random.
func withoutID(body string) string {
	return requestID.ReplaceAllString(strings.TrimSuffix(body, "\n"), `"requestId":"ID"`)
}

// mcpDoor makes a tool call and gives its result, indented.
func mcpDoor(t *testing.T, i *instance, section string) string {
	t.Helper()
	var params struct {
		Name      string
		Arguments json.RawMessage
	}
	if err := json.Unmarshal([]byte(section), &params); err != nil {
		t.Fatalf("section mcp: %v", err)
	}
	result, _ := mcpCall(t, i.url+"/mcp/spec", params.Name, string(params.Arguments))
	var out bytes.Buffer
	if err := json.Indent(&out, withoutMeta(t, result), "", "  "); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// withoutMeta leaves out what the protocol adds to every result.
func withoutMeta(t *testing.T, result json.RawMessage) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(result, &members); err != nil {
		t.Fatalf("result %s: %v", result, err)
	}
	delete(members, "_meta")
	delete(members, "resultType")
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// describe gives requests as text, without what is the same in all or differs from run to run.
func describe(seen []exchange) string {
	if len(seen) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, e := range seen {
		fmt.Fprintf(&b, "%s %s\n%s", e.Method, e.Target,
			describeHeader(e.Header, "Content-Length", "User-Agent", "Accept-Encoding", "Traceparent"))
		if e.Body != "" {
			fmt.Fprintf(&b, "\n%s\n", e.Body)
		}
	}
	return b.String()
}

// describeHeader gives header lines in order, some left out.
func describeHeader(h http.Header, without ...string) string {
	var lines []string
	for name, values := range h {
		if slices.Contains(without, name) {
			continue
		}
		for _, v := range values {
			lines = append(lines, name+": "+v+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
