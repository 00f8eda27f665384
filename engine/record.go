package engine

import (
	"slices"
	"sync/atomic"
	"time"

	"capd/engine/diag"
	"capd/engine/plan"
)

// version is what one text of a document came to. A load makes it when it reads a text that it does not know; records
// share it as long as the text and all that it refers to are the same. Only its baseline and those of the files become later
// ones, and its keepsake goes when it is kept.
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
	// baseline is the file just before it was read.
	baseline baseline
	// keepsake is what is to be kept of it across restarts; nil when it is, or nothing is.
	keepsake atomic.Pointer[keepsake]
}

// record is what is known of one file. A load makes it and decides on all that is in it; from then on it does not change, but for
// what others are told of it. Later loads carry it over as long as there is nothing else to say of the file, and make
// another one else.
type record struct {
	id      string
	role    role
	current *version // of the text as it stands
	// served is the version whose unit is served: the current one, or the last good one.
	served *version
	// since is when the last good version began to stand for the current one.
	since time.Time
	// extra says what is wrong with the file beside its text.
	extra diag.List
	// candidate is the file; nil when it was not looked at.
	candidate *candidate
	coupling  coupling
	// state is what others are told of it, once somebody was.
	state *DocState
}

// role is what a record is of.
type role uint8

const (
	roleOwner     role = iota // a document that has its ID for itself, or is the first of several with it
	roleDuplicate             // a file whose ID belongs to another one: it is refused
	roleFolder                // a folder that cannot be looked into
)

// coupling is what a record has to do with anything but its own file, from much to nothing.
type coupling uint8

const (
	// coupled: to know what it comes to, other things must be looked at in each load.
	coupled coupling = iota
	// selfContained: as long as the policy and its file are the same, so is what it comes to. It is served as it stands
	// and refers to no files.
	selfContained
	// isolated: it is self-contained, and nothing else comes of it in a load. It has no findings, no variables in files and no
	// guard that is written in it.
	isolated
)

// couplingOf finds out how far what a record came to is coupled.
func couplingOf(r *record) coupling {
	switch {
	case r.isStale() || r.served.unit == nil || len(r.extra) > 0 || !r.current.files.refersToNothing():
		return coupled
	case len(r.current.problems) > 0 || readsFiles(r.served.unit):
		return selfContained
	}
	return isolated
}

// readsFiles reports whether a document has values in files, or says in one what opens its adapters.
func readsFiles(u *plan.Unit) bool {
	return slices.ContainsFunc(u.Variables, func(v *plan.Variable) bool { return v.Location != nil }) ||
		slices.ContainsFunc(u.Exposures, func(x *plan.Exposure) bool { return x.Guard.IsWritten() })
}

// clone gives a record that may be changed. What it comes to is not decided yet.
func (r *record) clone() *record {
	c := *r
	c.extra, c.state, c.coupling = slices.Clone(r.extra), nil, coupled
	return &c
}

// isOwner reports whether it is of a document that has its ID.
func (r *record) isOwner() bool { return r.role == roleOwner }

// isStale reports whether the last good version stands for the current one.
func (r *record) isStale() bool { return r.served != r.current }

// isIgnored reports whether the file is no capability document, and nobody said that it was one.
func (r *record) isIgnored() bool {
	return r.served.unit == nil && !r.current.named && onlyIgnorable(r.current.problems)
}

// carriesOver reports whether the record is all that there is to say of its file, which has this stamp now.
func (r *record) carriesOver(now stamp, trust stampTrust) bool {
	return r.coupling != coupled && r.current.baseline.isUnchanged(now) && trust.covers(r.current.file, now)
}

// staleSince is when the document was last seen as it should be: now, unless it is stale
// already.
func (r *record) staleSince() time.Time {
	if !r.since.IsZero() {
		return r.since
	}
	return time.Now()
}

// docState gives what others are told of it, beside what documents have to do with each other.
func (r *record) docState() *DocState {
	if r.state != nil {
		return r.state
	}
	d := &DocState{
		ID: r.id, File: r.current.file, Hash: r.current.files.hash(r.current.hash),
		Unit: r.served.unit, Kept: r.served.kept, Diagnostics: r.diagnostics(),
	}
	if r.current.files != nil {
		d.Files = r.current.files
	}
	switch {
	case r.isIgnored():
		d.State = Ignored
	case r.served.unit == nil:
		d.State = Refused
	case r.isStale():
		d.State, d.Since = Stale, r.since
	default:
		d.State = Served
	}
	d.Diagnostics.Sort()
	r.state = d
	return d
}

// valueFileState gives what others are told of a file that variables are read from. It may hold secrets: nothing that was found
// in it is told, nor its hash, by which one could try what they may be.
func (r *record) valueFileState() *DocState {
	d := &DocState{ID: r.id, File: r.current.file, State: Ignored}
	if r.current.files != nil {
		d.Files = r.current.files
	}
	return d
}

// past is what a load knows of a document before it looks at its file. It is the zero value for one that is new.
type past struct {
	read   *version // of the text as it was read last: by the last load or, in a later pass, by this one
	served *record  // of the last load
}

func (p past) isNew() bool { return p.read == nil && p.served == nil }

// find gives the version that may be taken again, if there is one: of the text as it was last, or the one that is served.
func (p past) find(mayBe func(*version) bool) *version {
	if p.read != nil && mayBe(p.read) {
		return p.read
	}
	if p.served != nil && mayBe(p.served.served) {
		return p.served.served
	}
	return nil
}
