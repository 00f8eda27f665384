package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// OpenAPIOptions are what a description can be told.
type OpenAPIOptions struct {
	// Server is the URL that paths continue, absolute or relative to the description; empty
	// leaves it out.
	Server string
	Indent bool
}

// OpenAPI describes what is served of a REST exposure as an OpenAPI 3.1 document. Refused
// routes are left out, and so are methods that OpenAPI has no word for. The same exposure gives
// the same bytes.
func OpenAPI(x *plan.Exposure, o OpenAPIOptions) []byte {
	d := &describer{x: x, ids: map[string]bool{}, items: map[string]*pathItem{}}
	for _, forwards := range []bool{false, true} { // a forward takes what operations leave
		for _, r := range x.Routes {
			if r.Operation != nil && r.Refusal == nil && (r.Method == plan.AnyMethod) == forwards {
				d.add(r)
			}
		}
	}
	return d.document(o)
}

// describer makes one document.
type describer struct {
	x     *plan.Exposure
	ids   map[string]bool
	items map[string]*pathItem // by shape of the path
	order []*pathItem
	tags  []string

	authorization bool // an operation takes the header from its callers
	problem       bool // an answer can only be capd's own failure
	failure       bool // or an upstream's
}

// pathItem is a path with its operations. Paths that differ in the names of their placeholders
// are one.
type pathItem struct {
	path    string
	params  []string // names of the placeholders, unique
	methods []*methodItem
}

// methodItem is a method of a path: several routes when conditions on the query choose.
type methodItem struct {
	method string
	routes []*plan.Route
}

func (d *describer) add(r *plan.Route) {
	shape := shapeOf(r)
	item := d.items[shape]
	if item == nil {
		item = newPathItem(r)
		d.items[shape] = item
		d.order = append(d.order, item)
	}
	methods := []string{r.Method}
	if r.Method == plan.AnyMethod {
		methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	}
	for _, method := range methods {
		item.add(method, r)
	}
}

func (p *pathItem) add(method string, r *plan.Route) {
	switch method {
	case http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions, http.MethodHead, http.MethodPatch, http.MethodTrace:
	default:
		return
	}
	i := slices.IndexFunc(p.methods, func(m *methodItem) bool { return m.method == method })
	switch {
	case i < 0:
		p.methods = append(p.methods, &methodItem{method, []*plan.Route{r}})
	case r.Method != plan.AnyMethod:
		p.methods[i].routes = append(p.methods[i].routes, r)
	}
}

// shapeOf is equal for paths that are the same but for the names of their placeholders.
func shapeOf(r *plan.Route) string {
	var b strings.Builder
	for _, s := range r.Segments {
		b.WriteByte('/')
		for _, part := range s {
			if part.Param >= 0 {
				b.WriteString("{}")
			} else {
				b.WriteString(escapeSegment(part.Literal))
			}
		}
	}
	return b.String()
}

func newPathItem(r *plan.Route) *pathItem {
	p := &pathItem{params: make([]string, len(r.Params))}
	for i, name := range r.Params {
		p.params[i] = uniqueName(identifier(name, "value"), func(s string) bool { return slices.Contains(p.params[:i], s) })
	}
	for _, s := range r.Segments {
		p.path += "/"
		for _, part := range s {
			if part.Param >= 0 {
				p.path += "{" + p.params[part.Param] + "}"
			} else {
				p.path += escapeSegment(part.Literal)
			}
		}
	}
	if p.path == "" {
		p.path = "/"
	}
	return p
}

// escapeSegment writes literal text as it stands in a path (RFC 3986, pchar).
func escapeSegment(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
	}
	return b.String()
}

// identifier makes a name of letters, digits, dots, hyphens and underscores.
func identifier(text, otherwise string) string {
	var b strings.Builder
	gap := false
	for _, c := range text {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			b.WriteRune(c)
			gap = false
			continue
		}
		gap = true
	}
	if b.Len() == 0 {
		return otherwise
	}
	return b.String()
}

// uniqueName numbers a name that is taken.
func uniqueName(name string, taken func(string) bool) string {
	out := name
	for n := 2; taken(out); n++ {
		out = name + "-" + strconv.Itoa(n)
	}
	return out
}

