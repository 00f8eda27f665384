// Package spec is the syntax tree of a capability document. It reads every version and
// dialect of the language into one tree in which each value knows where it stands, and
// makes each version's defaults explicit, so that nothing after it asks for a version.
//
// It is the only package that knows YAML.
package spec

import "capd/engine/diag"

// Text is a string of the document together with its place. Positions inside it survive
// quoting, escapes and block scalars: see [Text.Sub]. The zero Text is "not given".
type Text struct {
	Value string
	node  *Value
}

// Tristate is a boolean that may be left out.
type Tristate uint8

// The values of a Tristate.
const (
	Unset Tristate = iota
	False
	True
)

// Document is one capability document.
type Document struct {
	File    string // as given to Parse
	ID      string // set by the loader; Parse leaves it empty
	Team    string // set by the loader: who the document belongs to
	Root    Text   // the version key as written: naftiko or ikanos
	Version Text
	Label   Text // info.label, title, display or name

	Description Text
	Revision    Text // info.version: of what the document describes
	Tags        []Text
	WebsiteURL  Text
	Icons       []Icon
	Binds       []Bind
	Consumes    []Consumed // capability.consumes, then root consumes
	Exposes     []Exposed
	Aggregates  []Aggregate
	Imports     []Import // entries of any section that stand in another file
	Parts       []*Part  // files that entries were imported from
	Truncation  *Truncation

	tree   *Value // whole document, for the schema
	limits Limits // those of Parse
}

// Truncation says that the catalogue cut the text off (contract L1, L3).
type Truncation struct {
	Span   diag.Span // of the marker comment
	Source string    // URL of the full text, if the marker names it
	Last   diag.Span // the last node of the document: what holds it is not trusted
}

// Bind is one entry of binds: variables and where they come from.
type Bind struct {
	Span      diag.Span
	Node      *Value // what it was read from
	Namespace Text
	Location  Text // absent: the process environment
	Keys      []BindKey
}

// BindKey says that variable Key has the value that Source names.
type BindKey struct{ Key, Source Text }

// Consumed is an HTTP API that the document calls.
type Consumed struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Type        Text
	Namespace   Text
	BaseURI     Text
	HasBaseURI  bool
	Description Text
	Auth        *Value // the authentication mapping, if any
	Transport   *Value // key "transport": timeouts, TLS, proxy
	Resilience  *Value // retries, breaker, limits, cache
	Tunnel      *Value
	Parameters  []Parameter
	Resources   []ConsumedResource
}

// ConsumedResource groups operations under a path.
type ConsumedResource struct {
	Span       diag.Span
	Name       Text
	URI        Text // the key "path"
	HasURI     bool
	Parameters []Parameter
	Operations []ConsumedOperation
}

// ConsumedOperation is one HTTP call the document can make.
type ConsumedOperation struct {
	Span         diag.Span
	Node         *Value // what it was read from
	Name         Text   // empty when the operation has only an id
	ID           Text
	Method       Text
	URI          Text // the key "path"
	HasURI       bool
	Description  Text
	RawFormat    Text   // outputRawFormat
	OutputSchema Text   // what the format needs: a file, a CSS selector, the start of a heading
	MediaType    Text   // outputMediaType
	MaxBinary    Text   // maxBinarySize
	Auth         *Value // overrides that of the API
	Transport    *Value // overrides that of the API, key by key
	Resilience   *Value // overrides that of the API, key by key
	Parameters   []Parameter
	Outputs      []Output
	Body         *Value // the key "body" as written
	PathSpan     diag.Span
}

// Parameter is an input of a consumed or of an exposed operation.
type Parameter struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	In          Text // path, query, header, cookie, body, or as written
	Type        Text
	Description Text
	Pattern     Text
	Required    Tristate
	Value       *Value // own value, a template; or nil
	Default     *Value
	Enum        []*Value
	Items       *Value // element schema of an array, as written
	Properties  *Value // member schemas of an object, as written
}

// Exposed is one adapter of the document.
type Exposed struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Type        Text   // rest, mcp, skill, control, or as written ("api" reads as "rest")
	Namespace   Text
	Origin      Text // the namespace in the file it was imported from, where that is another one
	Address     Text
	Port        int // 0 when absent
	PortSpan    diag.Span
	Transport   Text
	Description Text
	Auth        *Value
	Parameters  []Parameter
	Resources   []ExposedResource // rest
	MaxBinary   Text              // maxBinarySize
	Tools       []ExposedOperation
	Skills      []Skill

	MCPResources []MCPResource // mcp
	Prompts      []Prompt      // mcp
	Toolsets     []Toolset     // mcp
	TTL          int           // ttlMs
	CacheScope   Text
	Portable     Tristate // of mcp
	MaxResult    Text     // maxResultSize, of mcp

	Icons            []Icon
	OutputValidation Text

	Others []Text // keys of sections that hold something else, such as management
}

