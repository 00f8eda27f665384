package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"

	"capd/engine/diag"
)

// sizeError says that a text is over the limit. Its size is at least Size.
type sizeError struct{ size, limit int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("%d bytes are more than the limit of %d", e.size, e.limit)
}

// read gives the text of a source. A file over the limit is not read; what has no size
// beforehand, or grows meanwhile, is read no further than the limit. It lies in buf, if there is room.
func (s *source) read(buf []byte, stdin io.Reader, limit int64) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.stdin {
		return readAll(buf, stdin, 0, limit)
	}
	size := s.now.bytes()
	if s.now.isRegular() && size > limit {
		return nil, &sizeError{size, limit}
	}
	f, err := os.Open(s.file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return readAll(buf, f, size, limit)
}

// readAll reads up to limit bytes, into buf while there is room; size is a guess.
func readAll(buf []byte, r io.Reader, size, limit int64) ([]byte, error) {
	buf = slices.Grow(buf[:0], int(min(size, limit))+1)
	for int64(len(buf)) <= limit {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		room := buf[len(buf):min(int64(cap(buf)), limit+1)]
		n, err := r.Read(room)
		buf = buf[:len(buf)+n]
		asExpected := 0 < n && n < len(room) && int64(len(buf)) == size // nothing is behind it
		if errors.Is(err, io.EOF) || err == nil && asExpected {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, &sizeError{int64(len(buf)), limit}
}

// unread is the diagnostic for a source that could not be read.
func unread(s *source, err error) diag.Diagnostic {
	d := diag.Diagnostic{Severity: diag.Error, Span: diag.Span{File: s.file}, Unit: diag.Unit{Doc: s.id}}
	var size *sizeError
	if errors.As(err, &size) {
		d.Code = diag.CodeTooLarge
		d.Message = "the document has " + size.atLeast() + ", the limit is " + sizeText(size.limit)
		d.Hint = "split it, or raise the limit with --max-document"
		return d
	}
	d.Code = diag.CodeUnreadable
	d.Message = "cannot be read: " + reason(err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		d.Hint = "give the user who runs capd the right to read it"
	case errors.Is(err, fs.ErrNotExist):
		d.Hint = "the link leads nowhere: mend or remove it"
	case errors.Is(err, syscall.ELOOP):
		d.Hint = "the link leads back to itself: mend or remove it"
	case errors.Is(err, errNotRegular):
		d.Hint = "put a file there, or rename it so that it does not end in .yaml or .yml"
	}
	return d
}

// atLeast words the size of a text that may not have been read to its end.
func (e *sizeError) atLeast() string {
	if e.size == e.limit+1 {
		return "more than " + sizeText(e.limit)
	}
	return sizeText(e.size)
}

// bytes words a size; whole mebibytes are what limits are given in.
func sizeText(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// reason gives the innermost words of an error of the system, without the operation and the
// path or address, which the message around it names.
func reason(err error) string {
	var path *fs.PathError
	var errno syscall.Errno
	var bind *bindError
	var name *net.DNSError
	switch {
	case errors.As(err, &bind):
		return bind.text
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}
