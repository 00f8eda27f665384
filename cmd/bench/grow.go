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

// grown is what an instance with many documents costs.
type grown struct {
	name               string
	documents          int
	bytes              int64
	parse, load        time.Duration // CPU time
	ready              time.Duration
	resident           int // KiB
	list, reload       time.Duration
	routed             float64 // calls per second to the last document
	unchanged, changed time.Duration
}

// grow measures more and more documents and writes a table, each row beside the first.
func grow(ctx context.Context, o *options, dir string, out io.Writer) error {
	if len(o.growth) == 0 || o.only != "" && !strings.Contains(o.only, "growth") {
		return nil
	}
	up, err := spawn(ctx, "upstream")
	if err != nil {
		return err
	}
	defer up.stop()
	var rows []grown
	for _, n := range o.growth {
		folder := filepath.Join(dir, fmt.Sprintf("specs-%d", n))
		if err := generate(folder, n); err != nil {
			return err
		}
		row, err := o.measure(ctx, folder, fmt.Sprintf("%d generated", n), n, up)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if _, err := os.Stat(o.specs); err == nil {
		row, err := o.measure(ctx, o.specs, "published", 0, up)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	} else {
		fmt.Fprintf(out, "\n%s is not there: published specs are not measured.\n", o.specs)
	}
	first := rows[0]
	fmt.Fprintln(out, "\n## Growth")
	fmt.Fprintln(out, "\nCPU of the start is beside a bare parse of the same bytes by yaml.v3; the rest is beside the first row.")
	fmt.Fprintln(out, "\n| documents | CPU of the start | resident KiB per document | calls per second | tools/list | reload, one changed | reload, none changed |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|")
	for _, r := range rows {
		more := max(1, r.documents-first.documents)
		fmt.Fprintf(out, "| %s | %.2f | %.1f | %s | %s | %s | %s |\n", r.name, float64(r.load)/float64(max(1, r.parse)), float64(r.resident-first.resident)/float64(more),
			beside(r.routed, first.routed), beside(float64(r.list), float64(first.list)), besideTime(r.changed, first.changed), besideTime(r.unchanged, first.unchanged))
	}
	return nil
}

func beside(x, one float64) string {
	if x == 0 || one == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", x/one)
}

func besideTime(x, one time.Duration) string {
	return fmt.Sprintf("%s (%.0f ms)", beside(float64(x), float64(one)), float64(x)/float64(time.Millisecond))
}

// document is one of many, of about three KB.
func document(n int) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(benchSpec, "label: Bench", fmt.Sprintf("label: Document %d", n)), "get-thing", fmt.Sprintf("get-thing-%d", n)), "- path: /", fmt.Sprintf("- path: /d%d/", n))
}

// generate writes n documents, a thousand to a folder.
func generate(folder string, n int) error {
	for i := range n {
		sub := filepath.Join(folder, fmt.Sprintf("team-%d", i/1000))
		if err := os.MkdirAll(sub, 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("doc-%d.yaml", i)), []byte(document(i)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (o *options) measure(ctx context.Context, folder, name string, n int, up *process) (grown, error) {
	row := grown{name: name, documents: n}
	var files []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return row, err
	}
	if n == 0 {
		row.documents = len(files)
		row.name = fmt.Sprintf("%d published", len(files))
	}
	if row.parse, err = parseAll(files); err != nil {
		return row, err
	}
	control, err := localListener()
	if err != nil {
		return row, err
	}
	at := control.Addr().String()
	_ = control.Close()
	p, err := spawnCapd(ctx, o.capd, []string{"UPSTREAM=" + up.url}, "--log-level", "info", "--control-address", at, folder)
	if err != nil {
		return row, err
	}
	defer p.stop()
	row.load, row.ready, row.resident = p.cpu(), p.ready, p.resident()
	reload := func() (time.Duration, error) {
		begun := time.Now()
		resp, err := http.Post("http://"+at+"/reload", "", nil)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("reload: %s %v", resp.Status, err)
		}
		return time.Since(begun), nil
	}
	if row.unchanged, err = least(3, reload); err != nil {
		return row, err
	}
	if n == 0 {
		return row, nil
	}
	last := fmt.Sprintf("team-%d/doc-%d", (n-1)/1000, n-1)
	r, err := newRequest("GET", fmt.Sprintf("%s/apis/%s/d%d/whole/1k/42", p.url, last, n-1), "", `"id":"42"`)
	if err != nil {
		return row, err
	}
	l, err := drive(ctx, r, 32, o.turn*time.Duration(o.rounds), p)
	if err != nil {
		return row, err
	}
	row.routed = perSecond([]load{l})
	if r, err = newRequest("POST", p.url+"/mcp/"+last, `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`get-thing`, accept, "Mcp-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"); err != nil {
		return row, err
	}
	if l, err = drive(ctx, r, 1, o.turn, p); err != nil {
		return row, err
	}
	row.list = quantile([]load{l}, 0.5)
	file, edition := filepath.Join(folder, last+".yaml"), 0
	row.changed, err = least(3, func() (time.Duration, error) {
		edition++
		if err := os.WriteFile(file, []byte(document(n-1)+fmt.Sprintf("# edition %d\n", edition)), 0o600); err != nil {
			return 0, err
		}
		return reload()
	})
	return row, err
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
