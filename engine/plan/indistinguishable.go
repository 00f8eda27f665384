package plan

import (
	"fmt"
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
)

// findIndistinguishable refuses operations of different names that would send the same
// request: at most one of them can be right (contract C7).
func (ns *namespace) findIndistinguishable() {
	groups := map[string][]*consumed{}
	var keys []string
	for _, op := range ns.ops {
		if op.key() == "" || op.fault != nil {
			continue // what is refused for itself stands in nobody's way
		}
		key := op.wireKey()
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], op)
	}
	for _, key := range keys {
		if names := distinctNames(groups[key]); len(names) > 1 {
			judgeGroup(groups[key], names)
		}
	}
}

// wireKey holds everything that tells the request of one operation from that of another.
// Path parameters beside their placeholders, and how a placeholder is spelled, do not.
func (op *consumed) wireKey() string {
	var params []string
	for _, s := range op.slots {
		if s.in != "path" && !s.dropped {
			own := ""
			if s.own != nil {
				own = string(s.own.JSON())
			}
			params = append(params, s.in+" "+s.name+" "+own)
		}
	}
	slices.Sort(params)
	var path strings.Builder
	writePieces(&path, op.path)
	for _, k := range op.constants {
		path.WriteString("\n" + k.in + " " + k.name + "=")
		writePieces(&path, k.value)
	}
	auth := ""
	if op.decl.Auth != nil { // its own: it may act as somebody else
		auth = string(op.decl.Auth.JSON())
	}
	return strings.Join([]string{op.method, op.baseLabel(), path.String(), strings.Join(params, "\n"), op.body.constantKey(), auth}, "\x00")
}

func writePieces(b *strings.Builder, pieces []piece) {
	for _, p := range pieces {
		switch {
		case p.value != nil:
			b.WriteString("{{" + p.value.Name + "}}")
		case p.isRef():
			b.WriteString("{" + expr.Fold(p.ref.Name) + "}")
		default:
			b.WriteString(p.literal)
		}
	}
}

func distinctNames(ops []*consumed) []string {
	var out []string
	for _, op := range ops {
		if name := op.key(); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (op *consumed) key() string {
	if op.name != "" {
		return op.name
	}
	return op.id
}

func judgeGroup(ops []*consumed, names []string) {
	keep := ""
	if ops[0].method == "GET" {
		readers := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !isReader(n) })
		if len(readers) == 1 {
			keep = readers[0]
		}
	}
	for _, op := range ops {
		others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == op.key() })
		f := faultf(diag.CodeIndistinguishable, "C7", op.decl.Span, "%s sends the same request as %s: %s %s", op.label(), someOf(others), op.method, op.wire).
			hintf("give each operation its own path, parameters or body")
		for _, o := range ops {
			if o != op && len(f.related) < 5 {
				f.related = append(f.related, diag.Related{Span: o.decl.Span, Message: fmt.Sprintf("%s is declared here", o.key())})
			}
		}
		if op.key() == keep {
			f.code = diag.CodeSharedWireForm
			f.hint = "it is served, since its name says that it reads a collection; the others are refused"
			op.warn(f)
			continue
		}
		op.fail(f)
	}
}

func isReader(name string) bool {
	n := strings.ToLower(name)
	for _, verb := range []string{"list", "search", "browse", "query"} {
		if strings.HasPrefix(n, verb) {
			return true
		}
	}
	return false
}

// someOf lists names, not too many of them.
func someOf(names []string) string {
	if len(names) > 4 {
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d more", len(names)-4)
	}
	return strings.Join(names, ", ")
}
