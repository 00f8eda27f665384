package mcp

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"capd/engine/portable"
)

// ranking finds tools by words: BM25 over what a client would read of them. It is immutable,
// and compact: of each word it has the tools that hold it and how often, a few bytes each.
type ranking struct {
	terms    []string  // sorted
	ends     []uint32  // of each term's part of postings
	postings []byte    // of each term: the distance to the next tool as a varint, and a weight
	lengths  []float32 // of each tool, relative to the average
}

// The weights of the places that a word may stand in. A description is what they are relative to.
const (
	weightName        = 6
	weightTitle       = 4
	weightTag         = 3
	weightDescription = 2
	weightArgument    = 2
	weightDetail      = 1 // of an argument
)

// The parameters of BM25, as they are usual (Robertson and Zaragoza, 2009). Weights are scaled
// so that one word in a description counts once.
const (
	saturation    = 1.2
	normalisation = 0.75
)

// maxDetail bounds what is read of one description, in bytes: words far behind say little.
const maxDetail = 2000

// newRanking reads the tools of a catalogue.
func newRanking(tools []*entry) *ranking {
	b := &rankingBuilder{lists: map[string]*posting{}, tool: map[string]weighed{}}
	lengths := make([]float32, len(tools))
	total := 0.0
	for i, e := range tools {
		b.read(e)
		lengths[i] = float32(b.flush(i))
		total += float64(lengths[i])
	}
	average := float32(max(total/max(float64(len(tools)), 1), 1))
	for i := range lengths {
		lengths[i] /= average
	}
	r := &ranking{lengths: lengths, terms: make([]string, 0, len(b.lists))}
	size := 0
	for term, p := range b.lists {
		r.terms = append(r.terms, term)
		size += len(p.list)
	}
	slices.Sort(r.terms)
	r.ends, r.postings = make([]uint32, len(r.terms)), make([]byte, 0, size)
	for i, term := range r.terms {
		r.postings = append(r.postings, b.lists[term].list...)
		r.ends[i] = uint32(len(r.postings))
	}
	return r
}

// rankingBuilder gathers the words of one tool after the other.
type rankingBuilder struct {
	lists map[string]*posting
	tool  map[string]weighed // the words of the tool that is being read
	order []string           // the same, as they come
	nth   int                // place that is being read
}

// posting is where a word is found.
type posting struct {
	last int // tool
	list []byte
}

func (b *rankingBuilder) read(e *entry) {
	clear(b.tool)
	b.order = b.order[:0]
	t, u := e.tool, e.exposure.Unit
	b.place(weightName, e.name, t.Name) // the end of a long name is a hash
	b.place(weightTitle, t.Title)
	b.place(weightTag, t.Tags...)
	b.place(weightTag, append([]string{u.Label}, u.Tags...)...)
	if t.Description != t.Name {
		b.place(weightDescription, t.Description)
	}
	var names, details []string
	for _, a := range argumentsOf(t.InputSchema) {
		names, details = append(names, a.name), append(details, a.description)
	}
	b.place(weightArgument, names...)
	b.place(weightDetail, details...)
}

// place reads the texts of one place. A word counts once in each: saying it again does not make
// a tool fit better.
func (b *rankingBuilder) place(weight int, texts ...string) {
	b.nth++
	for _, text := range texts {
		words(truncate(text, maxDetail), func(w string) {
			at, known := b.tool[w]
			if !known {
				b.order = append(b.order, w)
			}
			if at.place != b.nth {
				b.tool[w] = weighed{at.weight + weight, b.nth}
			}
		})
	}
}

// weighed is what a word counts in a tool so far, and the last place that it was found in.
type weighed struct{ weight, place int }

// flush adds the words of a tool to the lists, and gives how long the tool is.
func (b *rankingBuilder) flush(tool int) int {
	length := 0
	for _, w := range b.order {
		p := b.lists[w]
		if p == nil {
			p = &posting{last: -1}
			b.lists[strings.Clone(w)] = p // a word must not keep the text that it is from
		}
		weight := min(b.tool[w].weight, math.MaxUint8)
		length += weight
		p.list = append(binary.AppendUvarint(p.list, uint64(tool-p.last)), byte(weight))
		p.last = tool
	}
	return length
}

