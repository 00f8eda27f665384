package spec

import (
	"strconv"
	"strings"

	"capd/engine/diag"
)

// Locate gives the place and the YAML path of the value that a JSON pointer (RFC 6901)
// names in [Document.JSON]. When the value does not exist, it gives those of the deepest
// value on the way that does.
func (d *Document) Locate(pointer string) (diag.Span, string) {
	v := d.tree
	for _, step := range strings.Split(pointer, "/")[1:] {
		next := v.child(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		if next == nil {
			break
		}
		v = next
	}
	return v.Span(), v.Path()
}

func (v *Value) child(step string) *Value {
	if v.Kind != List {
		return v.Get(step)
	}
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i >= len(v.Items) {
		return nil
	}
	return v.Items[i]
}
