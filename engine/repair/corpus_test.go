package repair_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/repair"
	"capd/engine/spec"
)

// shared is where example documents and their expected requests may lie beside a checkout.
const shared = "../../../shared/corpus"

// expectation is a line of the expectation file, as far as these tests read it.
type expectation struct {
	File, Adapter, Namespace, Name, Method, Skip, Level, Suggest, Call string

	PathTemplate string `json:"path_template"`
	Env          map[string]any
	Inputs       struct {
		Arguments json.RawMessage
		Path      string
		Query     [][2]string
		Headers   json.RawMessage
		Body      json.RawMessage
	}
}

// catalogue gives the documents of the corpus with their expectations, or skips the test.
func catalogue(t *testing.T) map[string][]expectation {
	t.Helper()
	f, err := os.Open(filepath.Join(shared, "expect.jsonl"))
	if err != nil {
		t.Skipf("no expectation file: %v", err)
	}
	defer f.Close()
	out := map[string][]expectation{}
	for sc := bufio.NewReader(f); ; {
		line, err := sc.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e expectation
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			out[e.File] = append(out[e.File], e)
		}
		if err != nil {
			for i, file := range slices.Sorted(maps.Keys(out)) {
				if i%every != 0 {
					delete(out, file)
				}
			}
			return out
		}
	}
}