// score gives how well each tool fits a query; those that are 0 do not. A word of the query
// counts in part for words that begin with it.
func (r *ranking) score(query string) []float32 {
	scores := make([]float32, len(r.lengths))
	var asked []string
	words(query, func(w string) {
		if !slices.Contains(asked, w) && len(asked) < maxQueryWords {
			asked = append(asked, w)
		}
	})
	if telling := slices.DeleteFunc(slices.Clone(asked), isCommon); len(telling) > 0 {
		asked = telling
	}
	for _, w := range asked {
		r.add(scores, w)
	}
	return scores
}

// isCommon reports words that say nothing of what is looked for.
func isCommon(word string) bool {
	switch word {
	case "a", "an", "and", "are", "at", "by", "can", "for", "from", "how", "i", "in", "is", "it", "me", "my", "of", "on", "or", "that", "the", "this", "to", "want", "with", "you":
		return true
	}
	return false
}

// The most words of a query that count, and the most words that one of them may be the
// beginning of.
const (
	maxQueryWords = 32
	maxBeginnings = 64
	minBeginning  = 3
)

func (r *ranking) add(scores []float32, word string) {
	at, exact := slices.BinarySearch(r.terms, word)
	if exact {
		r.addTerm(scores, at, 1)
		at++
	}
	if len(word) < minBeginning {
		return
	}
	for i := at; i < min(at+maxBeginnings, len(r.terms)) && strings.HasPrefix(r.terms[i], word); i++ {
		r.addTerm(scores, i, 0.5*float64(len(word))/float64(len(r.terms[i])))
	}
}

// addTerm adds what BM25 gives for one term.
func (r *ranking) addTerm(scores []float32, term int, factor float64) {
	from := uint32(0)
	if term > 0 {
		from = r.ends[term-1]
	}
	list := r.postings[from:r.ends[term]]
	found := 0
	for rest := list; len(rest) > 0; found++ {
		_, n := binary.Uvarint(rest)
		rest = rest[n+1:]
	}
	all := float64(len(r.lengths))
	idf := factor * math.Log(1+(all-float64(found)+0.5)/(float64(found)+0.5))
	for tool := -1; len(list) > 0; {
		distance, n := binary.Uvarint(list)
		tool += int(distance)
		tf := float64(list[n]) / weightDescription
		list = list[n+1:]
		long := 1 - normalisation + normalisation*float64(r.lengths[tool])
		scores[tool] += float32(idf * tf * (saturation + 1) / (tf + saturation*long))
	}
}

// argument is what a schema says of one input.
type argument struct {
	name        string
	description string
	required    bool
}

// argumentsOf gives the arguments of a tool, in the order of its schema.
func argumentsOf(schema []byte) []argument {
	root, err := portable.ParseObject(schema)
	if err != nil {
		return nil
	}
	at := root.Find("properties")
	if at < 0 {
		return nil
	}
	properties, err := portable.ParseObject(root[at].Value)
	if err != nil {
		return nil
	}
	var needed []string
	if at := root.Find("required"); at >= 0 {
		_ = json.Unmarshal(root[at].Value, &needed) // a schema that says nothing
	}
	out := make([]argument, 0, len(properties))
	for _, p := range properties {
		var about struct {
			Description string `json:"description"`
		}
		_ = json.Unmarshal(p.Value, &about) // a schema that says nothing
		out = append(out, argument{p.Name, about.Description, slices.Contains(needed, p.Name)})
	}
	return out
}

// best gives the tools of the highest scores, at most n, among those that fit.
func best(scores []float32, n int, fits func(int) bool) (found []int, more int) {
	for i, s := range scores {
		if s > 0 && fits(i) {
			found = append(found, i)
		}
	}
	slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	if len(found) > n {
		return found[:n], len(found) - n
	}
	return found, 0
}
