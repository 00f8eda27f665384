package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/plan"
)

func statusError(status int) error {
	return fmt.Errorf("the answer is %s", strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status)))
}

// callWatch observes the call for the flags that show it.
type callWatch struct {
	command *command
	flags   *callFlags
	mu      sync.Mutex      // steps may send at the same time
	sent    []*plan.Request // in order
	dried   bool            // a dry run printed it
	failed  error           // of printing
}

// Step has nothing to tell.
func (w *callWatch) Step(ctx context.Context, _ plan.Step) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// Sent keeps the request, and prints its head when asked to.
func (w *callWatch) Sent(_ context.Context, req *plan.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, req)
	if !w.flags.verbose {
		return
	}
	w.printf("> %s %s\n", req.Method, req.Shown(req.URL()))
	for _, f := range req.Header {
		w.printf("> %s: %s\n", f.Name, req.ShownHeader(f))
	}
	if req.Auth != nil {
		w.printf("> (authentication of type %s is added)\n", req.Auth.Scheme())
	}
	if req.Certificate != nil {
		w.printf("> (a client certificate is shown)\n")
	}
}

// Received prints the head of the answer when asked to.
func (w *callWatch) Received(_ context.Context, req *plan.Request, resp *plan.Response, _ error) {
	if !w.flags.verbose || w.flags.dryRun || resp == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// What was issued for the request is hidden as its own secrets are.
	shown := *req
	shown.Secrets = slices.Concat(req.Secrets, resp.Secrets)
	req = &shown
	w.printf("< %s\n", strings.TrimSpace(strconv.Itoa(resp.Status)+" "+http.StatusText(resp.Status)))
	for _, f := range resp.Header {
		w.printf("< %s: %s\n", f.Name, req.Shown(f.Value))
	}
}

func (w *callWatch) printf(format string, args ...any) {
	_, err := io.WriteString(w.command.stderr, printableLine(fmt.Sprintf(format, args...)))
	w.keep(err)
}

func (w *callWatch) keep(err error) {
	if w.failed == nil {
		w.failed = err
	}
}

func printableLine(s string) string { return diag.Printable(strings.TrimSuffix(s, "\n")) + "\n" }

// dry prints a request that is not sent, as the wire would have it.
func (w *callWatch) dry(req *plan.Request, wire []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dried = true
	head, body, _ := bytes.Cut(wire, []byte("\r\n\r\n"))
	var out strings.Builder
	for i, line := range strings.Split(string(head), "\r\n") {
		name, value, ok := strings.Cut(line, ": ")
		switch {
		case i == 0 || !ok:
			out.WriteString(req.Shown(line))
		default:
			out.WriteString(name + ": " + req.ShownHeader(fieldOf(req, name, value)))
		}
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	if len(body) > 0 {
		out.WriteString(req.Shown(string(body)))
		if body[len(body)-1] != '\n' && (isTerminal(w.command.stdout) || w.flags.explain) {
			out.WriteByte('\n')
		}
	}
	_, err := io.WriteString(w.command.stdout, out.String())
	w.keep(err)
	w.printf("capd: this would be sent to %s\n", req.Shown(req.Base.Scheme+"://"+req.Base.Host))
}

// fieldOf gives the header of the request that a line on the wire came from.
func fieldOf(req *plan.Request, name, value string) plan.Field {
	for _, f := range req.Header {
		if strings.EqualFold(f.Name, name) && strings.TrimSpace(f.Value) == strings.TrimSpace(value) {
			return plan.Field{Name: name, Value: value, Secret: f.Secret}
		}
	}
	return plan.Field{Name: name, Value: value}
}

// explainOperation says where every part of an operation's upstream requests comes from. sent
// are those that were sent.
func explainOperation(out io.Writer, op *plan.Operation, sent []*plan.Request) error {
	p := &page{}
	calls := op.Calls()
	if len(calls) == 0 {
		p.line("this operation calls no upstream: its answer stands in the spec")
	}
	for i, c := range calls {
		if len(calls) > 1 {
			if i > 0 {
				p.line("")
			}
			p.line("call %d: %s", i+1, c.Name())
		}
		explainCall(p, c, sent)
	}
	_, err := io.WriteString(out, p.String())
	return err
}

func explainCall(p *page, c *plan.Call, sent []*plan.Request) {
	var req *plan.Request
	for _, r := range sent {
		if r.Call == c {
			req = r
		}
	}
	origins := c.Origins()
	for i := range origins {
		o := &origins[i]
		title := plan.PartName{Part: o.Part, Name: o.Name}.String()
		if o.Auth {
			title += " (authentication)"
		}
		if req != nil && !isSent(o, req) {
			title += " (no value: not sent)"
		}
		p.line("%s  %s", title, ruled(o.Rule, o.Span))
		for j := range o.Sources {
			explainSource(p, &o.Sources[j])
		}
	}
}

// ruled names a rule of the contract and the place it was applied to.
func ruled(rule string, at diag.Span) string {
	var parts []string
	if rule != "" {
		parts = append(parts, "["+rule+"]")
	}
	if at.Start.IsValid() {
		parts = append(parts, at.String())
	}
	return strings.Join(parts, " ")
}

func explainSource(p *page, s *plan.OriginSource) {
	switch s.Kind {
	case plan.SourceLiteral:
		p.line("    literal %s", quote(s.Name))
		return
	case plan.SourceInput:
		places := make([]string, len(s.Places))
		for i, at := range s.Places {
			places[i] = at.String()
		}
		p.line("    input %s  %s", s.Name, ruled(s.Rule, s.Span))
		if len(places) > 0 {
			p.line("        looked for in: %s", strings.Join(places, ", then "))
		}
	case plan.SourceRequest:
		p.line("    the caller's %s  %s", s.Name, ruled(s.Rule, s.Span))
		return
	default:
		p.line("    variable %s  %s", s.Name, ruled(s.Rule, s.Span))
	}
	if s.Declared.Start.IsValid() {
		p.line("        declared at %s", s.Declared)
	} else {
		p.line("        not declared")
	}
}

// isSent reports whether the part is in the request, as far as that can be seen.
func isSent(o *plan.Origin, req *plan.Request) bool {
	if o.Auth && (req.Auth != nil || req.Certificate != nil) {
		return true // it is added once the request is finished
	}
	switch o.Part {
	case plan.PartQuery:
		_, query, _ := strings.Cut(req.Target, "?")
		values, err := url.ParseQuery(query)
		return err != nil || values.Has(o.Name) || o.Name == "" && query != ""
	case plan.PartHeader:
		for _, f := range req.Header {
			if strings.EqualFold(f.Name, o.Name) || o.Name == "" {
				return true
			}
		}
		return false
	case plan.PartCookie:
		for _, f := range req.Header {
			if strings.EqualFold(f.Name, "Cookie") && strings.Contains("; "+f.Value, "; "+o.Name+"=") {
				return true
			}
		}
		return false
	case plan.PartBody:
		return isInBody(o.Name, req)
	}
	return true
}

func isInBody(name string, req *plan.Request) bool {
	if req.Body.IsEmpty() {
		return false
	}
	var members map[string]json.RawMessage
	if name == "" || req.Body.Stream != nil || json.Unmarshal(req.Body.Bytes, &members) != nil {
		return true
	}
	head, _, _ := strings.Cut(name, ".")
	_, whole := members[name]
	_, top := members[head]
	return whole || top
}
