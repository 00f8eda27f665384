package skill_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"capd/adapters/auth"
	"capd/adapters/skill"
	"capd/engine/plan"
	"capd/engine/spec"
)

// folders gives the folders of documents, by location.
type folders map[string]fs.FS

func (f folders) Folder(_, location string) (fs.FS, error) {
	if fsys := f[location]; fsys != nil {
		return fsys, nil
	}
	return nil, fs.ErrPermission
}
func (f folders) Read(string, string) ([]byte, error) { return nil, fs.ErrNotExist }
func (f folders) Place(string, string) (plan.FilePlace, error) {
	return plan.FilePlace{}, fs.ErrNotExist
}

// bind takes documents, by ID, through every phase.
func bind(t testing.TB, docs map[string]string, files plan.Files, prev *plan.Plan, same map[string]*plan.Unit) (*plan.Bound, map[string]*plan.Unit) {
	t.Helper()
	units := map[string]*plan.Unit{}
	var list []*plan.Unit
	for id, text := range docs {
		u := same[id]
		if u == nil {
			doc, found := spec.Parse(id+".yaml", []byte(text), spec.Limits{})
			if doc == nil {
				t.Fatal(found)
			}
			doc.ID = id
			if u, found = plan.Compile(doc, files); u == nil {
				t.Fatal(found)
			}
		}
		units[id], list = u, append(list, u)
	}
	p, _ := plan.Link(prev, list, plan.LinkOptions{})
	b, found := plan.Bind(p, plan.BindOptions{
		Look: func(string, *plan.Variable) (plan.Secret, error) { return plan.NewSecret("t0ken"), nil },
		Gate: auth.New(auth.Options{}).Gate,
	})
	if b == nil {
		t.Fatal(found)
	}
	return b, units
}

const addr = "127.0.0.1:9097"

func swap(t testing.TB, a *skill.Adapter, prev, next *plan.Bound) http.Handler {
	t.Helper()
	swap, err := a.Prepare(context.Background(), prev, next)
	if err != nil {
		t.Fatal(err)
	}
	handler, _ := swap()
	return handler(addr)
}

// serve serves documents over HTTP.
func serve(t testing.TB, docs map[string]string, files plan.Files, o skill.Options) string {
	t.Helper()
	b, _ := bind(t, docs, files, nil, nil)
	s := httptest.NewServer(swap(t, skill.New(o), nil, b))
	t.Cleanup(s.Close)
	return s.URL
}

type reply struct {
	*http.Response
	body string
}

