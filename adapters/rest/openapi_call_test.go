package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"capd/adapters/auth"
	"capd/adapters/credential"
	"capd/adapters/httpclient"
	"capd/adapters/rest"
	"capd/engine"
	"capd/engine/plan"
)

// TestOpenAPIReachesTheUpstream calls every described operation over HTTP with requests that
// are made of nothing but the description: one with all that it names, and one with what it says
// is required. Every value of the first must reach the upstream, and the second must be enough.
func TestOpenAPIReachesTheUpstream(t *testing.T) {
	t.Parallel()
	for name, folder := range map[string]struct {
		path string
		min  int // operations there, so that a folder that is read wrongly does not pass
	}{
		"shipped":   {"../../capabilities", 8},
		"own":       {"testdata/openapi", 20},
		"published": {"../../../shared/corpus/specs", 3300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(folder.path); errors.Is(err, fs.ErrNotExist) {
				t.Skipf("%s is not beside this checkout", folder.path)
			}
			d := serveDescribed(t, folder.path)
			called := 0
			for _, m := range d.mounts {
				var doc openAPIDocument
				if status, body := d.send(t, d.request(t, "GET", m.Path+"/openapi.json", "", nil)); status != 200 {
					t.Errorf("%s/openapi.json: %d %s", m.Path, status, body)
				} else if err := json.Unmarshal(body, &doc); err != nil {
					t.Errorf("%s/openapi.json: %v", m.Path, err)
				}
				for _, path := range sorted(doc.Paths) {
					for _, method := range sorted(doc.Paths[path]) {
						called++
						d.try(t, &doc, method, path)
					}
				}
			}
			if called < folder.min {
				t.Errorf("%d operations called, want at least %d", called, folder.min)
			}
			t.Logf("%d operations called", called)
		})
	}
}

func sorted[V any](m map[string]V) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// described is a folder served over HTTP, and its upstream, which remembers one request.
type described struct {
	url    string
	mounts []*plan.Mount

	mu   sync.Mutex
	seen string // of the upstream's last request: target, headers and body, decoded
	hits int
	next int // makes sample values different
}

// callerKey is the credential of every guarded adapter.
const callerKey = "caller-key-1"

