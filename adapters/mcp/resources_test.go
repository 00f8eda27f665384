package mcp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"capd/adapters/mcp"
	"capd/engine/plan"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// library is a document with resources of every kind and no tools.
const library = `naftiko: 1.0.0-alpha2
info:
  label: Library
capability:
  consumes:
  - type: http
    namespace: api
    baseUri: https://api.example.test
    resources:
    - path: /users
      operations:
      - { name: users, method: GET, description: All users. }
    - path: /users/{id}
      operations:
      - name: user
        method: GET
        inputParameters:
        - { name: id, in: path, type: string, required: true }
    - path: /pictures/{{id}}
      operations:
      - { name: picture, method: GET, outputRawFormat: binary, outputMediaType: image/png, maxBinarySize: 16B }
  exposes:
  - type: mcp
    namespace: books
    port: 9090
    resources:
    - { name: users, label: Users, uri: 'data://users', call: api.users }
    - { name: user, label: User, description: One user., uri: 'data://users/{userId}/profile', mimeType: application/json, call: api.user, with: { id: '{{userId}}' } }
    - { name: by-namespace, uri: 'data://n/{user-id}', call: api.user, with: { id: books.user-id } }
    - { name: by-prefix, uri: 'data://p/{x}.json', call: api.user, with: { id: tools.x } }
    - { name: by-braces, uri: 'data://b/{x}', call: api.user, with: { id: '{x}' } }
    - { name: by-name, uri: 'data://name/{id}', call: api.user }
    - { name: mapped, uri: 'data://mapped', call: api.users, outputParameters: [{ type: string, mapping: $.first.name }] }
    - { name: picture, uri: 'pic://{id}', call: api.picture }
    - { name: declared, uri: 'data://declared', mimeType: text/csv, call: api.users }
    - { name: bytes, uri: 'data://bytes', binary: true, call: api.users }
    - { name: odd, uri: 'data://odd place/é', call: api.users }
    - { name: broken, uri: 'data://broken', call: api.nothing }
    - { name: guides, label: Guides, description: How to., uri: 'guide://all', location: guides }
    - { name: one, uri: 'guide://one', location: one.md }
    - { name: gone, uri: 'guide://gone', location: gone }
`

// disk gives documents what is below a folder, as the shell does.
type disk string

func (d disk) Read(_, location string) ([]byte, error) {
	r, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return r.ReadFile(location)
}

func (d disk) Folder(_, location string) (fs.FS, error) {
	if !filepath.IsLocal(location) {
		return nil, fmt.Errorf("%s leads out of the folders that this document may use", location)
	}
	return rooted(filepath.Join(string(d), location)), nil
}

func (d disk) Place(_, location string) (plan.FilePlace, error) {
	return plan.FilePlace{Name: location, Path: filepath.Join(string(d), location), Root: string(d)}, nil
}

// rooted opens the folder each time, and nothing outside of it.
type rooted string

func (f rooted) Open(name string) (fs.File, error) {
	r, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return r.Open(name)
}

// shelf makes the files that the document of library refers to.
func shelf(t testing.TB) disk {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one.md": "# One", "secret.txt": "secret", "guides/a.md": "# A", "guides/B file.txt": "b", "guides/sub/ü.json": `{"a":1}`,
		"guides/sub/pic.png": png, "guides/.hidden": "h", "guides/.git/config": "g", "guides/plain": "text", "guides/raw": "\xff\x00\xfe", "guides/empty.txt": "",
	} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"out.txt": "../secret.txt", "in.md": "a.md", "up": "..", "etc": "/etc"} {
		if err := os.Symlink(to, filepath.Join(dir, "guides", name)); err != nil {
			t.Fatal(err)
		}
	}
	return disk(dir)
}

const png = "\x89PNG\r\n\x1a\n\x00"

// read reads a resource and wants one content.
func read(t *testing.T, s *sdk.ClientSession, uri string) *sdk.ResourceContents {
	t.Helper()
	res, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: uri})
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	if len(res.Contents) != 1 || res.Contents[0].URI != uri {
		t.Fatalf("%s: contents %s, want one of that URI", uri, marshal(t, res.Contents))
	}
	return res.Contents[0]
}

