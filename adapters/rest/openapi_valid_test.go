package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"capd/adapters/rest"
	"capd/engine"
	"capd/engine/plan"
)

// TestOpenAPIIsValid holds the description of every served adapter of the published documents,
// the example documents and the shipped capabilities to a validator of OpenAPI, and to what
// this test knows of OpenAPI and JSON Schema itself.
func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]struct {
		path string
		min  int // adapters there, so that a folder that is read wrongly does not pass
	}{
		"shipped":   {"../../capabilities", 4},
		"own":       {"testdata/openapi", 1},
		"published": {"../../../shared/corpus/specs", 400},
		"examples":  {"../../../shared/fixtures", 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(folder.path); errors.Is(err, fs.ErrNotExist) {
				t.Skipf("%s is not beside this checkout", folder.path)
			}
			loaded, err := engine.Load(t.Context(), engine.LoadOptions{Paths: []string{folder.path}})
			if err != nil {
				t.Fatal(err)
			}
			adapters, operations := 0, 0
			for _, u := range loaded.Plan.Units {
				for _, x := range u.Exposures {
					if x.Kind != plan.REST {
						continue
					}
					adapters++
					raw := rest.OpenAPI(x, rest.OpenAPIOptions{Server: "/apis/" + u.ID})
					if !bytes.Equal(raw, rest.OpenAPI(x, rest.OpenAPIOptions{Server: "/apis/" + u.ID})) {
						t.Errorf("%s: the same adapter gave two descriptions", u.File)
					}
					operations += checkOpenAPI(t, u.File, raw)
					checkRoutesAreDescribed(t, u.File, x, raw)
				}
			}
			if adapters < folder.min {
				t.Errorf("%d adapters, want at least %d", adapters, folder.min)
			}
			t.Logf("%d operations of %d adapters", operations, adapters)
		})
	}
}

// checkOpenAPI complains of whatever is wrong with a document and gives the number of its
// operations.
func checkOpenAPI(t *testing.T, file string, raw []byte) int {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err == nil {
		err = doc.Validate(t.Context(), openapi3.EnableSchemaPatternValidation(), openapi3.EnableSchemaDefaultsValidation())
	}
	if err != nil {
		t.Errorf("%s: kin-openapi: %.600s", file, err)
		return 0
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("%s: it is not taken for OpenAPI 3.1", file)
	}
	var d openAPIDocument
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Errorf("%s: %v", file, err)
		return 0
	}
	c := &openAPICheck{t: t, file: file, ids: map[string]bool{}}
	if err := json.Unmarshal(raw, &c.whole); err != nil {
		t.Fatal(err)
	}
	c.document(&d)
	return len(c.ids)
}

// openAPIDocument is what a document may hold: a field that is not here is a mistake.
type openAPIDocument struct {
	OpenAPI    string `json:"openapi"`
	Info       struct{ Title, Description, Version string }
	Servers    []struct{ URL string }
	Security   []map[string][]string
	Tags       []struct{ Name string }
	Paths      map[string]map[string]*openAPIOperation
	Components struct {
		Schemas         map[string]json.RawMessage
		Responses       map[string]openAPIResponse
		SecuritySchemes map[string]struct{ Type, Scheme, Name, In, Description string }
	}
}

type openAPIOperation struct {
	OperationID, Summary, Description string
	Tags                              []string
	Security                          []map[string][]string
	Parameters                        []openAPIParameter
	RequestBody                       *struct {
		Description string
		Required    bool
		Content     map[string]openAPIContent
	}
	Responses map[string]openAPIResponse
}

type openAPIParameter struct {
	Name, In, Description string
	Required              bool
	Schema                json.RawMessage
	Content               map[string]openAPIContent
}

type openAPIResponse struct {
	Ref         string `json:"$ref"`
	Description string
	Content     map[string]openAPIContent
}

type openAPIContent struct{ Schema json.RawMessage }

// openAPICheck is one check of a document.
type openAPICheck struct {
	t     *testing.T
	file  string
	whole any
	ids   map[string]bool

	schemas [][]byte
	places  []string
}

