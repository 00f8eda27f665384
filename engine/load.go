package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"capd/engine/diag"
	"capd/engine/plan"
	"capd/engine/spec"
	"capd/schema"
)

// LoadOptions say what to load. Commands that serve nothing (validate, list, stub) and serve
// itself use the same phases.
type LoadOptions struct {
	// Paths are files and folders; "-" is Stdin.
	Paths []string
	// Stdin is the text of the path "-", StdinName the file name it goes by; empty means
	// "stdin.yaml".
	Stdin     io.Reader
	StdinName string
	// Limits bound a document; zero fields mean those of [spec.DefaultLimits].
	Limits spec.Limits
	// AllowPaths are folders whose files every document may use, beside those of the folder
	// it was found in.
	AllowPaths []string
	// Own are files and folders of capd itself, which no document may use wherever they lie.
	Own []string
	// Sealed lets documents use no files at all: for texts from others.
	Sealed bool
	// Policy is the file that says what documents may do; empty: they may do everything.
	Policy string
	// Link decides on addresses.
	Link plan.LinkOptions
	// Bind, if set, looks up the variables too.
	Bind *plan.BindOptions
	// Jobs is how many documents are worked on at once; zero means one per processor.
	Jobs int
	// HideIgnored leaves findings out of Loaded.Diagnostics that comments in the documents
	// ignore, and adds what is wrong with those comments.
	HideIgnored bool
	// Explain keeps where everything comes from (see [plan.CompileExplained]).
	Explain bool
	// Unsampled keeps nothing for a stub (see [plan.Call.Samples]).
	Unsampled bool
	// Logger is told of faults of capd, with a stack; nil means nobody is.
	Logger *slog.Logger
}

// Loaded is what the documents came to.
type Loaded struct {
	Plan *plan.Plan
	// Bound is nil unless LoadOptions.Bind was set.
	Bound *plan.Bound
	// Policy is what documents were judged by.
	Policy PolicyState
	// Docs are all files that were found, by ID and file.
	Docs []*DocState
	// Diagnostics holds every problem of every phase once, sorted.
	Diagnostics diag.List
}

// Load reads, parses, checks, compiles and links documents, and binds their variables if
// asked to. Problems of documents are diagnostics; the error, a [*PathError] for a path that
// is not there, says that the job could not be done.
func Load(ctx context.Context, o LoadOptions) (*Loaded, error) {
	l, err := newLoader(o)
	if err != nil {
		return nil, err
	}
	return l.load(ctx)
}

// phases are the steps of the core. Tests put their own in their place.
type phases struct {
	parse   func(m *spec.Memory, file, text string, lim spec.Limits) (*spec.Document, diag.List)
	check   func(*spec.Document) diag.List
	resolve func(*spec.Document, plan.Files) (*spec.Document, diag.List)
	compile func(*spec.Document, plan.Files, *plan.Grant, *plan.Room) (*plan.Unit, diag.List)
	link    func(*plan.Plan, []*plan.Unit, plan.LinkOptions) (*plan.Plan, diag.List)
	bind    func(*plan.Plan, plan.BindOptions) (*plan.Bound, diag.List)
}

// corePhases are the real ones. The error is a fault of the published schema.
func corePhases(o LoadOptions) (phases, error) {
	published, err := schema.New()
	if err != nil {
		return phases{}, err
	}
	check := func(doc *spec.Document) diag.List {
		if schema.Fits(published, doc.Tree()) {
			return nil
		}
		return published.Validate(doc.JSON(), doc.Locate)
	}
	compiler := plan.Compiler{Schemas: schema.Compile, Explain: o.Explain, Unsampled: o.Unsampled}
	return phases{parse: (*spec.Memory).Parse, check: check, resolve: plan.Resolve, compile: compileWith(compiler), link: plan.Link, bind: plan.Bind}, nil
}

// compileWith gives the phase that compiles with a compiler.
func compileWith(c plan.Compiler) func(*spec.Document, plan.Files, *plan.Grant, *plan.Room) (*plan.Unit, diag.List) {
	return func(doc *spec.Document, files plan.Files, grant *plan.Grant, room *plan.Room) (*plan.Unit, diag.List) {
		c := c
		c.Grant = grant
		if !c.Explain { // an explanation holds the drafts
			c.Room = room
		}
		return c.Compile(doc, files)
	}
}

