package main

import (
	"github.com/spf13/pflag"

	"capd/engine/plan"
)

// capFlags bound what one spec may use of the process.
type capFlags struct {
	calls, streams count
	memory         size
}

func (c *capFlags) register(f *pflag.FlagSet) {
	d := plan.DefaultCaps()
	c.calls, c.streams, c.memory = count(d.Calls), count(d.Streams), size(d.Memory)
	f.Var(&c.calls, "document-calls", "most calls of one spec at once; as many more wait up to 5s, the rest is answered 503")
	f.Var(&c.memory, "document-memory", "most memory that bodies and results of one spec's calls take at once")
	f.Var(&c.streams, "document-streams", "most MCP streams and sessions, and answers that are being read, of one spec at once")
}

// caps gives what every spec may use.
func (c *capFlags) caps() plan.Caps {
	d := plan.DefaultCaps()
	return plan.Caps{Calls: int(c.calls), Waiting: int(c.calls), Wait: d.Wait, Memory: int64(c.memory), Streams: int(c.streams)}
}
