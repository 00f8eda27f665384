package spec

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"capd/engine/diag"
)

// syntax reports that the text is not YAML (contract L1), with what was read when that was found.
func (p *parser) syntax(err error, read *drip) {
	f := newSyntaxFault(p.src, err, read.reach())
	message, hint := f.explain()
	code, span := diag.CodeYAML, p.src.span(f.at, f.end)
	switch {
	case strings.Contains(f.problem, "exceeded max depth"):
		p.refuse(diag.CodeTooLarge, span, "write it flatter", "the document is nested too deeply")
		return
	case p.cut != nil:
		code, hint = diag.CodeTruncatedYAML, p.cut.fullText()
		message = "the text was cut off and is no longer YAML: " + message
	default:
		message = "not YAML: " + message
	}
	p.add(diag.Diagnostic{Code: code, Severity: diag.Error, Span: span, Rule: "L1", Message: message, Hint: hint})
	p.fatal = true
}

// syntaxFault is a syntax error on its way from yaml.v3's words, which name a line near
// the problem at best, to a place and words that help.
type syntaxFault struct {
	src     *source
	problem string // yaml.v3's words
	line    int    // as yaml.v3 gives it, 0 when it does not
	reached int    // how far yaml.v3 had read when it gave up
	at, end int    // the place to report
}

var yamlError = regexp.MustCompile(`(?s)^(?:yaml: )?(?:line (\d+): )?(.*)$`)

func newSyntaxFault(src *source, err error, reached int) *syntaxFault {
	f := &syntaxFault{src: src, problem: err.Error(), reached: reached}
	if m := yamlError.FindStringSubmatch(f.problem); m != nil {
		f.line, _ = strconv.Atoi(m[1]) // no digits: the line is not known
		f.problem = m[2]
	}
	// Not more than this is known when no better place is found below.
	f.atLine(f.lastLine())
	return f
}

// drip gives a text as a stream whose state says how far its reader has come.
type drip struct {
	text  string
	whole int // so many bytes may be given at a time, what is behind them one by one
	next  int
	last  int // bytes that were given last
}

func newDrip(text string) *drip { return &drip{text: text, whole: len(text)} }

func (d *drip) Read(b []byte) (int, error) {
	if d.next == len(d.text) {
		return 0, io.EOF
	}
	d.last = copy(b[:min(len(b), max(1, d.whole-d.next))], d.text[d.next:])
	d.next += d.last
	return d.last, nil
}

// reach gives how many bytes yaml.v3 must have read before it reported an error. It asks for more only
// when it needs a byte at least: what it had before it last asked can be given at once again.
func (d *drip) reach() int {
	again := &drip{text: d.text, whole: d.next - d.last}
	again.drain()
	return again.next
}

// drain reads until there is an error.
func (d *drip) drain() {
	for dec := yaml.NewDecoder(d); ; {
		if _, err := next(dec); err != nil {
			return
		}
	}
}

// explain finds the place of the fault and gives a message and a hint.
func (f *syntaxFault) explain() (message, hint string) {
	is := func(words string) bool { return strings.Contains(f.problem, words) }
	switch {
	case is("mapping values are not allowed"):
		return f.strayColon()
	case is("cannot start any token"):
		return f.badStart()
	case is("tab character"):
		return f.tab()
	case is("unexpected end of stream"):
		return f.openQuote()
	case is("could not find expected ':'"):
		return f.noColon()
	case is("did not find expected ',' or"):
		return f.openBracket()
	case is("did not find expected node content"):
		return f.blockInBrackets()
	case is("did not find expected key"), is("did not find expected '-' indicator"):
		return f.outOfPlace()
	case is("unknown anchor"):
		return f.unknownAnchor()
	case is("unknown escape character"):
		return f.badEscape()
	}
	return f.problem, ""
}

// lastLine gives the offset of the start of the last line that yaml.v3 has read something of.
func (f *syntaxFault) lastLine() int {
	read := strings.TrimRight(f.src.text[:f.reached], " \t\r\n")
	start, _ := f.src.lineAt(len(read))
	return start
}

// givenLine gives the offset of the start of the line yaml.v3 names. By is what it is
// known to be wrong by: the parser counts from zero, the scanner does not.
func (f *syntaxFault) givenLine(by int) int {
	start, _ := f.src.lineAt(f.src.offset(f.line+by, 1)) // YAML may name a line behind the last one
	return start
}

// atLine reports the line that holds offset off, from its first character on.
func (f *syntaxFault) atLine(off int) string {
	start, end := f.src.lineAt(off)
	line := f.src.text[start:end]
	f.at = start + len(line) - len(strings.TrimLeft(line, " \t"))
	f.end = max(f.at, start+len(strings.TrimRight(line, " \t")))
	return line
}

