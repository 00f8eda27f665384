package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiff compares texts and applies the diffs by hand: what comes of it is the new text.
func TestDiff(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	text := func() []byte {
		var b strings.Builder
		for range r.IntN(30) {
			fmt.Fprintf(&b, "%c\n", 'a'+r.IntN(6))
		}
		if r.IntN(3) == 0 {
			b.WriteString("the end")
		}
		return []byte(b.String())
	}
	for range 2000 {
		old, fresh := text(), text()
		var diff bytes.Buffer
		writeDiff(&diff, "f.yaml", old, fresh)
		got, err := applyDiff(old, diff.String())
		if err != nil || got != string(fresh) {
			t.Fatalf("%v\n%q\nto\n%q\nby\n%s\ngives\n%q", err, old, fresh, diff.String(), got)
		}
	}
}

// applyDiff applies a unified diff. It wants the old lines where the hunks say they are.
func applyDiff(old []byte, diff string) (string, error) {
	if diff == "" {
		return string(old), nil
	}
	lines, out, at := splitLines(old), "", 0
	body := strings.SplitAfter(diff, "\n")
	if len(body) < 3 || !strings.HasPrefix(body[0], "--- a/") || !strings.HasPrefix(body[1], "+++ b/") {
		return "", fmt.Errorf("no head")
	}
	for i := 2; i < len(body) && body[i] != ""; i++ {
		line := body[i]
		if i+1 < len(body) && strings.HasPrefix(body[i+1], `\ No newline`) {
			line = strings.TrimSuffix(line, "\n")
		}
		switch line[0] {
		case '@':
			var from, n int
			head := strings.TrimPrefix(line, "@@ -")
			if c, err := fmt.Sscanf(head, "%d,%d", &from, &n); c == 0 {
				return "", err
			} else if c == 1 {
				n = 1
			}
			if n > 0 {
				from--
			}
			if from < at || from > len(lines) {
				return "", fmt.Errorf("the hunk %q is out of place", line)
			}
			out += strings.Join(lines[at:from], "")
			at = from
		case ' ', '-':
			if at >= len(lines) || lines[at] != line[1:] {
				return "", fmt.Errorf("%q is not line %d", line, at+1)
			}
			if line[0] == ' ' {
				out += line[1:]
			}
			at++
		case '+':
			out += line[1:]
		}
	}
	return out + strings.Join(lines[at:], ""), nil
}

// TestDiffOfManyChanges: texts that differ too much to compare are one change.
func TestDiffOfManyChanges(t *testing.T) {
	t.Parallel()
	var old, fresh strings.Builder
	for i := range maxDistance {
		fmt.Fprintf(&old, "old %d\n", i)
		fmt.Fprintf(&fresh, "new %d\n", i)
	}
	var diff bytes.Buffer
	writeDiff(&diff, "f.yaml", []byte("a\n"+old.String()+"z\n"), []byte("a\n"+fresh.String()+"z\n"))
	if got := strings.Count(diff.String(), "@@ "); got != 1 || strings.Count(diff.String(), "\n") != 3+2*maxDistance+2 {
		t.Errorf("%d hunks, %d lines", got, strings.Count(diff.String(), "\n"))
	}
}

// TestReplaceFile: a file that somebody changed meanwhile is not overwritten, and nothing is
// left behind.
func TestReplaceFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "rooms.yaml")
	if err := os.WriteFile(file, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(file, []byte("old"), []byte("new")); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("got %v", err)
	}
	if err := replaceFile(file, []byte("theirs"), []byte("new")); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "new" {
		t.Errorf("the file says %q %v", text, err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v %v", entries, err)
	}
}
