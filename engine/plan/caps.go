package plan

import (
	"cmp"
	"time"
)

// Caps bound what one document may use of the process, so that none can exhaust it
// (docs/decisions/0039). Of zero a cap is the process's own ([QuotaOptions.Caps]); what is zero
// there too is not bounded.
type Caps struct {
	Calls   int           // under way at once, whatever adapter they come through
	Waiting int           // more that wait for a place; negative: none
	Wait    time.Duration // at most
	Memory  int64         // bytes of bodies and results held at once
	Streams int           // MCP streams and sessions, and answers on their way to a caller, open at once
	// Rate bounds all calls of the document, CallerRate those of each caller.
	Rate, CallerRate Rate
}

// DefaultCaps are those of a process that says nothing. They are far above what a document
// needs whose upstream answers, and far below what a process can bear.
func DefaultCaps() Caps {
	return Caps{Calls: 1024, Waiting: 1024, Wait: 5 * time.Second, Memory: 256 << 20, Streams: 2048}
}

// or gives c with what it does not say as d says it.
func (c Caps) or(d Caps) Caps {
	out := Caps{
		Calls: cmp.Or(c.Calls, d.Calls), Waiting: cmp.Or(c.Waiting, d.Waiting), Wait: cmp.Or(c.Wait, d.Wait),
		Memory: cmp.Or(c.Memory, d.Memory), Streams: cmp.Or(c.Streams, d.Streams), Rate: c.Rate, CallerRate: c.CallerRate,
	}
	if out.Rate == (Rate{}) {
		out.Rate = d.Rate
	}
	if out.CallerRate == (Rate{}) {
		out.CallerRate = d.CallerRate
	}
	return out
}

// Limit names a limit, for those who count how often one was reached.
type Limit string

// The limits of documents and of the upstreams that they call.
const (
	LimitRate        Limit = "rate"        // of all calls of a document, or of an upstream
	LimitCaller      Limit = "caller"      // of the calls of one caller
	LimitCalls       Limit = "calls"       // at once
	LimitMemory      Limit = "memory"      // held at once
	LimitStreams     Limit = "streams"     // open at once
	LimitConcurrency Limit = "concurrency" // requests to an upstream at once
	LimitAuth        Limit = "auth"        // of the wrong credentials from an address
)