// atBytes reports n bytes at offset off.
func (f *syntaxFault) atBytes(off, n int) {
	f.at, f.end = min(off, len(f.src.text)), min(off+n, len(f.src.text))
}

var keyColon = regexp.MustCompile(`:(?:[ \t]|$)`)

func (f *syntaxFault) strayColon() (string, string) {
	start := f.givenLine(0)
	line := f.atLine(start)
	colons := keyColon.FindAllStringIndex(line, 2)
	if len(colons) > 0 {
		f.atBytes(start+colons[len(colons)-1][0], 1)
	}
	if len(colons) == 2 {
		return "a second ': ' in one line", "put the value in quotes if the colon belongs to it"
	}
	return "a key is not allowed here", "check the indentation, and that the line before is no unquoted text"
}

func (f *syntaxFault) badStart() (string, string) {
	start := max(0, f.reached-6)
	i := strings.IndexAny(f.src.text[start:f.reached], "\t@`%")
	if i < 0 {
		f.atLine(f.givenLine(0))
		return "a character that cannot begin a value", "put the value in quotes"
	}
	f.atBytes(start+i, 1)
	if f.src.text[start+i] == '\t' {
		return "a tab where only spaces may indent", "indent with spaces"
	}
	return quote(f.src.text[start+i:start+i+1]) + " cannot begin a value", "put the value in quotes"
}

func (f *syntaxFault) tab() (string, string) {
	if i := strings.LastIndex(f.src.text[:f.reached], "\n\t"); i >= 0 {
		f.atBytes(i+1, 1)
	}
	return "a tab where only spaces may indent", "indent with spaces"
}

func (f *syntaxFault) openQuote() (string, string) {
	// yaml.v3 names the line in which the value begins, but not when that is the first one.
	for _, start := range []int{f.givenLine(0), 0} {
		line := f.atLine(start)
		if i := unclosedQuote(line); i >= 0 {
			f.atBytes(start+i, 1)
			return "a quote that is never closed", "close it; in single quotes, write a quote of the text twice"
		}
	}
	return "the text ends in the middle of a value", ""
}

// unclosedQuote gives the offset of the quote that opens in a line and does not close there,
// or -1.
func unclosedQuote(line string) int {
	open := -1
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c != '"' && c != '\'':
		case open >= 0 && line[open] == c:
			open = -1
		case open < 0 && (i == 0 || strings.IndexByte(" \t[{,", line[i-1]) >= 0):
			open = i
		}
	}
	return open
}

func (f *syntaxFault) noColon() (string, string) {
	line := strings.TrimSpace(f.atLine(f.givenLine(0)))
	return "no ':' after " + quote(strings.TrimPrefix(line, "- ")), "write a key, a colon and a space"
}

var (
	bareTemplate = regexp.MustCompile(`(?:^|[:\-,\[]\s+)(\{\{[^}\r\n]*\}\}\s*[^\s,\]}#][^\r\n]*)`)
	afterQuote   = regexp.MustCompile(`(?::\s+|^\s*-\s+)("[^"]*"|'[^']*')\s*[^\s,:\]}#]`)
)

// outOfPlace is a line that does not continue what stands before it. YAML looks one line
// further when the reason is in the value of the line before.
func (f *syntaxFault) outOfPlace() (string, string) {
	last := f.lastLine()
	for _, start := range []int{f.lineBefore(last), last} {
		s, e := f.src.lineAt(start)
		line := f.src.text[s:e]
		if m := bareTemplate.FindStringSubmatchIndex(line); m != nil {
			f.atBytes(s+m[2], m[3]-m[2])
			return "a template without quotes", "put the whole value in quotes"
		}
		if m := afterQuote.FindStringSubmatchIndex(line); m != nil {
			f.atBytes(s+m[2], e-s-m[2])
			return "text behind a closing quote", "put the whole value in quotes; in single quotes, write a quote of the text twice"
		}
	}
	f.atLine(last)
	return "this line does not fit to what stands before it", "check the indentation"
}

func (f *syntaxFault) lineBefore(off int) int {
	start, _ := f.src.lineAt(max(0, off-1))
	return start
}

func (f *syntaxFault) unknownAnchor() (string, string) {
	_, name, _ := strings.Cut(f.problem, "'")
	name, _, _ = strings.Cut(name, "'")
	if i := strings.LastIndex(f.src.text[:f.reached], "*"+name); i >= 0 {
		f.atBytes(i, len(name)+1)
	}
	return "no anchor &" + name + " stands before alias *" + name, "put the value in quotes if the asterisk belongs to it"
}

func (f *syntaxFault) badEscape() (string, string) {
	if i := strings.LastIndexByte(f.src.text[:f.reached], '\\'); i >= 0 {
		f.atBytes(i, 2)
	}
	return "an unknown escape", "write \\\\ for a backslash, or use single quotes"
}
