package mcp

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"capd/engine/plan"
	"capd/engine/portable"
)

// publish gives the name under which each tool is listed.
func publish(tools []*plan.Tool) []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return portable.ToolNames(names)
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
	long := false
	for i, name := range names {
		names[i] = behind(alias, name)
		long = long || len(names[i]) > portable.MaxName
	}
	if !long { // as nearly always; a view of a tag does this for every tool there is
		return names
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[strings.ToLower(name)] = true
	}
	for i, full := range names {
		if len(full) > portable.MaxName {
			sum := sha256.Sum256([]byte(full))
			suffix := "_" + hex.EncodeToString(sum[:4])
			names[i] = portable.Unique(full[:portable.MaxName-len(suffix)]+suffix, func(s string) bool { return taken[strings.ToLower(s)] })
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
