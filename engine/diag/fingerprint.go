package diag

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"strings"
)

// identity is what makes two findings of different runs the same one. Lines and columns are
// no part of it, so that moved text changes nothing.
type identity struct {
	File string `json:"file,omitempty"`
	Code Code   `json:"code"`
	Path string `json:"path,omitempty"`
	Unit Unit   `json:"unit,omitzero"`
	// Message tells findings without a path apart. Numbers are left out of it.
	Message string `json:"message,omitempty"`
}

var numbers = regexp.MustCompile(`[0-9]+`)

func identify(d *Diagnostic) identity {
	id := identity{File: filepath.ToSlash(d.Span.File), Code: d.Code, Path: d.Path, Unit: d.Unit}
	if d.Path == "" {
		id.Message = numbers.ReplaceAllString(d.Message, "#")
	}
	return id
}

// Fingerprint gives a text that stays the same as long as the finding does: it is made of
// the file, the code, the YAML path and the unit, not of lines. Findings of one run may share
// one.
func (d *Diagnostic) Fingerprint() string {
	id := identify(d)
	sum := sha256.Sum256([]byte(strings.Join([]string{
		id.File, string(id.Code), id.Path, id.Unit.Doc, id.Unit.Adapter, id.Unit.Name, id.Message,
	}, "\x00")))
	return hex.EncodeToString(sum[:16])
}