func (c *openAPICheck) errorf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("%s: %s", c.file, fmt.Sprintf(format, args...))
}

var (
	templates  = regexp.MustCompile(`\{([^{}/]*)\}`)
	pathText   = regexp.MustCompile(`^(/([-A-Za-z0-9._~!$&'()*+,;=:@]|%[0-9A-F]{2}|\{[A-Za-z0-9._-]+\})*)+$`)
	statusText = regexp.MustCompile(`^(default|[1-5]([0-9]{2}|XX))$`)
	mediaText  = regexp.MustCompile(`^(\*|[a-z0-9!#$&^_.+-]+)/(\*|[a-z0-9!#$&^_.+-]+)$`)
)

func (c *openAPICheck) document(d *openAPIDocument) {
	c.t.Helper()
	if d.OpenAPI != "3.1.0" || d.Info.Title == "" || d.Info.Version == "" || len(d.Servers) != 1 {
		c.errorf("head is %q, %+v, %+v", d.OpenAPI, d.Info, d.Servers)
	}
	for _, s := range d.Servers {
		if _, err := url.Parse(s.URL); err != nil {
			c.errorf("server: %v", err)
		}
	}
	c.references(c.whole)
	shapes := map[string]string{}
	for path, item := range d.Paths {
		if !pathText.MatchString(path) {
			c.errorf("path %q is not valid", path)
		}
		shape := templates.ReplaceAllString(path, "{}")
		if other := shapes[shape]; other != "" {
			c.errorf("paths %s and %s are the same", path, other)
		}
		shapes[shape] = path
		for method, op := range item {
			if !slices.Contains([]string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}, method) {
				c.errorf("%s has the method %q", path, method)
			}
			c.operation(d, method+" "+path, path, op)
		}
	}
	for name, s := range d.Components.SecuritySchemes {
		if s.Type == "apiKey" && (s.Name == "" || s.In != "header" && s.In != "query") || s.Type == "http" && s.Scheme == "" {
			c.errorf("security scheme %s: %+v", name, s)
		}
	}
	for name, s := range d.Components.Schemas {
		c.schema(name, s)
	}
	if len(c.schemas) > 0 {
		c.compile(c.schemas, c.places)
	}
}

func (c *openAPICheck) operation(d *openAPIDocument, what, path string, op *openAPIOperation) {
	c.t.Helper()
	if op.OperationID == "" || c.ids[op.OperationID] {
		c.errorf("%s: operationId %q is missing or taken", what, op.OperationID)
	}
	c.ids[op.OperationID] = true
	var names []string
	for _, m := range templates.FindAllStringSubmatch(path, -1) {
		if slices.Contains(names, m[1]) {
			c.errorf("%s: {%s} stands there twice", what, m[1])
		}
		names = append(names, m[1])
	}
	seen := map[string]bool{}
	declared := 0
	for _, p := range op.Parameters {
		key := p.In + " " + p.Name
		if p.In == "header" {
			key = strings.ToLower(key)
			if slices.Contains([]string{"header accept", "header content-type", "header authorization"}, key) {
				c.errorf("%s: parameter %s is ignored by OpenAPI", what, p.Name)
			}
		}
		if seen[key] || p.Name == "" || (p.Schema == nil) == (p.Content == nil) {
			c.errorf("%s: parameter %+v", what, p)
		}
		seen[key] = true
		switch p.In {
		case "path":
			declared++
			if !p.Required || !slices.Contains(names, p.Name) {
				c.errorf("%s: path parameter %+v", what, p)
			}
		case "query", "header", "cookie":
		default:
			c.errorf("%s: parameter in %q", what, p.In)
		}
		if p.Schema != nil {
			c.schema(what+" "+p.Name, p.Schema)
		}
		c.content(what+" "+p.Name, p.Content)
	}
	if declared != len(names) {
		c.errorf("%s: %d of %d placeholders are declared", what, declared, len(names))
	}
	if op.RequestBody != nil {
		if len(op.RequestBody.Content) == 0 {
			c.errorf("%s: the body has no content", what)
		}
		c.content(what+" body", op.RequestBody.Content)
	}
	success := false
	for status, r := range op.Responses {
		success = success || status[0] == '2'
		if !statusText.MatchString(status) || r.Ref == "" && r.Description == "" {
			c.errorf("%s: response %s: %+v", what, status, r)
		}
		c.content(what+" "+status, r.Content)
	}
	if !success || op.Responses["default"].Ref == "" {
		c.errorf("%s: responses %+v", what, op.Responses)
	}
	for _, s := range append(op.Security, d.Security...) {
		for name := range s {
			if _, ok := d.Components.SecuritySchemes[name]; !ok {
				c.errorf("%s: there is no security scheme %s", what, name)
			}
		}
	}
	for _, tag := range op.Tags {
		if !slices.ContainsFunc(d.Tags, func(t struct{ Name string }) bool { return t.Name == tag }) {
			c.errorf("%s: tag %s is not listed", what, tag)
		}
	}
}

