package engine

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"capd/engine/plan"
)

// round is what the single documents came to in a load. It does not change, but for what is told of them.
type round struct {
	records []*record    // by ID and file
	units   []*plan.Unit // what each of them serves, or nil
	plain   []bool       // which are plain
	// candidates are what was found, in its order, if each has a record of its own.
	candidates []*candidate
	told       []*DocState // what others are told of each, beside what documents have to do with each other; nil: nothing yet
}

// newRound gives the round of records in their order.
func newRound(records []*record) *round {
	r := &round{records: records, units: make([]*plan.Unit, len(records)), plain: make([]bool, len(records))}
	for i := range records {
		r.note(i)
	}
	return r
}

func (r *round) note(i int) { r.units[i], r.plain[i] = r.records[i].served.unit, r.records[i].plain }

// of notes what was found, if each candidate has a record.
func (r *round) of(found []*candidate) *round {
	if len(found) != len(r.records) {
		return r
	}
	has := make(map[*candidate]bool, len(found))
	for _, rec := range r.records {
		has[rec.candidate] = true
	}
	if !slices.ContainsFunc(found, func(c *candidate) bool { return !has[c] }) {
		r.candidates = found
	}
	return r
}

// with gives the round with others in the place of some records.
func (r *round) with(others map[int]*record) *round {
	next := &round{
		records: slices.Clone(r.records), units: slices.Clone(r.units), plain: slices.Clone(r.plain), candidates: r.candidates, told: slices.Clone(r.told),
	}
	for i, rec := range others {
		next.records[i] = rec
		next.note(i)
		if next.told != nil {
			next.told[i] = nil
		}
	}
	return next
}

// odd gives the records that are not plain, in their order.
func (r *round) odd() iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for i, plain := range r.plain {
			if !plain && !yield(r.records[i]) {
				return
			}
		}
	}
}

// ofID gives where the records of an ID are.
func (r *round) ofID(id string) (from, to int) {
	from, _ = slices.BinarySearchFunc(r.records, id, func(r *record, id string) int { return strings.Compare(r.id, id) })
	for to = from; to < len(r.records) && r.records[to].id == id; to++ {
	}
	return from, to
}

// owner gives the record that an ID belongs to.
func (r *round) owner(id string) *record {
	from, to := r.ofID(id)
	for _, rec := range r.records[from:to] {
		if rec.owner {
			return rec
		}
	}
	return nil
}

// moved reports whether a file that a document read has changed since.
func (r *round) moved() bool {
	for rec := range r.odd() {
		if rec.current.files.moved() {
			return true
		}
	}
	return false
}

// markValues finds the files among the records, beside documents and what somebody named, that
// documents read their variables from.
func (rd *round) markValues() {
	from := make(map[string]bool)
	for r := range rd.odd() {
		if r.served.unit == nil {
			continue
		}
		for _, v := range r.served.unit.Variables {
			if v.Location != nil {
				from[v.Location.File.Path] = true
			}
		}
	}
	if len(from) == 0 {
		return
	}
	for r := range rd.odd() {
		if r.served.unit != nil || r.current.named {
			continue
		}
		if path, err := filepath.Abs(r.current.file); err == nil && from[path] {
			r.values = true
		}
	}
}
