package plan

import (
	"capd/engine/diag"
	"capd/engine/spec"
)

// Compile turns one document into a unit. It is pure. It returns nil when nothing of the
// document can be served; the list then holds an error that says why.
func Compile(doc *spec.Document) (*Unit, diag.List) { panic("later") }