func serveDescribed(t *testing.T, path string) *described {
	t.Helper()
	d := &described{}
	up := httptest.NewServer(http.HandlerFunc(d.upstream))
	t.Cleanup(up.Close)
	to, err := url.Parse(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := httpclient.New(httpclient.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const addr = "127.0.0.1:1"
	loaded, err := engine.Load(t.Context(), engine.LoadOptions{
		Paths: []string{path}, Link: plan.LinkOptions{Listen: addr},
		Bind: &plan.BindOptions{
			Upstream: credential.Placeholder(httpclient.Rebase(client, to)), Placeholders: true, Gate: auth.New(auth.Options{}).Gate,
			Look: func(_ string, v *plan.Variable) (plan.Secret, error) {
				switch v.Name {
				case "CALLER_KEY":
					return plan.NewSecret(callerKey), nil
				case "KEY_NAME":
					return plan.NewSecret("configured"), nil
				}
				return plan.Secret{}, plan.ErrUnset
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	swap, err := rest.New(rest.Options{}).Prepare(t.Context(), nil, loaded.Bound)
	if err != nil {
		t.Fatal(err)
	}
	handler, _ := swap()
	ts := httptest.NewServer(handler(addr))
	t.Cleanup(ts.Close)
	d.url = ts.URL
	for _, m := range loaded.Plan.Listener(addr).Mounts {
		if m.Exposure.Kind == plan.REST && m.Main {
			d.mounts = append(d.mounts, m)
		}
	}
	return d
}

func (d *described) upstream(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	target, _ := url.PathUnescape(r.URL.EscapedPath())
	query, _ := url.QueryUnescape(r.URL.RawQuery)
	form := ""
	if strings.Contains(r.Header.Get("Content-Type"), "form-urlencoded") {
		form, _ = url.QueryUnescape(string(body))
	}
	d.mu.Lock()
	d.seen = fmt.Sprint(target, " ", query, " ", r.Header, " ", string(body), " ", form)
	d.hits++
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{}`))
}

// sample is a request that is made of a description.
type sample struct {
	path   string
	query  url.Values
	header http.Header
	body   []byte
	media  string
	values []string // that must be found again
	chosen bool     // a condition chooses the operation, so that only a part of them belongs to it
}

// try calls an operation in both ways.
func (d *described) try(t *testing.T, doc *openAPIDocument, method, path string) {
	t.Helper()
	op := doc.Paths[path][method]
	for _, all := range []bool{true, false} {
		s := d.sample(op, path, all)
		d.authorize(doc, op, s)
		target := doc.Servers[0].URL + s.path
		if len(s.query) > 0 {
			target += "?" + s.query.Encode()
		}
		req := d.request(t, strings.ToUpper(method), target, s.media, s.body)
		for name, values := range s.header {
			req.Header[name] = values
		}
		d.mu.Lock()
		d.seen, d.hits = "", 0
		d.mu.Unlock()
		status, body := d.send(t, req)
		d.mu.Lock()
		seen, hits := d.seen, d.hits
		d.mu.Unlock()
		if op.Responses["default"].Ref == "#/components/responses/Problem" {
			if status != 200 || hits > 0 {
				t.Errorf("%s %s: %d %s", method, target, status, body)
			}
			continue
		}
		if status != 200 || hits == 0 {
			t.Errorf("%s %s (all: %v) of %s: %d %.300s", method, target, all, doc.Info.Title, status, body)
			continue
		}
		for _, v := range s.values {
			if !s.chosen && !strings.Contains(seen, v) {
				t.Errorf("%s %s of %s: %q does not reach the upstream, which got %.600s", method, target, doc.Info.Title, v, seen)
			}
		}
	}
}

// authorize shows what the description says callers must show.
func (d *described) authorize(doc *openAPIDocument, op *openAPIOperation, s *sample) {
	security := doc.Security
	if op.Security != nil {
		security = op.Security
	}
	if len(security) == 0 {
		return
	}
	for name := range security[0] {
		scheme := doc.Components.SecuritySchemes[name]
		switch {
		case name == "authorization":
			s.header.Set(scheme.Name, d.text(s))
		case scheme.Type == "http":
			s.header.Set("Authorization", "Bearer "+callerKey)
		case scheme.In == "header":
			s.header.Set(scheme.Name, callerKey)
		default:
			s.query.Set(scheme.Name, callerKey)
		}
	}
}

// sample makes a request with all that is described, or with what is required.
func (d *described) sample(op *openAPIOperation, path string, all bool) *sample {
	s := &sample{path: path, query: url.Values{}, header: http.Header{}}
	for _, p := range op.Parameters {
		if !p.Required && !all {
			continue
		}
		s.chosen = s.chosen || p.Description == "Chooses the operation."
		schema := p.Schema
		if p.Content != nil {
			schema = p.Content["application/json"].Schema
		}
		v := d.value(s, schema)
		text := plain(v)
		switch p.In {
		case "path":
			if p.Name == "value-2" { // an operation cannot read two placeholders of one name
				s.values = s.values[:len(s.values)-1]
			}
			s.path = strings.ReplaceAll(s.path, "{"+p.Name+"}", url.PathEscape(text))
		case "query":
			if list, ok := v.([]any); ok && p.Content == nil {
				for _, e := range list {
					s.query.Add(p.Name, plain(e))
				}
				continue
			}
			s.query.Add(p.Name, text)
		case "header":
			s.header.Set(p.Name, text)
		case "cookie":
			s.header.Add("Cookie", p.Name+"="+text)
		}
	}
	if b := op.RequestBody; b != nil && (all || b.Required) {
		d.body(s, b.Content, all)
	}
	return s
}

// body makes a body of the last media type but a range, which for some is a form.
func (d *described) body(s *sample, content map[string]openAPIContent, all bool) {
	types := slices.DeleteFunc(sorted(content), func(m string) bool { return m == "*/*" })
	if len(types) == 0 {
		s.media, s.body = "application/x-anything", []byte(d.text(s))
		return
	}
	s.media = types[len(types)-1]
	schema := content[s.media].Schema
	switch {
	case s.media == "application/json":
		s.body, _ = json.Marshal(d.valueOf(s, schema, all))
	case s.media == "application/x-www-form-urlencoded":
		form := url.Values{}
		object, _ := d.valueOf(s, schema, all).(map[string]any)
		for name, v := range object {
			form.Set(name, plain(v))
		}
		s.body = []byte(form.Encode())
	case s.media == "multipart/form-data":
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		_ = w.WriteField("part", d.text(s))
		_ = w.Close()
		s.media, s.body = mime.FormatMediaType(s.media, map[string]string{"boundary": w.Boundary()}), b.Bytes()
	default:
		s.body = []byte(d.text(s))
	}
}

// text gives a text that is nowhere else.
func (d *described) text(s *sample) string {
	d.next++
	v := fmt.Sprintf("v%dx", 100000+d.next)
	s.values = append(s.values, v)
	return v
}

func (d *described) value(s *sample, schema json.RawMessage) any { return d.valueOf(s, schema, true) }

// valueOf gives a value that fits a schema. Free values have a member, to be found again.
func (d *described) valueOf(s *sample, raw json.RawMessage, all bool) any {
	var schema struct {
		Type              any
		Enum              []any
		Items             json.RawMessage
		Properties        map[string]json.RawMessage
		Required          []string
		Minimum, Maximum  *float64
		MinItems          int
		Pattern, Format   string
		AllOf             []json.RawMessage
		MaxLength         *int
		MinLength         int
		Default, Examples any
	}
	_ = json.Unmarshal(raw, &schema)
	switch {
	case len(schema.Enum) > 0:
		s.values = append(s.values, plain(schema.Enum[0]))
		return schema.Enum[0]
	case schema.AllOf != nil:
		return d.valueOf(s, schema.AllOf[len(schema.AllOf)-1], all)
	}
	switch schema.Type {
	case "integer", "number":
		d.next++
		n := float64(100000 + d.next)
		if schema.Maximum != nil {
			n = *schema.Maximum
		}
		if schema.Minimum != nil {
			n = max(n, *schema.Minimum)
		}
		s.values = append(s.values, strconv.FormatFloat(n, 'f', -1, 64))
		return n
	case "boolean":
		s.values = append(s.values, "true")
		return true
	case "array":
		out := []any{d.valueOf(s, schema.Items, all)}
		for len(out) < schema.MinItems {
			out = append(out, d.valueOf(s, schema.Items, all))
		}
		return out
	case "string":
		if schema.Pattern != "" {
			s.values = append(s.values, "abc")
			return "abc" // good for the patterns there are
		}
		return d.text(s)
	}
	out := map[string]any{}
	for _, name := range sorted(schema.Properties) {
		if all || slices.Contains(schema.Required, name) {
			out[name] = d.valueOf(s, schema.Properties[name], all)
		}
	}
	if len(out) > 0 || schema.Properties != nil {
		return out
	}
	if schema.Type == nil && len(raw) > 0 && string(raw) != "{}" {
		return d.text(s)
	}
	out["k"] = d.text(s)
	return out
}

func plain(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

func (d *described) request(t *testing.T, method, target, media string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, d.url+target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if strings.HasSuffix(target, "/openapi.json") {
		req.Header.Set("Authorization", "Bearer "+callerKey)
		req.Header.Set("X-Caller-Key", callerKey)
		req.URL.RawQuery = "configured=" + callerKey
	}
	return req
}

func (d *described) send(t *testing.T, req *http.Request) (int, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}
