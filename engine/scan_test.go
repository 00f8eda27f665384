package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScan(t *testing.T) {
	t.Parallel()
	const text = "x"
	tests := []struct {
		name  string
		files []string          // made with text
		links map[string]string // name to target
		paths []string          // below the folder; "." by default
		want  string            // id=file pairs, "!" before what cannot be read, "*" before what was named
	}{
		{name: "folder in order of names", files: []string{"b.yaml", "a.yml", "c/d.yaml", "C.YAML"},
			want: "C=C.YAML a=a.yml b=b.yaml c/d=c/d.yaml"},
		{name: "other extensions", files: []string{"a.json", "yaml", "b.yaml.bak", "c.yaml"}, want: "c=c.yaml"},
		{name: "dot names", files: []string{".a.yaml", ".git/b.yaml", "..data/c.yaml", "d.yaml"}, want: "d=d.yaml"},
		{name: "dots inside a name", files: []string{"a.v1.yaml"}, want: "a.v1=a.v1.yaml"},
		{name: "same base name", files: []string{"a.yaml", "a.yml"}, want: "a=a.yaml a=a.yml"},
		{name: "file has its base name", files: []string{"x/a.yaml"}, paths: []string{"x/a.yaml"}, want: "*a=x/a.yaml"},
		{name: "named file of any extension", files: []string{"a.txt", "b"}, paths: []string{"a.txt", "b"}, want: "*a=a.txt *b=b"},
		{name: "named dot file", files: []string{".a.yaml"}, paths: []string{".a.yaml"}, want: "*.a=.a.yaml"},
		{name: "named dot folder", files: []string{".x/a.yaml"}, paths: []string{".x"}, want: "a=.x/a.yaml"},
		{name: "paths in their order", files: []string{"a.yaml", "b.yaml"}, paths: []string{"b.yaml", "a.yaml"},
			want: "*b=b.yaml *a=a.yaml"},
		{name: "one file by two paths", files: []string{"x/a.yaml"}, paths: []string{".", "x", "x/a.yaml"}, want: "*x/a=x/a.yaml"},
		{name: "link to a file", files: []string{".data/a"}, links: map[string]string{"a.yaml": ".data/a"}, want: "a=a.yaml"},
		{name: "own name before a link", files: []string{"b.yaml"}, links: map[string]string{"a.yaml": "b.yaml"}, want: "b=b.yaml"},
		{name: "two links", files: []string{".data/x"}, links: map[string]string{"a.yaml": ".data/x", "b.yaml": ".data/x"}, want: "a=a.yaml"},
		{name: "link to a folder", files: []string{".x/a.yaml"}, links: map[string]string{"y": ".x", "z.yaml": ".x"}, want: ""},
		{name: "loop of folders", files: []string{"a.yaml"}, links: map[string]string{"up": "."}, want: "a=a.yaml"},
		{name: "loop of a file", links: map[string]string{"a.yaml": "a.yaml"}, want: "!a=a.yaml"},
		{name: "link to nothing", links: map[string]string{"a.yaml": "b"}, want: "!a=a.yaml"},
		{name: "named link to a folder", files: []string{"x/a.yaml"}, links: map[string]string{"y": "x"}, paths: []string{"y"},
			want: "a=y/a.yaml"},
		{name: "folder with the name of a file", files: []string{"a.yaml/b.yaml"}, want: "a.yaml/b=a.yaml/b.yaml"},
		{name: "empty folder", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range tt.files {
				f = filepath.Join(dir, f)
				if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o755), os.WriteFile(f, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			for name, target := range tt.links {
				if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			paths := tt.paths
			if paths == nil {
				paths = []string{"."}
			}
			for i := range paths {
				paths[i] = filepath.Join(dir, paths[i])
			}
			l := &loader{LoadOptions: LoadOptions{Paths: paths}}
			found, err := l.scan(stampTrust{})
			if err != nil {
				t.Fatal(err)
			}
			found.look()
			var got []string
			for _, s := range found.sources {
				rel, err := filepath.Rel(dir, s.file)
				if err != nil {
					t.Fatal(err)
				}
				mark := ""
				if s.named {
					mark = "*"
				}
				if s.err != nil {
					mark = "!"
				}
				got = append(got, fmt.Sprintf("%s%s=%s", mark, s.id, filepath.ToSlash(rel)))
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestScanMissingPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := &loader{LoadOptions: LoadOptions{Paths: []string{filepath.Join(dir, "a"), dir, filepath.Join(dir, "b.yaml"), "-"}}}
	_, err := l.scan(stampTrust{})
	var path *PathError
	if !errors.As(err, &path) || path.Path != filepath.Join(dir, "a") {
		t.Fatalf("got %v, want a PathError of a", err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v does not say that the path does not exist", err)
	}
	want := "cannot read " + filepath.Join(dir, "b.yaml") + ": no such file or directory"
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "cannot read -: ") {
		t.Errorf("got %v, want every missing path", err)
	}
}
