package plan

import (
	"errors"
	"time"

	"capd/engine/diag"
)

// ErrUnset is what BindOptions.Look gives for a variable without a value.
var ErrUnset = errors.New("not set")

// BindOptions is where values come from and how calls are sent.
type BindOptions struct {
	// Look gives the value of a document's variable, or [ErrUnset].
	Look func(doc string, v *Variable) (Secret, error)
	// Upstream answers the requests of every operation.
	Upstream Upstream
	// Placeholders lets an unset variable stand as <NAME> instead of failing the call: for
	// stubs and dry runs.
	Placeholders bool
	// CallTimeout bounds a whole call; 0 means no bound.
	CallTimeout time.Duration
	// MaxUpstreamBody bounds, in bytes after decoding, an answer that must be held in
	// memory; 0 means no bound.
	MaxUpstreamBody int64
}

// Bound is a plan's variables with their values and the way upstream. It is immutable.
type Bound struct {
	opts  BindOptions
	units map[*Unit]*boundUnit
}

// Bind looks up every variable of the plan. A variable without a value is a warning, and
// an error of the calls that need it.
func Bind(p *Plan, o BindOptions) (*Bound, diag.List) { panic("later") }

// Plan gives the plan whose variables are bound; nil for a nil Bound.
func (b *Bound) Plan() *Plan { panic("later") }

type boundUnit struct{}
