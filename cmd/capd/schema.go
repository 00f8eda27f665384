package main

import (
	"github.com/spf13/cobra"

	"capd/schema"
)

func (c *command) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of capability specs",
		Long: `Print the JSON Schema (2020-12) of what capd accepts: every version of the language, with a
description of every key. An editor that is given it completes keys and flags values of the wrong
kind. What the schema does not say, such as whether a called operation exists, validate does.`,
		Example: "  capd schema > .capability.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := c.stdout.Write(schema.Source())
			return err
		},
	}
}
