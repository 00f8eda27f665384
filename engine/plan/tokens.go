package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"capd/engine/diag"
)

// From here on the cost of tools is worth a word: of one, and of all that a client sees; and
// from manyTokens on models choose badly among them (decision 0025).
const (
	toolTokens = 1000
	viewTokens = 5000
	manyTokens = 25000
)

// EstimateTokens estimates how many tokens a text is for a language model. Each model has a
// tokenizer of its own; the estimate is near to those in public (decision 0025):
//
//	letters       one for each eight bytes of a word, begun; a capital behind a small letter
//	              begins a word
//	digits        one for each three, begun
//	East Asia     one for each character
//	other signs   one for each four that stand together, begun
//	white space   none, as it is a part of the word behind it
func EstimateTokens(text string) int {
	n := 0
	for i := 0; i < len(text); {
		kind, end := runeRun(text, i)
		if per := kind.perToken(); per > 0 {
			n += (end - i + per - 1) / per
		}
		i = end
	}
	return n
}

// runeRun gives the kind of the characters at i, and where they end.
func runeRun(text string, i int) (runeKind, int) {
	last, size := utf8.DecodeRuneInString(text[i:])
	kind, end := kindOfRune(last), i+size
	for end < len(text) && kind != runeWide {
		next, size := utf8.DecodeRuneInString(text[end:])
		if kindOfRune(next) != kind || kind == runeLetter && unicode.IsLower(last) && unicode.IsUpper(next) {
			break
		}
		end, last = end+size, next
	}
	return kind, end
}

type runeKind uint8

const (
	runeSign runeKind = iota
	runeLetter
	runeDigit
	runeSpace
	runeWide
)

// perToken gives how many bytes of a kind are a token; 0 when they are a part of another.
func (k runeKind) perToken() int {
	switch k {
	case runeSpace:
		return 0
	case runeLetter:
		return 8
	case runeDigit:
		return 3
	case runeWide:
		return utf8.UTFMax // one character, whatever its length
	}
	return 4
}

// firstWide is where the scripts begin that have a character for a syllable or a word.
const firstWide = 0x2E80

func kindOfRune(r rune) runeKind {
	switch {
	case r >= firstWide:
		return runeWide
	case unicode.IsLetter(r):
		return runeLetter
	case unicode.IsDigit(r):
		return runeDigit
	case unicode.IsSpace(r):
		return runeSpace
	}
	return runeSign
}

// Tokens estimates what a tool costs a model in every conversation: its name, its description
// and the schema of its inputs. What is published may differ a little from what is declared.
func (t *Tool) Tokens() int {
	return EstimateTokens(t.Name) + EstimateTokens(t.Description) + EstimateTokens(string(t.InputSchema))
}

// Tokens estimates what the tools of a view cost a model, without those that are refused.
func (v *View) Tokens() int {
	n := 0
	for _, m := range v.Members {
		for _, t := range m.Tools {
			if t.Refusal == nil {
				n += t.Tokens()
			}
		}
	}
	return n
}

// judgeTokens reports tools whose descriptions cost much. Every tool's cost is shown by list
// and inspect; a finding is only what an author should look at.
func (c *compiler) judgeTokens(x *Exposure, unit diag.Unit) {
	type cost struct {
		tool   *Tool
		tokens int
	}
	var costs []cost
	total := 0
	for _, t := range x.Tools {
		if t.Refusal != nil {
			continue
		}
		n := t.Tokens()
		total += n
		costs = append(costs, cost{t, n})
		if n > toolTokens {
			of := unit
			of.Name = t.Name
			c.note(diag.Info, of, faultf(diag.CodeTokenCost, "M", t.Span, "tool %s costs a model about %d tokens in every conversation", t.Name, n).
				hintf("shorten its description and those of its inputs"))
		}
	}
	if total <= viewTokens {
		return
	}
	slices.SortStableFunc(costs, func(a, b cost) int { return cmp.Compare(b.tokens, a.tokens) })
	var most []string
	var related []diag.Related
	for _, k := range costs[:min(3, len(costs))] {
		most = append(most, fmt.Sprintf("%s (%d)", k.tool.Name, k.tokens))
		related = append(related, diag.Related{Span: k.tool.Span, Message: fmt.Sprintf("about %d tokens", k.tokens)})
	}
	severity, hint := diag.Info, "capd list --tools shows what each costs"
	if total > manyTokens {
		severity, hint = diag.Warning, "models choose badly among so many; let clients see a part, by toolsets or tags, or shorten descriptions"
	}
	f := faultf(diag.CodeTokenCost, "M", x.Span, "the %d tools of this adapter cost a model about %d tokens in every conversation; most of all %s", len(costs), total, strings.Join(most, ", ")).hintf("%s", hint)
	f.related = related
	c.note(severity, unit, f)
}