func specText(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shared, "specs", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// served is a compiled document whose upstream is a recorder.
type served struct {
	unit  *plan.Unit
	list  diag.List
	bound *plan.Bound
	sent  []string
}

// serve compiles a text. Variables have the values of env, or val-NAME.
func serve(file string, text []byte, env map[string]any) *served {
	s := &served{}
	doc, list := spec.Parse(file, text, spec.Limits{})
	s.list = list
	if doc == nil {
		return s
	}
	doc.ID = strings.TrimSuffix(file, ".yaml")
	unit, more := plan.Compile(doc, nil)
	s.unit, s.list = unit, append(slices.Clone(s.list), more...)
	if unit == nil {
		return s
	}
	p, _ := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
	s.bound, _ = plan.Bind(p, plan.BindOptions{
		Look: func(_ string, v *plan.Variable) (plan.Secret, error) {
			if value, ok := env[v.Name]; ok {
				return plan.NewSecret(fmt.Sprint(value)), nil
			}
			return plan.NewSecret("val-" + v.Name), nil
		},
		Upstream: plan.UpstreamFunc(func(_ context.Context, r *plan.Request) (*plan.Response, error) {
			body, err := io.ReadAll(r.Body.Reader())
			if err != nil {
				return nil, err
			}
			var headers []string
			for _, f := range r.Header {
				headers = append(headers, f.Name+": "+f.Value)
			}
			slices.Sort(headers)
			s.sent = append(s.sent, fmt.Sprintf("%s %s\n%s\n\n%s", r.Method, canonical(r.URL()), strings.Join(headers, "\n"), body))
			return &plan.Response{Status: 200, Header: []plan.Field{{Name: "Content-Type", Value: "application/json"}}, Body: plan.BytesBody([]byte(`{"data":{"seq":7},"list":[1,null]}`))}, nil
		}),
	})
	return s
}

// canonical sorts the pairs of a query, whose order is free.
func canonical(u string) string {
	base, query, ok := strings.Cut(u, "?")
	if !ok {
		return u
	}
	pairs := strings.Split(query, "&")
	slices.Sort(pairs)
	return base + "?" + strings.Join(pairs, "&")
}

// find gives the operation that an expectation speaks of; nil when it is refused. names says
// whether a route must have its name too.
func (s *served) find(e *expectation) (op *plan.Operation, r *plan.Route, schema []byte) {
	if s.unit == nil {
		return nil, nil, nil
	}
	for _, x := range s.unit.Exposures {
		if string(x.Kind) != e.Adapter || x.Namespace != e.Namespace {
			continue
		}
		for _, r := range x.Routes {
			path, _, _ := strings.Cut(e.PathTemplate, "?")
			if r.Method == e.Method && strings.TrimPrefix(r.Path, "/") == strings.TrimPrefix(path, "/") && (e.Name == "" || r.Name == e.Name) {
				return r.Operation, r, nil
			}
		}
		for _, tool := range x.Tools {
			if tool.Name == e.Name {
				return tool.Operation, nil, tool.InputSchema
			}
		}
	}
	return nil, nil, nil
}

// call gives the upstream request of an expectation's sample call and the answer, or why
// nothing was sent.
func (s *served) call(e *expectation) string {
	op, route, schema := s.find(e)
	if op == nil {
		return "refused"
	}
	src, err := e.source(route)
	if err != nil {
		return err.Error()
	}
	s.sent = nil
	args, err := op.Bind(src)
	if err != nil {
		return "not bound: " + err.Error()
	}
	res, err := op.Invoke(context.Background(), &plan.Invocation{Args: args, Bound: s.bound})
	if err != nil {
		return fmt.Sprintf("%v; sent %q", err, s.sent)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body.Reader())
	return fmt.Sprintf("%s\nanswer %d %s %v\nschema %s", strings.Join(s.sent, "\nand\n"), res.Status, answer, err, required(schema))
}

// required is what a schema demands: names that must be given, and whether any is unknown.
func required(schema []byte) string {
	var s struct{ Required []string }
	if len(schema) == 0 || json.Unmarshal(schema, &s) != nil {
		return ""
	}
	slices.Sort(s.Required)
	return strings.Join(s.Required, " ")
}

// source makes the sample call.
func (e *expectation) source(r *plan.Route) (*plan.Source, error) {
	if e.Adapter == "mcp" {
		return &plan.Source{Arguments: e.Inputs.Arguments}, nil
	}
	path, query, _ := strings.Cut(e.Inputs.Path, "?")
	values := url.Values{}
	for _, p := range e.Inputs.Query {
		values.Add(p[0], p[1])
	}
	src := &plan.Source{Query: strings.Trim(query+"&"+values.Encode(), "&"), Conditions: r.Conditions, Header: http.Header{}}
	if err := e.headers(src.Header); err != nil {
		return nil, err
	}
	params, ok := match(r, path)
	if !ok {
		return nil, fmt.Errorf("route %s does not match %s", r.Path, path)
	}
	src.Path = params
	if b := e.Inputs.Body; len(b) > 0 && string(b) != "null" {
		if src.Header.Get("Content-Type") == "" {
			src.Header.Set("Content-Type", "application/json")
		}
		src.Body = plan.BytesBody(b)
	}
	src.ContentType = src.Header.Get("Content-Type")
	return src, nil
}

func (e *expectation) headers(to http.Header) error {
	if len(e.Inputs.Headers) == 0 {
		return nil
	}
	var object map[string]string
	if json.Unmarshal(e.Inputs.Headers, &object) == nil {
		for k, v := range object {
			to.Set(k, v)
		}
		return nil
	}
	var pairs [][2]string
	if err := json.Unmarshal(e.Inputs.Headers, &pairs); err != nil {
		return err
	}
	for _, p := range pairs {
		to.Add(p[0], p[1])
	}
	return nil
}

// match takes the placeholders' values out of a path. It tries the ways in which the parts
// of a segment can match.
func match(r *plan.Route, path string) ([]string, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) != len(r.Segments) {
		return nil, false
	}
	values := make([]string, len(r.Params))
	for i, s := range r.Segments {
		text, err := url.PathUnescape(segments[i])
		if err != nil || !matchSegment(s, text, values) {
			return nil, false
		}
	}
	return values, true
}

func matchSegment(s plan.Segment, text string, values []string) bool {
	if len(s) == 0 {
		return text == ""
	}
	if s[0].Param < 0 {
		rest, ok := strings.CutPrefix(text, s[0].Literal)
		return ok && matchSegment(s[1:], rest, values)
	}
	for n := len(text); n > 0; n-- {
		values[s[0].Param] = text[:n]
		if matchSegment(s[1:], text[n:], values) {
			return true
		}
	}
	return false
}

// TestFixKeepsRequests repairs every document of the corpus: what was served sends the same
// request as before, what was repaired is no longer found, and a second run changes nothing.
func TestFixKeepsRequests(t *testing.T) {
	t.Parallel()
	proveCorpus(t, repair.Fix)
}

// TestMigrateKeepsRequests does the same with documents that are taken to the present form.
func TestMigrateKeepsRequests(t *testing.T) {
	t.Parallel()
	proveCorpus(t, repair.Migrate)
}

type repairer func(file string, text []byte, o repair.Options) (*repair.Result, error)

