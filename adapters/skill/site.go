package skill

import (
	"context"
	"slices"
	"strings"

	"capd/engine/plan"
)

// snapshot is everything a plan has to say about skills.
type snapshot struct {
	catalogues map[*plan.Exposure]*catalogue
	sites      map[string]*site // by address; none for an address without skills
}

// site is what is served at one address. It is immutable and safe for concurrent use.
type site struct {
	listener   *plan.Listener
	index      []byte // answer of /skills
	catalogues []*catalogue
	mounts     map[string]*catalogue // by the segments behind /skills
	depth      int                   // most segments of a mount
	bare       map[string]*bareSkill
}

// bareSkill is a skill at /skills/<name>.
type bareSkill struct {
	*skill
	of *catalogue
}

// newSnapshot builds what a plan says. What did not change since old, which can be nil, is
// shared with it.
func newSnapshot(ctx context.Context, p *plan.Plan, old *snapshot) (*snapshot, error) {
	s := &snapshot{catalogues: map[*plan.Exposure]*catalogue{}, sites: map[string]*site{}}
	for _, l := range p.Listeners {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(l.Mounts, func(m *plan.Mount) bool { return m.Exposure.Kind == plan.Skill }) {
			continue
		}
		at, err := s.newSite(l, old)
		if err != nil {
			return nil, err
		}
		s.sites[l.Addr] = at
	}
	return s, nil
}

func (s *snapshot) newSite(l *plan.Listener, old *snapshot) (at *site, err error) {
	at = &site{listener: l, mounts: map[string]*catalogue{}, bare: map[string]*bareSkill{}}
	if at.index, err = newIndex(l, nil); err != nil {
		return nil, err
	}
	for _, m := range l.Mounts {
		if m.Exposure.Kind != plan.Skill {
			continue
		}
		c, err := s.catalogue(m.Exposure, old)
		if err != nil {
			return nil, err
		}
		key := strings.Join(m.Segments, "\x00")
		if at.mounts[key] == nil {
			at.mounts[key] = c
		}
		if m.Main {
			at.catalogues = append(at.catalogues, c)
		}
		at.depth = max(at.depth, len(m.Segments))
	}
	for _, b := range l.Skills {
		if c := s.catalogues[b.Exposure]; c != nil && c.skills[b.Skill.Name] != nil {
			at.bare[b.Skill.Name] = &bareSkill{c.skills[b.Skill.Name], c}
		}
	}
	return at, nil
}

func (s *snapshot) catalogue(x *plan.Exposure, old *snapshot) (*catalogue, error) {
	if c := s.catalogues[x]; c != nil {
		return c, nil
	}
	var c *catalogue
	if old != nil {
		c = old.catalogues[x]
	}
	if c == nil {
		var err error
		if c, err = newCatalogue(x); err != nil {
			return nil, err
		}
	}
	s.catalogues[x] = c
	return c, nil
}

// place is what a path stands for.
type place struct {
	*catalogue        // nil when the path is nobody's
	skill      *skill // nil when the path names none
	both       bool   // the path is the address of the document, and of the skill
	rest       []string
}

// find gives what a path behind /skills stands for. Addresses of documents go before names of
// skills. Where a document and a skill have the same, the skill is the document's own (see
// [plan.Listener]): the address itself is both, and of what is behind it the document's
// skills go first.
func (s *site) find(segments []string) place {
	bare := s.bare[segments[0]]
	for n := min(s.depth, len(segments)); n > 0; n-- {
		c := s.mounts[strings.Join(segments[:n], "\x00")]
		if c == nil {
			continue
		}
		rest := segments[n:]
		if len(rest) > 0 && c.skills[rest[0]] != nil {
			return place{catalogue: c, skill: c.skills[rest[0]], rest: rest[1:]}
		}
		if n == 1 && bare != nil && bare.of == c {
			return place{catalogue: c, skill: bare.skill, both: len(rest) == 0, rest: rest}
		}
		return place{catalogue: c, rest: rest}
	}
	if bare != nil {
		return place{catalogue: bare.of, skill: bare.skill, rest: segments[1:]}
	}
	return place{rest: segments}
}