func TestResourcesInEveryEra(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{})
	for _, era := range eras {
		t.Run(era, func(t *testing.T) {
			s := h.connect("/mcp/library", era, nil)
			if c := s.InitializeResult().Capabilities; c.Resources == nil || c.Prompts != nil {
				t.Errorf("capabilities %s, want resources and no prompts", marshal(t, c))
			}
			checkResourceLists(t, s)
			for uri, want := range map[string]string{
				"data://users": "/users", "data://users/7/profile": "/users/7", "data://n/8": "/users/8", "data://p/9.json": "/users/9",
				"data://b/5": "/users/5", "data://name/10": "/users/10", "data://users/a%2Fb/profile": "/users/a%2Fb", "data://users/%C3%BC/profile": "/users/%C3%BC",
				"data://odd%20place/%C3%A9": "/users",
			} {
				got := read(t, s, uri)
				if !strings.Contains(got.Text, `"https://api.example.test`+want+`"`) || got.MIMEType != "application/json" {
					t.Errorf("%s: %s %s, want a call of %s", uri, got.MIMEType, got.Text, want)
				}
			}
			if got := read(t, s, "guide://all/sub/pic.png"); string(got.Blob) != png || got.MIMEType != "image/png" {
				t.Errorf("picture: %s", marshal(t, got))
			}
			wantNotFound(t, s, era, "data://nowhere")
			wantNotFound(t, s, era, "data://users/a/b/profile") // a variable is one segment
			wantNotFound(t, s, era, "capd://dispatch/read")
		})
	}
}

func checkResourceLists(t *testing.T, s *sdk.ClientSession) {
	t.Helper()
	list, err := s.ListResources(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range list.Resources {
		got = append(got, strings.Join([]string{r.URI, r.Name, r.Title, r.Description, r.MIMEType}, "|"))
	}
	want := []string{
		"data://users|users|Users|All users.|", "data://mapped|mapped||All users.|", "data://declared|declared||All users.|text/csv",
		"data://bytes|bytes||All users.|", "data://odd%20place/%C3%A9|odd||All users.|",
		"guide://all/B%20file.txt|guides/B file.txt|Guides: B file.txt|How to.|text/plain", "guide://all/a.md|guides/a.md|Guides: a.md|How to.|text/markdown",
		"guide://all/empty.txt|guides/empty.txt|Guides: empty.txt|How to.|text/plain",
		"guide://all/in.md|guides/in.md|Guides: in.md|How to.|text/markdown", "guide://all/plain|guides/plain|Guides: plain|How to.|",
		"guide://all/raw|guides/raw|Guides: raw|How to.|",
		"guide://all/sub/pic.png|guides/sub/pic.png|Guides: sub/pic.png|How to.|image/png", "guide://all/sub/%C3%BC.json|guides/sub/ü.json|Guides: sub/ü.json|How to.|application/json",
		"guide://one|one|||text/markdown",
	}
	if !slices.Equal(got, want) {
		t.Errorf("resources\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	templates, err := s.ListResourceTemplates(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, r := range templates.ResourceTemplates {
		got = append(got, strings.Join([]string{r.URITemplate, r.Name, r.Title, r.Description, r.MIMEType}, "|"))
	}
	want = []string{
		"data://users/{userId}/profile|user|User|One user.|application/json", "data://n/{user_id}|by-namespace|||", "data://p/{x}.json|by-prefix|||",
		"data://b/{x}|by-braces|||", "data://name/{id}|by-name|||", "pic://{id}|picture|||",
	}
	if !slices.Equal(got, want) {
		t.Errorf("templates\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantNotFound(t *testing.T, s *sdk.ClientSession, era, uri string) {
	t.Helper()
	want := int64(-32002)
	if era >= "2026-07-28" {
		want = jsonrpc.CodeInvalidParams
	}
	_, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: uri})
	var wire *jsonrpc.Error
	if !errors.As(err, &wire) || wire.Code != want {
		t.Errorf("%s: %v, want JSON-RPC error %d", uri, err, want)
		return
	}
	var data struct{ URI string }
	if err := json.Unmarshal(wire.Data, &data); err != nil || data.URI != uri {
		t.Errorf("%s: data %s, want the URI", uri, wire.Data)
	}
}

// TestResourceContents: what is text is text, and what is not is a blob, whatever it comes
// from; what is declared wins.
func TestResourceContents(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{})
	s := h.connect("/mcp/library", "2026-07-28", nil)
	tests := map[string]struct {
		uri, mediaType, body string
		media, text, blob    string
	}{
		"JSON":                   {"data://users", "application/json; charset=utf-8", `[1]`, "application/json; charset=utf-8", `[1]`, ""},
		"JSON without a type":    {"data://users", "", `[1]`, "application/json", `[1]`, ""},
		"text without a type":    {"data://users", "", `hello`, "text/plain", `hello`, ""},
		"bytes without a type":   {"data://users", "", "\xff\xfe\x00", "application/octet-stream", "", "\xff\xfe\x00"},
		"a picture without one":  {"data://users", "", png, "image/png", "", png},
		"a declared type":        {"data://declared", "text/plain", "a,b", "text/csv", "a,b", ""},
		"declared to be bytes":   {"data://bytes", "text/plain", "a,b", "text/plain", "", "a,b"},
		"a declared binary":      {"pic://7", "application/octet-stream", "hello", "image/png", "", "hello"},
		"mapped":                 {"data://mapped", "application/json", `{"first":{"name":"x"}}`, "application/json", `"x"`, ""},
		"empty":                  {"data://users", "text/plain", "", "text/plain", "", ""},
		"a vector picture":       {"data://users", "image/svg+xml", "<svg/>", "image/svg+xml", "<svg/>", ""},
		"a file of text":         {"guide://all/a.md", "", "", "text/markdown", "# A", ""},
		"a file with a space":    {"guide://all/B%20file.txt", "", "", "text/plain", "b", ""},
		"one not written so":     {"guide://all/B file.txt", "", "", "text/plain", "b", ""},
		"a link inside":          {"guide://all/in.md", "", "", "text/markdown", "# A", ""},
		"text without extension": {"guide://all/plain", "", "", "text/plain", "text", ""},
		"bytes so":               {"guide://all/raw", "", "", "application/octet-stream", "", "\xff\x00\xfe"},
		"an empty file":          {"guide://all/empty.txt", "", "", "text/plain", "", ""},
		"a hidden folder's name": {"guide://one", "", "", "text/markdown", "# One", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h.upstream.answer(200, tt.mediaType, tt.body)
			got := read(t, s, tt.uri)
			if got.MIMEType != tt.media || got.Text != tt.text || string(got.Blob) != tt.blob {
				t.Errorf("%s %q %q, want %s %q %q", got.MIMEType, got.Text, got.Blob, tt.media, tt.text, tt.blob)
			}
		})
	}
}

