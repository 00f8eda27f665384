package plan

import "time"

// Caps bound what one document may use of the process, so that none can exhaust it. Of zero a
// cap is the process's own ([BindOptions.Caps]).
type Caps struct {
	Calls   int           // under way at once, whatever adapter they come through
	Waiting int           // more that wait for a place
	Wait    time.Duration // at most
	Memory  int64         // bytes of bodies and results held at once
	Streams int           // MCP streams and sessions open at once
	// Rate bounds all calls of the document, CallerRate those of each caller.
	Rate, CallerRate Rate
}
