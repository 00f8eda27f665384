package stub

import (
	"net/url"
	"regexp"
	"strings"

	"capd/engine/plan"
)

// placeholder matches what stands for a variable without a value (see
// [plan.BindOptions.Placeholders]). It is no secret: the reader must see which one to set.
var placeholder = regexp.MustCompile(`<[A-Za-z_][A-Za-z0-9_]*>`)

func isPlaceholder(s plan.Secret) bool {
	v := s.Reveal()
	return v != "" && placeholder.FindString(v) == v
}

// viewer shows the parts of one request: secrets masked, placeholders readable.
type viewer struct {
	masked plan.Request // for Mask, without the placeholders among its secrets
	names  []string     // the placeholders
}

func view(req *plan.Request) *viewer {
	v := &viewer{masked: *req}
	v.masked.Secrets = nil
	for _, s := range req.Secrets {
		if isPlaceholder(s) {
			v.names = append(v.names, s.Reveal())
		} else {
			v.masked.Secrets = append(v.masked.Secrets, s)
		}
	}
	return v
}

func (v *viewer) text(s string) string { return v.masked.Mask(s) }

// url gives the URL, in which placeholders stand unescaped.
func (v *viewer) url() string {
	names := v.names
	if path, err := url.PathUnescape(v.masked.Base.Path); err == nil {
		names = append(names[:len(names):len(names)], placeholder.FindAllString(path, -1)...)
	}
	shown := v.text(v.masked.URL())
	for _, name := range names {
		shown = strings.ReplaceAll(shown, url.QueryEscape(name), name)
	}
	return shown
}

// header gives the value of a header. That of a secret one shows only when the secret is a
// placeholder, and there is no other secret that could stand beside it.
func (v *viewer) header(f plan.Field) string {
	if f.Secret && (len(v.masked.Secrets) > 0 || !placeholder.MatchString(f.Value)) {
		return plan.Masked
	}
	return v.text(f.Value)
}
