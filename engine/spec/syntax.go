package spec

import (
	"regexp"
	"strconv"
	"strings"

	"capd/engine/diag"
)

var yamlError = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

// syntax reports that the text is not YAML (contract L1).
func (p *parser) syntax(err error) {
	message, line := err.Error(), 0
	if m := yamlError.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1]) // no digits: the line is not known
		message = m[2]
	}
	span := p.src.whole()
	if line > 0 {
		off := p.src.offset(line, 1)
		start, end := p.src.lineAt(off)
		start += len(p.src.text[start:end]) - len(strings.TrimLeft(p.src.text[start:end], " "))
		span = p.src.span(start, start)
	}
	if p.cut != nil {
		p.refuse(diag.CodeTruncatedYAML, span, p.cut.fullText(), "the text was cut off and is no longer YAML: %s", message)
		return
	}
	p.refuse(diag.CodeYAML, span, "", "not YAML: %s", message)
}
