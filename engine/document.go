package engine

import (
	"cmp"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"capd/engine/diag"
	"capd/engine/plan"
)

// version is what one text of a document came to.
type version struct {
	file, hash string
	named      bool
	kept       bool        // it comes from the state folder
	grant      *plan.Grant // what the policy let it do
	tags       []string    // that the policy knows it by
	unit       *plan.Unit  // nil when nothing of it can be served
	problems   diag.List
	ignores    []diag.Ignore // empty unless the options ask for them
	files      *files        // what it refers to; nil when the file was not read
	// looked is the file before it was read.
	looked looked
	// keepsake is what is to be kept of it across restarts; nil when it is, or nothing is.
	keepsake atomic.Pointer[keepsake]
}

// record is what is known of one file from one load to the next. A reload makes new records of
// files that changed, or of which there is more to say, and shares the others.
type record struct {
	id      string
	current *version // of the text as it stands
	// served is the version whose unit is served: the current one, or the last good one.
	served *version
	// owner: the file has its ID for itself. One of several files with one ID owns it.
	owner bool
	// unserved: it was only compiled, in this load.
	unserved bool
	// ignored: no capability document, and nobody said it was one.
	ignored bool
	// values: a document reads its variables from the file, which says enough of what it is.
	values bool
	// extra says what is wrong with the file beside its text.
	extra diag.List
	// folder: not a file but a folder that cannot be looked into.
	folder bool
	// candidate is the file; nil when it was not looked at. first: nothing was loaded before.
	candidate *candidate
	first     bool
	// since is when the last good version began to stand for the current one.
	since time.Time
	// kept is what the state folder has of it, once that was asked.
	kept  *record
	asked bool
	// told is what others are told of it, once somebody was.
	told *DocState
	// settled: as long as its file is as it was, and the policy, nothing else need be looked at to know what it
	// comes to. It is served as it stands and refers to no files.
	settled bool
	// plain: it is settled, nothing is said of it, and other documents need not know of it.
	plain bool
}

// clone gives a record that may be changed.
func (r *record) clone() *record {
	c := *r
	c.extra, c.told, c.settled, c.plain = slices.Clone(r.extra), nil, false, false
	return &c
}

// settle finds out what need not be asked any more.
func (r *record) settle() {
	r.settled = r.served == r.current && r.served.unit != nil && len(r.extra) == 0 && r.current.files.refersToNothing()
	r.plain = r.settled && len(r.current.problems) == 0 && !readsFiles(r.served.unit)
}

// readsFiles reports whether a document has values in files, or says in one what opens its adapters.
func readsFiles(u *plan.Unit) bool {
	return slices.ContainsFunc(u.Variables, func(v *plan.Variable) bool { return v.Location != nil }) ||
		slices.ContainsFunc(u.Exposures, func(x *plan.Exposure) bool { return x.Guard.IsWritten() })
}

// consistentTries is how often a load begins again because files changed while they were read.
const consistentTries = 3

// consistent gives the records of a load all of whose files are of one moment, as far as can be
// seen: a folder that is exchanged as a whole while it is read is read again. Where files never rest, the last try
// is taken, and the log says so. prev is the last load, nil before the first.
func (l *loader) consistent(ctx context.Context, prev *round, trust bool) (*round, error) {
	for try := 1; ; try++ {
		next, found, err := l.documents(ctx, prev, trust)
		if err != nil || next == prev || found.isAsNow() && !next.moved() && !l.policy.moved() {
			return next, err
		}
		if try == consistentTries {
			l.Logger.Warn("files changed each time while the documents were loaded: what is served may be of more than one moment; reload when nobody writes to them any more", "tries", try)
			return next, nil
		}
	}
}

