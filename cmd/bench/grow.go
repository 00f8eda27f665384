package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// fleet is a capd with many documents, and what it costs.
type fleet struct {
	name         string
	folder       string
	documents    int
	process      *process
	last         string        // the document that was written last, of generated ones
	parse, begun time.Duration // CPU time, of a bare parse and of a start
	resident     int           // KiB

	unchanged, changed time.Duration // of a reload
	call, list         request
	calls, lists       []load
}

// grow measures more and more documents and writes a table, each row beside the first. All of them
// stay up until their calls have been measured in turns.
func grow(ctx context.Context, o *options, dir string, out io.Writer) error {
	if len(o.growth) == 0 || o.only != "" && !strings.Contains(o.only, "growth") {
		return nil
	}
	up, err := spawn(ctx, nil, "upstream")
	if err != nil {
		return err
	}
	defer up.stop()
	var all []*fleet
	defer func() {
		for _, f := range all {
			f.process.stop()
		}
	}()
	for _, n := range o.growth {
		f := &fleet{name: fmt.Sprintf("%d generated", n), folder: filepath.Join(dir, fmt.Sprintf("specs-%d", n)), documents: n}
		if f.last, err = generate(f.folder, n); err != nil {
			return err
		}
		if err := f.start(ctx, o, up); err != nil {
			return err
		}
		all = append(all, f)
	}
	if _, err := os.Stat(o.specs); err != nil {
		fmt.Fprintf(out, "\n%s is not there: published specs are not measured.\n", o.specs)
	} else {
		f := &fleet{folder: o.specs}
		if err := f.start(ctx, o, up); err != nil {
			return err
		}
		all = append(all, f)
	}
	for range o.rounds {
		for _, f := range all {
			if err := f.drive(ctx, o); err != nil {
				return fmt.Errorf("%s: %w", f.name, err)
			}
		}
	}
	report(out, all)
	return nil
}

// report writes the table.
func report(out io.Writer, all []*fleet) {
	first := all[0]
	fmt.Fprintln(out, "\n## Growth")
	fmt.Fprintln(out, "\nCPU of the start is beside a bare parse of the same bytes by yaml.v3 (goal ≤ 2.5), memory is what each document")
	fmt.Fprintln(out, "adds to the first row's (goal ≤ 60), and the rest is beside the first row. Reloads are asked for at the control address")
	fmt.Fprintln(out, "(goal for one changed of 10,000: ≤ 50 ms).")
	fmt.Fprintln(out, "\n| documents | CPU of the start | start | resident KiB per document | calls per second | p99 | tools/list | reload, one changed | reload, none changed |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|")
	for _, f := range all {
		memory := "–"
		if f.documents > first.documents {
			memory = fmt.Sprintf("%.1f", float64(f.resident-first.resident)/float64(f.documents-first.documents))
		}
		calls, tail, lists := "–", "–", "–"
		if len(f.calls) > 0 {
			calls, tail = beside(perSecond(f.calls), perSecond(first.calls)), besideTime(quantile(f.calls, 0.99), quantile(first.calls, 0.99))
			lists = besideTime(quantile(f.lists, 0.5), quantile(first.lists, 0.5))
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", f.name, besideTime(f.begun, f.parse), besideTime(f.process.ready, first.process.ready), memory,
			calls, tail, lists, inMilliseconds(f.changed, first.changed), inMilliseconds(f.unchanged, first.unchanged))
	}
}

func beside(x, one float64) string {
	if x == 0 || one == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", x/one)
}

func besideTime(x, one time.Duration) string { return beside(float64(x), float64(one)) }

func inMilliseconds(x, one time.Duration) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf("%s (%.0f ms)", besideTime(x, one), float64(x)/float64(time.Millisecond))
}

// document is one of many, of about three KB.
func document(n int) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(benchSpec, "label: Bench", fmt.Sprintf("label: Document %d", n)), "get-thing", fmt.Sprintf("get-thing-%d", n)), "- path: /", fmt.Sprintf("- path: /d%d/", n))
}

// generate writes n documents, a thousand to a folder, and gives the ID of the last.
func generate(folder string, n int) (last string, err error) {
	for i := range n {
		last = fmt.Sprintf("team-%d/doc-%d", i/1000, i)
		file := filepath.Join(folder, last+".yaml")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(file, []byte(document(i)), 0o600); err != nil {
			return "", err
		}
	}
	return last, nil
}

// start measures start and reloads, and leaves the process up.
func (f *fleet) start(ctx context.Context, o *options, up *process) error {
	var files []string
	err := filepath.WalkDir(f.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	if f.documents == 0 {
		f.documents = len(files)
		f.name = fmt.Sprintf("%d published", len(files))
	}
	if err := f.load(ctx, o, up, files); err != nil {
		return err
	}
	if f.unchanged, err = least(o.rounds, f.reload); err != nil || f.last == "" {
		return err
	}
	file, edition, n := filepath.Join(f.folder, f.last+".yaml"), 0, f.documents-1
	f.changed, err = least(o.rounds, func() (time.Duration, error) {
		edition++
		if err := os.WriteFile(file, []byte(document(n)+fmt.Sprintf("# edition %d\n", edition)), 0o600); err != nil {
			return 0, err
		}
		return f.reload()
	})
	if err != nil {
		return err
	}
	if f.call, err = newRequest("GET", fmt.Sprintf("%s/apis/%s/d%d/whole/1k/42", f.process.url, f.last, n), "", `"id":"42"`); err != nil {
		return err
	}
	f.list, err = newRequest("POST", f.process.url+"/mcp/"+f.last, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`get-thing`, accept, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list")
	return err
}

// maxStarts is how often capd is started with the same documents, at most.
const maxStarts = 3

// load parses and starts in turns, and keeps the least that each took. The last capd stays up.
func (f *fleet) load(ctx context.Context, o *options, up *process, files []string) error {
	for n := range min(o.rounds, maxStarts) {
		parse, err := parseAll(files)
		if err != nil {
			return err
		}
		if n > 0 {
			f.process.stop()
		}
		if f.process, err = spawnCapd(ctx, o.capd, []string{"UPSTREAM=" + up.url}, true, f.folder); err != nil {
			return err
		}
		begun, resident := f.process.cpu(), f.process.resident()
		if n == 0 {
			f.parse, f.begun, f.resident = parse, begun, resident
		}
		f.parse, f.begun, f.resident = min(f.parse, parse), min(f.begun, begun), min(f.resident, resident)
	}
	return nil
}

// reload asks for a reload and waits for its end.
func (f *fleet) reload() (time.Duration, error) {
	begun := time.Now()
	resp, err := http.Post(f.process.control+"/reload", "", nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("reload: %s %v", resp.Status, err)
	}
	return time.Since(begun), nil
}

// drive takes one turn of calls and one of tools/list, to the document that was written last.
func (f *fleet) drive(ctx context.Context, o *options) error {
	if f.last == "" {
		return nil
	}
	l, err := drive(ctx, f.call, 32, o.turn, f.process)
	if err != nil {
		return err
	}
	f.calls = append(f.calls, l)
	if l, err = drive(ctx, f.list, 1, o.turn, f.process); err != nil {
		return err
	}
	f.lists = append(f.lists, l)
	return nil
}

// least gives the shortest of several times.
func least(times int, of func() (time.Duration, error)) (time.Duration, error) {
	var out time.Duration
	for i := range times {
		d, err := of()
		if err != nil {
			return 0, err
		}
		if i == 0 || d < out {
			out = d
		}
	}
	return out, nil
}
