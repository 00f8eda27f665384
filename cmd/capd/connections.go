package main

import (
	"github.com/spf13/pflag"

	"capd/adapters/httpclient"
	"capd/engine"
)

// connectionFlags bound the connections of callers.
type connectionFlags struct{ most count }

func (c *connectionFlags) register(f *pflag.FlagSet) {
	f.Var(&c.most, "max-connections", "most connections of callers at once; those without a request make room for new ones (default: a third of the files that the process may have open, at most 16384)")
	f.Lookup("max-connections").DefValue = "" // it depends on the machine
}

// mostConnections is as many as need memory in reason, however many the system allows.
const mostConnections = 16384

// resolve gives the number of connections. A call needs one of its caller and often one of its
// upstream, and files, listeners and the control address need descriptors as well: of those that
// the process may have, a third each.
func (c *connectionFlags) resolve() int {
	if c.most == 0 {
		c.most = mostConnections
		if n, ok := mostFiles(); ok {
			c.most = count(max(1, min(n/3, mostConnections)))
		}
	}
	return int(c.most)
}

// forUpstreams gives how many connections upstreams may have that nobody uses: of the files that
// the process may have, those that neither callers nor calls can need.
func (c *connectionFlags) forUpstreams() int {
	n, ok := mostFiles()
	if !ok {
		return 0
	}
	return int(max(1, min(n/6, httpclient.DefaultMaxIdle)))
}

// forControl gives how many connections the control address may have beside them.
func (c *connectionFlags) forControl() int {
	n, ok := mostFiles()
	if !ok {
		return 0
	}
	return int(max(1, min(n/8, engine.DefaultControlConnections)))
}
