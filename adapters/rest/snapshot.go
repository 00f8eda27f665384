package rest

import (
	"context"
	"slices"

	"capd/engine/plan"
)

// snapshot is the routing of one plan.
type snapshot struct {
	tables map[*plan.Exposure]*table
	sites  map[string]*site // by address
}

// newSnapshot builds the routing of a plan. What did not change since old, which can be
// nil, is shared with it. The only error is the context's.
func newSnapshot(ctx context.Context, p *plan.Plan, old *snapshot) (*snapshot, error) {
	s := &snapshot{tables: map[*plan.Exposure]*table{}, sites: make(map[string]*site, len(p.Listeners))}
	for _, l := range p.Listeners {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.sites[l.Addr] = newSite(l, old.bareTable(l), func(x *plan.Exposure) *table { return s.table(x, old) })
	}
	return s, nil
}

func (s *snapshot) table(x *plan.Exposure, old *snapshot) *table {
	if t := s.tables[x]; t != nil {
		return t
	}
	var t *table
	if old != nil {
		t = old.tables[x]
	}
	if t == nil {
		t = newTable(x)
	}
	s.tables[x] = t
	return t
}

// bareTable gives the table of a listener's bare routes: that of s if it has the same ones.
func (s *snapshot) bareTable(l *plan.Listener) *table {
	if s != nil {
		if site := s.sites[l.Addr]; site != nil && slices.EqualFunc(site.listener.Bare, l.Bare, sameBare) {
			return site.bare
		}
	}
	return newBareTable(l.Bare)
}

func sameBare(a, b *plan.BareRoute) bool {
	return a.Exposure == b.Exposure && a.Route == b.Route
}
