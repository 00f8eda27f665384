package plan

import (
	"slices"
	"sync"
	"sync/atomic"

	"capd/engine/expr"
)

// shape is an output that knows where it finds its values: the paths of all its parts are
// found in one pass over the answer. It is immutable.
type shape struct {
	root   *output
	finder *expr.Finder
	items  []*output // of the lists that are written while they are read, by their tag
}

// whereabouts is where an output finds its value.
type whereabouts struct {
	place expr.Place   // of the value
	list  *expr.List   // outputList: it is written while it is read; nil: afterwards
	inner *expr.Finder // of the parts, or of the items, where they are looked for afterwards
}

// newShape locates an output, which then belongs to the shape.
func newShape(root *output) *shape {
	s := &shape{root: root, finder: expr.NewFinder()}
	s.locate(root, s.finder.Root(), true)
	return s
}

// locate adds the paths of an output to those that begin at a spot. now says that a list may be
// written as soon as it is read: it is certain that it belongs to the answer if it is there.
func (s *shape) locate(o *output, from *expr.Spot, now bool) {
	if o.kind == outputConst {
		return
	}
	o.place = from.Add(o.path)
	below := from.Below(o.path)
	if o.kind == outputObject && o.made != nil {
		o.made.quote()
	}
	switch o.kind {
	case outputPath:
		if now && (o.typ == anyType || o.typ == arrayType) {
			s.locateColumn(o, from)
		}
		o.path = nil // the place says all of it
		return
	case outputList:
		if now && !o.xml && o.items.isPlain() && s.locateList(o, below, o.items) {
			return
		}
		below = nil
	case outputMembers:
		below = nil
	case outputFirst:
		now = false
	}
	if below == nil {
		o.inner, now = expr.NewFinder(), true
		below = o.inner.Root()
	}
	for _, p := range o.parts() {
		s.locate(p, below, now)
	}
	if o.items != nil {
		s.locate(o.items, below, now)
	}
}

// quote writes the names as they are written, in their place.
func (p *outputParts) quote() {
	p.quoted = make([]string, len(p.names))
	var room [64]byte
	for i, name := range p.names {
		p.quoted[i] = string(append(appendString(append(room[:0], ','), name), ':'))
	}
	p.names = nil
}

// locateList has each element of the list at a spot written while it is read. It is false when
// that cannot be.
func (s *shape) locateList(o *output, at *expr.Spot, each *output) bool {
	if at != nil {
		o.list = at.List()
	}
	if o.list == nil {
		return false
	}
	o.list.Tag = len(s.items)
	s.items = append(s.items, each)
	s.locate(each, o.list.Each.Root(), true)
	return true
}

// locateColumn does so for a path such as $.items[*].id, which gives a list of what is there.
func (s *shape) locateColumn(o *output, from *expr.Spot) {
	if list, each, ok := o.path.CutAll(); ok {
		s.locateList(o, from.Below(list), &output{kind: outputPath, path: each, omit: true})
	}
}

// isPlain reports whether nothing but the text decides what is written, and nothing can go
// wrong.
func (o *output) isPlain() bool {
	if o.literal != nil && o.literal.kind != exprLiteral || o.path != nil && !o.path.IsPlain() {
		return false
	}
	return !slices.ContainsFunc(o.parts(), func(p *output) bool { return !p.isPlain() }) && (o.items == nil || o.items.isPlain())
}

// rendering is the text of an answer while it is made.
type rendering struct {
	*scope
	shape *shape
	text  []byte
	lists []listMade // by their tag
	err   error      // of a list
	pass  expr.Pass
	// Of the text so much was counted. A few bytes of an answer can be mapped to many.
	account expr.Account
	counted int
}

// holds counts the text, which has grown to a length. It is false when that is more than there is room for.
func (r *rendering) holds(length int) bool {
	if length <= r.counted+stride {
		return true
	}
	more := length - r.counted
	r.counted = length
	return r.account.Add(int64(more))
}

// listMade is a list that is written while it is read. Lists inside its elements are written
// before the element that holds them, which then takes their place.
type listMade struct {
	from, next    int  // where it begins in the text, and where its next element does
	before, after bool // the scope's misfits without it, and its own
}

// render gives the JSON of the mapped value. raw is the JSON of the upstream's answer; nil
// when there is no upstream.
func (s *shape) render(raw []byte, in *scope, r *rendering) ([]byte, error) {
	r.scope, r.shape, r.text, r.err = in, s, r.text[:0], nil
	r.lists = slices.Grow(r.lists[:0], len(s.items))[:len(s.items)]
	r.pass.Room = in.held
	r.account, r.counted = expr.NewAccount(in.held), 0
	defer r.account.Close()
	found, ok := r.pass.Run(s.finder, raw, r)
	if !ok {
		return nil, notJSON()
	}
	if list := s.root.list; list != nil && r.err == nil { // the answer is made already
		if made, ok := r.made(r.text, found, list); ok {
			return slices.Clone(made), nil
		}
	}
	lists := len(r.text)
	text, err := s.root.append(r.text, found, r)
	if r.err != nil {
		err = r.err
	}
	if err != nil {
		return nil, in.held.unfound("the upstream's answer cannot be mapped", err)
	}
	r.text = text
	return slices.Clone(text[lists:]), nil
}

