// Command bench measures capd beside what a team would write or run instead: the upstream alone,
// net/http/httputil.ReverseProxy, a handler written by hand for MCP's tools/call, and a bare parse by
// yaml.v3. All of them run as processes of their own on loopback, take turns within one run, and are
// reported as ratios, with the CPU seconds that each process used for 10,000 calls.
//
// It is a module of its own, so that what it drives load with is no dependency of capd. Run it from the top
// of the repository with
//
//	go run -C cmd/bench .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	capd, only, out string
	profile         string
	rounds          int
	turn            time.Duration
	conns           []int
	specs           string
	growth          []int
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "serve-") { // one of the processes that are measured
		return serve(strings.TrimPrefix(args[0], "serve-"), args[1:])
	}
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.capd, "capd", "", "the `BINARY` that is measured; empty: it is built from this repository")
	f.StringVar(&o.only, "only", "", "measure only what has one of these comma-separated `WORDS` in its name")
	f.IntVar(&o.rounds, "rounds", 5, "how often each takes its turn")
	f.DurationVar(&o.turn, "turn", time.Second, "how long a turn is")
	conns := f.String("conns", "1,32,512", "`NUMBERS` of connections")
	growth := f.String("growth", "1,100,586,10000", "`NUMBERS` of generated documents; empty: growth is not measured")
	f.StringVar(&o.specs, "specs", "../../../shared/corpus/specs", "`DIR` with published specs, for growth at their number; left out when absent")
	f.StringVar(&o.profile, "profile", "", "write CPU, allocation, block and mutex profiles of capd to `DIR`, for each call that is measured; figures of such a run are not for comparison")
	f.StringVar(&o.out, "o", "", "write the tables to `FILE` too")
	if err := f.Parse(args); err != nil {
		return err
	}
	var err error
	if o.conns, err = numbers(*conns); err != nil {
		return err
	}
	if o.growth, err = numbers(*growth); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "capd-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.capd == "" {
		o.capd = filepath.Join(dir, "capd")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.capd, "./cmd/capd")
		build.Dir, build.Stderr = filepath.Join("..", ".."), os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building capd: %w", err)
		}
	}
	w := stdout
	if o.out != "" {
		file, err := os.Create(o.out)
		if err != nil {
			return err
		}
		defer file.Close()
		w = io.MultiWriter(stdout, file)
	}
	if err := calls(ctx, &o, dir, w); err != nil {
		return err
	}
	return grow(ctx, &o, dir, w)
}

func numbers(list string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of things", word)
		}
		out = append(out, n)
	}
	return out, nil
}
