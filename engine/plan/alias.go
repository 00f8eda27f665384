package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// maxAlias leaves room for names of tools: clients take 64 characters for both.
const maxAlias = 28

// hashLen is how many digits of a hash tell IDs apart that look alike.
const hashLen = 10

// plainAlias is what an ID must look like to be its own alias, with "--" for "/". It has no
// "__", which separates it from what follows, and does not end in "_".
var plainAlias = regexp.MustCompile(`^[a-z0-9]+([_-][a-z0-9]+)*(--[a-z0-9]+([_-][a-z0-9]+)*)*$`)

// hashedAlias is what only an alias with a hash looks like.
var hashedAlias = regexp.MustCompile(fmt.Sprintf(`(^|-)[0-9a-f]{%d}$`, hashLen))

var notAlias = regexp.MustCompile(`[^a-z0-9]+`)

// alias is what stands before the names of an exposure in a view of several. It is the ID of
// the document where clients take that, else what is left of it and its hash. No two exposures
// have the same one, and no document changes that of another.
func (x *Exposure) alias() string {
	id := x.Unit.ID
	name := strings.ReplaceAll(id, "/", "--")
	nth, first := x.among()
	if first && len(name) <= maxAlias && plainAlias.MatchString(name) && !strings.Contains(id, "--") && !hashedAlias.MatchString(name) {
		return name
	}
	if !first {
		id = fmt.Sprintf("%s\x00%s\x00%d", id, x.Namespace, nth)
		name += "-" + x.Namespace
	}
	sum := sha256.Sum256([]byte(id))
	name = strings.Trim(notAlias.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if room := maxAlias - hashLen - 1; len(name) > room {
		name = strings.TrimLeft(name[len(name)-room:], "-") // the end says more: folders have many documents
	}
	return strings.TrimLeft(name+"-"+hex.EncodeToString(sum[:hashLen/2]), "-")
}

// among gives which exposure this is of those of its kind and namespace in its document, and
// whether it is the document's first of its kind. Those for standard input and output are
// never in a view with others.
func (x *Exposure) among() (nth int, first bool) {
	first = true
	for _, o := range x.Unit.Exposures {
		if o == x {
			break
		}
		if o.Kind == x.Kind && o.onStdio() == x.onStdio() {
			first = false
			if o.Namespace == x.Namespace {
				nth++
			}
		}
	}
	return nth, first
}
