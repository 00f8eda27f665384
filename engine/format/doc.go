// Package format turns the bytes of an upstream's answer into one JSON text, so that mappings,
// steps and tools need to know JSON only. A [Decoder] is made once, while compiling; it is
// immutable and may be used by any number of calls at a time.
//
//	d, err := format.New(format.CSV, format.Options{})
//	tree, err := d.Decode(body, "text/csv; charset=iso-8859-1")
//	tree.JSON // [{"id":"1","name":"Alice"}]
//
// # The shapes
//
// The format of an answer is what outputRawFormat says, in any case; without it, json. What
// else a format needs stands in outputSchema.
//
//	json      the answer as it is, byte for byte, without a byte order mark; what is not UTF-8 is converted
//	xml       what is inside the root element; outputSchema is not used
//	yaml      the first document
//	csv       a list with one object per row; tsv and psv are the same with tab and "|"
//	html      {"tables": [[{header: cell}]]}; outputSchema may be a CSS selector
//	markdown  {"frontMatter": {}, "tables": [[{header: cell}]], "sections": [{"heading", "level", "content"}]};
//	          outputSchema may be how the heading of a section begins
//	avro      the record; outputSchema is the file of its schema (.avsc)
//	protobuf  the message; outputSchema is the file that declares it (.proto)
//	text      one string
//	binary    nothing: a binary answer can be handed on, not mapped
//
// # XML
//
// The root element itself is stripped: <users><user>…</user></users> is {"user": …}. A path that
// names it all the same is served by [Tree.WithRoot].
//
//   - Every value is a string. An element with neither attributes nor children is its text,
//     untrimmed; without text it is "".
//   - An attribute is a member like a child element, and stands before them.
//   - Text beside attributes or children is the member "". Text of white space alone is left out
//     there.
//   - Elements of one name under one parent are a list in the place of the first; an only one is
//     not a list. They need not stand together.
//   - Prefixes of namespaces are dropped, and so are their declarations.
//   - xsi:nil="true" makes an element null.
//   - Comments and processing instructions are left out. A document type that declares
//     something, such as an entity, is refused; another is skipped, and nothing it refers to is read.
//
// # YAML
//
// Only the first document is read. Scalars in quotes and block scalars are strings. Others are
// null (~, null, nothing), true, false or a number if they are written like one, else strings:
//
//   - The digits of a number stay as they are written, as far as JSON can say them: 1.50 is 1.50.
//     1_000 is 1000, +1 is 1, .5 is 0.5; 0x1F, 0o17 and 0b11 are decimal.
//   - Strings are: dates and times, yes, no, on and off, numbers with leading zeros (postal codes),
//     .inf and .nan, 1:30.
//   - A key that is not a string is its text, or the JSON text of a list or mapping. Of a key that
//     comes twice the last value counts.
//   - <<: *base merges mappings; keys of the mapping itself win, then those of the earlier base.
//   - An alias is a copy of what it refers to. What refers to itself is refused, and so is a text
//     that grows out of proportion by its aliases.
//   - !!str, !!int, !!float, !!bool and !!null are followed. !!binary is its base64 text. Other tags
//     are ignored.
//
// # CSV, TSV, PSV
//
//   - The first row names the members. Every value is a string, with its blanks.
//   - A field that begins with a quotation mark ends at the next one; two inside stand for one, and
//     separators and line ends belong to it. A mark inside another field is itself.
//   - Lines end with LF, CRLF or CR. A line without anything is no row.
//   - A row that is too short lacks members. One that is too long is an error that gives its number
//     (the header is row 1), unless all that is too much is empty.
//   - Of columns with the same name the second is called NAME_2, the third NAME_3, and so on.
//   - Nothing, or a header alone, is an empty list.
//
// # HTML
//
// The tables of the page in its order, or those that the selector gives: a selected element that
// is not a table stands for the tables inside it.
//
//   - The columns are named by the th of the first row of thead, or else of the table's first row.
//     A table without them, or with blank ones only, is left out.
//   - The rows are those of tbody, or else all. A row that has a th is skipped, and so is one without td.
//   - A row that is too short is filled with "". What is too much is dropped. colspan and rowspan are
//     not looked at.
//   - A cell is its visible text: white space is one blank, and so is the border of a block or a <br>.
//   - A table inside a cell is a table of its own, after the outer one.
//   - Columns of the same name are told apart as in CSV.
//
// # Markdown
//
//   - Front matter stands between two lines of --- at the very beginning and is a YAML mapping;
//     otherwise frontMatter is {} and the lines are part of the text.
//   - Tables are those of GitHub's dialect that do not stand inside a list or quotation. The table of
//     a page and the same table in markdown give the same value.
//   - A section is a heading that does not stand inside a list or quotation, and the text until the
//     next heading. Its content has one line per block, list item or hard line break; a soft line
//     break is a blank. Emphasis, links and images are their text; code spans stay, code blocks, tables
//     and HTML do not.
//   - With outputSchema "Results" or "## Results", sections has only those whose heading begins with
//     Results. Tables are not selected by it.
//
// # Avro
//
// One binary datum of a record schema. Accepted as well: the framing of Confluent's registry (five
// bytes) and of single objects (ten bytes) before it, both read with the declared schema; and an
// object container file without compression, which is a list of what it holds, read with the schema
// that the file itself has.
//
//   - Fields keep their order and names. A union is the value itself, without the name of its branch.
//   - int, long, float and double are numbers with all digits; what JSON has no number for is
//     "NaN", "Infinity" or "-Infinity".
//   - bytes and fixed are base64, an enum is its symbol, a map is an object.
//   - Of logical types, decimal is a number with its scale. All others stay what they are stored as:
//     date is days, timestamp-millis is milliseconds, uuid is text.
//   - All named types must be declared in the file itself.
//   - Bytes that are left over are an error: they mean another schema.
//
// # Protobuf
//
// One message of the first message type of the file. Files that it imports are read as the document
// can reach them; those of google/protobuf are built in.
//
//   - Members are named as in the file, in its order. Unknown fields and extensions are left out.
//   - All numbers are JSON numbers, 64-bit ones too, with all digits. What JSON has no number for is
//     "NaN", "Infinity" or "-Infinity".
//   - bytes are base64, an enum is its name (a number without a name stays a number), a map is an object.
//   - A repeated field or a map is there even when empty, and so is a field that has no presence in
//     proto3: it is then 0, "" or false. Any other field that is absent is absent. A missing required
//     field is no error.
//   - Timestamp and Duration are the text that JSON has for them ("2026-01-31T10:00:00Z", "1.5s"),
//     Struct, Value, ListValue and the wrappers (StringValue, …) the plain value. Any has type_url and
//     value.
//
// # Characters
//
// A byte order mark decides, then the charset of the Content-Type, then what the text itself says
// (XML declaration, HTML meta). Otherwise a text is UTF-8, and one that is not is windows-1252. A
// charset that is not known is an error.
//
// # Limits
//
// An answer is input of a stranger. What goes over [Limits] is refused with an *[Error] whose Limit
// is true; no error quotes the answer. So are some texts for which a parser would take long beyond
// measure: a page with hundreds of open formatting elements, markdown with thousands of brackets in
// one paragraph, a million merges in YAML. An answer is read as a whole and not as a stream, since a
// mapping may ask for any part of it.
package format