// documents runs the phases of single documents over every file, in parallel. prev is the last load; it is
// given again when nothing is another. trust spares reading a file whose stamp is that of the last load.
func (l *loader) documents(ctx context.Context, prev *round, trust bool) (*round, *found, error) {
	if err := l.policy.refresh(l.Limits); err != nil {
		return nil, nil, err
	}
	l.barred.refresh()
	l.barred.begin(prev)
	defer l.barred.begin(nil) // holds nothing of the last load
	l.local.refresh()
	next, found, err := l.compileAll(ctx, prev, prev == nil, trust)
	// A document may read a file before another one says that it opens its adapter. So what the
	// others read is looked at again; each round finds more such files, or is the last. Standard
	// input can be read once, and is of one document.
	for range maxRounds {
		if err != nil || !l.barred.guard(next) || l.Stdin != nil {
			break
		}
		next, found, err = l.compileAll(ctx, overlaid(next, prev), prev == nil, false)
	}
	return next, found, err
}

// maxRounds bounds how often all documents are looked at in one load.
const maxRounds = 4

// compileAll is one round of documents.
func (l *loader) compileAll(ctx context.Context, prev *round, begins, trust bool) (*round, *found, error) {
	found, err := l.scan(trust)
	if err != nil {
		return nil, nil, err
	}
	if found.simple && prev != nil && l.policy.path == "" && slices.Equal(prev.candidates, found.candidates) {
		next, err := l.follow(ctx, prev, found, trust)
		return next, found, err
	}
	found.look()
	sources := l.policy.withoutPolicy(found.sources)
	last := map[string]*record{}
	if prev != nil {
		for _, r := range prev.records {
			if r.owner {
				last[r.id] = r
			}
		}
	}
	first := owners(sources)
	records := make([]*record, len(sources))
	var work []int // of sources
	for i := range sources {
		src := &sources[i]
		src.first, src.trust = begins, trust
		if src.shut != nil {
			records[i] = unreadableFolder(src)
			continue
		}
		if f := first[src.id]; f != src {
			records[i] = duplicate(src, f)
			continue
		}
		if p := last[src.id]; l.isSettled(src, p) {
			records[i] = p
			continue
		}
		work = append(work, i)
	}
	if err := l.compileSome(ctx, sources, work, func(i int) *record { return last[sources[i].id] }, records); err != nil {
		return nil, nil, err
	}
	records = append(records, l.outOfSight(sources, first, l.below(sources, prev))...)
	slices.SortStableFunc(records, func(a, b *record) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.current.file, b.current.file))
	})
	next := newRound(records)
	if found.simple {
		next = next.of(found.candidates)
	}
	return next, found, nil
}

// follow is compileAll where the very same files were found as in the last load.
func (l *loader) follow(ctx context.Context, prev *round, found *found, trust bool) (*round, error) {
	changed := make([]bool, len(prev.records))
	each(len(changed), func(i int) { changed[i] = !l.stands(prev.records[i], trust) })
	var at, work []int // of records, of sources
	others := map[int]*record{}
	found.settled = make([]*record, 0, len(changed))
	for i, r := range prev.records {
		switch {
		case !changed[i]:
			found.settled = append(found.settled, r)
		case r.owner:
			at, work = append(at, i), append(work, len(work))
			found.sources = append(found.sources, source{candidate: r.candidate, trust: trust})
		default:
			others[i] = duplicate(&source{candidate: r.candidate}, &source{candidate: prev.owner(r.id).candidate})
		}
	}
	if len(work) == 0 {
		return prev, nil
	}
	each(len(work), func(i int) { found.sources[i].look() })
	records := make([]*record, len(work))
	if err := l.compileSome(ctx, found.sources, work, func(i int) *record { return prev.records[at[i]] }, records); err != nil {
		return nil, err
	}
	for k, i := range at {
		if last, r := prev.records[i], records[k]; !last.settled || !r.settled || last.current != r.current {
			others[i] = r
		}
	}
	return prev.with(others), nil
}

// stands reports whether a record is all that there is to say, by a look at its file.
func (l *loader) stands(r *record, trust bool) bool {
	if !r.settled {
		return false
	}
	now, err := stampOf(r.candidate.file)
	return err == nil && r.current.looked.isCertainly(now) && (trust || l.local.holds(r.candidate.file, now))
}

