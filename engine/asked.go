package engine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"slices"
)

// digest stands for what came of a question. An error has the digest of its text.
func digest(text []byte, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (f *files) note(u use, digest string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	keepIn(&f.uses, u, digest)
}

// setBaseline remembers a file as it was before the text was read that the document has.
func (f *files) setBaseline(u use, was baseline) {
	if !was.isThere() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	keepIn(&f.baselines, u, was)
}

// isUnchanged reports whether every question would have the same answer now. A file whose stamp
// has not changed and is believed is not read for that.
func (f *files) isUnchanged(trust stampTrust) bool {
	for u, was := range f.asked() {
		if u.what == useRead && f.isReadUnchanged(u, trust) {
			continue
		}
		now, file := f.ask(u)
		if now != was {
			return false
		}
		f.setBaseline(u, file)
	}
	return true
}

// ask gives the digest of what comes of a question now and, of a file that is read, the file as it was before.
func (f *files) ask(u use) (string, baseline) {
	switch u.what {
	case useRead:
		text, was, err := f.read(u.from, u.location)
		return digest(text, err), was
	case usePlace:
		place, _, err := f.place(u.from, u.location)
		return digest([]byte(place.Path), err), baseline{}
	}
	return "", baseline{} // a folder is looked into when a call asks
}

// isReadUnchanged reports whether a file that was read may still be, and has certainly not changed since.
func (f *files) isReadUnchanged(u use, trust stampTrust) bool {
	was, ok := f.baselineOf(u)
	if !ok {
		return false
	}
	real, ok := f.readable(u)
	if !ok {
		return false
	}
	now := baselineOf(real).stamp
	return was.isUnchanged(now) && trust.covers(real, now)
}

// readable gives the path, without links, of a file that the document may read.
func (f *files) readable(u use) (real string, ok bool) {
	at, err := f.findJudged(u.from, u.location)
	return at.real, err == nil && at.real != "" && !f.barred.isOthers(at.real, f.home)
}

// changedMeanwhile reports whether a question would have another answer now than a moment ago, as far as the stamps of files
// say.
func (f *files) changedMeanwhile() bool {
	for u, answer := range f.asked() {
		was, ok := f.baselineOf(u)
		if !ok { // it was no file that could be read
			if now, _ := f.ask(u); now != answer {
				return true
			}
			continue
		}
		if real, ok := f.readable(u); !ok || !was.isStill(baselineOf(real).stamp) {
			return true
		}
	}
	return false
}

func (f *files) baselineOf(u use) (baseline, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, ok := f.baselines[u]
	return was, ok
}

// refersToNothing reports whether the document asked for no file.
func (f *files) refersToNothing() bool {
	if f == nil {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uses) == 0
}

func (f *files) asked() map[use]string {
	if f.refersToNothing() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.uses)
}

// hash adds what was read to the hash of a document's text.
func (f *files) hash(text string) string {
	uses := f.asked()
	maps.DeleteFunc(uses, func(u use, _ string) bool { return u.what != useRead })
	if len(uses) == 0 {
		return text
	}
	sum := sha256.New()
	_, _ = io.WriteString(sum, text) // a hash takes everything
	for _, u := range slices.SortedFunc(maps.Keys(uses), func(a, b use) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.location, b.location))
	}) {
		_, _ = io.WriteString(sum, "\x00"+u.from+"\x00"+u.location+"\x00"+uses[u])
	}
	return hex.EncodeToString(sum.Sum(nil))
}
