package format

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

const (
	// yamlShare is how many of Limits.Nodes one value of YAML counts for. The tree of yaml.v3 takes
	// some hundred bytes for each, and cannot be limited itself.
	yamlShare = 2
	// yamlSize is about how many bytes a value takes there.
	yamlSize = 200
	// maxMerged is how many members may be merged into mappings, all in all.
	maxMerged = 1_000_000
)

// readYAML gives the first document.
func readYAML(in *answer, w *writer) (string, error) {
	text, err := in.utf8Text("")
	if err != nil {
		return "", err
	}
	return "", writeYAML(text, w, in.limits)
}

// writeYAML adds the first document of a text.
func writeYAML(text []byte, w *writer, l Limits) error {
	marks := yamlMarks(text)
	if marks > l.Nodes/yamlShare {
		return tooMuch("it has more than about %d values", l.Nodes/yamlShare)
	}
	if err := w.hold(marks, yamlSize); err != nil {
		return err
	}
	var doc yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return invalid("it is empty")
	case err != nil:
		return explainYAML(err)
	}
	y := &yamlWriter{w: w, inside: make(map[*yaml.Node]bool)}
	return y.value(doc.Content[0])
}

// yamlMarks counts what may begin a value; it is never less than there are values.
func yamlMarks(text []byte) int {
	n := 1
	for _, c := range text {
		switch c {
		case '\n', '\r', ',', ':', '-', '?', '[', '{':
			n++
		}
	}
	return n
}

// explainYAML words an error of yaml.v3, whose own text may quote the document.
func explainYAML(err error) error {
	if strings.Contains(err.Error(), "exceeded max") {
		return tooMuch("it nests too deep")
	}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return invalid("an error of syntax")
	}
	return invalid("line %s: an error of syntax", m[1])
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// yamlWriter writes the values of a document.
type yamlWriter struct {
	w      *writer
	inside map[*yaml.Node]bool // what aliases being written refer to
	merged int                 // how many members were merged
	keys   int                 // bytes of keys that are JSON
}

func (y *yamlWriter) value(n *yaml.Node) error {
	if err := y.w.room(0); err != nil {
		return err
	}
	switch n.Kind {
	case yaml.AliasNode:
		return y.alias(n.Alias, y.value)
	case yaml.SequenceNode:
		return y.list(n)
	case yaml.MappingNode:
		return y.mapping(n)
	}
	y.scalar(n)
	return nil
}

// alias does something with what an alias refers to, unless that contains the alias.
func (y *yamlWriter) alias(target *yaml.Node, do func(*yaml.Node) error) error {
	if y.inside[target] {
		return invalid("line %d: a value contains itself", target.Line)
	}
	y.inside[target] = true
	defer delete(y.inside, target)
	return do(target)
}

func (y *yamlWriter) list(n *yaml.Node) error {
	if err := y.w.open('['); err != nil {
		return err
	}
	for _, c := range n.Content {
		if err := y.w.next(); err != nil {
			return err
		}
		if err := y.value(c); err != nil {
			return err
		}
	}
	y.w.close(']')
	return nil
}

// mapping writes an object. Its members are collected first, since later ones may replace
// earlier ones and merged ones come last.
func (y *yamlWriter) mapping(n *yaml.Node) error {
	m := &yamlMembers{index: make(map[string]int, len(n.Content)/2)}
	if err := y.collect(n, m, false); err != nil {
		return err
	}
	if err := y.w.open('{'); err != nil {
		return err
	}
	for i, name := range m.names {
		if err := y.w.member(name); err != nil {
			return err
		}
		if err := y.value(m.values[i]); err != nil {
			return err
		}
	}
	y.w.close('}')
	return nil
}

// yamlMembers are the members of one mapping.
type yamlMembers struct {
	names  []string
	values []*yaml.Node
	index  map[string]int
}