// inside appends what write makes of a value by another pass over it.
func (r *rendering) inside(dst []byte, pass *expr.Pass, f *expr.Finder, value []byte, write func([]byte, expr.Found, *rendering) ([]byte, error)) ([]byte, error) {
	begin := len(dst)
	r.text = dst
	pass.Room = r.held
	found, _ := pass.Run(f, value, r)
	lists := len(r.text)
	dst, err := write(r.text, found, r)
	return lift(dst, begin, lists), err
}

// lift moves what stands from one place on to another in front: to where the lists begin that
// it has taken up.
func lift(text []byte, to, from int) []byte {
	if from > to && from <= len(text) {
		text = text[:to+copy(text[to:], text[from:])]
	}
	return text
}

// BeginList is called by the pass, as are Element and EndList.
func (r *rendering) BeginList(l *expr.List) {
	r.lists[l.Tag] = listMade{from: len(r.text), next: len(r.text) + 1, before: r.misfits}
	r.text = append(r.text, '[')
	r.misfits = false
}

// Element writes an element.
func (r *rendering) Element(l *expr.List, e expr.Found) {
	if r.err != nil {
		return
	}
	m := &r.lists[l.Tag]
	text := r.text
	lists := len(text)
	if m.next > m.from+1 {
		text = append(text, ',')
	}
	value := len(text)
	text, err := r.shape.items[l.Tag].append(text, e, r)
	if err != nil {
		r.err, text = err, r.text
	}
	if len(text) == value {
		text = text[:lists] // a column has nothing of this element
	}
	r.text = lift(text, m.next, lists)
	m.next = len(r.text)
	if !r.holds(m.next) {
		r.err = r.account.Err()
	}
}

// EndList says where the list is.
func (r *rendering) EndList(l *expr.List) (from, to int) {
	m := &r.lists[l.Tag]
	r.text = append(r.text, ']')
	m.after, r.misfits = r.misfits, m.before
	return m.from, len(r.text)
}

// made gives a list that was written to text before. ok is false when there is none.
func (r *rendering) made(text []byte, around expr.Found, l *expr.List) (list []byte, ok bool) {
	from, to, ok := around.Made(l)
	if !ok {
		return nil, false
	}
	r.misfits = r.misfits || r.lists[l.Tag].after
	return text[from:to], true
}

// workbenches lends the memory in which answers are read and shaped. All calls share it.
// Nothing that leaves a call may be a part of what is lent.
type workbenches struct {
	bodies, renderings        sync.Pool
	bodiesAtHand, textsAtHand stock
}

// maxLent bounds what is kept of a call for the next one, in bytes. Of what is more than small,
// maxStock is kept in all: no document's quota counts it, and the collector leaves it for two rounds.
const (
	maxLent  = 4 << 20
	small    = 64 << 10
	maxStock = 32 << 20
)

// stock is how many bytes of a pool are at hand, about: what the collector took from it is noticed
// when nothing is left.
type stock struct{ bytes atomic.Int64 }

// lend takes memory out of the stock.
func (s *stock) lend(size int) {
	if size > small {
		s.bytes.Add(-int64(size))
	}
}

// empty says that nothing is at hand.
func (s *stock) empty() {
	if s.bytes.Load() != 0 {
		s.bytes.Store(0)
	}
}

// takes reports whether memory is to be kept, and counts it.
func (s *stock) takes(size int) bool {
	switch {
	case size <= small:
		return true
	case size > maxLent:
		return false
	case s.bytes.Add(int64(size)) > maxStock:
		s.bytes.Add(-int64(size))
		return false
	}
	return true
}

func (w *workbenches) body() *[]byte {
	if b, ok := w.bodies.Get().(*[]byte); ok {
		w.bodiesAtHand.lend(cap(*b))
		return b
	}
	w.bodiesAtHand.empty()
	return new([]byte)
}

func (w *workbenches) takeBody(b *[]byte) {
	if w.bodiesAtHand.takes(cap(*b)) {
		w.bodies.Put(b)
	}
}

func (w *workbenches) rendering() *rendering {
	if r, ok := w.renderings.Get().(*rendering); ok {
		w.textsAtHand.lend(cap(r.text))
		return r
	}
	w.textsAtHand.empty()
	return new(rendering)
}

func (w *workbenches) takeRendering(r *rendering) {
	r.scope, r.shape, r.err = nil, nil, nil
	r.pass.Forget()
	if w.textsAtHand.takes(cap(r.text)) {
		w.renderings.Put(r)
	}
}
