package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"capd/adapters/scripts"
	"capd/engine/plan"
	"capd/engine/script"
)

// scriptWorker is the command that a process for scripts runs.
const scriptWorker = "script-worker"

// scriptFlags say how the scripts of steps are run.
type scriptFlags struct {
	enabled bool
	process bool
	memory  size
	timeout duration
	steps   count
}

func (s *scriptFlags) register(f *pflag.FlagSet) {
	s.memory, s.timeout, s.steps = script.DefaultMemory, duration(script.DefaultTime), script.DefaultSteps
	f.BoolVar(&s.enabled, "scripting", true, "run scripts of steps; with =false every call of one fails")
	f.BoolVar(&s.process, "script-process", false, "run scripts in processes of their own, whose memory the system bounds")
	f.Var(&s.memory, "script-memory", "most memory for a script; a rough bound, but with --script-process its process ends soon above it")
	f.Var(&s.timeout, "script-timeout", "longest time for a script; a spec may ask for less")
	f.Var(&s.steps, "script-steps", "most rounds of loops and calls of functions in a script; a spec may ask for less")
}

// runner gives what runs scripts.
func (s *scriptFlags) runner() (plan.ScriptRunner, error) {
	if !s.enabled {
		return scripts.Off{}, nil
	}
	most := script.Limits{Time: time.Duration(s.timeout), Steps: uint64(s.steps), Memory: int64(s.memory)}
	if !s.process {
		return scripts.InProcess{Most: most}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, failure("--script-process: cannot find the program of capd: %w", err)
	}
	pool, err := scripts.NewPool(scripts.PoolOptions{
		Command: []string{self, scriptWorker, strconv.FormatInt(most.Memory, 10)},
		Most:    most,
	})
	if err != nil {
		return nil, failure("--script-process: %w", err)
	}
	return pool, nil
}

// scriptWorkerCommand is what a process for scripts runs. It is no command for people.
func (c *command) scriptWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    scriptWorker + " BYTES",
		Short:  "Run scripts for another capd",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			memory, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || memory <= 0 {
				return failure("the memory must be a number of bytes")
			}
			if err := scripts.Work(c.stdin, c.stdout, memory); err != nil {
				return failure("%w", err)
			}
			return nil
		},
	}
}
