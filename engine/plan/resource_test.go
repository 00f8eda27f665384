package plan_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"capd/engine/diag"
	"capd/engine/plan"
)

// withMCP is a document whose one adapter has more keys, written in flow style. It consumes
// list, get (which needs id) and picture.
func withMCP(more string) string {
	return `naftiko: 1.0.0-alpha2
capability:
  binds: [{namespace: env, keys: {TENANT: TENANT}}]
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.test
    resources:
    - {path: /users, operations: [{name: list}, {name: create, method: POST, inputParameters: [{name: age, in: body, type: integer}]}]}
    - {path: '/users/{id}', operations: [{name: get, inputParameters: [{name: id, in: path, type: string, required: true}, {name: full, in: query, type: boolean}]}]}
    - {path: /picture, operations: [{name: picture, outputRawFormat: binary, outputMediaType: image/png, maxBinarySize: 2KiB}]}
  exposes:
  - {type: mcp, port: 1, namespace: m, ` + more + `}
`
}

// loadMCP compiles withMCP; a caret marks a place. It has the folder docs and the file p.md.
func loadMCP(t *testing.T, more string) *document {
	t.Helper()
	unit, list := compileSkills(t, withMCP(more), mcpFiles{&skillFiles{}})
	d := &document{t: t, unit: unit, list: list}
	if unit != nil {
		p, _ := plan.Link(nil, []*plan.Unit{unit}, plan.LinkOptions{})
		d.bound, _ = plan.Bind(p, plan.BindOptions{Upstream: d.upstream()})
	}
	return d
}

type mcpFiles struct{ *skillFiles }

func (mcpFiles) Read(_, location string) ([]byte, error) {
	switch location {
	case "p.md":
		return []byte("Hello {{who}}"), nil
	case "bytes.md":
		return []byte("\xff"), nil
	}
	return nil, &fs.PathError{Op: "read", Path: location, Err: fs.ErrNotExist}
}

func (d *document) resource(name string) *plan.Resource {
	d.t.Helper()
	if d.unit != nil {
		for _, r := range d.unit.Exposures[0].Resources {
			if r.Name == name {
				return r
			}
		}
	}
	d.t.Fatalf("no resource %s; diagnostics: %v", name, d.list)
	return nil
}