func proveCorpus(t *testing.T, mend repairer) {
	t.Helper()
	byFile := catalogue(t)
	p := proof{t: t, mend: mend, fixed: map[diag.Code]int{}, left: map[string]int{}}
	for _, file := range sortedFiles(byFile) {
		p.file(file, byFile[file])
	}
	t.Logf("%d of %d files changed (%v, left %v); %d calls compared, %d operations served that were refused",
		p.changed, len(byFile), p.fixed, p.left, p.compared, p.repaired)
	if p.compared == 0 || p.repaired == 0 {
		t.Error("nothing was compared")
	}
}

// proof compares what documents do before and after.
type proof struct {
	t    *testing.T
	mend repairer

	changed, compared, repaired int

	fixed map[diag.Code]int
	left  map[string]int
}

func (p *proof) file(file string, lines []expectation) {
	text := specText(p.t, file)
	res, err := p.mend(file, text, repair.Options{})
	if err != nil {
		p.t.Errorf("%s: %v", file, err)
		return
	}
	for _, d := range res.Fixed {
		p.fixed[d.Code]++
	}
	for _, d := range res.Unmigrated {
		p.left[regexp.MustCompile(`"[^"]*"`).ReplaceAllString(d.Message, `""`)]++
	}
	if !res.Changed() {
		return
	}
	p.changed++
	p.settled(file, res.Text)
	before, after := newCache(file, text), newCache(file, res.Text)
	for i := range lines {
		e := &lines[i]
		if e.Level == "file" || e.Level == "adapter" {
			continue
		}
		was, is := before.served(e.Env).call(e), after.served(e.Env).call(e)
		switch {
		case was == "refused" && is != "refused":
			p.repaired++
			p.suggested(after.served(e.Env), e)
		case was == "refused":
		case was != is:
			p.t.Errorf("%s %s %s\nbefore: %s\nafter:  %s", file, e.Adapter, e.Name, was, is)
		case e.Skip == string(diag.CodeAuthUnsupported):
			// It is served by now (contract A4), and the expectation gives no inputs to call it with.
		case !strings.Contains(was, "\nanswer 200 "):
			p.t.Errorf("%s %s %s is served and sends nothing: %s", file, e.Adapter, e.Name, was)
		default:
			p.compared++
		}
	}
}

// cache keeps a document compiled for each environment it is called in.
type cache struct {
	file string
	text []byte
	by   map[string]*served
}

func newCache(file string, text []byte) *cache {
	return &cache{file: file, text: text, by: map[string]*served{}}
}

func (c *cache) served(env map[string]any) *served {
	key := fmt.Sprint(env)
	if c.by[key] == nil {
		c.by[key] = serve(c.file, c.text, env)
	}
	return c.by[key]
}

// settled wants a repaired text to need no repair.
func (p *proof) settled(file string, text []byte) {
	p.t.Helper()
	again, err := p.mend(file, text, repair.Options{})
	if err != nil {
		p.t.Errorf("%s: %v", file, err)
		return
	}
	if again.Changed() || !bytes.Equal(again.Text, text) {
		p.t.Errorf("%s: a second run still repairs %v", file, again.Fixed)
	}
	for _, d := range again.Left {
		if len(d.Fixes) > 0 {
			p.t.Errorf("%s: a repair is left alone: %v", file, d)
		}
	}
}

// suggested wants an operation that was refused to call the path that is expected.
func (p *proof) suggested(s *served, e *expectation) {
	p.t.Helper()
	if e.Skip != string(diag.CodePathParamWithoutSlot) || e.Suggest == "" {
		p.t.Errorf("%s %s %s: served although it is to be refused with %s", e.File, e.Adapter, e.Name, e.Skip)
		return
	}
	op, _, _ := s.find(e)
	if got, want := pattern(op.Calls()[0].Segments()), anonymous(e.Suggest); got != want {
		p.t.Errorf("%s %s %s: calls %s, want %s", e.File, e.Adapter, e.Name, got, want)
	}
}
func pattern(segments []plan.Segment) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		for _, p := range s {
			if p.Param >= 0 {
				b.WriteString("{}")
			} else {
				b.WriteString(p.Literal)
			}
		}
	}
	return b.String()
}

// anonymous takes the names out of the placeholders of a path.
func anonymous(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch {
		case r == '{':
			if depth == 0 {
				b.WriteString("{}")
			}
			depth++
		case r == '}':
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func sortedFiles(m map[string][]expectation) []string {
	var out []string
	for f := range m {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}
