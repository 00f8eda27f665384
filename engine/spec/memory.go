package spec

import "capd/engine/diag"

// Memory is where documents lie. Who reads one after the other, and has forgotten the first ones by
// then, lets the next ones lie where those did: see [Memory.Reset]. A new one is empty. It is not safe
// for concurrent use.
type Memory struct {
	values  slab[Value]
	items   slab[*Value]
	members slab[Member]
	entries slab[entry]

	consumed           slab[Consumed]
	consumedResources  slab[ConsumedResource]
	consumedOperations slab[ConsumedOperation]
	parameters         slab[Parameter]
	outputs            slab[Output]
	exposed            slab[Exposed]
	exposedResources   slab[ExposedResource]
	exposedOperations  slab[ExposedOperation]
	steps              slab[Step]
	mappings           slab[StepMapping]
}

// Parse is [Parse] of a document that lies in the memory.
func (m *Memory) Parse(file, text string, lim Limits) (*Document, diag.List) {
	p := newParser(m, file, lim.orDefaults())
	doc := p.parse(text)
	if p.omitted > 0 {
		p.found.Add(diag.Diagnostic{
			Code: diag.CodeTooMany, Severity: diag.Info, Span: p.src.whole(),
			Message: omitted(p.omitted), Hint: "mend those that are first",
		})
	}
	p.found.Sort()
	return doc, p.found.Dedupe()
}

// Reset takes the memory back from all documents that lie in it. Nobody may hold any part of them any
// more: what it has is empty now, and will be a part of other documents. Strings, spans and findings
// are no parts.
func (m *Memory) Reset() {
	for _, s := range [...]interface{ reset() }{
		&m.values, &m.items, &m.members, &m.entries,
		&m.consumed, &m.consumedResources, &m.consumedOperations, &m.parameters, &m.outputs,
		&m.exposed, &m.exposedResources, &m.exposedOperations, &m.steps, &m.mappings,
	} {
		s.reset()
	}
}

// slab is memory for values of one type that are dropped together.
type slab[T any] struct {
	blocks [][]T
	used   int // blocks that are in use
	free   []T // of the last of them
}

// Blocks begin small, since many memories hold one document. Of what unusually large documents needed,
// only so many are kept for the next ones.
const (
	smallestBlock = 4
	largestBlock  = 256
	keptBlocks    = 256
)

// take gives n empty values.
func (s *slab[T]) take(n int) []T {
	for len(s.free) < n {
		if s.used == len(s.blocks) {
			size := min(smallestBlock<<min(s.used, 16), largestBlock)
			s.blocks = append(s.blocks, make([]T, max(size, n)))
		}
		s.free = s.blocks[s.used]
		s.used++
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

func (s *slab[T]) reset() {
	for i, block := range s.blocks[:s.used] {
		if i >= keptBlocks || len(block) > largestBlock {
			clear(s.blocks[i:])
			s.blocks = s.blocks[:i]
			break
		}
		clear(block)
	}
	s.used, s.free = 0, nil
}
