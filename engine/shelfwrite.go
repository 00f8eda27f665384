package engine

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// flush brings the shelf to what is pending. What fails stays pending.
func (s *shelf) flush() {
	s.mu.Lock()
	h := s.pending
	s.mu.Unlock()
	if h == nil {
		return
	}
	facts := StateFacts{Dir: s.facts.Dir}
	if err := s.write(h, &facts); err != nil {
		facts.Error = err.Error()
		for _, i := range h.items {
			if i.version != nil && i.version.keepsake.Load() != nil {
				facts.Unsaved++
			}
		}
	}
	s.mu.Lock()
	s.facts = facts
	if s.pending == h && facts.Error == "" {
		s.pending = nil
	}
	s.mu.Unlock()
}

// write does what can be done, and gives the first thing that went wrong.
func (s *shelf) write(h *holding, facts *StateFacts) error {
	root, err := s.open(true)
	if err != nil {
		return s.fail("open", err)
	}
	defer func() { _ = root.Close() }() // files were closed one by one
	names, err := shelved(root)
	if err != nil {
		return s.fail("read", err)
	}
	var total int64
	for _, size := range names {
		total += size
	}
	s.sweep(root, h, names, &total)
	var failed error
	wrote := false
	for _, i := range h.items {
		grown, err := s.put(root, i, names, total)
		total += grown
		wrote = wrote || grown != 0
		if err != nil && failed == nil {
			failed = s.fail("write", fmt.Errorf("the last good form of %s is not kept: %w", i.id, err))
		} else if err != nil {
			s.failed("write")
		}
	}
	if wrote {
		if err := syncFolder(root); err != nil && failed == nil {
			failed = s.fail("write", err)
		}
	}
	for name := range names {
		if strings.HasSuffix(name, formSuffix) {
			facts.Forms++
		}
	}
	facts.Bytes = total
	return failed
}

// put brings the files of one document to what they should be, and gives by how much they grew.
func (s *shelf) put(root *os.Root, i item, names map[string]int64, total int64) (int64, error) {
	mark := i.name + staleSuffix
	switch _, marked := names[mark]; {
	case marked && i.since.IsZero():
		if err := root.Remove(mark); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	case !marked && !i.since.IsZero():
		if err := root.WriteFile(mark, nil, 0o600); err != nil {
			return 0, err
		}
		if err := root.Chtimes(mark, i.since, i.since); err != nil {
			return 0, err
		}
	}
	if i.version == nil {
		return 0, nil
	}
	k := i.version.keepsake.Load()
	if k == nil {
		return 0, nil // it was written before
	}
	whole, err := k.encode(head{ID: i.id, Path: i.path})
	if err != nil {
		return 0, err
	}
	file := i.name + formSuffix
	grown := int64(len(whole)) - names[file]
	if total+grown > s.max {
		return 0, fmt.Errorf("all together would have more than %s", sizeText(s.max))
	}
	if was, err := s.readWhole(root, file); err != nil || !bytes.Equal(was, whole) {
		if err := replaceFile(root, file, whole); err != nil {
			return 0, err
		}
	}
	names[file] = int64(len(whole))
	i.version.keepsake.CompareAndSwap(k, nil)
	return grown, nil
}

// replaceFile writes a file beside, and puts it in place when all of it is on the disk.
func replaceFile(root *os.Root, name string, text []byte) (err error) {
	temp := tempPrefix + rand.Text()
	f, err := root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp) // what matters is in err
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return root.Rename(temp, name)
}

// syncFolder puts the names on the disk. Not every file system can.
func syncFolder(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	_ = dir.Sync() // then the names are written a little later
	return dir.Close()
}

// sweep removes the forms of documents that are gone, and what a process that was killed left.
func (s *shelf) sweep(root *os.Root, h *holding, names map[string]int64, total *int64) {
	for name, size := range maps.Clone(names) {
		bare, isForm := strings.CutSuffix(name, formSuffix)
		switch {
		case strings.HasPrefix(name, tempPrefix):
			if info, err := root.Lstat(name); err != nil || time.Since(info.ModTime()) < tempLife {
				continue
			}
		case !isForm || h.present[bare]:
			continue
		default:
			of, ok := readHead(root, name)
			if !ok || !s.owns(of.Path) || slices.ContainsFunc(h.closed, func(dir string) bool { return isBelow(dir, of.Path) }) {
				continue
			}
		}
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			_ = s.fail("remove", err)
			continue
		}
		if isForm {
			_ = root.Remove(bare + staleSuffix) // most have none
			delete(names, bare+staleSuffix)
		}
		delete(names, name)
		*total -= size
	}
}
