package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// keptBytes is what one document of cmd/bench may keep in memory while it is served, with the room
// for what differs between runs.
const keptBytes = 27 << 10

// TestHeapPerDocument holds what a loaded document keeps in memory against a recorded number: with
// 10,000 of them each KiB is 10 MiB. Of what is not of a document nothing is counted.
func TestHeapPerDocument(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps more")
	}
	spec, err := os.ReadFile("../bench/bench.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const few, many = 20, 220
	less, more := heapOf(t, string(spec), few), heapOf(t, string(spec), many)
	bytes, objects := (more.HeapAlloc-less.HeapAlloc)/(many-few), (more.HeapObjects-less.HeapObjects)/(many-few)
	t.Logf("a document keeps %d bytes in %d objects", bytes, objects)
	if bytes > keptBytes {
		t.Errorf("a document keeps %d bytes in memory, want at most %d", bytes, keptBytes)
	}
}

// heapOf gives what is in memory while n documents are served.
func heapOf(t *testing.T, spec string, n int) (m runtime.MemStats) {
	t.Helper()
	dir := t.TempDir()
	for d := range n {
		text := strings.NewReplacer("label: Bench", fmt.Sprintf("label: Document %d", d), "get-thing", fmt.Sprintf("get-thing-%d", d), "- path: /", fmt.Sprintf("- path: /d%d/", d)).Replace(spec)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("doc-%d.yaml", d)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i := start(t, []string{"UPSTREAM=http://127.0.0.1:1"}, "--watch", "off", dir)
	for range 3 { // pools and what has a finalizer go after the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	i.stop()
	return m
}
