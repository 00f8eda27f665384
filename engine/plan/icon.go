package plan

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Icon is a picture that clients show for something.
type Icon struct {
	Src      string // an https: or a data: URI
	MimeType string
	Sizes    []string // such as 48x48, or any
	Theme    string   // light, dark, or empty for both
}

var iconSize = regexp.MustCompile(`^(any|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$`)

// icons reads the pictures of something. A bad one is reported and left out: what it stands for
// is served without it.
func (c *compiler) icons(decl []spec.Icon, unit diag.Unit) []Icon {
	var out []Icon
	for i := range decl {
		x, f := readIcon(&decl[i])
		if f != nil {
			c.note(diag.Warning, unit, f)
			continue
		}
		out = append(out, x)
	}
	return out
}

func readIcon(decl *spec.Icon) (Icon, *fault) {
	x := Icon{Src: strings.TrimSpace(decl.Src.Value), MimeType: strings.TrimSpace(decl.MimeType.Value), Theme: strings.ToLower(decl.Theme.Value)}
	bad := func(at diag.Span, format string, args ...any) *fault {
		return faultf(diag.CodeIcon, "", placeOr(at, decl.Span), format+"; it is left out", args...)
	}
	switch why := iconSource(x.Src); {
	case x.Src == "":
		return x, bad(decl.Span, "the icon has no src").hintf("write src: and an address that begins with https:, or a data: URI")
	case why != "":
		return x, bad(decl.Src.Span(), "the src of the icon %s", why).hintf("write an address that begins with https:, or a data: URI")
	case x.MimeType != "" && !strings.HasPrefix(strings.ToLower(x.MimeType), "image/"):
		return x, bad(decl.MimeType.Span(), "%q is no type of a picture", decl.MimeType.Value).hintf("write for example image/png")
	case x.Theme != "" && x.Theme != "light" && x.Theme != "dark":
		return x, bad(decl.Theme.Span(), "%q is no theme of an icon", decl.Theme.Value).hintf("expected light or dark")
	}
	for _, t := range decl.Sizes {
		for _, size := range strings.Fields(strings.ToLower(t.Value)) {
			if !iconSize.MatchString(size) {
				return x, bad(t.Span(), "%q is no size of an icon", t.Value).hintf("write for example 48x48, or any")
			}
			x.Sizes = append(x.Sizes, size)
		}
	}
	return x, nil
}

// iconSource says what is wrong with the address of a picture. Clients load it, so that it must
// not lead them to another protocol.
func iconSource(src string) string {
	if rest, ok := strings.CutPrefix(src, "data:"); ok {
		media, body, found := strings.Cut(rest, ",")
		if !found || !strings.HasPrefix(media, "image/") {
			return "is no picture"
		}
		if strings.HasSuffix(media, ";base64") {
			if _, err := base64.StdEncoding.DecodeString(body); err != nil {
				return "is not base64"
			}
		}
		return ""
	}
	u, err := url.Parse(src)
	switch {
	case err != nil || !strings.EqualFold(u.Scheme, "https") || u.Host == "":
		return "is no address that clients load"
	case u.User != nil:
		return "holds a user name"
	}
	return ""
}