// ExposedResource groups REST operations under a path.
type ExposedResource struct {
	Span       diag.Span
	Node       *Value // what it was read from
	Name       Text
	URI        Text // the key "path"
	Parameters []Parameter
	Operations []ExposedOperation
	Forward    *Value
}

// ExposedOperation is one REST operation, one MCP tool, or one flow of an aggregate.
type ExposedOperation struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Label       Text
	Description Text
	Method      Text
	URI         Text // the key "path" of a REST operation
	Call        *Value
	CallForm    *Value // "calls" or "operation", which only look like a call
	With        *Value
	Parameters  []Parameter
	Outputs     []Output
	HasOutputs  bool
	Hints       *Value
	Tags        []Text
	Ref         Text
	Steps       []Step
	HasSteps    bool
	Mappings    []StepMapping
	Semantics   *Value // of a flow
	MediaType   Text   // outputMediaType of a flow
	Responses   *Value
	Binary      *Value // responseBinary

	Content          []ContentItem // of a tool
	HasContent       bool
	IsError          Tristate
	InputSchema      *Value // of a tool: the JSON Schema of its arguments, as written
	OutputSchema     *Value // of a tool: the JSON Schema of its structured content, as written
	OutputValidation Text
	Icons            []Icon
	Portable         Tristate // of a tool
	MaxResult        Text     // maxResultSize, of a tool
	Asking           Asking
	Scopes           *Value // of callers
}

// Step is one step of an orchestration: a call, a lookup or a script.
type Step struct {
	Span diag.Span
	Node *Value // what it was read from
	Name Text
	Type Text // call, lookup, script, or as written; empty when not given

	Call *Value // call
	With *Value // call, script

	Index       Text   // lookup: the step whose answer is searched
	Match       Text   // lookup: the member that is compared
	LookupValue *Value // lookup: what it is compared to
	Fields      []Text // lookup: the members that are kept

	Language, Location, File Text   // script
	Dependencies             []Text // script: files evaluated before

	Log *Value // what any step says when it begins; a step of its own when it has nothing else
}

// StepMapping puts a value of the steps at a place of the answer.
type StepMapping struct {
	Span   diag.Span
	Node   *Value // what it was read from
	Target Text   // a dotted path
	Value  *Value
}

// Aggregate is a set of flows that exposed operations refer to.
type Aggregate struct {
	Span      diag.Span
	Node      *Value // what it was read from
	Namespace Text
	Origin    Text // the namespace in the file it was imported from, where that is another one
	Label     Text
	Flows     []ExposedOperation
}

// Output is one outputParameters entry or a nested property of one.
type Output struct {
	Span        diag.Span
	Node        *Value // what it was read from
	Name        Text
	Type        Text
	Description Text
	Mapping     Text
	HasMapping  bool
	Value       *Value // a constant or a template; consumed outputs write their path here
	Const       *Value
	Properties  []Output // of an object, in order, Name set
	Items       *Output  // of an array
	Values      *Output  // of the members of an object, whatever their names
	HasProps    bool
	MaxLength   int // 0: no limit
}

// Kind is the kind of a [Value].
type Kind uint8

// The kinds of a value, by the YAML 1.2 core schema.
const (
	Null Kind = iota + 1
	Bool
	Number
	String
	List
	Map
)

// Value is a piece of the document whose shape the language leaves open: data of a body,
// an expression of with, a constant. Scalars keep their text, so no digit is lost.
type Value struct {
	Kind Kind

	// Beside Kind, where there is room.
	style  scalarStyle
	shared bool  // it has an anchor, or stands where an alias or a merge key put it
	start  int32 // byte offset, behind an anchor or a tag
	index  int32 // place in the parent when that is a List, else -1

	Text    string   // scalar text after YAML unquoting
	Items   []*Value // of a List
	Members []Member // of a Map, in order

	key    string
	parent *Value
	src    *source
}

// Member is one key of a mapping with its value.
type Member struct {
	Key   Text
	Value *Value
}
