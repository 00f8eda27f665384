package plan

import (
	"encoding/json"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// Resource is one MCP resource. Exactly one of Operation, Folder and Refusal is set: it is
// the answer of an operation, or a file for each of a folder. A refused resource is not
// listed; reading it gives the reason.
type Resource struct {
	Name        string // as declared
	Title       string
	Description string
	URI         string   // a valid URI; with Params a template (RFC 6570 level 1)
	Params      []string // names of the template's variables, in order
	MimeType    string   // as declared; empty when not
	Location    string   // of files, as declared
	Binary      bool     // declared to be no text
	Scopes      []string // that reading needs beside those of the adapter
	Operation   *Operation
	Folder      *Folder
	Refusal     *Refusal
	Span        diag.Span
	Annotations *ContentAnnotations
	Icons       []Icon
	// Every is how often the resource is looked at while somebody subscribed to it; 0 when
	// that is not declared.
	Every time.Duration
	// Completions are what users may choose from for the variables of the URI, by their names as
	// clients see them.
	Completions map[string]*Completion

	static  bool           // files; also when they are refused
	pattern *regexp.Regexp // of a template: of URIs as normalURI gives them
}

// Match gives the values of the template's variables in a URI, decoded. A value is one
// segment. Of a folder it gives the path of the file, which may be empty.
func (r *Resource) Match(uri string) (values []string, ok bool) {
	uri = normalURI(uri)
	switch {
	case r.static:
		return r.matchFolder(uri)
	case r.pattern == nil:
		return nil, uri == r.URI
	}
	groups := r.pattern.FindStringSubmatch(uri)
	if groups == nil {
		return nil, false
	}
	for _, g := range groups[1:] {
		v, err := url.PathUnescape(g)
		if err != nil || !utf8.ValidString(v) {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// Source gives what [Operation.Bind] needs, of the values that Match gave.
func (r *Resource) Source(values []string) *Source {
	args := map[string]string{}
	for i, name := range r.Params {
		args[name] = values[i]
	}
	b, err := json.Marshal(args)
	if err != nil { // strings always marshal
		b = []byte("{}")
	}
	return &Source{Arguments: b}
}

// prefix is what the URIs of a folder's files begin with.
func (r *Resource) prefix() string {
	if strings.HasSuffix(r.URI, "/") {
		return r.URI
	}
	return r.URI + "/"
}

func (r *Resource) matchFolder(uri string) ([]string, bool) {
	if uri == r.URI {
		return []string{""}, true
	}
	rest, ok := strings.CutPrefix(uri, r.prefix())
	if !ok || rest == "" {
		return nil, false
	}
	segments := strings.Split(rest, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil || !isFileName(plain) {
			return nil, false
		}
		segments[i] = plain
	}
	return []string{path.Join(segments...)}, true
}

// FileURI gives the URI of a file of the folder, whose path is as [Folder.Files] gives it.
func (r *Resource) FileURI(name string) string {
	if name == "" {
		return r.URI
	}
	segments := strings.Split(name, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return r.prefix() + strings.Join(segments, "/")
}

// normalURI writes characters that no URI holds as escapes (RFC 3986 section 2), so that
// one resource has one URI however a client or an author writes it.
func normalURI(uri string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(uri); i++ {
		c := uri[i]
		if c > 0x20 && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) && (c != '%' || isEscape(uri[i:])) {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

func isEscape(s string) bool {
	isHex := func(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }
	return len(s) >= 3 && isHex(s[1]) && isHex(s[2])
}

var (
	uriScheme    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:.`)
	variableName = regexp.MustCompile(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$`)
	inBraces     = regexp.MustCompile(`\{[^}]*\}`)
	notVariable  = regexp.MustCompile(`[^A-Za-z0-9_]+`)
)

// exposeResources compiles the resources of an MCP adapter.
func (c *compiler) exposeResources(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	seen := map[string]*Resource{}
	for i := range e.MCPResources {
		decl := &e.MCPResources[i]
		op := &decl.Operation
		x := &exposed{decl: op, out: out, kind: MCP, what: "resource", own: e.Own(), unit: unit}
		r := &Resource{
			Name: op.Name.Value, Title: op.Label.Value, Description: strings.TrimSpace(op.Description.Value),
			MimeType: strings.TrimSpace(decl.MimeType.Value), Location: decl.Location.Value, Binary: decl.Binary == spec.True, Span: op.Span,
		}
		if r.Name == "" {
			r.Name = decl.URI.Value
		}
		x.unit.Name = r.Name
		if f := c.resourceURI(decl, r, x.own); f != nil {
			c.refuse(x.unit, op.Span, x.title(), f)
			continue // nobody can ask for it
		}
		key := inBraces.ReplaceAllString(r.URI, "{}")
		if first := seen[key]; first != nil {
			f := faultf(diag.CodeDuplicateResource, "M", decl.URI.Span(), "another resource of this adapter has the URI %s", decl.URI.Value).
				hintf("give one of them another URI")
			f.related = []diag.Related{{Span: first.Span, Message: "first declared here"}}
			c.refuse(x.unit, op.Span, x.title(), f)
			continue
		}
		seen[key] = r
		var f *fault
		if r.Scopes, f = c.scopes(op.Scopes, out, x.title); f == nil {
			f = c.truncated(op.Span, x.title)
		}
		if f != nil {
			r.Refusal = c.refuse(x.unit, op.Span, x.title(), f)
		} else if f := c.judgeResource(decl, r); f != nil {
			r.Refusal = c.refuse(x.unit, op.Span, x.title(), f)
		} else if decl.Location.IsSet() {
			c.staticResource(x, decl, r)
		} else {
			c.dynamicResource(x, decl, r)
		}
		c.watchResource(x, decl, r)
		c.completeResource(x, decl, r)
		r.Annotations, r.Icons = c.contentAnnotations(decl.Annotations, x.unit), c.icons(decl.Icons, x.unit)
		out.Resources = append(out.Resources, r)
	}
}

// judgeResource refuses a resource that says in several ways what it is.
func (c *compiler) judgeResource(decl *spec.MCPResource, r *Resource) *fault {
	type way struct {
		at    diag.Span
		given bool
		what  string
	}
	ways := []way{
		{decl.Location.Span(), decl.Location.IsSet(), "a location"},
		{decl.Text.Span(), decl.Text.IsSet(), "a text"},
		{decl.Data.Span(), decl.Data.IsSet(), "data"},
		{decl.Operation.Span, decl.Operation.Call != nil || decl.Operation.HasSteps, "a call"},
	}
	ways = slices.DeleteFunc(ways, func(w way) bool { return !w.given })
	if len(ways) < 2 {
		return nil
	}
	return faultf(diag.CodeResource, "M", ways[0].at, "resource %s has both %s and %s", r.Name, ways[0].what, ways[1].what).hintf("keep one of them")
}

// resourceURI compiles the URI of a resource.
func (c *compiler) resourceURI(decl *spec.MCPResource, r *Resource, own string) *fault {
	at := placeOr(decl.URI.Span(), decl.Operation.Span)
	if decl.URI.Value == "" {
		return faultf(diag.CodeResource, "M", at, "resource %s has no URI", r.Name).hintf("write uri: data://%s", url.PathEscape(r.Name))
	}
	if !uriScheme.MatchString(decl.URI.Value) {
		return faultf(diag.CodeResource, "M", at, "the URI %q has no scheme", decl.URI.Value).
			hintf("write for example data://%s", strings.TrimLeft(decl.URI.Value, "/"))
	}
	var published, pattern strings.Builder
	pattern.WriteString("^")
	for _, p := range expr.ParsePath(decl.URI.Value).Parts {
		if !p.IsRef() || p.Ref.Form != expr.Brace && p.Ref.Form != expr.Mustache {
			literal := normalURI(p.Literal)
			published.WriteString(literal)
			pattern.WriteString(regexp.QuoteMeta(literal))
			continue
		}
		name := p.Ref.Name
		span := decl.URI.Sub(p.Ref.Start, p.Ref.End)
		if _, plain, ok := cutInputPrefix(name, own); ok {
			name = plain // {{inputs.x}} is {x}
		}
		if p.Ref.Form == expr.Mustache && c.vars.isVariable(name) {
			return faultf(diag.CodeResource, "M", span, "variable %s cannot stand in the URI of a resource", name).
				hintf("write its value, or {name} for a part that readers choose")
		}
		if slices.Contains(r.Params, name) {
			return faultf(diag.CodeResource, "M", span, "{%s} stands twice in the URI", name).hintf("give one of them another name")
		}
		r.Params = append(r.Params, name)
		published.WriteString("{" + publishedVariable(name) + "}")
		pattern.WriteString("([^/?#]+)")
	}
	r.URI = published.String()
	if len(r.Params) > 0 {
		r.pattern = regexp.MustCompile(pattern.String() + "$")
	}
	return nil
}

// publishedVariable gives a name that RFC 6570 allows (section 2.3).
func publishedVariable(name string) string {
	if variableName.MatchString(name) {
		return name
	}
	if s := strings.Trim(notVariable.ReplaceAllString(name, "_"), "_"); s != "" {
		return s
	}
	return "x"
}

// staticResource opens the folder of a resource.
func (c *compiler) staticResource(x *exposed, decl *spec.MCPResource, r *Resource) {
	at := decl.Location.Span()
	r.static = true
	refuse := func(f *fault) { r.Refusal = c.refuse(x.unit, decl.Operation.Span, x.title(), f) }
	switch {
	case decl.Operation.Asking.IsSet():
		refuse(faultf(diag.CodeAsk, "", decl.Operation.Span, "resource %s is files, before which nothing can be asked", r.Name).
			hintf("leave out ask, confirm and requires, or serve the answer of an operation"))
		return
	case len(r.Params) > 0:
		refuse(faultf(diag.CodeResource, "M", at, "resource %s is a folder, so its URI cannot have {%s}", r.Name, r.Params[0]).
			hintf("the files of the folder are listed and read below the URI without it"))
		return
	}
	folder, err := openFolder(c.files, at.File, decl.Location.Value)
	if err != nil {
		refuse(faultf(diag.CodeResource, "M", at, "the files of resource %s are not available: %v", r.Name, err).
			hintf("write the path of a folder, relative to this file"))
		return
	}
	r.Folder = folder
}

// dynamicResource compiles what a resource calls, as a tool whose arguments are the
// variables of the URI.
func (c *compiler) dynamicResource(x *exposed, decl *spec.MCPResource, r *Resource) {
	own := decl.Operation
	own.With = braced(own.With, r.Params)
	own.Steps = slices.Clone(own.Steps)
	for i := range own.Steps {
		own.Steps[i].With = braced(own.Steps[i].With, r.Params)
	}
	x.decl = &own
	if decl.Text.IsSet() || decl.Data.IsSet() {
		x.text = decl
		r.Binary = r.Binary || decl.Data.IsSet()
	}
	op, refusal := c.build(x)
	if op == nil {
		r.Refusal = refusal
		return
	}
	c.setBinary(op, x, nil)
	if f := fedByURI(op, decl, r); f != nil {
		r.Refusal = c.refuse(x.unit, decl.Operation.Span, x.title(), f)
		return
	}
	r.Operation = op
	if last := op.lastCall(); r.Description == "" && last != nil {
		r.Description = strings.TrimSpace(last.description)
	}
}

// braced gives with where "{x}", which published documents write for a variable of the URI,
// is "{{x}}".
func braced(with *spec.Value, params []string) *spec.Value {
	if with == nil || with.Kind != spec.Map {
		return with
	}
	out := *with
	out.Members = slices.Clone(with.Members)
	for i, m := range out.Members {
		if m.Value == nil || m.Value.Kind != spec.String {
			continue
		}
		name, opened := strings.CutPrefix(m.Value.Text, "{")
		name, closed := strings.CutSuffix(name, "}")
		if opened && closed && slices.Contains(params, name) {
			v := *m.Value
			v.Text = "{{" + name + "}}"
			out.Members[i].Value = &v
		}
	}
	return &out
}

// fedByURI refuses a resource whose URI does not have what its operation needs, or has
// what it does not take: then two URIs would be one resource.
func fedByURI(op *Operation, decl *spec.MCPResource, r *Resource) *fault {
	at := placeOr(decl.URI.Span(), decl.Operation.Span)
	for _, name := range requiredArguments(op.intake) {
		if _, ok := matchName(name, r.Params); !ok {
			return faultf(diag.CodeResource, "I5", at, "resource %s needs the input %q, which its URI does not have", r.Name, name).
				hintf("write {%s} into the URI, or a value in with", name)
		}
	}
	names := make([]string, len(op.inputs))
	for i := range op.inputs {
		names[i], _, _ = strings.Cut(op.inputs[i].name, ".")
	}
	for i := range op.inputs {
		names = append(names, op.inputs[i].name)
	}
	for _, p := range r.Params {
		if !slices.ContainsFunc(names, func(n string) bool { return expr.Fold(n) == expr.Fold(p) }) {
			return faultf(diag.CodeUnusedPathInput, "I5", at, "{%s} of the URI is not passed to what resource %s calls", p, r.Name).
				hintf("pass it: with: {parameter: \"{{%s}}\"}", p)
		}
	}
	return nil
}

func requiredArguments(schema []byte) []string {
	var s struct{ Required []string }
	if err := json.Unmarshal(schema, &s); err != nil {
		return nil // a schema of our own making is JSON
	}
	return s.Required
}

// Size gives the bytes of a resource that stands in the document or is a file, whose path is as
// [Folder.Files] gives it; 0 when that is not known.
func (r *Resource) Size(name string) int64 {
	switch {
	case r.Folder != nil:
		return r.Folder.size(name)
	case r.Operation != nil && r.Operation.plain != nil:
		return r.Operation.plain.size()
	}
	return 0
}
