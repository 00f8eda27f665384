// Command capd serves capability specs as REST and MCP servers.
package main

import (
	"context"
	"io"
	"os"
	"runtime/debug"

	"capd/engine/script"
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(mostWhileLoading)
	}
	script.BoundRegexps()
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole command without the process around it. It gives the exit code.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &command{env: environment(env), stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	return exitCode(root.ExecuteContext(ctx), stderr)
}

// command is what every subcommand has at hand: the process's surroundings.
type command struct {
	env            environment
	stdin          io.Reader
	stdout, stderr io.Writer
}
