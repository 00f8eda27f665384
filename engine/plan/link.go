package plan

import "capd/engine/diag"

// LinkOptions decides on which addresses exposures are served.
type LinkOptions struct {
	// Listen, if set, is the one address (host:port) for everything.
	Listen string
	// Address is the host to listen on for declared ports; empty means 127.0.0.1.
	Address string
	// AllowSpecAddress honours addresses that documents declare.
	AllowSpecAddress bool
}

// Link gives each exposure its addresses and resolves what documents claim twice. Units of
// prev that are among units are reused as they are. It reports only problems between
// documents.
func Link(prev *Plan, units []*Unit, o LinkOptions) (*Plan, diag.List) { panic("later") }
