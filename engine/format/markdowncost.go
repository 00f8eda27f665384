package format

import (
	"bytes"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	tables "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// The parser of markdown has no limits, and takes the square of the input's size, or worse, for some
// texts that nobody writes. What follows refuses them, with much room for those that people write.

const (
	markdownShare  = 4           // of Limits.Nodes, for one piece of markdown
	markdownSize   = 250         // about how many bytes it takes
	maxQuotes      = 100         // lists and quotations inside of each other
	maxDefinitions = 2000        // lines of one block that may define a link
	maxLineWork    = 1_000_000   // lines, each times the lists it is in; empty ones count eight times there
	maxInlineWork  = 300_000_000 // bytes of blocks, each times the marks in it
)

func tableTransformer() util.PrioritizedValue {
	return util.Prioritized(extension.NewTableParagraphTransformer(), 200)
}

// judgeLines refuses a text that would take long to be cut into blocks, or give too many.
func judgeLines(text []byte, l Limits, w *writer) error {
	c := &lineCost{max: l.Nodes / markdownShare, blank: true}
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		if err := c.add(line); err != nil {
			return err
		}
		text = rest
	}
	return w.hold(c.marks, markdownSize)
}

// lineCost goes through the lines of a text.
type lineCost struct {
	max         int
	marks, work int
	lists       []int // indentation of the lists that are open
	blank       bool  // the line before was
	lines       int   // since the last blank line
	pipes       int   // most of one of these lines
	definitions int   // of these lines
}

func (c *lineCost) add(line []byte) error {
	weight := 1
	if len(bytes.Trim(line, " \t>")) == 0 {
		c.lines, c.pipes, c.definitions, c.blank = 0, 0, 0, true
		weight = 8
	} else {
		c.text(line)
	}
	depth := len(c.lists) + bytes.Count(line[:prefix(line)], []byte(">"))
	c.work += 1 + weight*depth
	c.marks += 1 + countMarks(line)
	switch {
	case depth > maxQuotes:
		return tooMuch("it nests deeper than %d levels", maxQuotes)
	case c.marks > c.max || c.lines*c.pipes > c.max:
		return tooMuch("it has more than about %d pieces of text", c.max)
	case c.work > maxLineWork:
		return tooMuch("it has too many lines in lists")
	case c.definitions > maxDefinitions:
		return tooMuch("it has more than %d lines that begin with [ in one block", maxDefinitions)
	}
	return nil
}

// text takes a line that is not blank.
func (c *lineCost) text(line []byte) {
	c.lines++
	c.pipes = max(c.pipes, bytes.Count(line, []byte("|"))+1)
	end := prefix(line)
	if end < len(line) && line[end] == '[' {
		c.definitions++
	}
	first := true
	for i := 0; i < end; i++ {
		mark := line[i]
		if bytes.IndexByte([]byte("-*+.)"), mark) < 0 || i+1 < len(line) && line[i+1] != ' ' && line[i+1] != '\t' {
			continue
		}
		// A number inside a paragraph may be text of it: only bullets end other lists there.
		if first && (c.blank || mark != '.' && mark != ')') {
			c.leave(i)
		}
		c.lists = append(c.lists, i)
		first = false
	}
	if first && c.blank {
		c.leave(end)
	}
	c.blank = false
}

// leave closes the lists that are indented as much as a place, or more.
func (c *lineCost) leave(at int) {
	for len(c.lists) > 0 && c.lists[len(c.lists)-1] >= at {
		c.lists = c.lists[:len(c.lists)-1]
	}
}

// prefix gives how many bytes at the beginning of a line may be marks of lists and quotations.
func prefix(line []byte) int {
	for i, b := range line {
		switch {
		case b == ' ' || b == '\t' || b == '>' || b == '-' || b == '*' || b == '+' || b == '.' || b == ')' || '0' <= b && b <= '9':
		default:
			return i
		}
	}
	return len(line)
}

func countMarks(text []byte) int {
	n := 0
	for _, b := range text {
		switch b {
		case '[', ']', '(', '!', '*', '_', '~', '`', '<', '&', '\\', '|':
			n++
		}
	}
	return n
}

// judgeBlocks refuses blocks whose text would take long to parse. doc is cut into blocks only.
func judgeBlocks(doc ast.Node, text []byte) error {
	work := 0
	var add func(n ast.Node)
	add = func(n ast.Node) {
		switch n.(type) {
		case *ast.Paragraph, *ast.TextBlock, *ast.Heading, *tables.TableCell:
			size, marks := 0, 0
			for i := range n.Lines().Len() {
				line := n.Lines().At(i)
				size += line.Len()
				marks += countMarks(line.Value(text))
			}
			work += size * marks
			return
		}
		for c := n.FirstChild(); c != nil && work <= maxInlineWork; c = c.NextSibling() {
			add(c)
		}
	}
	add(doc)
	if work > maxInlineWork {
		return tooMuch("a block of it has too many marks")
	}
	return nil
}
