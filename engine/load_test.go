package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// fakeLoad loads with the fake core.
func fakeLoad(t *testing.T, o LoadOptions) *Loaded {
	t.Helper()
	l, err := newLoader(o)
	if err != nil {
		t.Fatal(err)
	}
	l.phases = newFakeCore().phases()
	loaded, err := l.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestLoadStates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, text string
		named            bool
		state            State
		codes            string
	}{
		{"good", "a.yaml", "serve :1 x", false, Served, ""},
		{"nothing exposed", "a.yaml", "", false, Refused, "error nothing-exposed"},
		{"no capability in a folder", "a.yaml", "other", false, Ignored, "warning not-a-capability"},
		{"no capability by name", "a.yaml", "other", true, Refused, "error not-a-capability"},
		{"section in a folder", "a.yaml", "section", false, Ignored, "info standalone-section"},
		{"section by name", "a.yaml", "section", true, Refused, "error standalone-section"},
		{"panic", "a.yaml", "panic", false, Refused, "error internal"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file := filepath.Join(dir, tt.file)
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			path := dir
			if tt.named {
				path = file
			}
			loaded := fakeLoad(t, LoadOptions{Paths: []string{path}})
			if len(loaded.Docs) != 1 {
				t.Fatalf("got %d documents, want 1", len(loaded.Docs))
			}
			d := loaded.Docs[0]
			if d.State != tt.state || codes(d.Diagnostics) != tt.codes || codes(loaded.Diagnostics) != tt.codes {
				t.Errorf("got %s with %q and in all %q, want %s with %q",
					d.State, codes(d.Diagnostics), codes(loaded.Diagnostics), tt.state, tt.codes)
			}
			if (d.Unit != nil) != (tt.state == Served) {
				t.Errorf("a document that is %s has unit %v", d.State, d.Unit)
			}
			for _, x := range d.Diagnostics {
				if x.Unit.Doc != "a" || x.Span.File != file {
					t.Errorf("%v speaks of document %q", x, x.Unit.Doc)
				}
			}
		})
	}
}

func TestLoadPanicStaysInItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.yaml": "serve :1 x", "b.yaml": "panic", "c.yaml": "serve :1 y"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log syncBuffer
	loaded := fakeLoad(t, LoadOptions{Paths: []string{dir}, Logger: logTo(&log)})
	if n := len(loaded.Plan.Units); n != 2 {
		t.Errorf("got %d units, want a and c", n)
	}
	want := "capd failed while compiling this document; this is a fault of capd, not of the document"
	if d := loaded.Docs[1]; d.State != Refused || len(d.Diagnostics) != 1 || d.Diagnostics[0].Message != want {
		t.Errorf("b is %s with %v", d.State, d.Diagnostics)
	}
	if s := log.String(); !strings.Contains(s, "fakeCore") || strings.Contains(s, "secret") {
		t.Errorf("the log lacks the stack or holds the value of the panic: %s", s)
	}
}

func TestLoadHugeFileIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "huge.yaml")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(50<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	// Whoever may not read it still learns its size: proof that nothing was opened.
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	loaded := fakeLoad(t, LoadOptions{Paths: []string{dir}})
	want := file + ": error [document-too-large] the document has 50 MiB, the limit is 4 MiB; split it, or raise the limit with --max-document"
	if len(loaded.Diagnostics) != 1 || loaded.Diagnostics[0].String() != want {
		t.Errorf("got  %v\nwant %s", loaded.Diagnostics, want)
	}
	if loaded.Docs[0].Hash != "" {
		t.Error("the file was read")
	}
}

func TestLoadUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("a.yaml", filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	loaded := fakeLoad(t, LoadOptions{Paths: []string{dir}})
	want := filepath.Join(dir, "a.yaml") + ": error [unreadable] cannot be read: too many levels of symbolic links; " +
		"the link leads back to itself: mend or remove it"
	if len(loaded.Diagnostics) != 1 || loaded.Diagnostics[0].String() != want {
		t.Errorf("got  %v\nwant %s", loaded.Diagnostics, want)
	}
}

func TestLoadForbidden(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("the superuser may read everything")
	}
	dir := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("serve :1 x"), 0),
		os.Mkdir(filepath.Join(dir, "b"), 0),
	); err != nil {
		t.Fatal(err)
	}
	loaded := fakeLoad(t, LoadOptions{Paths: []string{dir}})
	if got := codes(loaded.Diagnostics); got != "error unreadable, error unreadable" {
		t.Errorf("got %q: %v", got, loaded.Diagnostics)
	}
}

