package portable

import (
	"slices"
	"strings"
	"testing"
)

func TestPublishedNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 70)
	tests := map[string]struct{ declared, want []string }{
		"names every client takes stay":     {[]string{"list-rooms", "get_room", "X1"}, []string{"list-rooms", "get_room", "X1"}},
		"a dot becomes an underscore":       {[]string{"list-openapi.yml"}, []string{"list-openapi_yml"}},
		"too long is cut":                   {[]string{long}, []string{long[:64]}},
		"two cuts differ":                   {[]string{long + "1", long + "2"}, []string{long[:64], long[:62] + "_2"}},
		"a declared name wins over aliases": {[]string{"a.b", "a_b"}, []string{"a_b_2", "a_b"}},
		"case alone does not tell apart":    {[]string{"Get", "get"}, []string{"Get", "get_2"}},
		"nothing usable":                    {[]string{"..."}, []string{"tool"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := ToolNames(tt.declared); !slices.Equal(got, tt.want) {
				t.Errorf("ToolNames(%q) = %q, want %q", tt.declared, got, tt.want)
			}
		})
	}
}

// TestPlainNames: what is looked at byte by byte is what the expression says.
func TestPlainNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a", "A-_9", "a.b", "a\n", "é", "a b", strings.Repeat("a", MaxName), strings.Repeat("a", MaxName+1)} {
		if got, want := isToolName(name), toolName.MatchString(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
