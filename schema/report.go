package schema

import (
	"cmp"
	"slices"
	"strconv"

	"capd/engine/diag"
)

// alike is how many entries of one list or mapping are reported for the same mistake: a
// list written in a wrong form throughout is one mistake, not one for each entry.
const alike = 3

// placed is a finding on its way to the reader.
type placed struct {
	diag.Diagnostic
	group string // equal for entries of one collection that break the same rule
}

// report turns findings into diagnostics, in the order of the document.
func report(found []finding, document any, locate func(string) (diag.Span, string)) diag.List {
	all := make([]placed, 0, len(found))
	for _, f := range found {
		span, path := locate(restore(f.pointer))
		message, hint := f.describe(path, lookup(document, f.pointer))
		parent, _ := cutLast(f.pointer)
		all = append(all, placed{
			Diagnostic: diag.Diagnostic{
				Code: diag.CodeSchema, Severity: diag.Warning,
				Span: span, Path: path, Message: message, Hint: hint,
			},
			group: parent + " " + f.rule,
		})
	}
	slices.SortStableFunc(all, func(a, b placed) int {
		return cmp.Or(a.Span.Start.Compare(b.Span.Start), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return thin(all)
}

// thin drops what says the same again and what is more than a handful of one mistake.
func thin(all []placed) diag.List {
	var list diag.List
	size, last := map[string]int{}, map[string]int{}
	for i, p := range all {
		if i > 0 && p.Path == all[i-1].Path && p.Message == all[i-1].Message {
			continue
		}
		size[p.group]++
		if size[p.group] <= alike {
			last[p.group] = len(list)
			list.Add(p.Diagnostic)
		}
	}
	for group, n := range size {
		if n > alike {
			d := &list[last[group]]
			more := strconv.Itoa(n-alike) + " more beside it are wrong in the same way"
			if d.Hint != "" {
				more = d.Hint + "; " + more
			}
			d.Hint = more
		}
	}
	return list
}
