package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled are the kinds of profile, by the names of `go tool pprof`: where time goes, what is allocated,
// who waits for what, and for which lock.
const profiled = "profile,allocs,block,mutex"

// profiles drives each call of capd once more and keeps what capd says of itself meanwhile.
func (o *options) profiles(ctx context.Context, conns int, all []scenario) error {
	if o.profile == "" {
		return nil
	}
	if err := os.MkdirAll(o.profile, 0o700); err != nil {
		return err
	}
	seconds := max(1, int(o.turn/time.Second)) * o.rounds
	for _, s := range all {
		if s.process.control == "" {
			continue
		}
		for kind := range strings.SplitSeq(profiled, ",") {
			file := filepath.Join(o.profile, fmt.Sprintf("%s.%d.%s", strings.NewReplacer(" ", "-", "/", "-").Replace(s.name), conns, kind))
			kept := make(chan error, 1)
			go func() {
				kept <- fetch(fmt.Sprintf("%s/debug/pprof/%s?seconds=%d", s.process.control, kind, seconds), file)
			}()
			_, err := drive(ctx, s.request, conns, time.Duration(seconds)*time.Second, s.process)
			if err == nil {
				err = <-kept
			}
			if err != nil {
				return fmt.Errorf("profile of %s: %w", s.name, err)
			}
		}
	}
	return nil
}

// fetch writes an answer to a file.
func fetch(url, file string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, resp.Body); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
