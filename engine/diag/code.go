package diag

// Code names a kind of problem. Codes are stable: scripts, baselines and inline ignores
// refer to them.
type Code string

// The codes. A comment gives the meaning; the contract's skip codes keep their names.
const (
	// Reading a file.
	CodeYAML                   Code = "yaml"                     // the text is not YAML
	CodeTruncatedYAML          Code = "truncated-yaml"           // the text was cut off and does not parse
	CodeTruncated              Code = "truncated"                // the text was cut off; its last operation is not trusted
	CodeTruncatedBeforeExposes Code = "truncated-before-exposes" // the text was cut off before anything is exposed
	CodeNotACapability         Code = "not-a-capability"         // YAML, but no capability document
	CodeSection                Code = "standalone-section"       // a legal file that serves nothing by itself
	CodeEncoding               Code = "encoding"                 // the text is not UTF-8
	CodeTooLarge               Code = "document-too-large"       // over the size, depth or node limit
	CodeDuplicateKey           Code = "duplicate-key"            // a mapping has the same key twice
	CodeMultipleDocuments      Code = "multiple-documents"       // more than one YAML document in a file
	CodeUnreadable             Code = "unreadable"               // the file cannot be read
	CodeUnknownKey             Code = "unknown-key"              // a key that means nothing here
	CodeWrongType              Code = "wrong-type"               // a value of another kind than expected
	CodeVersion                Code = "version"                  // a version of the language capd does not know
	CodeTooMany                Code = "too-many-problems"        // findings of a file that are not shown
	CodeSchema                 Code = "schema"                   // against the published JSON Schema

	// What a document exposes.
	CodeNothingExposed     Code = "nothing-exposed"     // no operation and no tool
	CodeUnsupportedAdapter Code = "unsupported-adapter" // an adapter type nobody defines
	CodeUnsupportedFeature Code = "unsupported-feature" // a part of the language this version does not run
	CodeDuplicateRoute     Code = "duplicate-route"     // the same method and path twice in one adapter
	CodeDuplicateTool      Code = "duplicate-tool"      // the same tool name twice in one adapter
	CodeDuplicateResource  Code = "duplicate-resource"  // the same URI twice in one adapter
	CodeDuplicatePrompt    Code = "duplicate-prompt"    // the same prompt name twice in one adapter
	CodeResource           Code = "resource"            // an MCP resource that cannot be read as declared
	CodeToolset            Code = "toolset"             // a toolset that names no tool, or that cannot be addressed
	CodePrompt             Code = "prompt"              // an MCP prompt that cannot be filled in as declared
	CodeContent            Code = "content"             // an item of what a tool answers that cannot be said as declared
	CodeToolSchema         Code = "tool-schema"         // a JSON Schema of a tool that cannot be used
	CodeMirroredArgument   Code = "mirrored-argument"   // an x-mcp-header that MCP clients do not take
	CodeIcon               Code = "icon"                // a picture that clients cannot show
	CodeCompletion         Code = "completion"          // values to choose from that cannot be offered
	CodeToolName           Code = "tool-name"           // a name no MCP client accepts
	CodeSkillName          Code = "skill-name"          // a name that cannot be a part of a skill's address
	CodeDuplicateSkill     Code = "duplicate-skill"     // the same skill twice in one adapter
	CodeSkillTool          Code = "skill-tool"          // a tool of a skill that stands for nothing
	CodeSkillLocation      Code = "skill-location"      // files of a skill that the document may not use
	CodeTokenCost          Code = "token-cost"          // tools whose descriptions cost a model much
	CodeSchemaSize         Code = "schema-size"         // a schema larger than clients take
	CodeHints              Code = "hints"               // hints that are no booleans, or contradict the method
	CodeAsk                Code = "ask"                 // a question to the user that cannot be asked as declared
	CodeResponses          Code = "responses"           // declared answers that contradict each other or have no effect
	CodeGuardedInput       Code = "guarded-input"       // an input that the guard takes for itself

	// Imports.
	CodeImportForm       Code = "import-form"       // an import that does not say what it takes, or from where
	CodeImportUnreadable Code = "import-unreadable" // the file of an import is not there, or may not be read
	CodeImportUnresolved Code = "import-unresolved" // the file of an import has no such entry
	CodeImportChain      Code = "import-chain"      // an imported entry that is imported itself
	CodeImportDuplicate  Code = "import-duplicate"  // an import under a namespace that is taken

	// Calls.
	CodeNoCall               Code = "no-call"
	CodeUnsupportedCallForm  Code = "unsupported-call-form"
	CodeUnresolvedOperation  Code = "call-unresolved-operation"
	CodeUnresolvedNamespace  Code = "call-unresolved-namespace"
	CodeUnresolvedImport     Code = "call-unresolved-import"
	CodeAmbiguousOperation   Code = "ambiguous-operation"
	CodeIndistinguishable    Code = "indistinguishable-operations"
	CodeSharedWireForm       Code = "shared-wire-form"
	CodeApproximateName      Code = "approximate-name"
	CodeNoPath               Code = "no-path"
	CodePathAlternatives     Code = "path-alternatives"
	CodePathFragment         Code = "path-fragment"
	CodePathParamWithoutSlot Code = "path-param-without-placeholder"
	CodeMethod               Code = "method"
	CodeParameter            Code = "parameter"
	CodeBodyUnsupported      Code = "body-unsupported"
	CodeAuthUnsupported      Code = "auth-unsupported"
	CodeAuthIncomplete       Code = "auth-incomplete"
	CodeAuthUnresolved       Code = "auth-unresolved"
	CodeAuthLiteral          Code = "auth-literal"
	CodeAuthScopes           Code = "auth-scopes"
	CodeNoCertificates       Code = "no-client-certificates"
	CodeBaseURIScheme        Code = "base-uri-scheme"
	CodeBaseURINoHost        Code = "base-uri-no-host"
	CodeBaseURIUserinfo      Code = "base-uri-userinfo"
	CodeTunnel               Code = "tunnel"       // a tunnel, which capd does not build
	CodeNotHonoured          Code = "not-honoured" // a word of the language without an effect here
	CodeUnusedPathInput      Code = "unused-path-input"
	CodeUnboundInput         Code = "unbound-input"
	CodeUnboundWithKey       Code = "unbound-with-key"
	CodeLostPathInput        Code = "lost-path-input"
	CodeWithNotAMapping      Code = "with-not-a-mapping"
	CodeStep                 Code = "step"
	CodeUnknownStep          Code = "unknown-step"
	CodeUnknownFlow          Code = "unknown-flow"
	CodeDuplicateFlow        Code = "duplicate-flow"
	CodeFormat               Code = "format"
	CodeTransport            Code = "transport"
	CodeResilience           Code = "resilience"
	CodeScript               Code = "script"
	CodeAssumed              Code = "assumed"
	CodeOutput               Code = "output"
	CodeMissingVariable      Code = "missing-variable"
	CodeUndeclaredVariable   Code = "undeclared-variable"
	CodeForbiddenVariable    Code = "forbidden-variable"
	CodeGuardedVariable      Code = "guarded-variable"
	CodeBindLocation         Code = "bind-location" // the place of a bind cannot be used, or is not where it should be
	CodePolicy               Code = "policy"        // what the policy does not let the document do
	CodeBindProvider         Code = "bind-provider" // a bind's values come from a system that is not built in or not set up

	// Comments that hide findings.
	CodeIgnoreComment Code = "ignore-comment" // an ignore comment that hides nothing because it is not complete
	CodeUnusedIgnore  Code = "unused-ignore"  // an ignore comment with nothing to hide

	// Texts that fix rewrites; no check reports them.
	CodeSpelling Code = "spelling" // a word of another version or of a dialect, which is read silently

	// Documents beside each other.
	CodeDuplicateID     Code = "duplicate-id"     // two files with one ID
	CodeShadowedAddress Code = "shadowed-address" // another document's longer ID hides an address
	CodeReservedPath    Code = "reserved-path"    // a bare path under a prefix of capd's own
	CodeRouteConflict   Code = "route-conflict"   // several documents claim one bare path
	CodeSpecAddress     Code = "spec-address"     // an address the document asks for is not honoured
	CodeMissingPort     Code = "missing-port"     // an adapter without a port
	CodeView            Code = "view"             // a view of several documents is not what was asked for
	CodeStdio           Code = "stdio"            // an adapter or a document that is served elsewhere: on standard input and output, or not there
	CodePolicyFile      Code = "policy-file"      // what is wrong with the policy file
	CodeListen          Code = "cannot-listen"    // an address that is in use or not to be had
	CodeStale           Code = "stale"            // the last good state is served instead of the file's
	CodeInternal        Code = "internal"         // a fault of capd while compiling the unit
)