// ask asks for a target exactly as it is written: no client tidies it up.
func ask(t testing.TB, url, method, target string, header ...string) reply {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, target, strings.Join(append(header, ""), "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return reply{res, strings.TrimSuffix(string(body), "\n")}
}

const consumes = `
  consumes:
  - {type: http, namespace: api, baseUri: https://api.test, resources: [{path: /x, operations: [{name: get}]}]}
`

// orders is the document of most tests.
const orders = `ikanos: 1.0.0-beta5
capability:
  exposes:
  - {type: rest, port: 9098, namespace: orders-rest, resources: {o: {path: /orders, operations: {list-orders: {method: GET, call: api.get}}}}}
  - {type: mcp, port: 9099, namespace: orders-tools, tools: {get-order: {description: One order, call: api.get}}}
  - type: skill
    port: 9097
    namespace: orders-skills
    description: Order management
    skills:
      order-management:
        description: Tools for <orders>
        license: MIT
        compatibility: any
        location: skills/orders
        allowed-tools: list-orders get-order
        argument-hint: Use for order operations
        user-invocable: false
        metadata: {author: Ann, version: 1.10}
        tools:
          list-orders: {description: List all orders, from: {sourceNamespace: orders-rest, action: list-orders}}
          get-order: {from: {sourceNamespace: orders-tools, action: get-order}}
          gone: {description: Refused, from: {sourceNamespace: orders-tools, action: none}}
          order-guide: {description: Guide, instruction: order-guide.md}
      onboarding-guide: {description: A purely descriptive skill}
` + consumes

const (
	orderDetails = `{"name":"order-management","description":"Tools for <orders>","license":"MIT","compatibility":"any",` +
		`"argument-hint":"Use for order operations","allowed-tools":"list-orders get-order","user-invocable":false,` +
		`"metadata":{"author":"Ann","version":"1.10"},"tools":[` +
		`{"name":"list-orders","description":"List all orders","type":"derived","invocationRef":{"targetNamespace":"orders-rest","action":"list-orders","mode":"rest"}},` +
		`{"name":"get-order","description":"One order","type":"derived","invocationRef":{"targetNamespace":"orders-tools","action":"get-order","mode":"mcp"}},` +
		`{"name":"order-guide","description":"Guide","type":"instruction","instruction":"order-guide.md"}]}`
	orderCatalogue = `{"count":2,"skills":[` +
		`{"name":"order-management","description":"Tools for <orders>","license":"MIT","tools":["list-orders","get-order","order-guide"]},` +
		`{"name":"onboarding-guide","description":"A purely descriptive skill","tools":[]}]}`
)

func TestCatalogue(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string]string{"shop/orders": orders}, nil, skill.Options{})
	for target, want := range map[string]string{
		"/skills":                                orderCatalogue,
		"/skills/":                               orderCatalogue,
		"/skills/shop/orders":                    orderCatalogue,
		"/skills/shop/orders/":                   orderCatalogue,
		"/%73kills/order-management":             orderDetails,
		"/skills/order-management?x=%":           orderDetails,
		"/skills/order-management/":              orderDetails,
		"/skills/shop/orders/order%2Dmanagement": orderDetails,
		"/skills/onboarding-guide":               `{"name":"onboarding-guide","description":"A purely descriptive skill","tools":[]}`,
	} {
		got := ask(t, url, "GET", target)
		if got.StatusCode != 200 || got.body != want || got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v\ngot  %s\nwant %s", target, got.StatusCode, got.Header, got.body, want)
		}
		head := ask(t, url, "HEAD", target)
		if head.StatusCode != 200 || head.body != "" || head.Header.Get("Content-Length") != got.Header.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v %q", target, head.StatusCode, head.Header, head.body)
		}
	}
}

func TestMethodsAndProblems(t *testing.T) {
	t.Parallel()
	files := folders{"skills/orders": fstest.MapFS{"order-guide.md": {Data: []byte("guide")}, "sub/a.md": {}}}
	url := serve(t, map[string]string{"orders": orders}, files, skill.Options{})
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"POST", "/skills", 405, "method-not-allowed"},
		{"DELETE", "/skills/order-management", 405, "method-not-allowed"},
		{"PUT", "/skills/order-management/contents/order-guide.md", 405, "method-not-allowed"},
		{"PATCH", "/skills/order-management/download", 405, "method-not-allowed"},
		{"OPTIONS", "/skills/order-management", 204, ""},
		{"OPTIONS", "/skills", 204, ""},
		{"GET", "/skills/nothing", 404, "not-found"},
		{"GET", "/skills/orders/nothing", 404, "not-found"},
		{"GET", "/skills/order-management/nothing", 404, "not-found"},
		{"GET", "/skills/order-management/download/x", 404, "not-found"},
		{"GET", "/skills/order-management/contents/none.md", 404, "not-found"},
		{"GET", "/skills/order-management/contents/sub", 404, "not-found"},
		{"GET", "/skills/order-management/contents/sub/", 404, "not-found"},
		{"GET", "/skills/order-management/contents/order-guide.md/", 404, "not-found"},
		{"GET", "/skills/order-management/contents/order-guide.md/x", 404, "not-found"},
		{"GET", "/skills/onboarding-guide/contents", 404, "not-found"},
		{"GET", "/skills/onboarding-guide/contents/x", 404, "not-found"},
		{"GET", "/skills/onboarding-guide/download", 404, "not-found"},
		{"HEAD", "/skills/onboarding-guide/download", 404, ""},
		{"GET", "/elsewhere", 404, "not-found"},
		{"GET", "/skills/order%20management", 400, "invalid-input"},
	} {
		got := ask(t, url, c.method, c.target)
		var p struct{ Type, Title, Detail, Code, RequestID string }
		if c.code != "" {
			if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.Header.Get("Content-Type") != "application/problem+json" ||
				p.Type != "about:blank" || p.Title != http.StatusText(c.status) || p.Detail == "" || p.RequestID == "" {
				t.Errorf("%s %s: no problem document: %v %s", c.method, c.target, got.Header, got.body)
			}
		}
		allow := ""
		if c.status == 405 || c.status == 204 {
			allow = "GET, HEAD, OPTIONS"
		}
		if got.StatusCode != c.status || p.Code != c.code || got.Header.Get("Allow") != allow {
			t.Errorf("%s %s: %d %s, Allow %q; want %d %s", c.method, c.target, got.StatusCode, got.body, got.Header.Get("Allow"), c.status, c.code)
		}
	}
}

