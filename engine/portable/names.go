package portable

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What every client in the field takes as a tool's name and as a property's key: no dots, and
// up to 64 characters.
var (
	toolName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// MaxName is how long a name may be, in bytes.
const MaxName = 64

// ToolNames gives the name under which each tool is listed: the declared one where clients
// take it, else an alias. Names differ in more than case, because some clients fold it.
func ToolNames(declared []string) []string {
	names := make([]string, len(declared))
	taken := make(map[string]bool, len(declared))
	var rest []int
	for i, name := range declared {
		folded := strings.ToLower(name)
		if isToolName(name) && !taken[folded] {
			names[i] = name
		} else {
			rest = append(rest, i)
		}
		taken[folded] = true
	}
	for _, i := range rest {
		base := sanitise(declared[i], toolName, "tool")
		names[i] = Unique(base, func(s string) bool { return taken[strings.ToLower(s)] })
		taken[strings.ToLower(names[i])] = true
	}
	return names
}

// isToolName is toolName for very many names.
func isToolName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= MaxName
}

// sanitise makes a name that ok accepts, out of what name has of it.
func sanitise(name string, ok *regexp.Regexp, fallback string) string {
	var b strings.Builder
	for _, r := range name {
		if b.Len() == MaxName {
			break
		}
		if !ok.MatchString(string(r)) {
			r = '_'
		}
		b.WriteRune(r)
	}
	if s := strings.Trim(b.String(), "_"); s != "" {
		return s
	}
	return fallback
}

// Unique puts a number behind base when it is taken, within [MaxName].
func Unique(base string, taken func(string) bool) string {
	name := base
	for n := 2; taken(name); n++ {
		suffix := "_" + strconv.Itoa(n)
		name = base[:min(len(base), MaxName-len(suffix))] + suffix
	}
	return name
}

// truncate cuts text to at most n bytes, between characters.
func truncate(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
