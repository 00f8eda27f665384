package mcp

import (
	"cmp"
	"strings"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// implementation says who serves a view. version is capd's.
func implementation(v *plan.View, version string) *sdk.Implementation {
	if v.Kind != plan.ViewDocument {
		return &sdk.Implementation{Name: cmp.Or(v.Name, "capd"), Version: version}
	}
	u := v.Members[0].Exposure.Unit
	return &sdk.Implementation{
		Name: u.ID, Title: u.Label, Version: cmp.Or(u.Revision, version), WebsiteURL: u.WebsiteURL, Icons: icons(v.Members[0].Exposure.Icons),
	}
}

// instructions are what a client reads first: the description of an exposure, or of several
// a line each.
func instructions(v *plan.View) string {
	if v.OfOne() {
		return cmp.Or(v.Description, describing(v.Members[0].Exposure))
	}
	var b strings.Builder
	b.WriteString("Tools of several services. The name of each begins with the service:")
	for _, m := range v.Members {
		b.WriteString("\n" + m.Alias + separator)
		line, _, _ := strings.Cut(strings.TrimSpace(cmp.Or(m.Exposure.Unit.Label, describing(m.Exposure))), "\n")
		if line = truncate(line, maxServiceLine); line != "" {
			b.WriteString(": " + line)
		}
	}
	return b.String()
}

// maxServiceLine bounds what instructions say of one of several services, in bytes.
const maxServiceLine = 80

func describing(x *plan.Exposure) string { return cmp.Or(x.Description, x.Unit.Description) }
