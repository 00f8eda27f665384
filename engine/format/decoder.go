package format

import "errors"

// Options are what a format needs to know beforehand.
type Options struct {
	Schema     []byte                            // the file that outputSchema names (avro, protobuf)
	SchemaName string                            // its name, for messages and imports
	Import     func(name string) ([]byte, error) // a file that a .proto imports; nil: there is none
	Selector   string                            // a CSS selector (html), the start of a heading (markdown)
	Limits     Limits
}

// Limits say how much of an answer is accepted. A zero field has its default.
type Limits struct {
	Bytes   int // of the answer; 32 MiB
	Result  int // bytes of the JSON text; 64 MiB, and never more than 1 MiB and 32 times the answer
	Depth   int // of nesting; 500. JSON, which is only checked, may nest 10 000 deep
	Columns int // of a table; 16 384
	Nodes   int // parts held in memory at a time: 1 000 000 of HTML, half of that of YAML, a quarter of markdown, 4 times that of XML and of a Protobuf message
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *int
		value int
	}{{&l.Bytes, 32 << 20}, {&l.Result, 64 << 20}, {&l.Depth, 500}, {&l.Columns, 16384}, {&l.Nodes, 1_000_000}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Tree is an answer as JSON.
type Tree struct {
	JSON []byte // valid; of the format json the answer's own bytes, else compact
	Root string // xml: the name of the root element, which JSON lacks
}

// WithRoot gives the tree below a member of the root element's name, for paths that begin
// with it ($.root.user). It is nil for trees without a root element.
func (t Tree) WithRoot() []byte {
	if t.Root == "" {
		return nil
	}
	out := appendString(append(make([]byte, 0, len(t.JSON)+len(t.Root)+5), '{'), t.Root)
	return append(append(append(out, ':'), t.JSON...), '}')
}

// Decoder turns answers of one format into JSON. It is immutable.
type Decoder struct {
	format Format
	limits Limits
	read   reading
}

// reading writes the JSON of an answer to w and gives the name of the root element, if it has
// one. Its errors are *Error without a format.
type reading func(in *answer, w *writer) (root string, err error)

// answer is what a reading gets.
type answer struct {
	body        []byte
	contentType string
	limits      Limits
}

// New makes the decoder of a format. An error is about the options and is a *[SchemaError] when
// it is about a file or a selector.
func New(f Format, o Options) (*Decoder, error) {
	d := &Decoder{format: f, limits: o.Limits.withDefaults()}
	var err error
	switch f {
	case JSON:
		d.read = readJSON
	case XML:
		d.read = readXML
	case YAML:
		d.read = readYAML
	case CSV:
		d.read = delimited(',')
	case TSV:
		d.read = delimited('\t')
	case PSV:
		d.read = delimited('|')
	case HTML:
		d.read, err = newHTML(o.Selector)
	case Markdown:
		d.read = newMarkdown(o.Selector)
	case Avro:
		d.read, err = newAvro(o)
	case Protobuf:
		d.read, err = newProtobuf(o)
	case Binary:
		d.read = refuseBinary
	case Text:
		d.read = readText
	default:
		err = errors.New("there is no such format")
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Format gives what the decoder was made for.
func (d *Decoder) Format() Format { return d.format }

// Decode gives the tree of an answer. body is not changed, and for json it is part of the
// result. contentType is the answer's header, which may be empty. An error is an *[Error].
func (d *Decoder) Decode(body []byte, contentType string) (Tree, error) {
	return d.DecodeWithin(body, contentType, nil)
}

// DecodeWithin is Decode in memory that is counted: add is told how many bytes a parser will hold
// beside the answer, about and before they are there, and is false when they are too many.
func (d *Decoder) DecodeWithin(body []byte, contentType string, add func(bytes int64) bool) (tree Tree, err error) {
	// The parsers are those of others and the answer is a stranger's. A panic of theirs is about
	// this answer: the operation stays as it is.
	defer func() {
		if recover() != nil {
			tree, err = Tree{}, inFormat(d.format, invalid("its parser failed"))
		}
	}()
	in := &answer{body, contentType, d.limits}
	w := newWriter(d.limits, len(body))
	w.add = add
	var root string
	if len(body) > d.limits.Bytes {
		err = tooMuch("it has more than %d bytes", d.limits.Bytes)
	} else {
		root, err = d.read(in, w)
	}
	if err != nil {
		return Tree{}, inFormat(d.format, err)
	}
	return Tree{JSON: w.buf, Root: root}, nil
}