// loader runs the phases over all documents.
type loader struct {
	LoadOptions
	policy policyFile
	phases phases
	barred *barred
	local  *localSystems
	shelf  *shelf // nil: nothing is kept across restarts
	kept   keptForms
	// listings are the folders of the last look at all paths. One load at a time uses them.
	listings listings
}

func newLoader(o LoadOptions) (*loader, error) {
	o.Limits = limits(o.Limits)
	o.StdinName = cmp.Or(o.StdinName, "stdin.yaml")
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	core, err := corePhases(o)
	if err != nil {
		return nil, err
	}
	return &loader{LoadOptions: o, policy: policyFile{path: o.Policy}, phases: core, barred: newBarred(o.Own), local: &localSystems{isLocal: isLocal}}, nil
}

func (l *loader) load(ctx context.Context) (*Loaded, error) {
	now, _, err := l.documents(ctx, nil, false)
	if err != nil {
		return nil, err
	}
	s, err := l.together(&Snapshot{}, now)
	if err != nil {
		return nil, err
	}
	found := s.diagnostics()
	if l.HideIgnored {
		var comments []diag.Ignore
		for _, r := range now.records {
			comments = append(comments, r.current.ignores...)
		}
		found = found.Ignoring(comments)
	}
	return &Loaded{Plan: s.plan, Bound: s.bound, Policy: s.policy, Docs: s.docs(), Diagnostics: found}, nil
}

// state is what all documents together came to.
type state struct {
	*recordSet
	plan    *plan.Plan
	bound   *plan.Bound
	policy  PolicyState
	between diag.List // what link, bind and listening found
}

// together links the documents that are served and binds their variables.
func (l *loader) together(prev *Snapshot, now *recordSet) (s *state, err error) {
	defer func() {
		if v := recover(); v != nil {
			logFault(l.Logger, "linking", v)
			s, err = nil, fmt.Errorf("capd failed while linking the documents; this is a fault of capd, please report it")
		}
	}()
	units := slices.DeleteFunc(slices.Clone(now.units), func(u *plan.Unit) bool { return u == nil })
	s = &state{recordSet: now, policy: l.policy.state}
	links := l.Link
	links.Origin = originOf
	if links.Policy = l.policy.now; links.Policy != nil {
		links.Subjects = make(map[*plan.Unit]plan.Subject, len(units))
		for _, r := range now.records {
			if r.served.unit != nil {
				links.Subjects[r.served.unit] = plan.Subject{Name: l.policy.name(r.id, r.served.file), Grant: l.grant(r.id, r.served)}
			}
		}
	}
	p, problems := l.phases.link(prev.Plan, units, links)
	if p == nil {
		return nil, fmt.Errorf("the documents cannot be linked: %v", problems)
	}
	s.plan, s.between = p, slices.Concat(l.policy.wrong, problems)
	if l.Bind != nil {
		o := *l.Bind
		o.Last = prev.Bound
		b, problems := l.phases.bind(p, o)
		if b == nil {
			return nil, fmt.Errorf("the variables cannot be bound: %v", problems)
		}
		s.bound = b
		s.between = append(s.between, problems...)
	}
	return s, nil
}

// docs gives the public state of every file, by ID and file. Of a file that nothing was found about
// beside what is in it, it is the same one as long as the record is.
func (s *state) docs() []*DocState {
	out := s.docStates()
	byDoc := make(map[string]diag.List)
	for _, d := range s.between {
		byDoc[d.Unit.Doc] = append(byDoc[d.Unit.Doc], d)
	}
	for id, found := range byDoc {
		from, to := s.rangeOf(id)
		for i := from; i < to; i++ {
			if s.records[i].isOwner() {
				d := *out[i]
				d.Diagnostics = slices.Concat(d.Diagnostics, found)
				d.Diagnostics.Sort()
				out[i] = &d
			}
		}
	}
	return out
}

// diagnostics gives every problem once, sorted.
func (s *state) diagnostics() diag.List {
	var out diag.List
	for i, r := range s.notIsolated() {
		if !s.values[i] { // what is found in one may be a secret
			out = append(out, r.diagnostics()...)
		}
	}
	out = onceEach(append(out, s.between...), s.recordSet)
	out.Sort()
	return out
}
