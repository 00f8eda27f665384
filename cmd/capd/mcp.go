package main

import (
	"context"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capd/engine/plan"
)

// mcpFlags are the settings of mcp: those of serve but for addresses, and what to serve.
type mcpFlags struct {
	serveFlags
	view []string
}

func (m *mcpFlags) register(f *pflag.FlagSet) {
	m.registerShared(f)
	f.StringSliceVar(&m.view, "view", nil, "serve only what `SELECTOR` chooses: the ID of a spec, FOLDER/**, **, tag:TAG or toolset:NAME; comma-separated, repeatable")
}

func (c *command) mcpCommand() *cobra.Command {
	var f mcpFlags
	cmd := &cobra.Command{
		Use:   "mcp PATH...",
		Short: "Serve specs to one MCP client on standard input and output",
		Long: `Serve the MCP adapters of the given files and folders on standard input and output, for
clients that start their servers: Claude Desktop, VS Code, Cursor.

The adapter of a single spec is served as it is. The tools and prompts of several are named
<alias>__<name>, as at /mcp of serve. Adapters with transport: stdio are served, and of specs
without one all MCP adapters. Whoever starts capd has the specs and their secrets, so that the
authentication of adapters does not matter here.

Nothing but the protocol is written to standard output. A spec that cannot be served is
explained on standard error and left out. SIGHUP reads the specs again. The end of the input,
and the first SIGINT or SIGTERM, stop after the calls in flight, the second at once.`,
		Example: "  capd mcp rooms.yaml --env-file rooms.env\n  capd mcp specs/ --view 'team-a/**'",
		Args:    pathArguments,
		RunE: func(cmd *cobra.Command, paths []string) error {
			return f.log.told(c.stderr, c.mcp(cmd.Context(), paths, &f))
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// mcp serves until the client goes away or a signal comes.
func (c *command) mcp(ctx context.Context, paths []string, f *mcpFlags) error {
	for _, s := range f.view {
		if err := plan.CheckSelector(s); err != nil {
			return failure("--view: %w", err)
		}
	}
	if f.serveFlags.telemetry.audit == standardStream {
		return failure("--audit: standard output belongs to the protocol; name a file")
	}
	f.follow()
	log := f.log.logger(c.stderr)
	w, err := c.wire(paths, &f.serveFlags, log)
	if err != nil {
		return err
	}
	w.Stdio = &plan.StdioOptions{Selectors: f.view}
	// A client that closes its end is told by the error of the write, not by the signal.
	signal.Ignore(syscall.SIGPIPE)
	s := &server{command: c, wiring: w, flags: &f.serveFlags, log: log}
	s.connect = func() (<-chan struct{}, error) {
		if s.last.isEmpty() {
			return nil, nothingToServe(f.view)
		}
		return w.mcp.Connect(c.stdin, c.stdout), nil
	}
	return s.live(ctx)
}

func nothingToServe(view []string) error {
	if len(view) > 0 {
		return failure("nothing to serve: --view %s chooses no tool, resource or prompt that can be served; capd list shows what there is", strings.Join(view, ","))
	}
	return failure("nothing to serve: no tool, resource or prompt of an MCP adapter can be served")
}