// disk makes a folder of files, and beside it a secret that no path may reach. A value that
// begins with "->" is a link.
func disk(t testing.TB, files map[string]string) (fs.FS, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret.txt"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "skill")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		at := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "->"); ok {
			err = os.Symlink(strings.ReplaceAll(to, "DIR", dir), at)
		} else {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if to, ok := strings.CutPrefix(content, "->"); !ok || to == "" {
			day := time.Date(2026, 3, 4, 5, 6, 8, 0, time.UTC)
			if err := os.Chtimes(at, day, day); err != nil {
				t.Fatal(err)
			}
		}
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root.FS(), folder
}

// tree has what belongs to a skill, and what must not be seen of it.
func tree() map[string]string {
	return map[string]string{
		"SKILL.md":           "# Orders\n",
		"order-guide.md":     "0123456789",
		"references/a.json":  "{}",
		"references.txt":     "sorted before what is in the folder",
		"scripts/run.sh":     "#!/bin/sh\n",
		"page.html":          "<script>alert(1)</script>",
		"data.unheard-of":    "?",
		"inside.md":          "->references/a.json",
		"linked":             "->references",
		"loop":               "->.",
		"references/up":      "->..",
		"out.txt":            "->../secret.txt",
		"far.txt":            "->DIR/secret.txt",
		"outside":            "->..",
		"dangling":           "->nothing",
		".env":               "KEY=secret",
		".git/config":        "secret",
		"references/.hidden": "secret",
		`back\slash.md`:      "x",
		"with space.md":      "x",
	}
}

