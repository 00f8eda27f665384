package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"capd/adapters/rest"
	"capd/engine"
	"capd/engine/plan"
)

// exportFlags are the settings of export openapi.
type exportFlags struct {
	documents documentFlags
	id        string
	server    string
	output    string
}

// exportCommand writes what is served in the words of others.
func (c *command) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Describe what a spec serves in a format of other tools",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(c.exportOpenAPICommand())
	return cmd
}

func (c *command) exportOpenAPICommand() *cobra.Command {
	f := exportFlags{}
	cmd := &cobra.Command{
		Use:   "openapi PATH",
		Short: "Describe a REST adapter as an OpenAPI 3.1 document",
		Long: `Describe what is served of a REST adapter as an OpenAPI 3.1 document, the same that serve answers at
/apis/<id>/openapi.json. PATH is a file, a folder, or - for standard input. Of several adapters --id names one: <id> is the first
of a spec, <id>/<namespace> any.`,
		Example: "  capd export openapi capabilities/telapi-call-tokens.yaml\n" +
			"  capd export openapi capabilities/ --id hms-room-codes --server https://api.example.com/apis/hms-room-codes -o hms.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return failure("expected one PATH, got %d; see '%s --help'", len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.exportOpenAPI(cmd.Context(), args[0], &f)
		},
	}
	flags := cmd.Flags()
	f.documents.register(flags)
	f.documents.registerPolicy(flags)
	flags.StringVar(&f.id, "id", "", "`ID` of the spec, or ID/NAMESPACE of the adapter")
	flags.StringVar(&f.server, "server", "", "`URL` that the paths continue (default /apis/<id>)")
	flags.StringVarP(&f.output, "output", "o", "", "write to `FILE` instead of standard output")
	return cmd
}

func (c *command) exportOpenAPI(ctx context.Context, path string, f *exportFlags) error {
	loaded, err := engine.Load(ctx, engine.LoadOptions{
		Paths: []string{path}, Stdin: c.stdin, AllowPaths: f.documents.allowPaths, Policy: f.documents.policy, Own: ownFiles(&f.documents, nil), Limits: f.documents.limits(),
	})
	if err != nil {
		return failure("%w", err)
	}
	m, err := c.exported(loaded, path, f.id)
	if err != nil {
		return err
	}
	server := f.server
	if server == "" {
		server = m.Path
	}
	text := rest.OpenAPI(m.Exposure, rest.OpenAPIOptions{Server: server, Indent: true})
	if f.output == "" {
		_, err = c.stdout.Write(text)
	} else {
		err = os.WriteFile(f.output, text, 0o644) //nolint:gosec // it is no secret: what is served says it to every caller
	}
	if err != nil {
		return failure("cannot write the description: %w", err)
	}
	return nil
}

// exported finds the one adapter that is meant.
func (c *command) exported(loaded *engine.Loaded, path, id string) (*plan.Mount, error) {
	var names []string // of every address
	var found []*plan.Mount
	specs := map[*plan.Unit]bool{}
	for _, l := range loaded.Plan.Listeners {
		for _, m := range l.Mounts {
			if m.Exposure.Kind != plan.REST {
				continue
			}
			name := strings.Join(m.Segments, "/")
			names = append(names, name)
			specs[m.Exposure.Unit] = true
			if name == id || id == "" && name == m.Exposure.Unit.ID {
				found = append(found, m)
			}
		}
	}
	slices.Sort(names)
	switch {
	case len(names) == 0:
		return nil, c.nothingToExport(loaded, path)
	case len(found) == 0:
		return nil, failure("no REST adapter has the id %q; there are %s", id, strings.Join(names, ", "))
	case len(specs) > 1 && id == "":
		return nil, failure("%s has %s with REST adapters; name one with --id: %s", path, plural(len(specs), "spec"), strings.Join(names, ", "))
	}
	if n := len(names) - 1; id == "" && n > 1 {
		fmt.Fprintf(c.stderr, "capd: the spec has %s; this is %s, --id names another: %s\n", plural(n, "REST adapter"), adapterTitle(found[0].Exposure), strings.Join(names, ", "))
	}
	return found[0], nil
}

// nothingToExport says why no adapter is there.
func (c *command) nothingToExport(loaded *engine.Loaded, path string) error {
	for _, d := range loaded.Docs {
		for _, r := range otherRefusals(d) {
			return &exitError{code: exitFindings, err: fmt.Errorf("nothing of %s is served: %s: %s; see 'capd validate %s'", d.File, r.Code, r.Reason, path)}
		}
	}
	return failure("%s has no REST adapter", path)
}