// compileSome runs the phases over some sources. last gives the record that a source had.
func (l *loader) compileSome(ctx context.Context, sources []source, work []int, last func(int) *record, records []*record) error {
	group, running := errgroup.WithContext(ctx)
	jobs := cmp.Or(l.Jobs, runtime.GOMAXPROCS(0))
	group.SetLimit(jobs)
	parts := portions(sources, work, jobs)
	waiting := make(chan []int, len(parts))
	for _, part := range parts {
		waiting <- part
	}
	close(waiting)
	for range min(jobs, len(parts)) {
		group.Go(func() error {
			d := new(desk)
			for part := range waiting {
				d.memory.Reset()
				for _, i := range part {
					if last(i) == nil && running.Err() == nil {
						l.readAhead(&sources[i], d)
					}
				}
				for _, i := range part {
					if err := running.Err(); err != nil {
						return err
					}
					records[i] = l.document(&sources[i], last(i), d)
					sources[i].ahead = nil
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// isSettled reports whether a file is what a record says it was, and the record all that there is to say.
func (l *loader) isSettled(src *source, r *record) bool {
	return r != nil && r.settled && l.untouched(src, r) == r.current && l.fits(src.id, r.current)
}

// owners gives the source that each ID belongs to: the first.
func owners(sources []source) map[string]*source {
	first := make(map[string]*source, len(sources))
	for i := range sources {
		if src := &sources[i]; src.shut == nil && first[src.id] == nil {
			first[src.id] = src
		}
	}
	return first
}

// unreadableFolder reports a folder that cannot be looked into.
func unreadableFolder(src *source) *record {
	v := &version{file: src.file, problems: diag.List{unread(src, src.err)}}
	return &record{id: src.id, current: v, served: v, folder: true}
}

// outOfSight gives the documents below folders that could be read at the last load and cannot
// be now. Nobody removed them, so their last good state stays.
func (l *loader) outOfSight(sources []source, first map[string]*source, prev []*record) []*record {
	var out []*record
	for i := range sources {
		if sources[i].shut == nil {
			continue
		}
		below := sources[i].file + string(filepath.Separator)
		for _, r := range prev {
			if r.owner && r.served.unit != nil && first[r.id] == nil && strings.HasPrefix(r.current.file, below) {
				v := &version{file: r.current.file, named: r.current.named}
				if denied := l.mayStay(r.id, r.served); denied != nil {
					v.problems = diag.List{withdrawn(r.id, r.current.file, denied)}
					out = append(out, &record{id: r.id, current: v, served: v, owner: true})
					continue
				}
				extra := diag.List{stale(r.id, r.current.file)}
				out = append(out, &record{id: r.id, current: v, served: r.served, owner: true, extra: extra, since: r.staleSince()})
			}
		}
	}
	return out
}

// duplicate refuses a file whose ID belongs to another one.
func duplicate(src, owner *source) *record {
	v := &version{file: src.file, named: src.named}
	v.problems.Add(diag.Diagnostic{
		Code: diag.CodeDuplicateID, Severity: diag.Error,
		Span: diag.Span{File: src.file}, Unit: diag.Unit{Doc: src.id},
		Message: "the ID " + src.id + " belongs to " + owner.file + " already",
		Hint:    "rename one of the two files, or serve the folder above both",
		Related: []diag.Related{{Span: diag.Span{File: owner.file}, Message: "this file is served as " + src.id}},
	})
	return &record{id: src.id, current: v, served: v, candidate: src.candidate}
}

// document loads one file. Whatever goes wrong stays in it.
func (l *loader) document(src *source, prev *record, d *desk) *record {
	r := &record{id: src.id, owner: true, candidate: src.candidate, first: src.first}
	l.decide(r, src, prev, d)
	r.settle()
	return r
}

// decide decides on what is served of a file.
func (l *loader) decide(r *record, src *source, prev *record, d *desk) {
	r.current = l.version(src, prev, d)
	r.served = r.current
	if prev != nil && prev.unserved {
		prev = nil
	}
	if r.current.unit != nil && r.current.brokenImports() == 0 {
		return
	}
	if prev == nil {
		prev = r.lastKept(l)
	}
	if prev != nil && prev.served.files.usesBarred() {
		prev = nil
	}
	if r.current.unit != nil && !r.current.lostImport(prev) {
		return
	}
	if prev != nil && prev.served.unit != nil {
		denied := l.mayStay(src.id, prev.served)
		if denied == nil {
			r.served, r.since = prev.served, prev.staleSince()
			r.extra.Add(stale(src.id, src.file))
			return
		}
		r.extra.Add(withdrawn(src.id, src.file, denied))
	}
	r.ignored = !src.named && onlyIgnorable(r.current.problems)
}

// staleSince is when the document was last seen as it should be: now, unless it is stale
// already.
func (r *record) staleSince() time.Time {
	if !r.since.IsZero() {
		return r.since
	}
	return time.Now()
}

// lostImport reports whether an imported file broke under a document that is as it was, so that
// less of it would be served than is now.
func (v *version) lostImport(prev *record) bool {
	return prev != nil && prev.served.unit != nil && prev.served.hash == v.hash && v.brokenImports() > prev.served.brokenImports()
}

func (v *version) brokenImports() int {
	n := 0
	for _, d := range v.problems {
		switch d.Code {
		case diag.CodeImportUnreadable, diag.CodeImportUnresolved, diag.CodeImportChain:
			n++
		}
	}
	return n
}

// version reads a file and compiles it, unless its text and all it refers to are known.
func (l *loader) version(src *source, prev *record, d *desk) (v *version) {
	v = &version{file: src.file, named: src.named}
	defer func() {
		if p := recover(); p != nil {
			logFault(l.Logger, "compiling a document", p, "file", src.file)
			v.unit, v.problems = nil, diag.List{internal(src)}
		}
	}()
	if known := l.untouched(src, prev); known != nil && l.fits(src.id, known) {
		return known
	}
	read, err := l.content(src, d)
	if err != nil {
		v.problems = diag.List{unread(src, err)}
		return v
	}
	v.hash, v.looked = read.hash, src.now.lookedAt(read.at)
	if prev != nil {
		for _, known := range []*version{prev.current, prev.served} {
			if known.hash == v.hash && known.file == v.file && known.named == v.named && l.fits(src.id, known) && known.files.unchanged(src.trust, l.local) {
				known.looked = v.looked
				return known
			}
		}
	}
	v.files = l.newFiles(src)
	l.compile(src, read, v)
	v.keep(read.text)
	return v
}

// compile runs the phases from text to unit, and fills v.
func (l *loader) compile(src *source, read *content, v *version) {
	l.parse(src, read)
	doc, problems := read.doc, read.problems
	if l.HideIgnored {
		v.ignores = ignores(src, read.text, doc)
	}
	if doc == nil {
		v.problems = l.finish(src, nil, problems)
		return
	}
	doc.ID, doc.Team = src.id, src.team()
	v.tags = plan.TagsOf(doc)
	v.grant = l.grant(src.id, v)
	v.files.grant = v.grant
	shape := read.shape
	whole, imported := l.phases.resolve(doc, v.files)
	for _, part := range whole.Parts {
		if tree := part.Tree(); tree != nil {
			shape = append(shape, l.phases.check(tree)...)
		}
	}
	unit, found := l.phases.compile(whole, v.files, v.grant)
	problems = once(slices.Concat(problems, imported, found, v.files.aside(whole)))
	locate(whole, problems)
	v.unit, v.problems = unit, l.finish(src, unit, append(problems, unseen(shape, problems)...))
}

func (r *record) docState() *DocState {
	d := &DocState{
		ID: r.id, File: r.current.file, Hash: r.current.files.hash(r.current.hash),
		Unit: r.served.unit, Diagnostics: r.diagnostics(),
	}
	if r.current.files != nil {
		d.Files = r.current.files
	}
	d.Kept = r.served.kept
	switch {
	case r.values:
		d.State, d.Hash = Ignored, "" // who knows the hash of a secret can try what it may be
	case r.ignored:
		d.State = Ignored
	case r.served.unit == nil:
		d.State = Refused
	case r.served != r.current:
		d.State, d.Since = Stale, r.since
	default:
		d.State = Served
	}
	return d
}
