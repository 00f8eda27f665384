package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// benchSpec has an operation for each way of a call.
//
//go:embed bench.yaml
var benchSpec string

// scenario is one way of a call, and what it is measured beside.
type scenario struct {
	name    string
	request request
	process *process
	beside  string // the name of the scenario that is 1; empty for those
	goal    string // of its rate, as a ratio; empty for none
	conns   []int  // nil: those of the options
}

// world is the processes of a run.
type world struct {
	upstream, proxy, tool *process
	pooled                *process // the proxy with a pool of buffers
	tuned                 *process // that, and with a collector that runs as seldom as capd's
	capd, alone           *process // alone has no sessions of MCP
	all                   []*process
}

func (w *world) stop() {
	for _, p := range w.all {
		p.stop()
	}
}

func (w *world) add(p *process, err error) (*process, error) {
	if err == nil {
		w.all = append(w.all, p)
	}
	return p, err
}

func newWorld(ctx context.Context, o *options, dir string) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	if w.upstream, err = w.add(spawn(ctx, nil, "upstream")); err != nil {
		return w, err
	}
	if w.proxy, err = w.add(spawn(ctx, nil, "proxy", w.upstream.url)); err != nil {
		return w, err
	}
	if w.pooled, err = w.add(spawn(ctx, nil, "pooled", w.upstream.url)); err != nil {
		return w, err
	}
	if w.tuned, err = w.add(spawn(ctx, []string{"GOGC=" + seldom}, "pooled", w.upstream.url)); err != nil {
		return w, err
	}
	if w.tool, err = w.add(spawn(ctx, nil, "tool", w.upstream.url)); err != nil {
		return w, err
	}
	spec := filepath.Join(dir, "bench.yaml")
	if err = os.WriteFile(spec, []byte(benchSpec), 0o600); err != nil {
		return w, err
	}
	env := []string{"UPSTREAM=" + w.upstream.url}
	if w.capd, err = w.add(spawnCapd(ctx, o.capd, env, o.profile != "", spec)); err != nil {
		return w, err
	}
	w.alone, err = w.add(spawnCapd(ctx, o.capd, env, o.profile != "", "--mcp-sessions", "off", spec))
	return w, err
}

// seldom is the target that capd's collector has with one document loaded (cmd/capd/collector.go).
const seldom = "1600"

const (
	modernCall = `{"jsonrpc":"2.0","id":1000,"method":"tools/call","params":{"name":"get-thing","arguments":{"id":"42"},` +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	olderCall = `{"jsonrpc":"2.0","id":1000,"method":"tools/call","params":{"name":"get-thing","arguments":{"id":"42"}}}`
	accept    = "Accept: application/json, text/event-stream"
)