func (d *describer) document(o OpenAPIOptions) []byte {
	paths := object{}
	for _, item := range d.order {
		if len(item.methods) == 0 {
			continue
		}
		ops := object{}
		for _, m := range item.methods {
			ops.set(strings.ToLower(m.method), d.operation(item, m))
		}
		paths.set(item.path, ops)
	}
	doc := object{{"openapi", "3.1.0"}, {"info", d.info()}}
	if o.Server != "" {
		doc.set("servers", []object{{{"url", o.Server}}})
	}
	if d.x.Guard != nil {
		doc.set("security", []object{{{guardScheme, scopeList(d.x.Guard.Scopes())}}})
	}
	var tags []object
	for _, t := range d.tags {
		tags = append(tags, object{{"name", t}})
	}
	doc.set("tags", tags)
	doc.set("paths", paths)
	doc.set("components", d.components())
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if o.Indent {
		enc.SetIndent("", "  ")
	}
	_ = enc.Encode(doc) // texts and JSON of the plan's own always encode
	return out.Bytes()
}

// info names the document. Few specs say their version, but the field must be there.
func (d *describer) info() object {
	title, description, version := d.x.Namespace, d.x.Description, ""
	if u := d.x.Unit; u != nil {
		version = u.Revision
		title = firstText(u.Label, title, u.ID)
		description = firstText(description, u.Description)
	}
	return object{{"title", firstText(title, "API")}, {"description", strings.TrimSpace(description)}, {"version", firstText(version, "0.0.0")}}
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return t
		}
	}
	return ""
}

// The names of components.
const (
	guardScheme         = "guard"
	authorizationScheme = "authorization"
	problemName         = "Problem"
	failureName         = "Failure"
)

// operation describes the routes of one method of a path.
func (d *describer) operation(item *pathItem, m *methodItem) object {
	variants := make([]*variant, len(m.routes))
	for i, r := range m.routes {
		variants[i] = newVariant(item, m.method, r, d.x.Signature(r))
	}
	first := m.routes[0]
	fallback := strings.ToLower(m.method)
	name := identifier(first.Name, fallback)
	if first.Method == plan.AnyMethod {
		name += "-" + fallback
	}
	id := uniqueName(name, func(s string) bool { return d.ids[s] })
	d.ids[id] = true
	op := object{{"operationId", id}, {"summary", variants[0].signature.Label}, {"description", describeVariants(variants)}}
	op.set("tags", d.tagsOf(variants))
	op.set("security", d.security(variants))
	op.set("parameters", parameters(variants))
	op.set("requestBody", requestBody(variants, m.method))
	op.set("responses", d.responses(variants))
	return op
}

// variant is one of the routes of a method and path.
type variant struct {
	route         *plan.Route
	signature     *plan.Signature
	parameters    []plan.Parameter // placeholders under the names of the path
	authorization bool             // takes the header Authorization
	authorized    bool             // and cannot do without
}

func newVariant(item *pathItem, method string, r *plan.Route, s *plan.Signature) *variant {
	v := &variant{route: r, signature: s}
	for i, p := range s.Parameters {
		if i < len(r.Params) {
			p.Name = item.params[i]
			if r.Method == plan.AnyMethod && p.Description == "" && isMany(r, i) {
				p.Description = "The rest of the path, of any number of segments."
			}
		}
		if p.In == "header" {
			switch strings.ToLower(p.Name) {
			case "authorization":
				v.authorization, v.authorized = true, p.Required
				continue
			case "accept", "content-type": // said by the media types
				continue
			}
		}
		v.parameters = append(v.parameters, p)
	}
	if r.Method == plan.AnyMethod && method == http.MethodGet {
		s.Body = nil // what a GET carries means nothing
	}
	return v
}

func isMany(r *plan.Route, param int) bool {
	return slices.ContainsFunc(r.Segments, func(s plan.Segment) bool {
		return slices.ContainsFunc(s, func(p plan.SegmentPart) bool { return p.Many && p.Param == param })
	})
}

// describeVariants gives the description of the operation, or of each that a query chooses.
func describeVariants(variants []*variant) string {
	if len(variants) == 1 {
		return strings.TrimSpace(variants[0].route.Description)
	}
	var lines []string
	for _, v := range variants {
		when := "Otherwise"
		if len(v.route.Conditions) > 0 {
			when = "With ?" + queryOf(v.route.Conditions)
		}
		lines = append(lines, "- "+when+": "+firstText(strings.Join(strings.Fields(v.route.Description), " "), v.route.Name))
	}
	return strings.Join(lines, "\n")
}

