package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Policy is what those who run capd let documents do (docs/policy.md). Its rules are matched by
// what a document is called, not by what it holds, so that no document gives itself a right: what
// one rule allows adds to what the others do, and what one denies no other allows. It does not
// change. The nil Policy lets every document do everything.
type Policy struct {
	file   string
	root   string    // the folder that paths are below, as it is written; empty: the served one
	open   bool      // what no rule speaks of is allowed
	at     diag.Span // of the word that says so, or of the file's beginning
	rules  []*policyRule
	routes []ownedRoute

	mu     sync.Mutex
	grants map[string]*Grant // by the rules that they are made of
}

// policyRule is one rule.
type policyRule struct {
	span        diag.Span
	paths       []segments // of IDs; empty: every document
	tags        []string   // empty: whatever tags it has
	namespaces  []string   // of consumed APIs; empty: all
	allow, deny entitlements
	private     *diag.Span // upstreams at private addresses are denied
	scripts     *diag.Span // scripts are denied
	caps        Caps
	require     *diag.Span         // every adapter must have authentication
	resilience  resilienceSettings // where a document says nothing
	enforced    resilienceSettings // whatever it says
	print       string             // what it says, without whom it is for
}

// entitlements are the patterns of one section allow or deny.
type entitlements [numEntitlements]*entitlement

// entitlement is the patterns for one kind of thing, with their place.
type entitlement struct {
	patterns []pattern
	span     diag.Span
}

// The kinds of things that a policy allows and denies.
const (
	entVariables = iota
	entFiles
	entSecrets
	entHosts
	entPorts
	entWellKnown
	entAdapters
	numEntitlements
)

// entitlementKey gives the key by which a policy names a kind of things.
func entitlementKey(kind int) string {
	return [...]string{"variables", "files", "secrets", "hosts", "ports", "wellKnown", "adapters"}[kind]
}

// ownedRoute says whose the bare paths below a pattern are.
type ownedRoute struct {
	path  segments
	owner segments
	span  diag.Span
}

// ReadPolicy reads the text of a policy file. It returns nil when anything is wrong with it: half
// a policy protects nobody.
func ReadPolicy(file string, text []byte, lim spec.Limits) (*Policy, diag.List) {
	root, found := spec.ParsePolicy(file, text, lim)
	if root == nil {
		return nil, found
	}
	r := &policyReader{policy: &Policy{file: file, grants: map[string]*Grant{}}}
	r.root(root)
	if len(r.found) > 0 {
		r.found.Sort()
		return nil, r.found.Dedupe()
	}
	return r.policy, nil
}

// File gives the file that the policy was read from; empty for the nil Policy.
func (p *Policy) File() string {
	if p == nil {
		return ""
	}
	return p.file
}

// Root gives the folder that the paths of rules are below, as the file says it: relative to the
// file, or absolute. When it is empty it is the folder that documents are served from.
func (p *Policy) Root() string {
	if p == nil {
		return ""
	}
	return p.root
}

