package mcp_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"
)

// TestReloadsWhileViewsAreOpened: views that clients open while the documents change are there
// with each reload, and who calls them never gets half of an answer.
func TestReloadsWhileViewsAreOpened(t *testing.T) {
	t.Parallel()
	docs := func(n int) map[string]string {
		out := map[string]string{"t/a": rooms, "t/b": rooms, "u/c": strings.ReplaceAll(rooms, "Get a room.", fmt.Sprint("Get room ", n, "."))}
		if n%2 == 1 {
			out["t/d"] = rooms
		}
		return out
	}
	link := plan.LinkOptions{CombinedMCP: true}
	h := openLinked(t, docs(0), nil, link, mcp.Options{SearchAbove: 8})
	var clients sync.WaitGroup
	stop := make(chan struct{})
	for _, path := range []string{"/mcp", "/mcp/t", "/mcp/u", "/mcp/t/d", "/mcp/t/a"} {
		clients.Go(func() {
			header, body := modern("tools/list", "", "{}")
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := h.post(path, header, body)
				if path == "/mcp/t/d" && got.status == 404 {
					continue
				}
				if got.status != 200 || !strings.Contains(got.body, `"tools":[{`) {
					t.Errorf("%s: %d %.200s", path, got.status, got.body)
					return
				}
			}
		})
	}
	for n := range 40 {
		h.load(docs(n), h.upstream)
	}
	close(stop)
	clients.Wait()
}
