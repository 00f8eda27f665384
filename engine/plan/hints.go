package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// hint reads a hint of a tool. One that is not given, or is no boolean, is unset.
func (x *exposed) hint(key string) spec.Tristate {
	v := x.decl.Hints.Get(key)
	switch {
	case v == nil || v.Kind != spec.Bool:
		return spec.Unset
	case strings.EqualFold(v.Text, "true"):
		return spec.True
	}
	return spec.False
}

// judgeHints reports hints of a tool that contradict each other or the methods of its calls.
// A POST that reads, or that may be repeated, is usual in published documents, so that what is
// said of one is advice at most, and nothing is said of idempotent.
func (c *compiler) judgeHints(x *exposed, op *Operation) {
	note := func(sev diag.Severity, key, format string, args ...any) {
		c.note(sev, x.unit, faultf(diag.CodeHints, "M", x.decl.Hints.Get(key).Span(), format, args...).
			hintf("change it, or leave it out: clients decide by it what they ask people before"))
	}
	readOnly := x.hint("readOnly")
	if readOnly == spec.True && x.hint("destructive") == spec.True {
		note(diag.Warning, "destructive", "%s is said to be both readOnly and destructive", x.title())
	}
	said := x.flow != nil && x.flow.semantics("safe") != spec.Unset // judgeSemantics has looked at it
	if readOnly == spec.True && !said {
		if m := methodAmong(op, "PUT", "PATCH", "DELETE"); m != "" {
			note(diag.Warning, "readOnly", "%s is said to be readOnly, but it calls %s", x.title(), m)
		} else if m := methodAmong(op, "POST"); m != "" && !reads(op) {
			note(diag.Info, "readOnly", "%s is said to be readOnly, but it calls %s", x.title(), m)
		}
	}
	if readOnly == spec.False && !said && !op.callsNobody() && methodAmong(op, "POST", "PUT", "PATCH", "DELETE") == "" && onlyCalls(op) {
		note(diag.Info, "readOnly", "%s is said not to be readOnly, but it only calls GET", x.title())
	}
}

// methodAmong gives the method and the name of the first call with one of the methods; empty when
// there is none.
func methodAmong(op *Operation, methods ...string) string {
	for call := range op.calls {
		for _, m := range methods {
			if call.method == m {
				return m + " (" + call.name + ")"
			}
		}
	}
	return ""
}

// onlyCalls reports whether the operation does nothing but call and look up.
func onlyCalls(op *Operation) bool {
	for _, s := range op.steps {
		if _, ok := s.(*scriptStep); ok {
			return false
		}
	}
	return true
}

// reads reports whether every POST of the operation is called as something that reads.
func reads(op *Operation) bool {
	for call := range op.calls {
		if call.method != "POST" {
			continue
		}
		_, name, _ := strings.Cut(call.name, ".")
		verb, _ := cutVerb(name)
		switch firstOf(verb, strings.ToLower(name)) {
		case "search", "query", "find", "list", "get", "fetch", "read", "lookup", "retrieve", "describe", "count", "check", "verify",
			"validate", "preview", "estimate", "calculate", "compute", "detect", "predict", "analyze", "export", "filter", "batch", "execute", "run":
		default:
			if !strings.Contains(strings.ToLower(name), "search") && !strings.Contains(strings.ToLower(name), "query") {
				return false
			}
		}
	}
	return true
}
