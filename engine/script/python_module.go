package script

import "go.starlark.net/starlark"

// starlarkModule is a named set of functions.
type starlarkModule struct {
	name    string
	members starlark.StringDict
}

func (m *starlarkModule) String() string        { return "<module " + m.name + ">" }
func (m *starlarkModule) Type() string          { return "module" }
func (m *starlarkModule) Freeze()               {}
func (m *starlarkModule) Truth() starlark.Bool  { return true }
func (m *starlarkModule) Hash() (uint32, error) { return starlark.String(m.name).Hash() }
func (m *starlarkModule) AttrNames() []string   { return m.members.Keys() }

// Attr gives a function of the module, or nil.
func (m *starlarkModule) Attr(name string) (starlark.Value, error) { return m.members[name], nil }