func TestContents(t *testing.T) {
	t.Parallel()
	fsys, folder := disk(t, tree())
	if err := os.Chmod(filepath.Join(folder, "scripts/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	url := serve(t, map[string]string{"orders": orders}, folders{"skills/orders": fsys}, skill.Options{})
	const want = `{"name":"order-management","files":[` +
		`{"path":"SKILL.md","size":9,"type":"text/markdown"},` +
		`{"path":"data.unheard-of","size":1,"type":"application/octet-stream"},` +
		`{"path":"inside.md","size":2,"type":"text/markdown"},` +
		`{"path":"linked/a.json","size":2,"type":"application/json"},` +
		`{"path":"order-guide.md","size":10,"type":"text/markdown"},` +
		`{"path":"page.html","size":25,"type":"text/html"},` +
		`{"path":"references.txt","size":35,"type":"text/plain"},` +
		`{"path":"references/a.json","size":2,"type":"application/json"},` +
		`{"path":"scripts/run.sh","size":10,"type":"application/x-sh"},` +
		`{"path":"with space.md","size":1,"type":"text/markdown"}]}`
	for _, at := range []string{"/skills/order-management", "/skills/orders/order-management"} {
		for _, slash := range []string{"", "/"} {
			if got := ask(t, url, "GET", at+"/contents"+slash); got.StatusCode != 200 || got.body != want {
				t.Errorf("%s: %d\ngot  %s\nwant %s", at, got.StatusCode, got.body, want)
			}
		}
	}
	got := ask(t, url, "GET", "/skills/order-management/download")
	if got.StatusCode != 200 || got.Header.Get("Content-Type") != "application/zip" || got.Header.Get("Content-Disposition") != `attachment; filename="order-management.zip"` {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if again := ask(t, url, "GET", "/skills/order-management/download"); again.body != got.body {
		t.Error("the same files give another archive")
	}
	checkArchive(t, got.body+"", want)
	if head := ask(t, url, "HEAD", "/skills/order-management/download"); head.StatusCode != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.StatusCode, head.body)
	}
}

// checkArchive wants the files of a listing in the archive, in their order.
func checkArchive(t *testing.T, archive, listing string) {
	t.Helper()
	var want struct {
		Files []struct {
			Path string
			Size int
		}
	}
	if err := json.Unmarshal([]byte(listing), &want); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != len(want.Files) {
		t.Fatalf("%d files, want %d", len(z.File), len(want.Files))
	}
	for i, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil || f.Name != want.Files[i].Path || len(content) != want.Files[i].Size || !fs.ValidPath(f.Name) {
			t.Errorf("%s: %d bytes (%v), want %+v", f.Name, len(content), err, want.Files[i])
		}
		if bytes.Contains(content, []byte("secret")) {
			t.Errorf("%s is not of the skill", f.Name)
		}
		if mode := f.Mode(); mode != map[bool]fs.FileMode{true: 0o755, false: 0o644}[f.Name == "scripts/run.sh"] {
			t.Errorf("%s has mode %s", f.Name, mode)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	fsys, _ := disk(t, tree())
	url := serve(t, map[string]string{"orders": orders}, folders{"skills/orders": fsys}, skill.Options{})
	const guide = "/skills/order-management/contents/order-guide.md"
	whole := ask(t, url, "GET", guide)
	h := whole.Header
	if whole.StatusCode != 200 || whole.body != "0123456789" || h.Get("Content-Type") != "text/markdown" || h.Get("X-Content-Type-Options") != "nosniff" ||
		h.Get("Accept-Ranges") != "bytes" || h.Get("Last-Modified") != "Wed, 04 Mar 2026 05:06:08 GMT" || h.Get("ETag") == "" {
		t.Errorf("%d %v %s", whole.StatusCode, h, whole.body)
	}
	for _, c := range []struct {
		method, header string
		status         int
		body           string
	}{
		{"HEAD", "", 200, ""},
		{"GET", "Range: bytes=2-4", 206, "234"},
		{"GET", "Range: bytes=-2", 206, "89"},
		{"GET", "Range: bytes=20-", 416, ""},
		{"GET", "If-None-Match: " + h.Get("ETag"), 304, ""},
		{"GET", `If-None-Match: "other"`, 200, "0123456789"},
		{"GET", "If-Modified-Since: Wed, 04 Mar 2026 05:06:08 GMT", 304, ""},
		{"GET", `If-Match: "other"`, 412, ""},
	} {
		got := ask(t, url, c.method, guide, c.header)
		if got.StatusCode != c.status || c.status < 400 && got.body != c.body {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.header, got.StatusCode, got.body, c.status, c.body)
		}
	}
	for path, want := range map[string]string{
		"inside.md": "{}", "linked/a.json": "{}", "loop/references/a.json": "{}", "scripts/run.sh": "#!/bin/sh\n", "order%2Dguide.md": "0123456789",
	} {
		if got := ask(t, url, "GET", "/skills/orders/order-management/contents/"+path); got.StatusCode != 200 || got.body != strings.TrimSuffix(want, "\n") {
			t.Errorf("%s: %d %q", path, got.StatusCode, got.body)
		}
	}
	page := ask(t, url, "GET", "/skills/order-management/contents/page.html")
	if page.Header.Get("Content-Type") != "text/html" || !strings.HasPrefix(page.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("a page may run its scripts at the address of capd: %v", page.Header)
	}
}

// Nothing outside of a skill's folder is reached, and nothing hidden in it, however it is
// written.
func TestPathSafety(t *testing.T) {
	t.Parallel()
	fsys, folder := disk(t, tree())
	url := serve(t, map[string]string{"orders": orders}, folders{"skills/orders": fsys}, skill.Options{})
	dir := filepath.Dir(folder)
	for path, want := range map[string]int{
		"../secret.txt":                400,
		"%2e%2e/secret.txt":            400,
		"%2E%2E%2Fsecret.txt":          400,
		"..%2fsecret.txt":              400,
		"..%5csecret.txt":              400,
		`..\secret.txt`:                400,
		"references/../../secret.txt":  400,
		"references/%2e%2e/SKILL.md":   400,
		"./SKILL.md":                   400,
		"%2e/SKILL.md":                 400,
		"/SKILL.md":                    400,
		"/" + dir + "/secret.txt":      400,
		"%2f" + dir + "/secret.txt":    400,
		"file:" + dir + "/secret.txt":  400,
		"C:%5Csecret.txt":              400,
		"SKILL.md%00":                  400,
		"SKILL.md%00.txt":              400,
		"SKILL.md%0a":                  400,
		"with%20space.md":              400,
		"back%5Cslash.md":              400,
		"%c3%a9.md":                    400,
		"%ff":                          400,
		"%252e%252e/secret.txt":        400,
		"references//a.json":           400,
		"out.txt":                      400,
		"far.txt":                      400,
		"outside/secret.txt":           400,
		"references/up/outside":        400,
		"loop/loop/outside/secret.txt": 400,
		"dangling":                     404,
		".env":                         404,
		".git/config":                  404,
		"references/.hidden":           404,
		"...":                          404,
		"SKILL.md/x":                   404,
		"references":                   404,
		strings.Repeat("a", 5000):      404,
	} {
		for _, at := range []string{"/skills/order-management/contents/", "/skills/orders/order-management/contents/"} {
			got := ask(t, url, "GET", at+path)
			if got.StatusCode != want || strings.Contains(got.body, "secret\n") || strings.Contains(got.body, dir) {
				t.Errorf("%s: %d %s, want %d", path, got.StatusCode, got.body, want)
			}
		}
	}
	for _, path := range []string{"/skills/../skills", "/skills/%2e%2e/x", "/skills/..%2f", "/skills/a%00", "/skills/orders/..", "/skills//order-management"} {
		if got := ask(t, url, "GET", path); got.StatusCode != 400 {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.body)
		}
	}
}

