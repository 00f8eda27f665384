package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"capd/engine/diag"
)

// contextLines are the unchanged lines around a change.
const contextLines = 3

// change is a run of lines of the old text that others of the new text replace. Lines count
// from 0; the ends are exclusive.
type change struct{ oldFrom, oldTo, newFrom, newTo int }

// writeDiff writes how the new text differs from the old one as a unified diff, or nothing.
func writeDiff(w io.Writer, file string, old, text []byte) {
	if bytes.Equal(old, text) {
		return
	}
	a, b := splitLines(old), splitLines(text)
	name := diag.Printable(strings.TrimPrefix(file, "/"))
	fmt.Fprintf(w, "--- a/%s\n+++ b/%s\n", name, name)
	changes := compareLines(a, b)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].oldFrom-changes[n-1].oldTo <= 2*contextLines {
			n++
		}
		writeHunk(w, a, b, changes[:n])
		changes = changes[n:]
	}
}

// splitLines keeps the line breaks.
func splitLines(text []byte) []string {
	lines := strings.SplitAfter(string(text), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func writeHunk(w io.Writer, a, b []string, changes []change) {
	first, last := changes[0], changes[len(changes)-1]
	lead := min(contextLines, first.oldFrom)
	tail := min(contextLines, len(a)-last.oldTo)
	from, to := first.oldFrom-lead, last.oldTo+tail
	newFrom, newTo := first.newFrom-lead, last.newTo+tail
	fmt.Fprintf(w, "@@ -%s +%s @@\n", lineRange(from, to), lineRange(newFrom, newTo))
	at := from
	for _, c := range changes {
		writeLines(w, ' ', a[at:c.oldFrom])
		writeLines(w, '-', a[c.oldFrom:c.oldTo])
		writeLines(w, '+', b[c.newFrom:c.newTo])
		at = c.oldTo
	}
	writeLines(w, ' ', a[at:to])
}

// lineRange gives lines as a hunk's head counts them: an empty range names the line before it.
func lineRange(from, to int) string {
	switch n := to - from; n {
	case 0:
		return fmt.Sprintf("%d,0", from)
	case 1:
		return fmt.Sprint(from + 1)
	default:
		return fmt.Sprintf("%d,%d", from+1, n)
	}
}

func writeLines(w io.Writer, mark byte, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(w, "%c%s", mark, line)
		if !strings.HasSuffix(line, "\n") {
			_, _ = io.WriteString(w, "\n\\ No newline at end of file\n") // a buffer does not fail
		}
	}
}

// maxDistance bounds how many lines may differ before what remains counts as one change: the
// comparison takes the square of it in time and memory.
const maxDistance = 2000

// compareLines finds the fewest lines to remove and to add (the greedy algorithm of Myers,
// "An O(ND) Difference Algorithm and Its Variations", 1986).
func compareLines(a, b []string) []change {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	trace, ok := shortestEdit(x, y)
	if !ok {
		return []change{{head, len(a) - tail, head, len(b) - tail}}
	}
	return walkBack(trace, len(x), len(y), head)
}

// shortestEdit gives, for each number of edits, how far every diagonal was reached.
func shortestEdit(a, b []string) ([][]int, bool) {
	reach := map[int]int{1: 0}
	var trace [][]int
	for d := 0; d <= min(len(a)+len(b), maxDistance); d++ {
		row := make([]int, 2*d+1)
		for k := -d; k <= d; k += 2 {
			x := reach[k-1] + 1
			if k == -d || k != d && reach[k-1] < reach[k+1] {
				x = reach[k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			reach[k], row[k+d] = x, x
			if x >= len(a) && y >= len(b) {
				return append(trace, row), true
			}
		}
		trace = append(trace, row)
	}
	return nil, false
}

// walkBack turns the trace into changes, neighbours joined.
func walkBack(trace [][]int, x, y, offset int) []change {
	var out []change
	for d := len(trace) - 1; d > 0; d-- {
		k, row := x-y, trace[d-1]
		at := func(k int) int { // how far diagonal k was reached with one edit less
			if i := k + d - 1; i >= 0 && i < len(row) {
				return row[i]
			}
			return -1
		}
		c := change{}
		if k == -d || k != d && at(k-1) < at(k+1) {
			px := at(k + 1)
			c = change{px, px, px - k - 1, px - k}
		} else {
			px := at(k - 1)
			c = change{px, px + 1, px - k + 1, px - k + 1}
		}
		x, y = c.oldFrom, c.newFrom
		out = join(out, c)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	for i := range out {
		out[i] = change{out[i].oldFrom + offset, out[i].oldTo + offset, out[i].newFrom + offset, out[i].newTo + offset}
	}
	return out
}

// join adds the change before the last one of out, which runs backwards.
func join(out []change, c change) []change {
	if n := len(out); n > 0 && out[n-1].oldFrom == c.oldTo && out[n-1].newFrom == c.newTo {
		out[n-1].oldFrom, out[n-1].newFrom = c.oldFrom, c.newFrom
		return out
	}
	return append(out, c)
}
