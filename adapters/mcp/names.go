package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// What every client in the field takes as a tool's name and as a property's key: no dots, and
// up to 64 characters.
var (
	toolName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	propertyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

const maxName = 64

// publish gives the name under which each tool is listed: the declared one where clients
// take it, else an alias. Names differ in more than case, because some clients fold it.
func publish(tools []*plan.Tool) []string {
	names := make([]string, len(tools))
	taken := map[string]bool{}
	var rest []int
	for i, t := range tools {
		folded := strings.ToLower(t.Name)
		if toolName.MatchString(t.Name) && !taken[folded] {
			names[i] = t.Name
		} else {
			rest = append(rest, i)
		}
		taken[folded] = true
	}
	for _, i := range rest {
		base := sanitise(tools[i].Name, toolName, "tool")
		names[i] = unique(base, func(s string) bool { return taken[strings.ToLower(s)] })
		taken[strings.ToLower(names[i])] = true
	}
	return names
}

// separator stands between the alias of a member of a view and a name of the member.
const separator = "__"

// behind gives a name in a view of several. A member without alias is the only one.
func behind(alias, name string) string {
	if alias == "" {
		return name
	}
	return alias + separator + name
}

// publishBehind gives the names under which the tools of a member of a view are listed. One
// that becomes too long ends in its hash, so that it stays what it is whatever stands beside it.
func publishBehind(alias string, tools []*plan.Tool) []string {
	names := publish(tools)
	if alias == "" {
		return names
	}
	taken := map[string]bool{}
	for i, name := range names {
		names[i] = behind(alias, name)
		taken[strings.ToLower(names[i])] = true
	}
	for i, full := range names {
		if len(full) > maxName {
			sum := sha256.Sum256([]byte(full))
			suffix := "_" + hex.EncodeToString(sum[:4])
			names[i] = unique(full[:maxName-len(suffix)]+suffix, func(s string) bool { return taken[strings.ToLower(s)] })
			taken[strings.ToLower(names[i])] = true
		}
	}
	return names
}

// schemePrefix gives what stands before the URIs of a member in a view of several: the alias
// as the first part of a scheme (RFC 3986 section 3.1, which knows no "_"). No two aliases have
// the same one: an alias has neither "." nor "+".
func schemePrefix(alias string) string {
	if alias == "" {
		return ""
	}
	scheme := strings.ReplaceAll(alias, "_", ".")
	if c := scheme[0]; c < 'a' || c > 'z' {
		scheme = "x+" + scheme
	}
	return scheme + "+"
}

// sanitise makes a name that ok accepts, out of what name has of it.
func sanitise(name string, ok *regexp.Regexp, fallback string) string {
	var b strings.Builder
	for _, r := range name {
		if b.Len() == maxName {
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

// unique puts a number behind base when it is taken.
func unique(base string, taken func(string) bool) string {
	name := base
	for n := 2; taken(name); n++ {
		suffix := "_" + strconv.Itoa(n)
		name = base[:min(len(base), maxName-len(suffix))] + suffix
	}
	return name
}
