package skill

import (
	"archive/zip"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"

	"capd/engine/plan"
)

// serveDownload answers with all files of a skill in one archive, packed while it is sent.
func (s *server) serveDownload(w http.ResponseWriter, r *http.Request, of *skill) error {
	ctx := r.Context()
	files, err := s.files(ctx, of)
	if err != nil {
		return err
	}
	var total int64
	for _, f := range files {
		if total += f.Size; total > s.opts.MaxBytes || total < 0 {
			return plan.Errorf(plan.CodeRefused, "the files of skill %s are too large for one download", of.Name)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+of.Name+`.zip"`)
	h.Set("Cache-Control", cacheControl)
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := pack(ctx, w, of.Files, files); err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			s.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "download of a skill cut off",
				slog.String("request_id", plan.RequestID(ctx)), slog.String("skill", of.Name), slog.String("cause", err.Error()))
		}
		cutConnection() // returning would end the archive as if it were whole
	}
	return nil
}

// pack writes an archive. The same files give the same bytes.
func pack(ctx context.Context, w io.Writer, fsys fs.FS, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := packFile(z, fsys, f); err != nil {
			return err
		}
	}
	return z.Close()
}

// packFile writes a file as far as it was long when it was found.
func packFile(z *zip.Writer, fsys fs.FS, f file) error {
	in, err := fsys.Open(f.Path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	header := &zip.FileHeader{Name: f.Path, Method: zip.Deflate, Modified: f.info.ModTime().UTC()}
	header.SetMode(modeOf(f.info))
	out, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err = io.CopyN(out, in, f.Size); errors.Is(err, io.EOF) {
		return nil // it is shorter now
	}
	return err
}

// modeOf keeps of a file's mode what those who unpack it need: whether it is a program.
func modeOf(info fs.FileInfo) fs.FileMode {
	if info.Mode()&0o111 != 0 {
		return 0o755
	}
	return 0o644
}
