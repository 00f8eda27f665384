package format

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// judgePage refuses a page whose tree would have more than a number of nodes. The parser cannot be
// told a limit, and opens again, in every block, the formatting elements that are not closed:
// a few hundred of them make a node out of every byte. It gives how many nodes there will be, rather
// too many.
func judgePage(text []byte, limit int) (nodes int, err error) {
	z := html.NewTokenizer(bytes.NewReader(text))
	p := &pageCost{}
	for p.nodes <= limit && p.work <= maxPageWork {
		p.work += min(maxPageDepth, 4*len(p.nested)+len(p.open))
		switch z.Next() {
		case html.ErrorToken:
			return p.nodes, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			raw := string(z.Raw())
			name, more := z.TagName()
			attributes := 0
			for more {
				_, _, more = z.TagAttr()
				attributes++
			}
			p.start(pageTag{atom.Lookup(name), string(name)}, raw, attributes)
		case html.EndTagToken:
			name, _ := z.TagName()
			p.end(pageTag{atom.Lookup(name), string(name)})
		default:
			p.nodes += 1 + len(p.open)
		}
	}
	if p.work > maxPageWork {
		return 0, tooMuch("it has too many elements inside of each other")
	}
	return 0, tooMuch("it has more than about %d elements", limit)
}

const (
	pageSize     = 160        // about how many bytes a node takes
	maxPageDepth = 512        // what the parser accepts
	maxPageWork  = 25_000_000 // tags, each times how deep it may be: the parser looks at what is open at each
)

// pageTag is the name of a tag. Unknown ones have no atom.
type pageTag struct {
	atom atom.Atom
	name string
}

// pageCost counts, rather too high, the nodes that a page's tree will have.
type pageCost struct {
	nodes  int
	open   []openFormat // formatting elements that are not closed
	blocks int          // other elements seen
	work   int
	nested []pageTag // elements that are not closed and may contain each other
	root   int       // attributes of html and body, which the parser merges again and again
}

type openFormat struct {
	name   atom.Atom
	raw    string
	blocks int
}

func (p *pageCost) start(tag pageTag, raw string, attributes int) {
	name := tag.atom
	if nests(name) && !(strings.HasSuffix(raw, "/>") && p.inGraphic()) && len(p.nested) < maxPageDepth {
		p.nested = append(p.nested, tag)
	}
	p.nodes += 2 + len(p.open) + attributes/2
	switch {
	case name == atom.Html || name == atom.Body:
		p.root += attributes
		p.nodes += min(attributes, 1) * p.root
	case !isFormatting(name):
		p.blocks++
	default:
		p.openFormat(name, raw)
	}
}

// openFormat notes a formatting element. The parser keeps one open link, and three of others that
// are the same.
func (p *pageCost) openFormat(name atom.Atom, raw string) {
	same := 0
	for i := len(p.open) - 1; i >= 0; i-- {
		o := &p.open[i]
		if o.name == name && (name == atom.A || name == atom.Nobr) {
			p.close(i)
		} else if o.name == name && o.raw == raw {
			same++
		}
	}
	if same < 3 {
		p.open = append(p.open, openFormat{name, raw, p.blocks})
	}
}

func (p *pageCost) end(tag pageTag) {
	name := tag.atom
	// Only what is nested rightly is taken as closed: the parser ignores many an end.
	if n := len(p.nested); n > 0 && p.nested[n-1] == tag {
		p.nested = p.nested[:n-1]
	}
	p.nodes += 1 + len(p.open)
	if !isFormatting(name) {
		p.blocks++
		return
	}
	for i := len(p.open) - 1; i >= 0; i-- {
		if p.open[i].name == name {
			p.close(i)
			return
		}
	}
}

// close ends a formatting element. One that ends inside a block is cloned, and so are others.
func (p *pageCost) close(i int) {
	if p.open[i].blocks != p.blocks {
		p.nodes += 32
	}
	p.open = append(p.open[:i], p.open[i+1:]...)
}

// inGraphic reports whether an element may close itself here.
func (p *pageCost) inGraphic() bool {
	for i := len(p.nested) - 1; i >= 0; i-- {
		if a := p.nested[i].atom; a != 0 {
			return a == atom.Svg || a == atom.Math
		}
	}
	return false
}

// nests reports whether an element may stand in others of its name without anything between. The
// others are empty, end at the next one, or are formatting.
func nests(name atom.Atom) bool {
	switch name {
	case atom.Area, atom.Base, atom.Br, atom.Col, atom.Embed, atom.Hr, atom.Img, atom.Input, atom.Link, atom.Meta, atom.Param,
		atom.Source, atom.Track, atom.Wbr, atom.Html, atom.Head, atom.Body, atom.P, atom.Li, atom.Dd, atom.Dt, atom.Tr, atom.Td, atom.Th,
		atom.Thead, atom.Tbody, atom.Tfoot, atom.Colgroup, atom.Caption, atom.Option, atom.Optgroup:
		return false
	}
	return !isFormatting(name)
}

func isFormatting(name atom.Atom) bool {
	switch name {
	case atom.A, atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.Nobr, atom.S, atom.Small,
		atom.Strike, atom.Strong, atom.Tt, atom.U:
		return true
	}
	return false
}
