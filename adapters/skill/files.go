package skill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"capd/engine/plan"
)

// contents is the answer that lists the files of a skill.
type contents struct {
	Name  string `json:"name"`
	Files []file `json:"files"`
}

// file is a regular file of a skill.
type file struct {
	Path string `json:"path"` // below the folder, with slashes
	Size int64  `json:"size"`
	Type string `json:"type"`

	info fs.FileInfo
}

func (s *server) serveContents(w http.ResponseWriter, r *http.Request, of *skill) error {
	files, err := s.files(r.Context(), of)
	if err != nil {
		return err
	}
	body, err := encode(contents{of.Name, files})
	if err != nil {
		return err
	}
	return writeJSON(w, r, body)
}

// serveFile answers with one file, whole or in part.
func serveFile(w http.ResponseWriter, r *http.Request, of *skill, segments []string) error {
	if of.Files == nil {
		return errNoFiles(of)
	}
	missing := func() *plan.Error { return plan.Errorf(plan.CodeNotFound, "skill %s has no such file", of.Name) }
	if slices.ContainsFunc(segments, hidden) {
		return missing()
	}
	name := strings.Join(segments, "/")
	info, err := fs.Stat(of.Files, name)
	switch {
	case leadsOut(err):
		return &plan.Error{Code: plan.CodeInvalidInput, Message: "the path leads out of the folder of skill " + of.Name, Cause: err}
	case err != nil:
		return &plan.Error{Code: plan.CodeNotFound, Message: missing().Message, Cause: err}
	case !info.Mode().IsRegular(): // asked before it is opened: the end of a pipe never comes
		return missing()
	}
	f, err := of.Files.Open(name)
	if err != nil {
		return &plan.Error{Code: plan.CodeNotFound, Message: missing().Message, Cause: err}
	}
	defer func() { _ = f.Close() }() // nothing was written
	content, ok := f.(io.ReadSeeker)
	if !ok {
		return fmt.Errorf("%T cannot seek", f)
	}
	h := w.Header()
	h.Set("Content-Type", mediaType(name))
	h.Set("Cache-Control", cacheControl)
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	// A page among the files is shown, and runs nothing: it would have the origin of capd.
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	http.ServeContent(w, r, name, info.ModTime(), content)
	return nil
}

func errNoFiles(of *skill) *plan.Error {
	if of.Location == "" {
		return plan.Errorf(plan.CodeNotFound, "skill %s has no files", of.Name)
	}
	return plan.Errorf(plan.CodeNotFound, "the files of skill %s are not there", of.Name)
}

// hidden reports whether a name is left out everywhere: what begins with a dot is of the
// keeper of the files (.git, .env, the ..data of a mounted volume) and no part of a skill; the
// others are no names for all who unpack an archive.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r == '\\' || r == ':' || r < 0x20 || r == 0x7f })
}

// leadsOut reports whether a path is refused because a link in it leaves the folder. The os
// package has no value for it, so it is known by its text.
func leadsOut(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && e.Err != nil && e.Err.Error() == "path escapes from parent"
}

// files gives the regular files of a skill by path.
func (s *server) files(ctx context.Context, of *skill) ([]file, error) {
	if of.Files == nil {
		return nil, errNoFiles(of)
	}
	root, err := fs.Stat(of.Files, ".")
	if err != nil || !root.IsDir() {
		return nil, &plan.Error{Code: plan.CodeNotFound, Message: errNoFiles(of).Message, Cause: err}
	}
	w := &walk{ctx: ctx, fsys: of.Files, left: s.opts.MaxFiles, found: []file{}}
	switch err := w.folder(".", []fs.FileInfo{root}); {
	case errors.Is(err, errTooMany):
		return nil, plan.Errorf(plan.CodeRefused, "skill %s has more than %d files", of.Name, s.opts.MaxFiles)
	case err != nil:
		return nil, err
	}
	slices.SortFunc(w.found, func(a, b file) int { return cmp.Compare(a.Path, b.Path) })
	return w.found, nil
}

var errTooMany = errors.New("too many files")

// walk looks through the folders of a skill. It follows links, as far as the FS does.
type walk struct {
	ctx   context.Context //nolint:containedctx // a walk is one call
	fsys  fs.FS
	left  int // entries that may still come
	found []file
}

// folder looks through one folder. above are the folders it is in and itself, the innermost
// last: a link to one of them leads round in a circle.
func (w *walk) folder(name string, above []fs.FileInfo) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(w.fsys, name)
	if err != nil && len(above) > 1 {
		return nil // it went away, or may not be read: the rest is there
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if w.left--; w.left < 0 {
			return errTooMany
		}
		if hidden(e.Name()) {
			continue
		}
		if err := w.entry(path.Join(name, e.Name()), above); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string, above []fs.FileInfo) error {
	info, err := fs.Stat(w.fsys, name)
	switch {
	case err != nil: // a link that leads out or nowhere
		return nil
	case info.Mode().IsRegular():
		w.found = append(w.found, file{name, info.Size(), mediaType(name), info})
	case info.IsDir() && !slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) }):
		return w.folder(name, append(slices.Clone(above), info))
	}
	return nil
}

// mediaType gives the media type of a file by its extension. What skills are made of is the
// same on every machine; for the rest the system is asked.
func mediaType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".md", ".markdown":
		return "text/markdown"
	case ".txt", ".log":
		return "text/plain"
	case ".csv":
		return "text/csv"
	case ".html", ".htm":
		return "text/html"
	case ".css":
		return "text/css"
	case ".js", ".mjs":
		return "text/javascript"
	case ".json":
		return "application/json"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".xml":
		return "application/xml"
	case ".toml":
		return "application/toml"
	case ".py":
		return "text/x-python"
	case ".sh":
		return "application/x-sh"
	case ".ts", ".go", ".rs", ".java", ".rb", ".c", ".h":
		return "text/plain"
	case ".zip":
		return "application/zip"
	}
	if plain, _, err := mime.ParseMediaType(mime.TypeByExtension(ext)); err == nil && plain != "" {
		return plain
	}
	return "application/octet-stream"
}