// A folder may come late, go away, and change: nobody needs a reload.
func TestFolderThatComesAndGoes(t *testing.T) {
	t.Parallel()
	fsys, folder := disk(t, map[string]string{"sub/a.md": "a"})
	sub, err := fs.Sub(fsys, "sub")
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, map[string]string{"orders": orders}, folders{"skills/orders": sub}, skill.Options{})
	status := func(path string) int { return ask(t, url, "GET", "/skills/order-management"+path).StatusCode }
	if err := os.Rename(filepath.Join(folder, "sub"), filepath.Join(folder, "other")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/contents", "/contents/a.md", "/download"} {
		if got := status(path); got != 404 {
			t.Errorf("%s: %d", path, got)
		}
	}
	if err := os.Rename(filepath.Join(folder, "other"), filepath.Join(folder, "sub")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/contents", "/contents/a.md", "/download"} {
		if got := status(path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	files := folders{"skills/orders": fstest.MapFS{"a.md": {Data: make([]byte, 100)}, "b.md": {Data: make([]byte, 100)}, "c/d.md": {}}}
	for _, c := range []struct {
		o                  skill.Options
		contents, download int
	}{
		{skill.Options{}, 200, 200},
		{skill.Options{MaxFiles: 4, MaxBytes: 200}, 200, 200},
		{skill.Options{MaxFiles: 3}, 501, 501},
		{skill.Options{MaxBytes: 199}, 200, 501},
	} {
		url := serve(t, map[string]string{"orders": orders}, files, c.o)
		contents, download := ask(t, url, "GET", "/skills/order-management/contents"), ask(t, url, "GET", "/skills/order-management/download")
		if contents.StatusCode != c.contents || download.StatusCode != c.download {
			t.Errorf("%+v: %d, %d; want %d, %d", c.o, contents.StatusCode, download.StatusCode, c.contents, c.download)
		}
	}
}

// broken has a file that cannot be read to its end.
type broken struct{ fstest.MapFS }

func (b broken) Open(name string) (fs.File, error) {
	f, err := b.MapFS.Open(name)
	if name == "b.md" && err == nil {
		return failing{f}, nil
	}
	return f, err
}

type failing struct{ fs.File }

func (failing) Read([]byte) (int, error) { return 0, fs.ErrPermission }

// An archive that cannot be finished is cut off, and never looks whole.
func TestBrokenDownload(t *testing.T) {
	t.Parallel()
	noise := strings.Repeat("0123456789abcdef", 1<<16)
	files := folders{"skills/orders": broken{fstest.MapFS{"a.md": {Data: []byte(noise)}, "b.md": {Data: []byte(noise)}}}}
	url := serve(t, map[string]string{"orders": orders}, files, skill.Options{})
	res, err := http.Get(url + "/skills/order-management/download")
	if err == nil {
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
	}
	if err == nil {
		t.Error("the download ends as if it were whole")
	}
}

func skillsAt(port int, auth, skills string) string {
	return fmt.Sprintf("naftiko: 1.0.0-alpha2\ncapability:\n  exposes:\n  - {type: skill, port: %d, namespace: s%s, skills: [%s]}\n", port, auth, skills)
}

// Documents that share an address: every skill is at its document's, and what is at
// /skills/<name> is one thing.
func TestSharedAddress(t *testing.T) {
	t.Parallel()
	url := serve(t, map[string]string{
		"desk":       skillsAt(9097, "", "{name: desk, description: The desk}, {name: help}"),
		"help":       skillsAt(9097, "", "{name: other}, {name: desk, description: Another}"),
		"help/other": skillsAt(9097, "", "{name: deep}"),
		"elsewhere":  skillsAt(9090, "", "{name: far}"),
	}, nil, skill.Options{})
	const (
		desk  = `{"name":"desk","description":"The desk","tools":[]`
		list  = `"count":2,"skills":[{"name":"desk","description":"The desk","tools":[]},{"name":"help","tools":[]}]}`
		help  = `{"count":2,"skills":[{"name":"other","tools":[]},{"name":"desk","description":"Another","tools":[]}]}`
		deep  = `{"count":1,"skills":[{"name":"deep","tools":[]}]}`
		index = `{"count":3,"skills":[{"name":"desk","description":"The desk","tools":[]},{"name":"other","tools":[]},{"name":"deep","tools":[]}],"catalogues":[` +
			`{"id":"desk","namespace":"s","url":"/skills/desk","count":2},{"id":"help","namespace":"s","url":"/skills/help","count":2},` +
			`{"id":"help/other","namespace":"s","url":"/skills/help/other","count":1}]}`
	)
	for target, want := range map[string]string{
		"/skills":                 index,
		"/skills/desk":            desk + "," + list,
		"/skills/desk/desk":       desk + "}",
		"/skills/desk/help":       `{"name":"help","tools":[]}`,
		"/skills/help":            help,
		"/skills/help/desk":       `{"name":"desk","description":"Another","tools":[]}`,
		"/skills/help/other":      deep,
		"/skills/help/other/deep": `{"name":"deep","tools":[]}`,
		"/skills/other":           `{"name":"other","tools":[]}`,
		"/skills/deep":            `{"name":"deep","tools":[]}`,
	} {
		if got := ask(t, url, "GET", target); got.StatusCode != 200 || got.body != want {
			t.Errorf("%s: %d\ngot  %s\nwant %s", target, got.StatusCode, got.body, want)
		}
	}
	if got := ask(t, url, "GET", "/skills/far"); got.StatusCode != 404 {
		t.Errorf("a skill of another port: %d", got.StatusCode)
	}
}

// The skill of a document's own name has its files at both addresses.
func TestFilesAtTheDocumentsName(t *testing.T) {
	t.Parallel()
	text := strings.ReplaceAll(orders, "order-management", "orders")
	url := serve(t, map[string]string{"orders": text}, folders{"skills/orders": fstest.MapFS{"a.md": {Data: []byte("a")}}}, skill.Options{})
	for _, at := range []string{"/skills/orders", "/skills/orders/orders"} {
		if got := ask(t, url, "GET", at+"/contents/a.md"); got.StatusCode != 200 || got.body != "a" {
			t.Errorf("%s: %d %s", at, got.StatusCode, got.body)
		}
		if got := ask(t, url, "GET", at+"/download"); got.StatusCode != 200 {
			t.Errorf("%s: %d %s", at, got.StatusCode, got.body)
		}
	}
}

// A guarded exposure tells nothing to those who do not show its credential.
func TestGuard(t *testing.T) {
	t.Parallel()
	const token = ", authentication: {type: bearer, token: '{{TOKEN}}'}"
	docs := map[string]string{
		"open":   skillsAt(9097, "", "{name: a}"),
		"closed": skillsAt(9097, token, "{name: b}"),
	}
	url := serve(t, docs, nil, skill.Options{})
	const key = "Authorization: Bearer t0ken"
	for _, target := range []string{"/skills/closed", "/skills/closed/b", "/skills/b", "/skills/closed/none", "/skills/closed/%00", "/skills/b/contents/..", "/skills/b/download"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST"} {
			if got := ask(t, url, method, target); got.StatusCode != 401 || got.Header.Get("WWW-Authenticate") == "" || got.Header.Get("Allow") != "" {
				t.Errorf("%s %s: %d %v %s", method, target, got.StatusCode, got.Header, got.body)
			}
		}
	}
	for target, want := range map[string]int{"/skills/closed": 200, "/skills/b": 200, "/skills/closed/none": 404, "/skills/closed/%00": 400} {
		if got := ask(t, url, "GET", target, key); got.StatusCode != want {
			t.Errorf("%s with the token: %d, want %d", target, got.StatusCode, want)
		}
	}
	if got := ask(t, url, "GET", "/skills"); got.body != `{"count":1,"skills":[{"name":"a","tools":[]}]}` {
		t.Errorf("the index without the token: %s", got.body)
	}
	if got := ask(t, url, "GET", "/skills", key); !strings.Contains(got.body, `"count":2`) || !strings.Contains(got.Header.Get("Cache-Control"), "private") {
		t.Errorf("the index with the token: %s", got.body)
	}
	delete(docs, "open")
	if got := ask(t, serve(t, docs, nil, skill.Options{}), "GET", "/skills"); got.StatusCode != 401 {
		t.Errorf("the index of what nobody may see: %d %s", got.StatusCode, got.body)
	}
}

