package mcp

// metaMaxResult tells Claude Code how large a result of a tool can be, in characters, before
// it puts the result into a file. clientResult is what it takes for that by itself.
const (
	metaMaxResult = "anthropic/maxResultSizeChars"
	clientResult  = 50_000
)
