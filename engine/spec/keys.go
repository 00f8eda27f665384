package spec

import (
	"strings"

	"capd/engine/diag"
)

// The keys of each part of the language, of all versions together (language reference 1.5
// and appendix C). The silent ones mean nothing to capd but are usual in published
// documents, so that a remark on each of them would hide the ones that matter.
const (
	rootKeys   = "naftiko ikanos info capability binds consumes exposes aggregates externalRefs"
	rootSilent = "import imports $schema"

	infoKeys = "label display title name description tags created modified version stakeholders icons websiteUrl"

	capabilityKeys   = "binds consumes exposes aggregates"
	capabilitySilent = "import imports"

	bindKeys   = "namespace location keys description"
	bindSilent = "from import as name"

	externalRefKeys   = "name type resolution uri keys description"
	externalRefSilent = "namespace location"

	consumedKeys   = "type namespace baseUri description authentication inputParameters resources tunnel transport resilience"
	consumedSilent = "auth import location from as ref openapi label display title name tags targetUri"

	consumedResourceKeys   = "name path description inputParameters operations label display tags"
	consumedResourceSilent = "title"

	consumedOperationKeys = "name method path description inputParameters outputParameters outputRawFormat " +
		"outputSchema outputMediaType maxBinarySize body label display tags authentication transport resilience"
	consumedOperationSilent = "id title summary"

	parameterKeys   = "name in type description value required default enum items properties pattern const"
	parameterSilent = "template format example examples minimum maximum minLength maxLength minItems maxItems selector " +
		"values precision scale contentEncoding contentCompression contentMediaType additionalProperties nullable " +
		"label display title tags mapping schema style explode deprecated"

	exposedKeys = "type namespace address port transport description authentication inputParameters resources tools " +
		"prompts skills management observability maxBinarySize ttlMs cacheScope icons outputValidation portable maxResultSize toolsets"
	exposedSilent = "auth import location from as label display title name tags"

	exposedResourceKeys   = "name path description inputParameters operations forward label display tags"
	exposedResourceSilent = "title"

	forwardKeys = "targetNamespace trustedHeaders"

	exposedOperationKeys = "name method path description inputParameters call with outputParameters steps mappings ref " +
		"responses responseBinary hints scopes confirm ask requires label display tags content isError inputSchema outputSchema outputValidation icons portable maxResultSize"
	exposedOperationSilent = "id title summary calls operation"

	flowKeys = "name description inputParameters call with outputParameters steps mappings semantics outputMediaType confirm ask label display tags"

	stepKeys   = "name type call with index match lookupValue outputParameters language location file dependencies log"
	stepSilent = "description label display title inputParameters"

	logKeys = "message level"

	mappingKeys   = "target targetName value"
	mappingSilent = "description"

	aggregateKeys   = "namespace label display flows functions"
	aggregateSilent = "name title description tags import location from as ref"

	skillKeys = "name description license compatibility metadata allowed-tools argument-hint user-invocable " +
		"disable-model-invocation location tools"
	skillSilent = skillCalls + " label display title tags version"
	skillCalls  = "call calls operation ref steps with hints inputParameters outputParameters"

	skillToolKeys   = "name description from instruction"
	skillToolSilent = "label display title tags"
	skillSourceKeys = "sourceNamespace action"

	outputKeys   = "name type mapping value const properties items description maxLength"
	outputSilent = "in selector values required enum precision scale contentEncoding contentCompression " +
		"contentMediaType format example examples label display title tags additionalProperties nullable"
)

// keys reports the keys of a mapping that mean nothing there: as advice, or as a warning
// when a key that is legal there is spelled almost alike. It says whether a silent one is there.
func (p *parser) keys(v *Value, legal, silent string) (hasSilent bool) {
	for i := range v.Members {
		switch key := v.Members[i].Key; {
		case listed(legal, key.Value):
		case listed(silent, key.Value):
			hasSilent = true
		case !strings.HasPrefix(key.Value, "x-"):
			p.unknownKey(v, key, legal, diag.Info)
		}
	}
	return hasSilent
}

// nearMisses reports only the keys that are spelled almost like a legal one, for mappings
// that may hold any key.
func (p *parser) nearMisses(v *Value, legal string) {
	for i := range v.Members {
		if key := v.Members[i].Key; !listed(legal, key.Value) {
			p.unknownKey(v, key, legal, 0)
		}
	}
}

// unknownKey reports key. Severity s applies when nothing similar is legal; the zero
// severity then reports nothing.
func (p *parser) unknownKey(v *Value, key Text, legal string, s diag.Severity) {
	hint := ""
	var fixes []diag.Edit
	if near, ok := diag.Nearest(key.Value, strings.Fields(legal)); ok && v.Get(near) == nil {
		s, hint, fixes = diag.Warning, "did you mean "+quote(near)+"?", v.RenameKey(key.Value, near)
	}
	if s != 0 {
		d := problem(diag.CodeUnknownKey, s, key.node, hint, "key %s means nothing here and is ignored", quote(key.Value))
		d.Fixes = fixes
		p.add(d)
	}
}

// listed reports whether key is a word of list.
func listed(list, key string) bool {
	for rest := list; ; {
		end := strings.IndexByte(rest, ' ')
		if end < 0 {
			return rest == key
		}
		if rest[:end] == key {
			return true
		}
		rest = rest[end+1:]
	}
}
