package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"capd/engine/diag"
)

// formatMarkdown is the format of explain for documentation.
const formatMarkdown = "markdown"

func (c *command) explainCommand() *cobra.Command {
	format := formatText
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain a code of a finding, with examples",
		Long: `Explain what a code such as route-conflict means: what is not served because of it, why, an
example with the problem, what capd says of it, and the example mended.

Without a CODE, list all of them.`,
		Example:           "  capd explain\n  capd explain path-param-without-placeholder",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeCode,
		RunE: func(_ *cobra.Command, args []string) error {
			var text string
			switch {
			case len(args) == 0:
				text = listCodes(format)
			default:
				page, ok := diag.PageOf(diag.Code(args[0]))
				if !ok {
					return unknownCode(args[0])
				}
				text = explain(&page, format)
			}
			_, err := io.WriteString(c.stdout, text)
			return err
		},
	}
	cmd.Flags().Var(choiceFlag(&format, formatText, formatMarkdown), "format", "output `format`: text or markdown")
	return cmd
}

// completeCode offers the codes to a shell.
func completeCode(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return codeNames(), cobra.ShellCompDirectiveNoFileComp
}

func codeNames() []string {
	var names []string
	for _, code := range diag.Codes() {
		names = append(names, string(code))
	}
	return names
}

// unknownCode says what was probably meant: a code of nearly that spelling, or those that
// hold the word.
func unknownCode(name string) error {
	names := codeNames()
	if near, ok := diag.Nearest(name, names); ok {
		return failure("no code %q; did you mean %s?", name, near)
	}
	var holding []string
	for _, n := range names {
		if name != "" && strings.Contains(n, strings.ToLower(name)) {
			holding = append(holding, n)
		}
	}
	if len(holding) > 0 {
		return failure("no code %q; there is %s", name, strings.Join(holding, ", "))
	}
	return failure("no code %q; 'capd explain' lists all codes", name)
}

// listCodes gives every code with its severity and meaning.
func listCodes(format string) string {
	var b strings.Builder
	if format == formatMarkdown {
		b.WriteString("| Code | Severity | Meaning |\n|---|---|---|\n")
		for _, code := range diag.Codes() {
			page, _ := diag.PageOf(code)
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, page.Severity, strings.ReplaceAll(page.Summary, "|", `\|`))
		}
		return b.String()
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, code := range diag.Codes() {
		page, _ := diag.PageOf(code)
		fmt.Fprintf(w, "%s\t%s\t%s\n", code, page.Severity, page.Summary)
	}
	_ = w.Flush() // a Builder takes everything
	return b.String()
}

// explain writes a page.
func explain(p *diag.Page, format string) string {
	var b strings.Builder
	refuses := "refuses " + cmp.Or(p.Refuses, "nothing")
	if format == formatMarkdown {
		fmt.Fprintf(&b, "# %s\n\n%s.\n\n*%s, %s*\n", p.Code, sentence(p.Summary), p.Severity, refuses)
	} else {
		fmt.Fprintf(&b, "%s: %s\n%s, %s\n", p.Code, p.Summary, p.Severity, refuses)
	}
	if p.Situation != "" {
		fmt.Fprintf(&b, "\nIt comes when %s.\n", p.Situation)
	}
	fmt.Fprintf(&b, "\n%s\n", p.Body)
	for _, part := range []struct{ heading, language, text string }{
		{"Wrong", "yaml", p.Bad}, {"What capd says", "text", p.Says}, {"Right", "yaml", p.Good},
	} {
		switch {
		case part.text == "":
		case format == formatMarkdown:
			fmt.Fprintf(&b, "\n## %s\n\n```%s\n%s```\n", part.heading, part.language, part.text)
		default:
			fmt.Fprintf(&b, "\n%s:\n\n%s", part.heading, indented(part.text))
		}
	}
	return b.String()
}

// sentence begins a summary with a capital letter.
func sentence(summary string) string {
	return strings.ToUpper(summary[:1]) + summary[1:]
}

// indented moves the lines of an example to the right, so that it stands out.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString("    ")
		}
		b.WriteString(line)
	}
	return b.String()
}