// TestResourceCalls: the variables of a URI are the inputs of what is called, in every form
// in which a document refers to inputs, and have the types that their places want.
func TestResourceCalls(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ resource, uri, want string }{
		"by name":            {"uri: 'd://{id}', call: api.get", "d://7", "GET https://api.test/users/7"},
		"by a near name":     {"uri: 'd://{I_D}', call: api.get", "d://7", "GET https://api.test/users/7"},
		"by template":        {"uri: 'd://{user}', call: api.get, with: {id: '{{user}}'}", "d://7", "GET https://api.test/users/7"},
		"by braces":          {"uri: 'd://{user}', call: api.get, with: {id: '{user}'}", "d://7", "GET https://api.test/users/7"},
		"by namespace":       {"uri: 'd://{user}', call: api.get, with: {id: m.user}", "d://7", "GET https://api.test/users/7"},
		"by prefix":          {"uri: 'd://{user}', call: api.get, with: {id: tools.user}", "d://7", "GET https://api.test/users/7"},
		"by mustache":        {"uri: 'd://{{user}}', call: api.get, with: {id: '{{user}}'}", "d://7", "GET https://api.test/users/7"},
		"decoded":            {"uri: 'd://{id}/x', call: api.get", "d://a%2Fb%20c/x", "GET https://api.test/users/a%2Fb%20c"},
		"two":                {"uri: 'd://{id}/{full}', call: api.get", "d://7/true", "GET https://api.test/users/7?full=true"},
		"as a number":        {"uri: 'd://{age}', call: api.create", "d://42", "POST https://api.test/users\nContent-Type: application/json\n\n" + `{"age":42}`},
		"without variables":  {"uri: 'd://x', call: api.get, with: {id: 5}", "d://x", "GET https://api.test/users/5"},
		"part of a segment":  {"uri: 'd://u-{id}.json', call: api.get", "d://u-a.b.json", "GET https://api.test/users/a.b"},
		"in steps":           {"uri: 'd://{user}', steps: [{type: call, name: one, call: api.get, with: {id: '{{user}}'}}]", "d://7", "GET https://api.test/users/7"},
		"in steps by braces": {"uri: 'd://{user}', steps: [{type: call, name: one, call: api.get, with: {id: '{user}'}}]", "d://7", "GET https://api.test/users/7"},
		"in the query":       {"uri: 'd://x?id={id}', call: api.get", "d://x?id=7", "GET https://api.test/users/7"},
		"of letters of many": {"uri: 'd://{id}', call: api.get", "d://%C3%BC", "GET https://api.test/users/%C3%BC"},
	} {
		d := loadMCP(t, "resources: [{name: r, "+tt.resource+"}]")
		r := d.resource("r")
		if r.Operation == nil {
			t.Errorf("%s: refused: %v", name, d.list)
			continue
		}
		values, ok := r.Match(tt.uri)
		if !ok {
			t.Errorf("%s: %s does not match %s", name, tt.uri, r.URI)
			continue
		}
		if _, err := d.invoke(r.Operation, r.Source(values)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := d.wire(); got != tt.want {
			t.Errorf("%s: sent\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// TestResourceAnswers: mappings and constants shape what is read.
func TestResourceAnswers(t *testing.T) {
	t.Parallel()
	for resource, want := range map[string]string{
		"call: api.list, outputParameters: [{type: boolean, mapping: $.ok}]":                                                                             "200 true",
		"outputParameters: [{name: a, type: string, value: x}]":                                                                                          `200 {"a":"x"}`,
		"steps: [{type: call, name: one, call: api.list}], mappings: [{target: done, value: $.one.ok}], outputParameters: [{name: done, type: boolean}]": `200 {"done":true}`,
	} {
		d := loadMCP(t, "resources: [{name: r, uri: 'd://x', "+resource+"}]")
		r := d.resource("r")
		if r.Operation == nil {
			t.Errorf("%s: refused: %v", resource, d.list)
			continue
		}
		if got, err := d.invoke(r.Operation, r.Source(nil)); err != nil || got != want {
			t.Errorf("%s gives %s, %v; want %s", resource, got, err, want)
		}
	}
}

func TestResourceURIs(t *testing.T) {
	t.Parallel()
	d := loadMCP(t, `resources: [
    {name: r, uri: 'D://a b/ü/{user-id}/{x.y}%20z', call: api.get, with: {id: '{{user-id}}', full: '{{x.y}}'}},
    {name: fixed, uri: 'd://x', call: api.list}, {name: files, uri: 'd://files/', location: docs}, {name: gone, uri: 'd://gone', location: file:///opt/x}]`)
	r := d.resource("r")
	if want := "D://a%20b/%C3%BC/{user_id}/{x.y}%20z"; r.URI != want {
		t.Errorf("URI %s, want %s", r.URI, want)
	}
	for uri, want := range map[string][]string{
		"D://a%20b/%C3%BC/7/8%20z": {"7", "8"}, "D://a b/ü/7/8 z": {"7", "8"}, "D://a%20b/%C3%BC/a%2fb/%7B%20z": {"a/b", "{"},
	} {
		if got, ok := r.Match(uri); !ok || !slices.Equal(got, want) {
			t.Errorf("%s gives %q, %v; want %q", uri, got, ok, want)
		}
	}
	for _, uri := range []string{
		"", "D://a%20b/%C3%BC//8%20z", "D://a%20b/%C3%BC/7/%20z", "xD://a%20b/%C3%BC/7/8%20z", "D://a%20b/%C3%BC/7/8%20zx", "D://a%20b/%C3%BC/7/8/9%20z",
		"D://a%20b/%C3%BC/7/8?%20z", "D://a%20b/%C3%BC/%ff/8%20z", "D://a%20b/%C3%BC/7/8%20z\n",
	} {
		if got, ok := r.Match(uri); ok {
			t.Errorf("%q matches with %q", uri, got)
		}
	}
	if _, ok := d.resource("fixed").Match("d://x/y"); ok {
		t.Error("a URI matches what begins with it")
	}
	files := d.resource("files")
	if got, ok := files.Match("d://files/a/b%20c.md"); !ok || got[0] != "a/b c.md" || files.FileURI(got[0]) != "d://files/a/b%20c.md" {
		t.Errorf("a file: %q, %v", got, ok)
	}
	gone := d.resource("gone") // a refused folder is found, so that the reason can be given
	if _, ok := gone.Match("d://gone/x.md"); !ok || gone.Refusal == nil || gone.Refusal.Code != diag.CodeResource {
		t.Errorf("a refused folder: %v, %+v", ok, gone.Refusal)
	}
}

// TestRefusedResources: what cannot be read is refused alone, at its place.
func TestRefusedResources(t *testing.T) {
	t.Parallel()
	const ok = "{name: ok, uri: 'd://ok', call: api.list}"
	for text, want := range map[string]string{
		"{name: r, uri: ‸users, call: api.list}":                   `resource "users" has no scheme; data://users`,
		"‸{name: r, call: api.list}":                               "resource has no URI; data://r",
		"{name: r, uri: 'd://‸{{env.TENANT}}', call: api.list}":    "resource variable env.TENANT cannot stand",
		"{name: r, uri: 'd://{a}/‸{a}', call: api.list}":           "resource {a} stands twice",
		"{name: r, uri: ‸'d://x', call: api.get}":                  `resource needs the input "id"; {id}`,
		"{name: r, uri: ‸'d://{x}', call: api.list}":               "unused-path-input {x} of the URI is not passed; with",
		"{name: r, uri: ‸'d://ok', call: api.list}":                "duplicate-resource d://ok",
		"{name: r, uri: 'd://x', call: api.list, location: ‸docs}": "resource both a location and a call",
		"{name: r, uri: 'd://{x}', location: ‸docs}":               "resource cannot have {x}",
		"{name: r, uri: 'd://x', location: ‸'file:///opt/x'}":      "resource not available: file:///opt/x is outside",
		"{name: r, uri: 'd://x', call: api.‸nothing}":              "call-unresolved-operation nothing",
		"‸{name: r, uri: 'd://x'}":                                 "no-call resource r",
		"{name: r, uri: 'd://x', call: api.list, with: ‸5}":        "with-not-a-mapping resource r",
		"{name: a, uri: 'd://y/{a}', call: api.get, with: {id: '{a}'}}, {name: b, uri: ‸'d://y/{b}', call: api.get, with: {id: '{b}'}}": "duplicate-resource d://y/{b}",
	} {
		more := "resources: [" + ok + ", " + text + "]"
		d := loadMCP(t, more)
		code, words, _ := strings.Cut(want, " ")
		d.found(withMCP(more), diag.Error, diag.Code(code), strings.Split(words, "; ")...)
		if r := d.resource("ok"); r.Operation == nil {
			t.Errorf("%s: the other resource is refused too", text)
		}
	}
}

func TestBinaryOfAnOperation(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]plan.Binary{
		"tools: [{name: t, call: api.picture}]":                                                                        {Declared: true, MediaType: "image/png", Max: 2 << 10},
		"maxBinarySize: 1MiB, tools: [{name: t, call: api.picture}]":                                                   {Declared: true, MediaType: "image/png", Max: 2 << 10},
		"maxBinarySize: 1.5 MiB, tools: [{name: t, call: api.list}]":                                                   {Max: 3 << 19},
		"maxBinarySize: 100, tools: [{name: t, call: api.list}]":                                                       {Max: 100},
		"maxBinarySize: 7.9B, tools: [{name: t, call: api.list}]":                                                      {Max: 7},
		"maxBinarySize: 2KB, tools: [{name: t, call: api.list}]":                                                       {Max: 2000},
		"tools: [{name: t, call: api.list}]":                                                                           {Max: plan.DefaultMaxBinary},
		"tools: [{name: t, call: api.list, outputParameters: [{type: boolean, mapping: $.ok}]}]":                       {Max: plan.DefaultMaxBinary},
		"tools: [{name: t, steps: [{name: a, type: call, call: api.list}, {name: b, type: call, call: api.picture}]}]": {Declared: true, MediaType: "image/png", Max: 2 << 10},
	} {
		d := loadMCP(t, more)
		d.quiet()
		if tool := d.unit.Exposures[0].Tools[0]; tool.Operation == nil || tool.Operation.Binary() != want {
			t.Errorf("%s: %+v %v, want %+v", more, tool.Operation.Binary(), d.list, want)
		}
	}
	for _, size := range []string{"much", "''", "-1", "1e3", "10XB", "1.2.3", "0", "MiB", "NaN", "99999999999999GiB", "0x10"} {
		more := "maxBinarySize: ‸" + size + ", tools: [{name: t, call: api.list}]"
		d := loadMCP(t, more)
		d.found(withMCP(more), diag.Warning, diag.CodeWrongType, "is no size", "10MiB")
		if got := d.unit.Exposures[0].Tools[0].Operation.Binary().Max; got != plan.DefaultMaxBinary {
			t.Errorf("%s: %d, want the default", size, got)
		}
	}
}

// TestFolderIsBounded: of a folder with very many files the first are listed, and the caller
// is told that there are more.
func TestFolderIsBounded(t *testing.T) {
	t.Parallel()
	many := fstest.MapFS{}
	for i := range plan.MaxFolderEntries + 5 {
		many[fmt.Sprintf("d%d/%d.md", i%7, i)] = &fstest.MapFile{Data: []byte("x")}
	}
	unit, list := compileSkills(t, withMCP("resources: [{name: r, uri: 'd://x', location: docs}]"), folderFiles{many})
	if unit == nil {
		t.Fatal(list)
	}
	names, more, err := unit.Exposures[0].Resources[0].Folder.Files(context.Background())
	if err != nil || !more || len(names) == 0 || len(names) > plan.MaxFolderEntries || !slices.IsSorted(names) {
		t.Errorf("%d names, more %v, %v", len(names), more, err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := unit.Exposures[0].Resources[0].Folder.Files(gone); err == nil || plan.AsError(err).Code != plan.CodeCanceled {
		t.Errorf("listed for nobody: %v", err)
	}
}

type folderFiles struct{ files fs.FS }

func (f folderFiles) Read(string, string) ([]byte, error) { return nil, fs.ErrNotExist }
func (f folderFiles) Folder(_, location string) (fs.FS, error) {
	if location != "docs" {
		return nil, fs.ErrNotExist
	}
	return f.files, nil
}

func (f folderFiles) Place(string, string) (plan.FilePlace, error) {
	return plan.FilePlace{}, fs.ErrNotExist
}
