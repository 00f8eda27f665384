package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"capd/engine/diag"
	"capd/engine/format"
	"capd/engine/plan"
)

// fileProvider reads files, by what they are:
//
//   - a folder has a file for each key, as mounted secrets have; one line break at the end of a
//     file is left out
//   - .yaml, .yml and .json hold a mapping; a key with dots leads into it
//   - .env, and names such as .env.local, hold lines KEY=VALUE
//   - any other file of a bind with one key is the value itself, a line break at its end left out;
//     of a bind with several it holds JSON or lines KEY=VALUE
//
// It follows links as long as they stay in the folder that the document may use.
type fileProvider struct{ own []string }

func (fileProvider) remote() bool { return false }

func (fileProvider) key(at *plan.Location) string {
	return at.Text + "\x00" + at.File.Root + "\x00" + at.File.Path + "\x00" + strconv.Itoa(min(at.Keys, 2))
}

func (p fileProvider) read(_ context.Context, at *plan.Location) (values, error) {
	name, err := realName(at)
	switch {
	case err == nil && p.isOwn(filepath.Join(at.File.Root, name)):
		return nil, notForDocuments(at)
	case errors.Is(err, fs.ErrNotExist):
		return func(source string) (string, error) {
			return "", unset("put %s into %s, which does not exist", source, at)
		}, nil
	case err != nil:
		return nil, err
	}
	folder, err := os.OpenRoot(at.File.Root)
	if err != nil {
		return nil, unreadable(at, err)
	}
	defer func() { _ = folder.Close() }() // nothing was written
	info, err := folder.Stat(name)
	if err != nil {
		return nil, unreadable(at, err)
	}
	if info.IsDir() {
		return p.mounted(at, name), nil
	}
	text, err := readRegular(folder, name)
	if err != nil {
		return nil, unreadable(at, err)
	}
	return parseFile(at, text)
}

// isOwn reports whether a file is one of capd itself. Links are followed on both sides each time,
// since files are exchanged while capd runs.
func (p fileProvider) isOwn(name string) bool {
	real := withoutLinks(name)
	return slices.ContainsFunc(p.own, func(own string) bool {
		rel, err := filepath.Rel(withoutLinks(own), real)
		return err == nil && filepath.IsLocal(rel)
	})
}

func withoutLinks(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}

func notForDocuments(at *plan.Location) *plan.LookError {
	return &plan.LookError{Hint: at.Text + " belongs to capd itself; bind another file"}
}

// realName gives the path of a location without links, from the folder on in which it must stay.
func realName(at *plan.Location) (string, error) {
	if at.File.Path == "" {
		return "", &plan.LookError{Hint: "no file is at hand for " + at.Text}
	}
	real, err := filepath.EvalSymlinks(at.File.Path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		return "", unreadable(at, err)
	}
	rel, err := filepath.Rel(at.File.Root, real)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &plan.LookError{Hint: at.Text + " leads out of the folders that this document may use; allow its folder with --allow-path"}
	}
	return rel, nil
}