// TestEmptyResourceOnTheWire: clients want a text or a blob, and the SDK leaves out an empty
// text.
func TestEmptyResourceOnTheWire(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{})
	header, body := modern("resources/read", "guide://all/empty.txt", `{"uri":"guide://all/empty.txt"}`)
	a := h.post("/mcp/library", header, body)
	for _, want := range []string{`"blob":""`, `"resultType":"complete"`, `"ttlMs":0`, `"cacheScope":"private"`} {
		if !strings.Contains(a.body, want) {
			t.Errorf("no %s in %d %s", want, a.status, a.body)
		}
	}
}

// TestFolderIsNotLeft: whatever the URI says, what is outside of the folder, or hidden in
// it, is not there.
func TestFolderIsNotLeft(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{})
	sessions := map[string]*sdk.ClientSession{}
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		sessions[era] = h.connect("/mcp/library", era, nil)
	}
	for _, path := range []string{
		"", "/", "/sub", "/sub/", "/../secret.txt", "/%2e%2e/secret.txt", "/sub/../../secret.txt", "/sub/%2E%2E/%2e%2e/secret.txt", "/..%2fsecret.txt",
		"/%2e%2e%2fsecret.txt", "/./a.md", "//a.md", "/%2fetc/passwd", "//etc/passwd", "/out.txt", "/up/secret.txt", "/up/one.md", "/etc/passwd", "/etc",
		"/.hidden", "/%2ehidden", "/.git/config", "/a.md/", "/a.md%00", "/a.md/x", `/..\secret.txt`, "/%5c..%5csecret.txt", "/%ff", "/%zz", "/a.md?x", "/A.md%20", "/nowhere.md",
	} {
		for era, s := range sessions {
			wantNotFound(t, s, era, "guide://all"+path)
		}
	}
}

// TestFailedReads: a failure is the error of the read and never its content, and says as
// much as the caller may know.
func TestFailedReads(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{MaxResult: 64})
	s := h.connect("/mcp/library", "2026-07-28", nil)
	answers := func(status int, mediaType, body string) plan.UpstreamFunc {
		return func(context.Context, *plan.Request) (*plan.Response, error) {
			return response(status, mediaType, body), nil
		}
	}
	tests := map[string]struct {
		uri     string
		do      plan.UpstreamFunc
		code    int64
		message string
	}{
		"refused":          {"data://broken", echo, -32603, "This resource is declared but cannot be served: call-unresolved-operation"},
		"upstream error":   {"data://users", answers(500, "text/plain", "out of order"), -32603, "The upstream API gave no usable answer: it answered 500 Internal Server Error: out of order"},
		"no such user":     {"data://users/7/profile", answers(404, "text/plain", "none"), -32602, "resource not found"},
		"redirect":         {"data://users", answers(302, "text/html", "<a>"), -32603, "it answered 302 Found"},
		"an error page":    {"data://mapped", answers(503, "image/png", png), -32603, "it answered 503 Service Unavailable"},
		"unmappable":       {"data://mapped", answers(200, "application/json", "<"), -32603, "does not have the declared shape"},
		"too large":        {"data://users", answers(200, "text/plain", strings.Repeat("x", 65)), -32603, "over the limit of 64 bytes"},
		"too large a blob": {"pic://7", answers(200, "image/png", strings.Repeat("x", 17)), -32603, "over the limit of 16 bytes"},
		"no answer": {"data://users", func(context.Context, *plan.Request) (*plan.Response, error) {
			return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "no connection", Cause: errors.New("secret")}
		}, -32603, "no connection"},
		"own fault": {"data://users", func(context.Context, *plan.Request) (*plan.Response, error) { return nil, errors.New("secret") }, -32603, "internal error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h.upstream.set(tt.do)
			_, err := s.ReadResource(context.Background(), &sdk.ReadResourceParams{URI: tt.uri})
			var wire *jsonrpc.Error
			if !errors.As(err, &wire) || wire.Code != tt.code || !strings.Contains(wire.Message, tt.message) || strings.Contains(wire.Message, "secret") {
				t.Errorf("%v, want JSON-RPC error %d with %q", err, tt.code, tt.message)
			}
		})
	}
	if got := h.log.count("MCP read failed", "resource", "users"); got != 5 {
		t.Errorf("%d failed reads of users in the log, want 5:\n%s", got, h.log.text("MCP read failed"))
	}
}

