package main

import (
	"github.com/spf13/cobra"
)

// root assembles the command tree.
func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "capd",
		Short: "Serve capability specs as REST and MCP servers",
		Long: `capd turns YAML capability specs into running REST and MCP servers.

Every flag has an environment twin: --listen is CAPD_LISTEN, --log-level is CAPD_LOG_LEVEL.
A flag beats its twin.

Exit codes: 0 all is well, 1 the specs have errors, or a call did not succeed, 2 the job could
not be done.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return applyEnvironment(cmd.Flags(), c.env)
		},
	}
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return failure("%w; see '%s --help'", flagError(err), cmd.CommandPath())
	})
	root.AddCommand(c.explainCommand(), c.exportCommand(), c.fixCommand(), c.serveCommand(), c.listCommand(), c.mcpCommand(), c.inspectCommand(), c.callCommand(), c.healthCommand(), c.statusCommand(), c.reloadCommand(), c.logsCommand(), c.schemaCommand(), c.scriptWorkerCommand(), c.stubCommand(), c.validateCommand(), c.versionCommand())
	return root
}
