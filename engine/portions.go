package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
)

// A portion is what is parsed before the first of it is compiled: so many documents, and bytes.
const (
	portionDocuments = 64
	portionBytes     = 256 << 10
)

// portions cuts the work in portions. What parsing leaves behind is garbage, what compiling makes
// stays: one after the other they do not share pages of memory, and collections free whole ones. Every
// job gets several portions.
func portions(sources []source, work []int, jobs int) [][]int {
	most := min(portionDocuments, max(1, len(work)/(4*jobs)))
	var out [][]int
	for len(work) > 0 {
		n, size := 0, int64(0)
		for n < len(work) && n < most && (n == 0 || size < portionBytes) {
			size += sources[work[n]].now.bytes()
			n++
		}
		out = append(out, work[:n])
		work = work[n:]
	}
	return out
}

// desk is what a job works with: what one portion leaves on it, the next one takes. A document is
// forgotten with its portion; what it came to holds no part of it.
type desk struct {
	memory spec.Memory // of the documents
	room   plan.Room   // in which they are compiled
	buffer []byte      // for the file that is read
}

// content is what a file was when it was read.
type content struct {
	at       time.Time // just before
	text     string
	hash     string
	desk     *desk // that the document lies on
	parsed   bool
	doc      *spec.Document
	problems diag.List
	shape    diag.List // what the schema says of it
}

// parse reads the document, and checks it while it is at hand.
func (l *loader) parse(src *source, c *content) {
	if c.parsed {
		return
	}
	c.doc, c.problems = l.phases.parse(&c.desk.memory, src.file, c.text, l.Limits)
	if c.doc != nil {
		c.shape = l.phases.check(c.doc)
	}
	c.parsed = true
}

// content gives what the file holds.
func (l *loader) content(src *source, d *desk) (*content, error) {
	if c := src.ahead; c != nil {
		src.ahead = nil
		return c, nil
	}
	at := time.Now()
	text, err := src.read(d.buffer, l.Stdin, l.Limits.Bytes)
	if err != nil {
		return nil, err
	}
	d.buffer = text
	return &content{at: at, text: string(text), hash: hashOf(text), desk: d}, nil
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// readAhead reads and parses a file. When that fails it is done again in its turn, and reported then.
func (l *loader) readAhead(src *source, d *desk) {
	defer func() { _ = recover() }()
	if src.stdin {
		return
	}
	if c, err := l.content(src, d); err == nil {
		l.parse(src, c)
		src.ahead = c
	}
}