func TestLoadDuplicateID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "a.yml")
	for _, f := range []string{first, second} {
		if err := os.WriteFile(f, []byte("serve :1 x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded := fakeLoad(t, LoadOptions{Paths: []string{dir}})
	if n := len(loaded.Plan.Units); n != 1 || loaded.Plan.Units[0].File != first {
		t.Fatalf("got %d units, want the one of %s", n, first)
	}
	if len(loaded.Diagnostics) != 1 {
		t.Fatalf("got %v, want one problem", loaded.Diagnostics)
	}
	d := loaded.Diagnostics[0]
	if d.Code != diag.CodeDuplicateID || d.Span.File != second || len(d.Related) != 1 || d.Related[0].Span.File != first {
		t.Errorf("got %+v, want both places", d)
	}
	if a, b := loaded.Docs[0], loaded.Docs[1]; a.State != Served || len(a.Diagnostics) != 0 || b.State != Refused {
		t.Errorf("got %s with %v and %s", a.State, a.Diagnostics, b.State)
	}
}

func TestLoadStdin(t *testing.T) {
	t.Parallel()
	o := LoadOptions{Paths: []string{"-"}, Stdin: strings.NewReader("serve :1 x"), StdinName: "team/rooms.yaml"}
	loaded := fakeLoad(t, o)
	if d := loaded.Docs[0]; d.ID != "rooms" || d.File != "team/rooms.yaml" || d.State != Served {
		t.Errorf("got %+v", d)
	}
	o.Stdin, o.Limits = io.LimitReader(zeros{}, 1<<40), spec.Limits{Bytes: 1 << 20}
	if got := codes(fakeLoad(t, o).Diagnostics); got != "error document-too-large" {
		t.Errorf("got %q for an endless text", got)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestLoadSchemaFindingsComeOnce(t *testing.T) {
	t.Parallel()
	shape := diag.List{{Code: diag.CodeSchema, Path: "a.b"}, {Code: diag.CodeSchema, Path: "a.c"}, {Code: diag.CodeSchema}}
	got := unseen(shape, diag.List{{Code: diag.CodeWrongType, Path: "a.b"}, {Code: diag.CodeVersion}})
	if len(got) != 2 || got[0].Path != "a.c" || got[1].Path != "" {
		t.Errorf("got %v, want a.c and the whole document", got)
	}
}

func TestLoadEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := newLoader(LoadOptions{Paths: []string{dir}, Bind: &plan.BindOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	l.phases = newFakeCore().phases()
	if _, err := l.load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the context", err)
	}
}

// realDocument is a document of the language as it is published; %d makes it one of many.
const realDocument = `naftiko: 1.0.0-alpha2
info:
  label: Rooms %[1]d
capability:
  consumes:
    - type: http
      namespace: rooms
      baseUri: https://rooms.example/v%[1]d
      resources:
        - name: room
          path: /rooms/{room_id}
          inputParameters:
            - { name: room_id, in: path, type: string, required: true }
          operations:
            - { name: get-room, method: GET }
  exposes:
    - type: rest
      namespace: rooms-api
      port: 8080
      resources:
        - name: room
          path: /v%[1]d/rooms/{room_id}
          operations:
            - name: get-room
              method: GET
              call: rooms.get-room
              with: { room_id: rest.room_id }
`

// TestLoadRealDocuments: the phases of the core, with a good document among bad ones.
func TestLoadRealDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml":    fmt.Sprintf(realDocument, 1),
		"syntax.yaml":  "naftiko: [",
		"empty.yaml":   "",
		"section.yaml": "binds: []\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := Load(t.Context(), LoadOptions{Paths: []string{dir}, Bind: &plan.BindOptions{}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]State{"good": Served, "syntax": Refused, "empty": Ignored, "section": Ignored}
	for _, d := range loaded.Docs {
		if d.State != want[d.ID] {
			t.Errorf("%s is %s with %v, want %s", d.ID, d.State, d.Diagnostics, want[d.ID])
		}
	}
	if len(loaded.Docs) != len(want) || len(loaded.Plan.Units) != 1 || loaded.Bound.Plan() != loaded.Plan {
		t.Errorf("got %d documents and %d units", len(loaded.Docs), len(loaded.Plan.Units))
	}
	if n := loaded.Diagnostics.Count(diag.Error); n != 1 {
		t.Errorf("got %d errors, want the one of syntax.yaml: %v", n, loaded.Diagnostics)
	}
}
