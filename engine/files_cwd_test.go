package engine

import (
	"path/filepath"
	"testing"
)

// TestPlaceOfTheWorkingDirectory: what is not beside the document is looked for where other
// engines look, but only in folders that the document may use.
func TestPlaceOfTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"caps/team/doc.yaml": "serve :1 x", "caps/team/both.yaml": "", "both.yaml": "",
		"caps/shared/only.yaml": "", "outer.yaml": "",
	})
	t.Chdir(filepath.Join(dir, "caps"))
	doc := filepath.Join("team", "doc.yaml")
	for _, tt := range []placeTest{
		{"file:///./both.yaml", "caps/team/both.yaml", false, false},
		{"file:///./shared/only.yaml", "caps/shared/only.yaml", true, false},
		{"file:///./none.yaml", "caps/team/none.yaml", false, false},
	} {
		f := filesOf(t, LoadOptions{Paths: []string{"."}}, doc)
		tt.check(t, f, doc, dir)
	}
	t.Chdir(dir)
	f := filesOf(t, LoadOptions{Paths: []string{filepath.Join("caps", "team")}}, filepath.Join("caps", doc))
	placeTest{"outer.yaml", "caps/team/outer.yaml", true, true}.check(t, f, filepath.Join("caps", doc), dir)
}

// placeTest is a location, the path it has below the folder of the test, and what is remembered
// of the working directory.
type placeTest struct {
	location, path string
	back, refused  bool
}

func (tt placeTest) check(t *testing.T, f *files, doc, dir string) {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	place, err := f.Place(doc, tt.location)
	if want := filepath.Join(real, filepath.FromSlash(tt.path)); err != nil || place.Path != want {
		t.Errorf("%s is at %s, %v, want %s", tt.location, place.Path, err, want)
	}
	back, ok := f.elsewhere[use{usePlace, doc, tt.location}]
	if ok != tt.back || back.refused != tt.refused {
		t.Errorf("%s: remembered %v %+v", tt.location, ok, back)
	}
}
