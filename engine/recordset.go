package engine

import (
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"capd/engine/plan"
)

// recordSet is what all files came to in a load. It is made at the end of a pass over them, or after another one, with which it
// shares most of its records. It does not change, but for what others are told of it.
type recordSet struct {
	records  []*record    // by ID and file
	units    []*plan.Unit // what each of them serves, or nil
	isolated []bool       // which are isolated
	values   map[int]bool // which are files that documents read their variables from: what is in them is nobody's business
	// candidates are what was found, in its order, if each has a record of its own.
	candidates []*candidate
	states     []*DocState // what others are told of each, beside what documents have to do with each other; nil: nothing yet
}

// newRecordSet gives the set of records in their order. found are the candidates that were looked at, nil where one of them may be
// the same file as another one.
func newRecordSet(records []*record, found []*candidate) *recordSet {
	s := &recordSet{records: records, units: make([]*plan.Unit, len(records)), isolated: make([]bool, len(records))}
	for i := range records {
		s.tabulate(i)
	}
	s.values = s.valueFiles()
	if s.isOf(found) {
		s.candidates = found
	}
	return s
}

// replaced gives the set with others in the place of some records.
func (s *recordSet) replaced(others map[int]*record) *recordSet {
	next := &recordSet{
		records: slices.Clone(s.records), units: slices.Clone(s.units), isolated: slices.Clone(s.isolated),
		candidates: s.candidates, states: slices.Clone(s.states),
	}
	for i, r := range others {
		next.records[i] = r
		next.tabulate(i)
	}
	next.values = next.valueFiles()
	if next.states != nil {
		for i := range others {
			next.states[i] = nil
		}
		for _, either := range []map[int]bool{s.values, next.values} {
			for i := range either {
				next.states[i] = nil
			}
		}
	}
	return next
}

// tabulate puts what a record says into the tables beside it.
func (s *recordSet) tabulate(i int) {
	s.units[i], s.isolated[i] = s.records[i].served.unit, s.records[i].coupling == isolated
}

// isOf reports whether each of some candidates has a record.
func (s *recordSet) isOf(found []*candidate) bool {
	if len(found) != len(s.records) {
		return false
	}
	has := make(map[*candidate]bool, len(found))
	for _, r := range s.records {
		has[r.candidate] = true
	}
	return !slices.ContainsFunc(found, func(c *candidate) bool { return !has[c] })
}

// isOfJust reports whether each of some candidates has a record of its own, and there are no others. Records of which
// nothing is to be found any more are others: when nothing at all is found, there are only those.
func (s *recordSet) isOfJust(found []*candidate) bool {
	return len(found) == len(s.records) && slices.Equal(s.candidates, found)
}

// notIsolated gives the records that are not isolated and where they are, in their order.
func (s *recordSet) notIsolated() iter.Seq2[int, *record] {
	return func(yield func(int, *record) bool) {
		for i, isolated := range s.isolated {
			if !isolated && !yield(i, s.records[i]) {
				return
			}
		}
	}
}

// rangeOf gives where the records of an ID are.
func (s *recordSet) rangeOf(id string) (from, to int) {
	from, _ = slices.BinarySearchFunc(s.records, id, func(r *record, id string) int { return strings.Compare(r.id, id) })
	for to = from; to < len(s.records) && s.records[to].id == id; to++ {
	}
	return from, to
}

// owner gives the record that an ID belongs to.
func (s *recordSet) owner(id string) *record {
	from, to := s.rangeOf(id)
	for _, r := range s.records[from:to] {
		if r.isOwner() {
			return r
		}
	}
	return nil
}

// owners gives the records that IDs belong to. There are none of no set.
func (s *recordSet) owners() map[string]*record {
	out := map[string]*record{}
	if s != nil {
		for _, r := range s.records {
			if r.isOwner() {
				out[r.id] = r
			}
		}
	}
	return out
}

// changedMeanwhile reports whether a file that a document read has changed since.
func (s *recordSet) changedMeanwhile() bool {
	for _, r := range s.notIsolated() {
		if r.current.files.changedMeanwhile() {
			return true
		}
	}
	return false
}

// valueFiles finds the files, beside documents that are served and what somebody named, that documents read their variables from.
func (s *recordSet) valueFiles() map[int]bool {
	from := make(map[string]bool)
	for _, r := range s.notIsolated() {
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
		return nil
	}
	found := make(map[int]bool)
	for i, r := range s.notIsolated() {
		if r.served.unit != nil || r.current.named {
			continue
		}
		if path, err := filepath.Abs(r.current.file); err == nil && from[path] {
			found[i] = true
		}
	}
	return found
}

// docStates gives what others are told of each record, beside what documents have to do with each other.
func (s *recordSet) docStates() []*DocState {
	if s.states == nil {
		s.states = make([]*DocState, len(s.records))
	}
	for i, d := range s.states {
		switch {
		case d != nil:
		case s.values[i]:
			s.states[i] = s.records[i].valueFileState()
		default:
			s.states[i] = s.records[i].docState()
		}
	}
	return slices.Clone(s.states)
}
