package format

import "strings"

// Format is how an answer is written.
type Format uint8

// The formats. The zero value is what an operation has that declares none.
const (
	JSON Format = iota
	XML
	YAML
	CSV
	TSV
	PSV
	HTML
	Markdown
	Avro
	Protobuf
	Binary
	Text

	numFormats
)

// spellings are what documents say, and what sentences say.
var spellings = [numFormats]struct{ name, title string }{
	JSON:     {"json", "JSON"},
	XML:      {"xml", "XML"},
	YAML:     {"yaml", "YAML"},
	CSV:      {"csv", "CSV"},
	TSV:      {"tsv", "TSV"},
	PSV:      {"psv", "PSV"},
	HTML:     {"html", "HTML"},
	Markdown: {"markdown", "Markdown"},
	Avro:     {"avro", "Avro"},
	Protobuf: {"protobuf", "Protobuf"},
	Binary:   {"binary", "binary"},
	Text:     {"text", "text"},
}

// Parse finds a format by the name that outputRawFormat has, in any case. "" is [JSON].
func Parse(name string) (Format, bool) {
	if name == "" {
		return JSON, true
	}
	for f, n := range spellings {
		if strings.EqualFold(n.name, name) {
			return Format(f), true
		}
	}
	return JSON, false
}

// Names gives the names that [Parse] knows.
func Names() []string {
	out := make([]string, 0, len(spellings))
	for _, n := range spellings {
		out = append(out, n.name)
	}
	return out
}

// String gives the name as documents have it.
func (f Format) String() string {
	if f < numFormats {
		return spellings[f].name
	}
	return "unknown"
}

// NeedsSchema reports whether outputSchema must name a file, which is Options.Schema.
func (f Format) NeedsSchema() bool { return f == Avro || f == Protobuf }

// TakesSelector reports whether outputSchema may say which parts count (Options.Selector).
func (f Format) TakesSelector() bool { return f == HTML || f == Markdown }

// title is the format's name in a sentence.
func (f Format) title() string { return spellings[f].title }
