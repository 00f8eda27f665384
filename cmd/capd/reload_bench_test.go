package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkReload is what a reload costs after one document of many has changed, and after none
// has. CAPD_BENCH_SPECS names a folder of specs to use instead of made ones.
func BenchmarkReload(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		for _, changed := range []bool{false, true} {
			b.Run(fmt.Sprintf("documents=%d/changed=%v", n, changed), func(b *testing.B) {
				dir := os.Getenv("CAPD_BENCH_SPECS")
				if dir == "" {
					dir = b.TempDir()
					for i := range n {
						text := saysSpec(fmt.Sprintf("doc%d", i), "word", "8080")
						if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("doc%d.yaml", i)), []byte(text), 0o600); err != nil {
							b.Fatal(err)
						}
					}
				}
				control := benchServe(b, dir)
				i := 0
				for b.Loop() {
					if changed {
						i++
						if err := os.WriteFile(filepath.Join(dir, "doc0.yaml"), []byte(saysSpec("doc0", fmt.Sprintf("v%d", i), "8080")), 0o600); err != nil {
							b.Fatal(err)
						}
					}
					resp, err := http.Post(control+"/reload", "", nil)
					if err != nil || resp.StatusCode != http.StatusOK {
						b.Fatal(resp, err)
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			})
		}
	}
}

// benchServe serves a folder, and gives the control address.
func benchServe(b *testing.B, dir string) string {
	b.Helper()
	log := &quiet{control: make(chan string, 1), serving: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	args := []string{"serve", dir, "--listen", "127.0.0.1:0", "--control-address", "127.0.0.1:0", "--watch", "off", "--stub", "--log-format", "json"}
	go func() { ended <- run(ctx, args, nil, strings.NewReader(""), io.Discard, log) }()
	b.Cleanup(func() { stop(); <-ended })
	control := "http://" + until(b, log.control, "the control address")
	until(b, log.serving, "the start")
	return control
}