// TestLargeFolder: cursors advance, end, and survive files that come and go.
func TestLargeFolder(t *testing.T) {
	t.Parallel()
	files := shelf(t)
	for i := range 2500 {
		if err := os.WriteFile(filepath.Join(string(files), "guides", fmt.Sprintf("f%04d.txt", i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := openWith(t, map[string]string{"library": library}, files, mcp.Options{})
	s := h.connect("/mcp/library", "2026-07-28", nil)
	seen, pages, cursor := map[string]bool{}, []int{}, ""
	for {
		res, err := s.ListResources(context.Background(), &sdk.ListResourcesParams{Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, len(res.Resources))
		for _, r := range res.Resources {
			if seen[r.URI] {
				t.Fatalf("%s is listed twice", r.URI)
			}
			seen[r.URI] = true
		}
		if len(pages) == 1 { // the last file of the page goes, and one before it comes
			last := res.Resources[len(res.Resources)-1].URI
			if err := os.Remove(filepath.Join(string(files), "guides", strings.TrimPrefix(last, "guide://all/"))); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(string(files), "guides", "a0.md"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if cursor = res.NextCursor; cursor == "" {
			break
		}
	}
	if want := []int{1000, 1000, 514}; !slices.Equal(pages, want) {
		t.Errorf("pages of %v, want %v", pages, want)
	}
	for _, bad := range []string{"%", "eA", base64.RawURLEncoding.EncodeToString([]byte("guide://nowhere\x00a"))} {
		_, err := s.ListResources(context.Background(), &sdk.ListResourcesParams{Cursor: bad})
		var wire *jsonrpc.Error
		if !errors.As(err, &wire) || wire.Code != jsonrpc.CodeInvalidParams {
			t.Errorf("cursor %q: %v, want JSON-RPC error -32602", bad, err)
		}
	}
	if n := h.log.count("MCP resource has no files", "resource", "gone"); n == 0 {
		t.Error("nothing in the log of the folder that is not there")
	}
}

// TestResourceHeader: the name in the header is the URI, and is compared decoded.
func TestResourceHeader(t *testing.T) {
	t.Parallel()
	h := openWith(t, map[string]string{"library": library}, shelf(t), mcp.Options{})
	header, body := modern("resources/read", "", `{"uri":"guide://all/sub/ü.json"}`)
	header["Mcp-Name"] = "=?base64?" + base64.StdEncoding.EncodeToString([]byte("guide://all/sub/ü.json")) + "?="
	if a := h.post("/mcp/library", header, body); a.status != http.StatusOK || !strings.Contains(a.body, `{\"a\":1}`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	header["Mcp-Name"] = "guide://other"
	if a := h.post("/mcp/library", header, body); a.status != http.StatusBadRequest {
		t.Errorf("another name: %d %s, want 400", a.status, a.body)
	}
}

// TestCacheHints: what the adapter declares stands on lists, reads and discovery.
func TestCacheHints(t *testing.T) {
	t.Parallel()
	text := strings.Replace(library, "    port: 9090\n", "    port: 9090\n    ttlMs: 5000\n    cacheScope: public\n", 1)
	h := openWith(t, map[string]string{"library": text}, shelf(t), mcp.Options{})
	for method, params := range map[string]string{
		"server/discover": "{}", "tools/list": "{}", "resources/list": "{}", "resources/templates/list": "{}", "resources/read": `{"uri":"data://users"}`,
	} {
		name := ""
		if method == "resources/read" {
			name = "data://users"
		}
		header, body := modern(method, name, params)
		if a := h.post("/mcp/library", header, body); !strings.Contains(a.body, `"ttlMs":5000`) || !strings.Contains(a.body, `"cacheScope":"public"`) {
			t.Errorf("%s: %s", method, a.body)
		}
	}
}

func write(t testing.TB, d disk, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(d), name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
