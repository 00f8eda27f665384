package plan

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
)

// placeholder matches what stands for a variable without a value (see
// [BindOptions.Placeholders]). It is no secret: the reader must see which one to set.
var placeholder = regexp.MustCompile(`<[A-Za-z_][A-Za-z0-9_]*>`)

func (s Secret) isPlaceholder() bool {
	return s.value != "" && placeholder.FindString(s.value) == s.value
}

// Shown hides this request's own secrets in s as [Request.Mask] does, and leaves readable,
// unescaped, what stands for a variable without a value.
func (r *Request) Shown(s string) string {
	masked := Request{}
	names := placeholder.FindAllString(r.Base.Host, -1)
	if path, err := url.PathUnescape(r.Base.Path); err == nil {
		names = append(names, placeholder.FindAllString(path, -1)...)
	}
	for _, v := range r.Secrets {
		if v.isPlaceholder() {
			names = append(names, v.value)
		} else {
			masked.Secrets = append(masked.Secrets, v)
		}
	}
	if r.Call != nil && r.Call.why != nil {
		masked.Secrets = append(masked.Secrets, r.Call.why.credentials...)
	}
	s = masked.Mask(s)
	for _, name := range names {
		s = masker{values: []string{name}}.replace(s, name)
	}
	return s
}

// ShownHeader gives the value of a header of this request as it may be shown. Of a secret
// one only the scheme stays, or the name of the variable that has no value.
func (r *Request) ShownHeader(f Field) string {
	if !f.Secret {
		return r.Shown(f.Value)
	}
	if placeholder.MatchString(f.Value) && r.isUnset(f.Value) {
		return r.Shown(f.Value)
	}
	switch {
	case strings.EqualFold(f.Name, "Cookie"):
		pairs := strings.Split(f.Value, "; ")
		for i, pair := range pairs {
			name, _, _ := strings.Cut(pair, "=")
			pairs[i] = name + "=" + Masked
		}
		return r.Shown(strings.Join(pairs, "; "))
	case strings.EqualFold(f.Name, "Authorization"):
		for _, scheme := range []string{"Bearer ", "Basic "} {
			if token, ok := strings.CutPrefix(f.Value, scheme); ok {
				return scheme + r.shownToken(token)
			}
		}
	}
	return Masked
}

// shownToken shows the credentials of basic authentication when none of them has a value.
func (r *Request) shownToken(token string) string {
	plain, err := base64.StdEncoding.DecodeString(token)
	if err == nil && placeholder.Match(plain) && r.isUnset(token) {
		return "base64(" + string(plain) + ")"
	}
	return Masked
}

// isUnset reports whether no variable with a value is used in the request, so that none can
// stand beside a placeholder. own is not counted.
func (r *Request) isUnset(own string) bool {
	for _, v := range r.Secrets {
		if !v.isPlaceholder() && v.value != own {
			return false
		}
	}
	return true
}
