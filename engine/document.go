package engine

import (
	"cmp"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"capd/engine/diag"
	"capd/engine/plan"
)

// consistentTries is how often a load begins again because files changed while they were read.
const consistentTries = 3

// consistent gives the records of a load all of whose files are of one moment, as far as can be
// seen: a folder that is exchanged as a whole while it is read is read again. Where files never rest, the last try
// is taken, and the log says so. prev is the last load, nil before the first.
func (l *loader) consistent(ctx context.Context, prev *recordSet, trust bool) (*recordSet, error) {
	for try := 1; ; try++ {
		next, found, err := l.documents(ctx, prev, trust)
		if err != nil || next == prev || !found.changedMeanwhile() && !next.changedMeanwhile() && !l.policy.changedMeanwhile() {
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
func (l *loader) documents(ctx context.Context, prev *recordSet, trust bool) (*recordSet, *found, error) {
	if err := l.policy.refresh(l.Limits); err != nil {
		return nil, nil, err
	}
	l.barred.refresh()
	l.barred.begin(prev)
	defer l.barred.begin(nil) // holds nothing of the last load
	l.local.refresh()
	next, found, err := l.pass(ctx, prev, nil, stampTrust{trust, l.local})
	// A document may read a file before another one says that it opens its adapter. So what the
	// others read is looked at again; each pass finds more such files, or is the last. Standard
	// input can be read once, and is of one document.
	for range maxPasses {
		if err != nil || !l.barred.guard(next) || l.Stdin != nil {
			break
		}
		next, found, err = l.pass(ctx, prev, next, stampTrust{false, l.local})
	}
	return next, found, err
}

// maxPasses bounds how often all documents are looked at again in one load.
const maxPasses = 4

// pass looks at all documents once. prev is the last load, compiled what this load came to in the pass before; each
// is nil when there was none.
func (l *loader) pass(ctx context.Context, prev, compiled *recordSet, trust stampTrust) (*recordSet, *found, error) {
	l.kept.begin(prev == nil)
	found, err := l.scan(trust)
	if err != nil {
		return nil, nil, err
	}
	if compiled == nil && found.simple && prev != nil && l.policy.path == "" && prev.isOfJust(found.candidates) {
		next, err := l.compileChanged(ctx, prev, found, trust)
		return next, found, err
	}
	next, err := l.compileAll(ctx, prev, compiled, found, trust)
	return next, found, err
}

// compileAll is a pass over what was found, whatever was found before.
func (l *loader) compileAll(ctx context.Context, prev, compiled *recordSet, found *found, trust stampTrust) (*recordSet, error) {
	found.look()
	sources := l.policy.withoutPolicy(found.sources)
	last, read, first := prev.owners(), compiled.owners(), owners(sources)
	records := make([]*record, len(sources))
	var work []int // of sources
	for i := range sources {
		src := &sources[i]
		src.trust = trust
		switch r := last[src.id]; {
		case src.shut != nil:
			records[i] = closedFolder(src)
		case first[src.id] != src:
			records[i] = duplicate(src, first[src.id])
		case compiled == nil && r != nil && l.carriesOver(src, r):
			records[i] = r
		default:
			work = append(work, i)
		}
	}
	before := func(i int) past {
		p := past{served: last[sources[i].id]}
		if r := cmp.Or(read[sources[i].id], p.served); r != nil {
			p.read = r.current
		}
		return p
	}
	if err := l.compileSome(ctx, sources, work, before, records); err != nil {
		return nil, err
	}
	records = append(records, l.outOfSight(sources, first, l.below(sources, prev))...)
	slices.SortStableFunc(records, func(a, b *record) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.current.file, b.current.file))
	})
	if !found.simple {
		return newRecordSet(records, nil), nil
	}
	return newRecordSet(records, found.candidates), nil
}

// carriesOver reports whether a record of the last load is all that there is to say of a file that was found.
func (l *loader) carriesOver(src *source, r *record) bool {
	return src.err == nil && !src.stdin && r.current.file == src.file && r.current.named == src.named &&
		r.carriesOver(src.now, src.trust) && l.fitsPolicy(src.id, r.current)
}

