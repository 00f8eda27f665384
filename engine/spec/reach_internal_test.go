package spec

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReach: what is given at once changes nothing of how far the parser comes.
func TestReach(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/spec/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	faults := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		whole := string(content)
		for _, text := range []string{whole, whole[:len(whole)/2] + "\n\t- [x: '", whole[:len(whole)/3] + "\"", "a: [b\n" + whole, whole + "\n  x: y: z\n" + whole} {
			slow := &drip{text: text}
			slow.drain()
			fast := newDrip(text)
			fast.drain()
			if got := fast.reach(); got != slow.next {
				t.Errorf("%s: %d bytes of %d, want %d", file, got, len(text), slow.next)
			}
			if slow.next < len(text) {
				faults++
			}
		}
	}
	if faults < len(files) {
		t.Errorf("only %d of %d texts are not read to their end", faults, len(files))
	}
}
