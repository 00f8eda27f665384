package format_test

import (
	"strings"
	"testing"

	"capd/engine/format"
)

// emptyBut gives the JSON of a markdown text that has nothing but some members.
func emptyBut(front, tables, sections string) string {
	return `{"frontMatter":{` + front + `},"tables":[` + tables + `],"sections":[` + sections + `]}`
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	check(t, format.Markdown, format.Options{}, []rule{
		{name: "front matter", answer: "---\ntitle: x\nn: 1.50\nv: 2.1.0\n---\n", gives: emptyBut(`"title":"x","n":1.50,"v":"2.1.0"`, "", "")},
		{name: "empty front matter", answer: "---\n---\n# a\n", gives: emptyBut("", "", `{"heading":"a","level":1,"content":""}`)},
		{name: "front matter that is a list", answer: "---\n- a\n---\nb\n", gives: emptyBut("", "", "")},
		{name: "front matter with Windows line ends", answer: "---\r\na: b\r\n---\r\n", gives: emptyBut(`"a":"b"`, "", "")},
		{name: "front matter that is broken", answer: "---\na: 'x\n---\n# y\n", gives: emptyBut("", "", `{"heading":"a: 'x","level":2,"content":""},{"heading":"y","level":1,"content":""}`)},
		{name: "front matter not at the beginning", answer: "\n---\na: b\n---\n", gives: emptyBut("", "", `{"heading":"a: b","level":2,"content":""}`)},
		{name: "sections", answer: "before\n# A\none\ntwo\n\nthree  \nfour\n## B *b*\n\nC\n===\n", gives: emptyBut("", "",
			`{"heading":"A","level":1,"content":"one two\nthree\nfour"},{"heading":"B b","level":2,"content":""},{"heading":"C","level":1,"content":""}`)},
		{name: "markup", answer: "# a\n**b** _c_ ~~d~~ `e  f` [g](h \"i\") ![j](k) <http://l.example> <br> \\*m\\* &amp;&#65; n&copy;", gives: emptyBut("", "",
			`{"heading":"a","level":1,"content":"b c d e  f g j http://l.example  *m* &A n©"}`)},
		{name: "blocks", answer: "# a\n- b\n- c\n  - d\n\n> e\n\n1. f\n\n```\ng\n```\n\n    h\n\n---\n\n<div>i</div>\n\nj\n", gives: emptyBut("", "",
			`{"heading":"a","level":1,"content":"b\nc\nd\ne\nf\nj"}`)},
		{name: "tables", answer: "# a\n| A | **B** |\n|---|---|\n| 1 | `x\\|y` |\n| 2 |\n|3|4|5|\n\nb\n", gives: emptyBut("",
			`[{"A":"1","B":"x|y"},{"A":"2","B":""},{"A":"3","B":"4"}]`, `{"heading":"a","level":1,"content":"b"}`)},
		{name: "a table in a list", answer: "- |a|\n  |-|\n  |b|\n", gives: emptyBut("", "", "")},
		{name: "a table without names", answer: "| | |\n|-|-|\n|a|b|\n", gives: emptyBut("", "", "")},
		{name: "a link defined elsewhere", answer: "# [a][b]\n\n[b]: http://c.example\n", gives: emptyBut("", "", `{"heading":"a","level":1,"content":""}`)},
		{name: "nothing", answer: "", gives: emptyBut("", "", "")},
		{name: "a billion laughs", answer: "---\na: &a [" + strings.Repeat("x,", 2000) + "]\nb: &b [" + strings.Repeat("*a,", 2000) + "]\n---\n", says: "the answer is too much to be read as Markdown: its JSON would have more than 1369152 bytes"},
	})
	selected := []rule{{name: "chosen by its heading", answer: "# API\na\n## API calls\nb\n## Other\nc\n|A|\n|-|\n|1|\n", gives: emptyBut("", `[{"A":"1"}]`,
		`{"heading":"API","level":1,"content":"a"},{"heading":"API calls","level":2,"content":"b"}`)}}
	check(t, format.Markdown, format.Options{Selector: "API"}, selected)
	check(t, format.Markdown, format.Options{Selector: "## API"}, selected)
}

// TestHostileMarkdown has texts for which the parser takes the square of their size.
func TestHostileMarkdown(t *testing.T) {
	t.Parallel()
	const says = "the answer is too much to be read as Markdown: "
	check(t, format.Markdown, format.Options{}, []rule{
		{name: "quotations", answer: strings.Repeat(">", 1_000_000), says: says + "it nests deeper than 100 levels"},
		{name: "lists", answer: strings.Repeat("- ", 1_000_000), says: says + "it nests deeper than 100 levels"},
		{name: "lists line by line", answer: deepLists(200), says: says + "it nests deeper than 100 levels"},
		{name: "empty lines in lists", answer: deepLists(90) + strings.Repeat("\n", 100_000), says: says + "it has too many lines in lists"},
		{name: "links", answer: strings.Repeat("[a](", 50_000), says: says + "a block of it has too many marks"},
		{name: "emphasis", answer: strings.Repeat("*a_ ", 50_000), says: says + "a block of it has too many marks"},
		{name: "emphasis in a table", answer: "|a|\n|-|\n|" + strings.Repeat("*a_ ", 50_000), says: says + "a block of it has too many marks"},
		{name: "definitions", answer: strings.Repeat("[a]: b 'c'\n", 100_000), says: says + "it has more than 2000 lines that begin with [ in one block"},
		{name: "a wide table", answer: strings.Repeat("|a", 2000) + "\n" + strings.Repeat("|-", 2000) + strings.Repeat("\n|", 2000), says: says + "it has more than about 250000 pieces of text"},
		{name: "pieces", answer: strings.Repeat("a\n\n", 200_000), says: says + "it has more than about 250000 pieces of text"},
	})
}

func deepLists(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat("  ", i) + "- a\n")
	}
	return b.String()
}