// collect adds a mapping's own members and then what it merges. Merged ones replace nothing.
func (y *yamlWriter) collect(n *yaml.Node, m *yamlMembers, merged bool) error {
	if merged {
		y.merged += len(n.Content)/2 + 1
	}
	if y.merged > maxMerged {
		return tooMuch("it merges more than %d members", maxMerged)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if isMerge(key) {
			continue
		}
		name, err := y.key(key)
		if err != nil {
			return err
		}
		at, known := m.index[name]
		switch {
		case !known:
			m.index[name] = len(m.names)
			m.names, m.values = append(m.names, name), append(m.values, value)
		case !merged:
			m.values[at] = value
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			if err := y.merge(n.Content[i+1], m); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge adds the members of a mapping, or of a list of mappings, under <<.
func (y *yamlWriter) merge(n *yaml.Node, m *yamlMembers) error {
	switch n.Kind {
	case yaml.AliasNode:
		return y.alias(n.Alias, func(target *yaml.Node) error { return y.merge(target, m) })
	case yaml.MappingNode:
		return y.collect(n, m, true)
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if err := y.merge(c, m); err != nil {
				return err
			}
		}
		return nil
	}
	return invalid("line %d: << needs a mapping", n.Line)
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && isPlain(key) && (key.Tag == "" || key.ShortTag() == "!!merge")
}

// key gives a key as a string. A list or mapping is its JSON.
func (y *yamlWriter) key(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.AliasNode:
		var name string
		err := y.alias(n.Alias, func(target *yaml.Node) (err error) {
			name, err = y.key(target)
			return err
		})
		return name, err
	}
	own := &yamlWriter{w: &writer{max: y.w.max, depth: y.w.depth, maxDepth: y.w.maxDepth}, inside: y.inside, merged: y.merged}
	if err := own.value(n); err != nil {
		return "", err
	}
	if y.keys += len(own.w.buf); y.keys > y.w.max {
		return "", y.w.room(y.keys)
	}
	return string(own.w.buf), nil
}

func isPlain(n *yaml.Node) bool {
	return n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// scalar writes a scalar by its tag, or else by how it is written.
func (y *yamlWriter) scalar(n *yaml.Node) {
	tag := ""
	if n.Style&yaml.TaggedStyle != 0 {
		tag = n.ShortTag()
	}
	switch tag {
	case "":
		if isPlain(n) {
			y.w.buf = appendPlain(y.w.buf, n.Value)
			return
		}
	case "!!int", "!!float", "!!bool", "!!null":
		y.w.buf = appendPlain(y.w.buf, n.Value)
		return
	case "!!binary":
		y.w.string(strings.Join(strings.Fields(n.Value), ""))
		return
	}
	y.w.string(n.Value)
}

// plainNumber is a decimal number of YAML: sign, digits, fraction, exponent.
var plainNumber = regexp.MustCompile(`^([-+]?)(0|[1-9][0-9]*(?:_[0-9]+)*|)(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)

// appendPlain adds the JSON of a scalar that is written without quotes.
func appendPlain(dst []byte, s string) []byte {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return append(dst, "null"...)
	case "true", "True", "TRUE":
		return append(dst, "true"...)
	case "false", "False", "FALSE":
		return append(dst, "false"...)
	}
	if c := s[0]; c > '9' || c < '+' || c == ',' || c == '/' {
		return appendString(dst, s)
	}
	if n, ok := otherBase(s); ok {
		return append(dst, n...)
	}
	m := plainNumber.FindStringSubmatch(s)
	if m == nil {
		return appendString(dst, s)
	}
	digits, fraction := strings.ReplaceAll(m[2], "_", ""), m[3]
	switch {
	case digits == "" && len(fraction) < 2:
		return appendString(dst, s) // a sign, a dot
	case digits == "":
		digits = "0"
	case fraction == ".":
		fraction = ".0"
	}
	if m[1] == "-" {
		dst = append(dst, '-')
	}
	return append(append(append(dst, digits...), fraction...), m[4]...)
}

// otherBase reads 0x1F, 0o17 and 0b11, as far as 64 bits go.
func otherBase(s string) (string, bool) {
	sign, s := s[:0], strings.TrimPrefix(s, "+")
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if len(s) < 3 || s[0] != '0' || strings.Contains(s, "_") {
		return "", false
	}
	base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]]
	if base == 0 {
		return "", false
	}
	n, err := strconv.ParseUint(s[2:], base, 64)
	if err != nil {
		return "", false
	}
	return sign + strconv.FormatUint(n, 10), true
}
