package mcp

import "testing"

func TestDecodeHeaderValue(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]string{
		"=?base64?bGlzdC1yw7ZvbXM=?=": "list-röoms",
		"=?base64??=":                 "",
	} {
		if got, ok := decodeHeaderValue(v); !ok || got != want {
			t.Errorf("decodeHeaderValue(%q) = %q, %t; want %q", v, got, ok, want)
		}
	}
	for _, v := range []string{"", "list", "=?base64?", "=?base64?x", "=?base64?*?=", "=?base64?/w==?="} {
		if got, ok := decodeHeaderValue(v); ok {
			t.Errorf("decodeHeaderValue(%q) = %q, want it left alone", v, got)
		}
	}
}