// What a plan serves changes with the swap and not before, and a retired handler goes on.
func TestReload(t *testing.T) {
	t.Parallel()
	a := skill.New(skill.Options{})
	names := func(h http.Handler) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/skills", nil))
		var list struct{ Skills []struct{ Name string } }
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range list.Skills {
			out = append(out, s.Name)
		}
		return strings.Join(out, " ")
	}
	first, units := bind(t, map[string]string{"d": skillsAt(9097, "", "{name: a}"), "e": skillsAt(9097, "", "{name: e}")}, nil, nil, nil)
	h1 := swap(t, a, nil, first)
	second, _ := bind(t, map[string]string{"d": skillsAt(9097, "", "{name: a}, {name: b}"), "e": ""}, nil, first.Plan(), map[string]*plan.Unit{"e": units["e"]})
	if _, err := a.Prepare(context.Background(), first, second); err != nil {
		t.Fatal(err)
	}
	if got := names(h1); got != "a e" {
		t.Errorf("prepared, not swapped: %s", got)
	}
	h2 := swap(t, a, first, second)
	if got := []string{names(h1), names(h2)}; !slices.Equal(got, []string{"a e", "a b e"}) {
		t.Errorf("swapped: %q", got)
	}
	third, _ := bind(t, map[string]string{"d": skillsAt(9090, "", "{name: a}")}, nil, second.Plan(), nil)
	if h := swap(t, a, second, third); h != nil {
		t.Error("an address without skills has a handler")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.Prepare(ctx, third, first); err == nil {
		t.Error("a cancelled Prepare goes on")
	}
}

// FuzzPath: whatever is asked for, nothing outside of the folder and nothing hidden in it
// is answered with.
func FuzzPath(f *testing.F) {
	for _, path := range []string{"order-guide.md", "../secret.txt", "%2e%2e%2fsecret.txt", "outside/secret.txt", ".env", "linked/a.json", "%00", "a//b"} {
		f.Add(path)
	}
	fsys, _ := disk(f, tree())
	b, _ := bind(f, map[string]string{"orders": orders}, folders{"skills/orders": fsys}, nil, nil)
	h := swap(f, skill.New(skill.Options{}), nil, b)
	f.Fuzz(func(t *testing.T, path string) {
		for _, at := range []string{"/skills/", "/skills/order-management/", "/skills/orders/order-management/contents/"} {
			r := httptest.NewRequest("GET", "/", nil)
			if u, err := url.ParseRequestURI(at + path); err == nil {
				r.URL = u
			} else {
				r.URL.Path = at + path
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%q: %d %s", at+path, w.Code, w.Body)
			}
		}
	})
}
