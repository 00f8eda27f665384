package diag

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// baselineVersion is the version of the format that WriteBaseline writes.
const baselineVersion = 1

// Baseline is a set of findings that are known and not to be reported again. It knows them
// by what [Diagnostic.Fingerprint] is made of, and how often each was there.
type Baseline struct{ known map[identity]int }

type baselineFile struct {
	Version  int             `json:"version"`
	Findings []baselineEntry `json:"findings"`
}

type baselineEntry struct {
	identity
	Count int `json:"count,omitempty"` // absent means once
}

// NewBaseline makes a baseline of the findings of a list.
func NewBaseline(l List) *Baseline {
	b := &Baseline{known: make(map[identity]int, len(l))}
	for i := range l {
		b.known[identify(&l[i])]++
	}
	return b
}

// ReadBaseline reads what [Baseline.Write] wrote. The error says what is wrong with the text.
func ReadBaseline(r io.Reader) (*Baseline, error) {
	var f baselineFile
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("not a baseline: %w", err)
	}
	if f.Version != baselineVersion {
		return nil, fmt.Errorf("baseline of version %d, expected %d", f.Version, baselineVersion)
	}
	b := &Baseline{known: make(map[identity]int, len(f.Findings))}
	for _, e := range f.Findings {
		if e.Code == "" || e.Count < 0 {
			return nil, errors.New("not a baseline: a finding without a code, or with a negative count")
		}
		b.known[e.identity] += max(1, e.Count)
	}
	return b, nil
}

// Write writes the baseline as JSON, one order for equal sets, to be kept beside the specs.
// The error is the writer's.
func (b *Baseline) Write(w io.Writer) error {
	f := baselineFile{Version: baselineVersion, Findings: make([]baselineEntry, 0, len(b.known))}
	for id, n := range b.known {
		e := baselineEntry{identity: id}
		if n > 1 {
			e.Count = n
		}
		f.Findings = append(f.Findings, e)
	}
	slices.SortFunc(f.Findings, func(x, y baselineEntry) int { return compareIdentities(&x.identity, &y.identity) })
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(f)
}

func compareIdentities(x, y *identity) int {
	return cmp.Or(
		cmp.Compare(x.File, y.File), cmp.Compare(x.Code, y.Code), cmp.Compare(x.Path, y.Path),
		cmp.Compare(x.Unit.Doc, y.Unit.Doc), cmp.Compare(x.Unit.Adapter, y.Unit.Adapter),
		cmp.Compare(x.Unit.Name, y.Unit.Name), cmp.Compare(x.Message, y.Message),
	)
}

// New gives the findings that are not in the baseline, in the order of l. Of several equal
// ones as many are known as the baseline counted.
func (b *Baseline) New(l List) List {
	seen := make(map[identity]int, len(l))
	var out List
	for i := range l {
		id := identify(&l[i])
		if seen[id] >= b.known[id] {
			out.Add(l[i])
			continue
		}
		seen[id]++
	}
	return out
}