func (c *openAPICheck) content(what string, content map[string]openAPIContent) {
	c.t.Helper()
	for media, x := range content {
		if !mediaText.MatchString(media) {
			c.errorf("%s: media type %q", what, media)
		}
		if x.Schema != nil {
			c.schema(what+" "+media, x.Schema)
		}
	}
}

// schema notes a schema, to be compiled with all others.
func (c *openAPICheck) schema(what string, raw []byte) {
	c.schemas = append(c.schemas, raw)
	c.places = append(c.places, what)
}

// compile compiles every schema as JSON Schema 2020-12.
func (c *openAPICheck) compile(all [][]byte, places []string) {
	c.t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.Draft = jsonschema.Draft2020
	compiler.LoadURL = func(s string) (_ io.ReadCloser, err error) { return nil, fmt.Errorf("%s is elsewhere", s) }
	text := `{"components":{"schemas":{"Problem":{}}},"prefixItems":[` + string(bytes.Join(all, []byte(","))) + `]}`
	err := compiler.AddResource("mem:///s.json", strings.NewReader(text))
	if err == nil {
		_, err = compiler.Compile("mem:///s.json")
	}
	switch {
	case err != nil && len(all) == 1:
		c.errorf("%s: %v: %.300s", places[0], err, all[0])
	case err != nil:
		for i := range all {
			c.compile(all[i:i+1], places[i:i+1])
		}
	}
}

// references follows every $ref.
func (c *openAPICheck) references(v any) {
	c.t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			c.references(e)
		}
	case map[string]any:
		for name, e := range v {
			ref, ok := e.(string)
			if name == "$ref" && ok && !c.resolves(ref) {
				c.errorf("%s leads nowhere", ref)
			}
			c.references(e)
		}
	}
}

func (c *openAPICheck) resolves(ref string) bool {
	path, ok := strings.CutPrefix(ref, "#/")
	at := c.whole
	for _, name := range strings.Split(path, "/") {
		m, isMap := at.(map[string]any)
		if at = m[name]; !isMap || at == nil {
			return false
		}
	}
	return ok
}

// checkRoutesAreDescribed wants every served route in its description.
func checkRoutesAreDescribed(t *testing.T, file string, x *plan.Exposure, raw []byte) {
	t.Helper()
	var d openAPIDocument
	if json.Unmarshal(raw, &d) != nil {
		return
	}
	described := map[string]bool{}
	for path, item := range d.Paths {
		for method := range item {
			described[strings.ToUpper(method)+" "+templates.ReplaceAllString(path, "{}")] = true
		}
	}
	braces := regexp.MustCompile(`\{\{[^{}]*\}\}|\{[^{}]*\}`)
	for _, r := range x.Routes {
		if r.Operation == nil || r.Method == plan.AnyMethod || r.Method == "LINK" { // OpenAPI has no word for it
			continue
		}
		path := braces.ReplaceAllString(strings.NewReplacer("#", "%23", " ", "%20").Replace(r.Path), "{}")
		if !described[r.Method+" "+path] {
			t.Errorf("%s: %s %s is not described", file, r.Method, r.Path)
		}
	}
}
