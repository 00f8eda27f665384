package mcp

import (
	"cmp"
	"fmt"
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

// instructions are what a client reads first: how to find tools where they are not listed, and
// the description of an exposure, or of several a line each. Clients read maxInstructions of it.
func instructions(v *plan.View, f *finder) string {
	var b strings.Builder
	if f != nil {
		fmt.Fprintf(&b, "There are %d tools here, too many to list. Find them with %s, read their arguments with %s, and call them with %s, or by their own names.\n",
			len(f.catalogue.declared), f.search, f.describe, f.call)
	}
	if v.OfOne() {
		b.WriteString(cmp.Or(v.Description, describing(v.Members[0].Exposure)))
		return truncate(b.String(), maxInstructions)
	}
	fmt.Fprintf(&b, "Tools of %d services. The name of each begins with the service:", len(v.Members))
	for i, m := range v.Members {
		line := "\n" + m.Alias + separator
		about, _, _ := strings.Cut(strings.TrimSpace(cmp.Or(m.Exposure.Unit.Label, describing(m.Exposure))), "\n")
		if about = truncate(about, maxServiceLine); about != "" {
			line += ": " + about
		}
		if b.Len()+len(line) > maxInstructions-roomForMore {
			fmt.Fprintf(&b, "\nand %d more", len(v.Members)-i)
			break
		}
		b.WriteString(line)
	}
	return b.String()
}

// roomForMore is what is kept free to say that there are more services, in bytes.
const roomForMore = 24

// maxServiceLine bounds what instructions say of one of several services, in bytes.
const maxServiceLine = 80

func describing(x *plan.Exposure) string { return cmp.Or(x.Description, x.Unit.Description) }
