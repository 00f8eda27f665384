package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestStubCommand: capd stub stands in for the APIs that specs consume, and capd serve
// --upstream sends its calls there.
func TestStubCommand(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"stub", "--listen", "127.0.0.1:0", capabilities}, nil, strings.NewReader(""), &output{}, w)
		_ = w.Close()
	}()
	url := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if _, at, ok := strings.Cut(lines.Text(), "capd answers for 7 consumed operations on "); ok {
				url <- at
			}
		}
	}()
	upstream := until(t, url, "the stub's address")

	i := start(t, []string{"TELNYX_API_KEY=key-telnyx"}, "--upstream", upstream, filepath.Join(capabilities, "telnyx-client-tokens.yaml"))
	got := call(t, "POST", i.url+"/v1/telnyx/rooms/r1/client-tokens/refresh", `{"refresh_token":"r"}`)
	if got.Status != http.StatusOK {
		t.Fatalf("answered %d %s", got.Status, got.Body)
	}
	sameJSON(t, "answer", got.Body, `{"token":"string sample","expires_at":"string sample"}`)
	if got := call(t, "DELETE", upstream+"/v2/room-codes/code/x", ""); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") != "POST" {
		t.Errorf("another method answered %d with Allow %q, want 405 with POST", got.Status, got.Header.Get("Allow"))
	}
	cancel()
	if got := until(t, code, "the end"); got != exitOK {
		t.Errorf("exit code %d, want 0", got)
	}
}