// compileChanged is a pass where the very same files were found as in the last load, and there is no policy.
func (l *loader) compileChanged(ctx context.Context, prev *recordSet, found *found, trust stampTrust) (*recordSet, error) {
	changed := make([]bool, len(prev.records))
	each(len(changed), func(i int) { changed[i] = !prev.records[i].carriesOverNow(trust) })
	var at, work []int // of records, of sources
	others := map[int]*record{}
	found.carried = make([]*record, 0, len(changed))
	for i, r := range prev.records {
		switch {
		case !changed[i]:
			found.carried = append(found.carried, r)
		case r.isOwner():
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
	before := func(i int) past { return past{prev.records[at[i]].current, prev.records[at[i]]} }
	if err := l.compileSome(ctx, found.sources, work, before, records); err != nil {
		return nil, err
	}
	for k, i := range at {
		if last, r := prev.records[i], records[k]; last.coupling == coupled || r.coupling == coupled || last.current != r.current {
			others[i] = r
		}
	}
	return prev.replaced(others), nil
}

// carriesOverNow looks at the file, and reports whether the record is all that there is to say of it.
func (r *record) carriesOverNow(trust stampTrust) bool {
	if r.coupling == coupled {
		return false
	}
	now, err := stampOf(r.candidate.file)
	return err == nil && r.carriesOver(now, trust)
}

// compileSome runs the phases over some sources. before gives what is known of each.
func (l *loader) compileSome(ctx context.Context, sources []source, work []int, before func(int) past, records []*record) error {
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
					if before(i).isNew() && running.Err() == nil {
						l.readAhead(&sources[i], d)
					}
				}
				for _, i := range part {
					if err := running.Err(); err != nil {
						return err
					}
					records[i] = l.document(&sources[i], before(i), d)
					sources[i].ahead = nil
				}
			}
			return nil
		})
	}
	return group.Wait()
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

// closedFolder reports a folder that cannot be looked into.
func closedFolder(src *source) *record {
	v := &version{file: src.file, problems: diag.List{unread(src, src.err)}}
	return &record{id: src.id, role: roleFolder, current: v, served: v}
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
			if r.isOwner() && r.served.unit != nil && first[r.id] == nil && strings.HasPrefix(r.current.file, below) {
				v := &version{file: r.current.file, named: r.current.named}
				if denied := l.mayStay(r.id, r.served); denied != nil {
					v.problems = diag.List{withdrawn(r.id, r.current.file, denied)}
					out = append(out, &record{id: r.id, current: v, served: v})
					continue
				}
				extra := diag.List{stale(r.id, r.current.file)}
				out = append(out, &record{id: r.id, current: v, served: r.served, extra: extra, since: r.staleSince()})
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
	return &record{id: src.id, role: roleDuplicate, current: v, served: v, candidate: src.candidate}
}

// document loads one file. Whatever goes wrong stays in it.
func (l *loader) document(src *source, before past, d *desk) *record {
	r := &record{id: src.id, candidate: src.candidate, current: l.version(src, before, d)}
	l.decide(r, src, before.served)
	r.coupling = couplingOf(r)
	return r
}

// decide decides on what is served of a file: of the text as it stands or, when that is less than it was, of the last good one.
// last is the record of the last load, nil for a new document.
func (l *loader) decide(r *record, src *source, last *record) {
	r.served = r.current
	if r.current.unit != nil && r.current.brokenImports() == 0 {
		return
	}
	if last == nil {
		last = l.keptRecord(src.candidate)
	}
	if last == nil || last.served.unit == nil || last.served.files.usesBarred() {
		return
	}
	if r.current.unit != nil && !r.current.lostImport(last.served) {
		return
	}
	if denied := l.mayStay(src.id, last.served); denied != nil {
		r.extra.Add(withdrawn(src.id, src.file, denied))
		return
	}
	r.served, r.since = last.served, last.staleSince()
	r.extra.Add(stale(src.id, src.file))
}

// lostImport reports whether an imported file broke under a document that is as it was, so that
// less of it would be served than is now.
func (v *version) lostImport(served *version) bool {
	return served.hash == v.hash && v.brokenImports() > served.brokenImports()
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
func (l *loader) version(src *source, before past, d *desk) (v *version) {
	v = &version{file: src.file, named: src.named}
	defer func() {
		if p := recover(); p != nil {
			logFault(l.Logger, "compiling a document", p, "file", src.file)
			v.unit, v.problems = nil, diag.List{internal(src)}
		}
	}()
	if known := l.versionByStamp(src, before); known != nil && l.fitsPolicy(src.id, known) {
		return known
	}
	read, err := l.content(src, d)
	if err != nil {
		v.problems = diag.List{unread(src, err)}
		return v
	}
	v.hash, v.baseline = read.hash, src.now.baseline(read.at)
	if known := before.find(func(known *version) bool {
		return known.hash == v.hash && known.file == v.file && known.named == v.named && l.fitsPolicy(src.id, known) && known.files.isUnchanged(src.trust)
	}); known != nil {
		known.baseline = v.baseline
		return known
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
	unit, found := l.phases.compile(whole, v.files, v.grant, &read.desk.room)
	problems = once(slices.Concat(problems, imported, found, v.files.aside(whole)))
	locate(whole, problems)
	v.unit, v.problems = unit, l.finish(src, unit, append(problems, unseen(shape, problems)...))
}