func (d *describer) tagsOf(variants []*variant) []string {
	var out []string
	for _, v := range variants {
		for _, t := range v.signature.Tags {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
			if !slices.Contains(d.tags, t) {
				d.tags = append(d.tags, t)
			}
		}
	}
	return out
}

// security says that callers send the header Authorization, which OpenAPI does not let stand
// among the parameters.
func (d *describer) security(variants []*variant) []object {
	takes, needs := false, true
	for _, v := range variants {
		takes, needs = takes || v.authorization, needs && v.authorized
	}
	own, always := ownScopes(variants), object{}
	if d.x.Guard != nil {
		always.set(guardScheme, scopeList(d.x.NeededScopes(own)))
	}
	switch {
	case !takes && len(own) == 0:
		return nil
	case !takes:
		return []object{always}
	}
	d.authorization = true
	with := append(slices.Clone(always), objectMember{authorizationScheme, []any{}})
	if needs {
		return []object{with}
	}
	return []object{with, always}
}

// ownScopes gives the scopes that a route of the variants needs of its own.
func ownScopes(variants []*variant) []string {
	var out []string
	for _, v := range variants {
		for _, scope := range v.route.Scopes {
			if !slices.Contains(out, scope) {
				out = append(out, scope)
			}
		}
	}
	return out
}

// scopeList gives scopes as a list that is written, also when it is empty.
func scopeList(scopes []string) []any {
	out := []any{}
	for _, s := range scopes {
		out = append(out, s)
	}
	return out
}

// parameters gives those of all variants; one is required where every variant wants it.
func parameters(variants []*variant) []object {
	var all []plan.Parameter
	for _, v := range variants {
		for _, p := range v.parameters {
			if at(all, p.In, p.Name) < 0 && !isCondition(variants, p) {
				p.Required = p.In == "path" || !slices.ContainsFunc(variants, func(o *variant) bool {
					k := at(o.parameters, p.In, p.Name)
					return k < 0 || !o.parameters[k].Required
				})
				all = append(all, p)
			}
		}
	}
	var out []object
	for _, p := range all {
		out = append(out, parameterObject(p))
	}
	return append(out, conditions(variants)...)
}

func at(list []plan.Parameter, in, name string) int {
	return slices.IndexFunc(list, func(p plan.Parameter) bool {
		return p.In == in && (p.Name == name || in == "header" && strings.EqualFold(p.Name, name))
	})
}

func isCondition(variants []*variant, p plan.Parameter) bool {
	return p.In == "query" && slices.ContainsFunc(variants, func(v *variant) bool {
		return slices.ContainsFunc(v.route.Conditions, func(c plan.Pair) bool { return c.Name == p.Name })
	})
}

// conditions gives the query parameters that choose among the variants (contract X3), with the
// values that they can have. One that every variant has must be there.
func conditions(variants []*variant) []object {
	var names []string
	values := map[string][]string{}
	count := map[string]int{}
	for _, v := range variants {
		seen := map[string]bool{}
		for _, c := range v.route.Conditions {
			if !slices.Contains(names, c.Name) {
				names = append(names, c.Name)
			}
			if !slices.Contains(values[c.Name], c.Value) {
				values[c.Name] = append(values[c.Name], c.Value)
			}
			if !seen[c.Name] {
				seen[c.Name] = true
				count[c.Name]++
			}
		}
	}
	var out []object
	for _, name := range names {
		schema := object{{"type", "string"}, {"enum", values[name]}}
		out = append(out, object{
			{"name", name}, {"in", "query"}, {"description", "Chooses the operation."},
			{"required", count[name] == len(variants)}, {"schema", schema},
		})
	}
	return out
}

func parameterObject(p plan.Parameter) object {
	out := object{{"name", p.Name}, {"in", p.In}, {"description", p.Description}, {"required", p.Required}}
	schema := p.Schema
	switch {
	case len(schema) == 0:
		schema = json.RawMessage(`{"type":"string"}`)
	case schemaType(schema) == "object":
		out.set("content", object{{"application/json", object{{"schema", schema}}}}) // one value, written as JSON
		return out
	}
	out.set("schema", schema)
	return out
}

func schemaType(schema []byte) string {
	var s struct{ Type any }
	if json.Unmarshal(schema, &s) != nil {
		return ""
	}
	text, _ := s.Type.(string)
	return text
}
