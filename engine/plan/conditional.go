package plan

import (
	"net/http"
	"strings"
)

// conditional gives the headers of a caller that an operation passes on, since its answer is
// the upstream's own: conditions on the version that the caller has, and the ranges it wants.
// Where the answer is made here, or where anything could change, nothing is passed on. Neither
// is a header that the call sets itself.
func (d *draft) conditional(call *Call) []string {
	switch {
	case d.x.kind != REST || d.out.output != nil || d.x.method != http.MethodGet && d.x.method != http.MethodHead:
		return nil
	case call.method != http.MethodGet && call.method != http.MethodHead:
		return nil
	}
	var names []string
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"} {
		if !call.setsHeader(name) {
			names = append(names, name)
		}
	}
	return names
}

func (c *Call) setsHeader(name string) bool {
	for i := range c.headers {
		if strings.EqualFold(c.headers[i].name, name) {
			return true
		}
	}
	return false
}

// conditions gives those headers of one request. A range is for GET alone (RFC 9110 section
// 14.2): for a HEAD that a GET answers it would ask for what nobody sees.
func (op *Operation) conditions(src *Source) []Field {
	var out []Field
	for _, name := range op.conditional {
		if src.Method != http.MethodGet && (name == "Range" || name == "If-Range") {
			continue
		}
		for _, value := range src.Header[name] {
			out = append(out, Field{Name: name, Value: value})
		}
	}
	return out
}