// scenarios are everything that is measured of calls.
func (w *world) scenarios() ([]scenario, error) {
	var out []scenario
	var failed error
	add := func(s scenario, method, url, body, want string, header ...string) {
		r, err := newRequest(method, url, body, want, header...)
		if err != nil && failed == nil {
			failed = err
		}
		s.request = r
		out = append(out, s)
	}
	apis, mcp := w.capd.url+"/apis/bench", w.capd.url+"/mcp/bench"
	add(scenario{name: "upstream alone", process: w.upstream, beside: "proxy 1k"}, "GET", w.upstream.url+"/things/1k/42", "", `"id":"42"`)
	add(scenario{name: "proxy 1k", process: w.proxy}, "GET", w.proxy.url+"/things/1k/42", "", `"id":"42"`)
	add(scenario{name: "proxy 1k, pool", process: w.pooled, beside: "proxy 1k"}, "GET", w.pooled.url+"/things/1k/42", "", `"id":"42"`)
	add(scenario{name: "proxy 1k, pool, GOGC=" + seldom, process: w.tuned, beside: "proxy 1k"}, "GET", w.tuned.url+"/things/1k/42", "", `"id":"42"`)
	add(scenario{name: "pass-through 1k", process: w.capd, beside: "proxy 1k", goal: "≥ 0.90"}, "GET", apis+"/whole/1k/42", "", `"id":"42"`)
	add(scenario{name: "forward 1k", process: w.capd, beside: "proxy 1k"}, "GET", apis+"/forward/things/1k/42", "", `"id":"42"`)
	add(scenario{name: "object 1k", process: w.capd, beside: "proxy 1k", goal: "≥ 0.75"}, "GET", apis+"/object/1k/42", "", `"key":"42"`)
	add(scenario{name: "array 1k", process: w.capd, beside: "proxy 1k", goal: "≥ 0.75"}, "GET", apis+"/array/1k/42", "", `Item number 1`)
	add(scenario{name: "two dependent steps", process: w.capd, beside: "proxy 1k"}, "GET", apis+"/dependent/42", "", `"email"`)
	add(scenario{name: "two independent steps", process: w.capd, beside: "proxy 1k"}, "GET", apis+"/independent/42", "", `"second"`)
	few := []int{32}
	for _, size := range []string{"16k", "1m"} {
		add(scenario{name: "proxy " + size, process: w.proxy, conns: few}, "GET", w.proxy.url+"/things/"+size+"/42", "", `"id":"42"`)
		add(scenario{name: "pass-through " + size, process: w.capd, beside: "proxy " + size, conns: few}, "GET", apis+"/whole/"+size+"/42", "", `"id":"42"`)
		add(scenario{name: "object " + size, process: w.capd, beside: "proxy " + size, conns: few}, "GET", apis+"/object/"+size+"/42", "", `"key":"42"`)
		add(scenario{name: "array " + size, process: w.capd, beside: "proxy " + size, conns: few}, "GET", apis+"/array/"+size+"/42", "", `Item number 1`)
	}
	add(scenario{name: "handler by hand", process: w.tool}, "POST", w.tool.url, olderCall, `\"id\":\"42\"`, accept)
	add(scenario{name: "tools/call 2026-07-28", process: w.capd, beside: "handler by hand", goal: "≥ 0.55"}, "POST", mcp, modernCall, `\"id\":\"42\"`,
		accept, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: get-thing")
	session, err := openSession(mcp)
	if err != nil {
		return nil, err
	}
	add(scenario{name: "tools/call 2025-11-25 in a session", process: w.capd, beside: "handler by hand", goal: "≥ 0.60"}, "POST", mcp, olderCall, `\"id\":\"42\"`,
		accept, "Mcp-Protocol-Version: 2025-11-25", "Mcp-Session-Id: "+session)
	add(scenario{name: "tools/call 2025-11-25 without", process: w.alone, beside: "handler by hand", goal: "≥ 0.60"}, "POST", w.alone.url+"/mcp/bench", olderCall, `\"id\":\"42\"`,
		accept, "Mcp-Protocol-Version: 2025-11-25")
	return out, failed
}

// openSession opens a session of the older protocol.
func openSession(url string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":`+
		`{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	id := resp.Header.Get("Mcp-Session-Id")
	if id == "" {
		return "", fmt.Errorf("no session was opened: %s", resp.Status)
	}
	return id, nil
}

// calls measures all ways of a call and writes a table for each number of connections.
func calls(ctx context.Context, o *options, dir string, out io.Writer) error {
	w, err := newWorld(ctx, o, dir)
	if err != nil {
		return err
	}
	defer w.stop()
	all, err := w.scenarios()
	if err != nil {
		return err
	}
	for _, conns := range o.conns {
		var chosen []scenario
		for _, s := range all {
			if s.conns == nil || len(o.conns) == 1 || contains(s.conns, conns) {
				chosen = append(chosen, s)
			}
		}
		if chosen = o.choose(chosen); len(chosen) == 0 {
			continue
		}
		turns := map[string][]load{}
		for range o.rounds {
			for _, s := range chosen {
				l, err := drive(ctx, s.request, conns, o.turn, s.process)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				turns[s.name] = append(turns[s.name], l)
			}
		}
		table(out, conns, chosen, turns)
		if err := o.profiles(ctx, conns, chosen); err != nil {
			return err
		}
	}
	return nil
}

func contains(all []int, n int) bool {
	for _, x := range all {
		if x == n {
			return true
		}
	}
	return false
}

// choose gives the scenarios that the command line asks for, with those that they are measured beside.
func (o *options) choose(all []scenario) []scenario {
	if o.only == "" {
		return all
	}
	wanted := map[string]bool{}
	for _, s := range all {
		for word := range strings.SplitSeq(o.only, ",") {
			if strings.Contains(s.name, strings.TrimSpace(word)) {
				wanted[s.name], wanted[s.beside] = true, true
			}
		}
	}
	var out []scenario
	for _, s := range all {
		if wanted[s.name] {
			out = append(out, s)
		}
	}
	return out
}

// table writes the ratios. Absolute figures of one machine say nothing elsewhere, but for the CPU
// seconds, which say what a call costs here.
func table(out io.Writer, conns int, all []scenario, turns map[string][]load) {
	fmt.Fprintf(out, "\n## %d connections\n\n", conns)
	fmt.Fprintln(out, "| call | beside | calls per second | goal | CPU per call | p50 | p99 | CPU s for 10,000 calls |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|")
	for _, s := range all {
		mine, base := turns[s.name], turns[s.beside]
		cpu := float64(cpuPerCall(mine)) * 1e4 / float64(time.Second)
		if s.beside == "" {
			fmt.Fprintf(out, "| %s | | 1 | | 1 | 1 | 1 | %.2f |\n", s.name, cpu)
			continue
		}
		fmt.Fprintf(out, "| %s | %s | %.2f | %s | %.2f | %.2f | %.2f | %.2f |\n", s.name, s.beside,
			perSecond(mine)/perSecond(base), s.goal, float64(cpuPerCall(mine))/float64(max(1, cpuPerCall(base))),
			float64(quantile(mine, 0.5))/float64(quantile(base, 0.5)), float64(quantile(mine, 0.99))/float64(quantile(base, 0.99)), cpu)
	}
}
