package diag_test

import (
	"testing"
	"unicode"

	"capd/engine/diag"
)

// TestPrintable: what documents and callers say can neither drive a terminal, nor begin a line of its
// own, nor turn what stands behind it around.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, Größe 東京":               "plain, Größe 東京",
		"a\nlevel=ERROR msg=forged":     "a·level=ERROR msg=forged",
		"\x1b[2J\x1b]0;title\x07":       "·[2J·]0;title·",
		"left \u202eright\u2028below\r": "left ·right·below·",
		"\x00\u0085\u200b":              "···",
	} {
		got := diag.Printable(text)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		for _, r := range got {
			if unicode.IsControl(r) {
				t.Errorf("%q keeps %q", text, r)
			}
		}
	}
}