// Grant gives what a document may do, by the path that rules know it by, which is empty for one
// that no path matches, and its tags. Documents that the same rules are for share one.
func (p *Policy) Grant(id string, tags []string) *Grant {
	if p == nil {
		return nil
	}
	name := splitName(id)
	var rules []*policyRule
	var key strings.Builder
	for i, r := range p.rules {
		if r.matches(name, tags) {
			rules = append(rules, r)
			key.WriteString(strconv.Itoa(i) + " ")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.grants[key.String()]
	if g == nil {
		g = newGrant(p, rules)
		p.grants[key.String()] = g
	}
	return g
}

func splitName(id string) []string {
	if id == "" {
		return nil
	}
	return strings.Split(id, "/")
}

func (r *policyRule) matches(id []string, tags []string) bool {
	if len(r.paths) > 0 && (len(id) == 0 || !slices.ContainsFunc(r.paths, func(s segments) bool { return s.match(id) })) {
		return false
	}
	return len(r.tags) == 0 || slices.ContainsFunc(r.tags, func(t string) bool { return slices.Contains(tags, t) })
}

// policyReader turns the tree of a policy into one.
type policyReader struct {
	policy *Policy
	found  diag.List
}

func (r *policyReader) fail(v *spec.Value, hint, format string, args ...any) {
	r.failAt(v.Span(), v.Path(), hint, format, args...)
}

func (r *policyReader) failAt(at diag.Span, path, hint, format string, args ...any) {
	const most = 100
	if len(r.found) < most {
		r.found.Add(diag.Diagnostic{
			Code: diag.CodePolicyFile, Severity: diag.Error, Span: at, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint,
		})
	}
}

// keys reports keys that mean nothing: each could be a misspelt one that protects.
func (r *policyReader) keys(v *spec.Value, where string, known ...string) {
	for i := range v.Members {
		key := v.Members[i].Key
		if slices.Contains(known, key.Value) {
			continue
		}
		hint := "expected " + orList(known)
		if near, ok := diag.Nearest(key.Value, known); ok {
			hint = "did you mean " + near + "?"
		}
		r.failAt(key.Span(), key.Path(), hint, "%s has no key %q", where, key.Value)
	}
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// isMap reports whether a value is a mapping, and says so if it is not.
func (r *policyReader) isMap(v *spec.Value, what, example string) bool {
	if v.Kind != spec.Map {
		r.fail(v, "write "+example, "%s is %s, expected a mapping", what, v.Kind)
		return false
	}
	return true
}

// items gives the elements of a list that must be one; nothing of a key that is not there.
func (r *policyReader) items(v *spec.Value, what, example string) []*spec.Value {
	if v == nil || v.Kind == spec.Null {
		return nil
	}
	if v.Kind != spec.List {
		r.fail(v, "write "+example, "%s is %s, expected a list", what, v.Kind)
		return nil
	}
	return v.Items
}

func (r *policyReader) root(v *spec.Value) {
	r.keys(v, "the policy file", "policy", "root", "default", "rules", "routes")
	p := r.policy
	version := v.Get("policy")
	switch {
	case version == nil:
		at := v.Span()
		at.End = diag.Pos{}
		r.failAt(at, "", "write policy: 1", "the file does not say that it is a policy")
		return
	case version.AsText().Value != "1":
		r.fail(version, "write policy: 1", "the version of the policy is not 1")
		return
	}
	p.at = version.Span()
	if root := v.Get("root"); root != nil {
		if p.root = root.AsText().Value; strings.TrimSpace(p.root) == "" {
			r.fail(root, "write the path of a folder, relative to this file, or leave root out", "root is %s, expected the path of a folder", describe(root))
		}
	}
	word := v.Get("default")
	switch word.AsText().Value {
	case "allow":
		p.open = true
	case "deny":
	default:
		if word != nil {
			r.fail(word, "expected deny or allow", "default is not deny or allow")
		}
	}
	if word != nil {
		p.at = word.Span()
	}
	speaks := p.open || word != nil
	for _, item := range r.items(v.Get("rules"), "rules", "rules: [{match: {path: team-a/**}, allow: {hosts: [api.example.com]}}]") {
		if rule := r.rule(item); rule != nil {
			p.rules = append(p.rules, rule)
			speaks = speaks || rule.allow != entitlements{}
		}
	}
	for _, item := range r.items(v.Get("routes"), "routes", "routes: [{path: /orders/**, owner: team-a/orders}]") {
		r.route(item)
	}
	if !speaks {
		r.fail(version, "write default: allow to let documents do what no rule denies, or default: deny", "no rule allows anything, so no document could do anything")
	}
}

func (r *policyReader) rule(v *spec.Value) *policyRule {
	if !r.isMap(v, "a rule", "{match: {path: team-a/**}, allow: {hosts: [api.example.com]}}") {
		return nil
	}
	r.keys(v, "a rule", "name", "match", "allow", "deny", "limits", "require", "resilience", "enforce")
	rule := &policyRule{span: v.Span()}
	r.match(rule, v.Get("match"))
	if rule.allow = r.entitlements(v.Get("allow"), "allow"); v.Get("allow") != nil && len(rule.paths) == 0 && len(rule.tags) > 0 {
		r.fail(v.Get("allow"), "match a path too", "a rule that matches tags alone allows nothing: the authors of a document write its tags, and could give it what they want")
	}
	if deny := v.Get("deny"); deny != nil {
		rule.deny = r.entitlements(deny, "deny")
		rule.private, rule.scripts = r.flag(deny, "private"), r.flag(deny, "scripts")
	}
	r.limits(rule, v.Get("limits"))
	if require := v.Get("require"); require != nil && r.isMap(require, "require", "require: {authentication: true}") {
		r.keys(require, "require", "authentication")
		rule.require = r.flag(require, "authentication")
	}
	rule.resilience, rule.enforced = r.resilience(v.Get("resilience")), r.resilience(v.Get("enforce"))
	if len(rule.namespaces) > 0 {
		for _, key := range []string{"allow", "deny", "limits", "require"} {
			if part := v.Get(key); part != nil {
				r.fail(part, "make it a rule of its own, without namespace", "a rule that matches a namespace is for the calls of that API, and says resilience and enforce alone")
			}
		}
	}
	rule.print = rulePrint(v)
	return rule
}

// rulePrint is equal for rules that say the same.
func rulePrint(v *spec.Value) string {
	var b strings.Builder
	for _, key := range []string{"allow", "deny", "limits", "require", "resilience", "enforce"} {
		if part := v.Get(key); part != nil {
			b.WriteString(key + " ")
			b.Write(part.JSON())
			b.WriteByte('\n')
		}
	}
	if match := v.Get("match"); match != nil && match.Get("namespace") != nil {
		b.WriteString("namespace ")
		b.Write(match.Get("namespace").JSON())
	}
	return b.String()
}

// match reads whom a rule is for.
func (r *policyReader) match(rule *policyRule, v *spec.Value) {
	if v == nil {
		return
	}
	const example = "match: {path: team-a/**}"
	if !r.isMap(v, "match", example) {
		return
	}
	r.keys(v, "match", "path", "tags", "namespace")
	if len(v.Members) == 0 {
		r.fail(v, "write "+example+", or leave match out for a rule for every document", "match says nothing")
	}
	for _, t := range r.texts(v.Get("path"), "path") {
		s, err := parseSegments(strings.TrimPrefix(t.Value, "./"))
		if err != "" || strings.HasPrefix(t.Value, "/") {
			r.failAt(t.Span(), t.Path(), "write the path of documents below the served folder, without extension, such as team-a/** or */public/*", "%q is no path of documents", t.Value)
			continue
		}
		rule.paths = append(rule.paths, s)
	}
	for _, t := range r.texts(v.Get("tags"), "tags") {
		rule.tags = append(rule.tags, t.Value)
	}
	for _, t := range r.texts(v.Get("namespace"), "namespace") {
		rule.namespaces = append(rule.namespaces, t.Value)
	}
}

// texts gives a text, or those of a list that is not empty.
func (r *policyReader) texts(v *spec.Value, what string) []spec.Text {
	if v == nil {
		return nil
	}
	items := []*spec.Value{v}
	if v.Kind == spec.List {
		items = v.Items
	}
	if len(items) == 0 {
		r.fail(v, "name one, or leave "+what+" out", "%s is an empty list", what)
	}
	var out []spec.Text
	for _, item := range items {
		t := item.AsText()
		if strings.TrimSpace(t.Value) == "" {
			r.fail(item, "", "%s is %s, expected text", what, describe(item))
			continue
		}
		out = append(out, t)
	}
	return out
}

func describe(v *spec.Value) string {
	if v.Kind == spec.String {
		return "empty"
	}
	return v.Kind.String()
}

// flag gives the place of a key that is true.
func (r *policyReader) flag(v *spec.Value, key string) *diag.Span {
	f := v.Get(key)
	if f == nil {
		return nil
	}
	if f.Kind != spec.Bool {
		r.fail(f, "write "+key+": true, or leave it out", "%s is %s, expected true or false", key, f.Kind)
		return nil
	}
	if !strings.EqualFold(f.Text, "true") {
		return nil
	}
	at := f.Span()
	return &at
}

// entitlements reads allow or deny.
func (r *policyReader) entitlements(v *spec.Value, what string) entitlements {
	var out entitlements
	if v == nil || !r.isMap(v, what, what+": {hosts: [api.example.com]}") {
		return out
	}
	known := []string{"variables", "files", "secrets", "hosts", "ports", "wellKnown"}
	if what == "deny" {
		known = []string{"variables", "files", "secrets", "hosts", "ports", "adapters", "private", "scripts"}
	}
	r.keys(v, what, known...)
	for kind := range out {
		list := v.Get(entitlementKey(kind))
		if list == nil || !slices.Contains(known, entitlementKey(kind)) {
			continue
		}
		e := &entitlement{span: list.Span()}
		if list.Kind != spec.List || len(list.Items) > 0 || what == "deny" { // an empty list allows nothing
			for _, t := range r.texts(list, entitlementKey(kind)) {
				p, problem, hint := parsePattern(kind, t.Value)
				if problem != "" {
					r.failAt(t.Span(), t.Path(), hint, "%q %s", t.Value, problem)
					continue
				}
				p.span = t.Span()
				e.patterns = append(e.patterns, p)
			}
		}
		out[kind] = e
	}
	return out
}

// route reads who owns bare paths.
func (r *policyReader) route(v *spec.Value) {
	const example = "{path: /orders/**, owner: team-a/orders}"
	if !r.isMap(v, "an entry of routes", example) {
		return
	}
	r.keys(v, "an entry of routes", "path", "owner")
	path, owner := v.Get("path").AsText(), v.Get("owner").AsText()
	if !strings.HasPrefix(path.Value, "/") || owner.Value == "" {
		r.fail(v, "write "+example, "an entry of routes has no path that begins with / or no owner")
		return
	}
	o := ownedRoute{span: v.Span()}
	var bad string
	if o.path, bad = parseSegments(path.Value[1:]); bad != "" {
		r.failAt(path.Span(), path.Path(), "write a path such as /orders/**", "%q %s", path.Value, bad)
		return
	}
	if o.owner, bad = parseSegments(owner.Value); bad != "" {
		r.failAt(owner.Span(), owner.Path(), "write the path of a document below the served folder, without extension", "%q %s", owner.Value, bad)
		return
	}
	r.policy.routes = append(r.policy.routes, o)
}

// owner gives whose a bare path is, nil when the policy says nothing of it. Of several entries
// the first counts.
func (p *Policy) owner(path []Segment) *ownedRoute {
	if p == nil {
		return nil
	}
	path = straightened(path)
	for i := range p.routes {
		if p.routes[i].path.overlaps(path) {
			return &p.routes[i]
		}
	}
	return nil
}

// where names the line of a place in the policy file, as people look for it.
func policyLine(at diag.Span) string {
	return fmt.Sprintf("%s:%d", filepath.Base(at.File), at.Start.Line)
}

// newGrant puts together what rules say.
func newGrant(p *Policy, rules []*policyRule) *Grant {
	g := &Grant{open: p.open, at: p.at, rules: rules}
	content, lines := sha256.New(), sha256.New()
	fmt.Fprintln(content, p.open, strconv.Quote(p.root))
	fmt.Fprintln(lines, p.at)
	for _, r := range rules {
		_, _ = io.WriteString(content, r.print+"\x00") // a hash takes everything
		r.writePlaces(lines)
		g.caps = g.caps.least(r.caps)
		if g.private == nil {
			g.private = r.private
		}
		if e := r.deny[entHosts]; e != nil {
			g.deniedNets = append(g.deniedNets, deniedNets(e.patterns)...)
		}
	}
	g.reach = g.describeReach()
	g.key = hex.EncodeToString(content.Sum(nil))
	g.placed = hex.EncodeToString(lines.Sum(nil))
	return g
}

// writePlaces writes where everything stands that findings point to.
func (r *policyRule) writePlaces(w io.Writer) {
	fmt.Fprintln(w, r.span, r.private, r.scripts, r.require)
	for _, es := range []entitlements{r.allow, r.deny} {
		for _, e := range es {
			if e == nil {
				continue
			}
			fmt.Fprintln(w, e.span)
			for i := range e.patterns {
				fmt.Fprintln(w, e.patterns[i].span)
			}
		}
	}
}
