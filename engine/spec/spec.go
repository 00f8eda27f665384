package spec

import "capd/engine/diag"

// Limits bound what Parse accepts. Zero fields mean the defaults of DefaultLimits.
type Limits struct {
	Bytes int64 // size of the text
	Depth int   // nesting
	Nodes int   // values after aliases are expanded
}

// DefaultLimits are 4 MiB, 100 levels and a million values.
var DefaultLimits = Limits{Bytes: 4 << 20, Depth: 100, Nodes: 1_000_000}

// Parse reads one document. It returns nil when the text is no capability document at all;
// the list then holds an error that says why. Otherwise it returns the tree, with harmless
// placeholders where something broke, and what it found.
func Parse(file string, text []byte, lim Limits) (*Document, diag.List) { panic("later") }

// Span gives the place of the text.
func (t Text) Span() diag.Span { panic("later") }

// Sub gives the place of the bytes from i to j of the text's value, through quoting,
// escapes and block scalars.
func (t Text) Sub(i, j int) diag.Span { panic("later") }

// Span gives the place of the value.
func (v *Value) Span() diag.Span { panic("later") }

// Path gives the YAML path of the value: "capability.exposes[0].tools[2].with.id".
func (v *Value) Path() string { panic("later") }

// Get gives the value of a mapping's key, or nil. A nil Value has no keys.
func (v *Value) Get(key string) *Value { panic("later") }

// AsText gives a scalar as Text; the zero Text for anything else.
func (v *Value) AsText() Text { panic("later") }

// JSON gives the value as compact JSON. Numbers keep their digits where JSON can spell them.
func (v *Value) JSON() []byte { panic("later") }

type scalarStyle uint8
type source struct{}