// mounted gives the values of a folder with a file for each key.
func (p fileProvider) mounted(at *plan.Location, name string) values {
	return func(source string) (string, error) {
		if source == "." || source == ".." || strings.ContainsAny(source, `/\`) || !fs.ValidPath(source) {
			return "", &plan.LookError{Hint: fmt.Sprintf("%q is no name of a file in %s", source, at)}
		}
		if p.isOwn(filepath.Join(at.File.Root, name, source)) {
			return "", notForDocuments(at)
		}
		root, err := os.OpenRoot(at.File.Root)
		if err != nil {
			return "", unreadable(at, err)
		}
		defer func() { _ = root.Close() }() // nothing was written
		folder, err := root.OpenRoot(name)
		if err != nil {
			return "", unreadable(at, err)
		}
		defer func() { _ = folder.Close() }() // nothing was written
		text, err := readRegular(folder, source)
		if errors.Is(err, fs.ErrNotExist) {
			return "", unset("put the file %s into the folder %s", source, at)
		}
		if err != nil {
			return "", &plan.LookError{Hint: fmt.Sprintf("the file %s in %s cannot be used: %s", source, at, cause(err))}
		}
		return withoutLineBreak(text), nil
	}
}

// errNoFile and errTooLarge are why something is not read.
var (
	errNoFile   = errors.New("it is not a regular file")
	errTooLarge = errors.New("it is larger than 1 MiB")
)

// readRegular reads a file of a folder. Links may not lead out of the folder.
func readRegular(folder *os.Root, name string) (string, error) {
	info, err := folder.Stat(name)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errNoFile // a pipe would be waited for
	}
	f, err := folder.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxValue+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxValue {
		return "", errTooLarge
	}
	return string(b), nil
}

// parseFile gives the values of a file by its name and, where that says nothing, by its content.
func parseFile(at *plan.Location, text string) (values, error) {
	name := strings.ToLower(filepath.Base(at.File.Path))
	switch ext := filepath.Ext(name); {
	case ext == ".json":
		return parseTree(at, text, format.JSON)
	case ext == ".yaml" || ext == ".yml":
		return parseTree(at, text, format.YAML)
	case ext == ".env" || strings.HasPrefix(name, ".env."):
		return parsePairs(at, text)
	}
	if tree, err := parseTree(at, text, format.JSON); err == nil && strings.HasPrefix(strings.TrimSpace(text), "{") {
		if at.Keys != 1 {
			return tree, nil
		}
		return func(source string) (string, error) {
			if value, err := tree(source); err == nil {
				return value, nil
			}
			return withoutLineBreak(text), nil
		}, nil
	}
	if at.Keys == 1 {
		return func(string) (string, error) { return withoutLineBreak(text), nil }, nil
	}
	return parsePairs(at, text)
}

func withoutLineBreak(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}

func parsePairs(at *plan.Location, text string) (values, error) {
	pairs, err := parse(text)
	if err != nil { // it names a line and no value
		return nil, &plan.LookError{Hint: at.Text + " cannot be read as lines KEY=VALUE: line " + err.Error()}
	}
	return func(source string) (string, error) {
		if v, ok := pairs[source]; ok {
			return v, nil
		}
		return "", unset("add %s=... to %s", source, at)
	}, nil
}

func parseTree(at *plan.Location, text string, f format.Format) (values, error) {
	d, err := format.New(f, format.Options{Limits: format.Limits{Bytes: maxValue, Depth: 100}})
	if err != nil {
		return nil, &plan.LookError{Hint: at.Text + " cannot be read"}
	}
	tree, err := d.Decode([]byte(strings.TrimPrefix(text, "\ufeff")), "")
	if err != nil {
		return nil, &plan.LookError{Hint: at.Text + " cannot be read as " + strings.ToUpper(f.String())}
	}
	var root map[string]json.RawMessage
	if json.Unmarshal(tree.JSON, &root) != nil {
		return nil, &plan.LookError{Hint: at.Text + " holds no keys: expected a mapping"}
	}
	return members(at, root), nil
}

// members gives the values of a JSON object: of a key as it stands, else of the value that its
// parts between dots lead to.
func members(at *plan.Location, root map[string]json.RawMessage) values {
	return func(source string) (string, error) {
		raw, ok := walk(root, source)
		if !ok || string(raw) == "null" {
			e := unset("add the key %s to %s", source, at)
			names := make([]string, 0, len(root))
			for name := range root {
				names = append(names, name)
			}
			if near, ok := diag.Nearest(source, names); ok && !strings.Contains(source, ".") {
				e.Hint += fmt.Sprintf(", or take %s, which it has", near)
			}
			return "", e
		}
		return scalar(at, source, raw)
	}
}

func walk(tree map[string]json.RawMessage, key string) (json.RawMessage, bool) {
	if raw, ok := tree[key]; ok {
		return raw, true
	}
	for i := range key {
		if key[i] != '.' {
			continue
		}
		var inner map[string]json.RawMessage
		if raw, ok := tree[key[:i]]; ok && json.Unmarshal(raw, &inner) == nil {
			if found, ok := walk(inner, key[i+1:]); ok {
				return found, true
			}
		}
	}
	return nil, false
}

// scalar gives the text of a JSON value: of a string what it says, of a number and a boolean as
// they are written.
func scalar(at *plan.Location, source string, raw json.RawMessage) (string, error) {
	raw = bytes.TrimSpace(raw)
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err == nil {
			return s, nil
		}
	case '{', '[':
		return "", &plan.LookError{Hint: fmt.Sprintf("%s in %s is no single value", source, at)}
	}
	return string(raw), nil
}

func unset(text string, args ...any) *plan.LookError {
	return &plan.LookError{Unset: true, Hint: fmt.Sprintf(text, args...)}
}

func unreadable(at *plan.Location, err error) *plan.LookError {
	return &plan.LookError{Hint: at.Text + " cannot be read: " + cause(err)}
}

// cause gives an error without the path of the file.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
