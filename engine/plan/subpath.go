package plan

import (
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// likelyPath suggests the sub-path that a generator lost (contract C6b): the operation's
// name is a verb of its method and what one element of the last segment is called, and the
// parameter is the only one without a place.
func (op *consumed) likelyPath(param string) (string, bool) {
	for _, s := range op.slots {
		if s.in == "path" && !s.placeholder && !s.dropped && s.name != param {
			return "", false
		}
	}
	wire, _, _ := strings.Cut(op.wire, "?")
	wire = strings.TrimSuffix(wire, "/")
	last := wire[strings.LastIndexByte(wire, '/')+1:]
	verb, noun := cutVerb(op.name)
	if strings.ContainsAny(last, "{}") || !isElementVerb(op.method, verb) || !isElementOf(noun, expr.Fold(last)) {
		return "", false
	}
	return wire + "/{" + param + "}", true
}

// cutVerb takes the first word off a name: of get-team_member and getTeamMember that is get,
// and noun is teammember.
func cutVerb(name string) (verb, noun string) {
	for i, r := range name {
		if i > 0 && (r < 'a' || r > 'z') {
			return strings.ToLower(name[:i]), expr.Fold(name[i:])
		}
	}
	return "", ""
}

// isElementVerb reports whether the verb says no more than the method does.
func isElementVerb(method, verb string) bool {
	switch verb {
	case "get", "fetch", "retrieve", "read", "show", "view", "describe":
		return method == "GET"
	case "update", "edit", "modify":
		return method == "PUT" || method == "PATCH"
	case "replace", "put":
		return method == "PUT"
	case "patch":
		return method == "PATCH"
	case "delete", "remove":
		return method == "DELETE"
	}
	return false
}

// isElementOf reports whether noun is what one element of a collection is called, both by
// letters and digits.
func isElementOf(noun, collection string) bool {
	for _, more := range []string{"", "byid", "details", "detail", "info"} {
		n, ok := strings.CutSuffix(noun, more)
		if !ok || n == "" {
			continue
		}
		if n == collection || n+"s" == collection || n+"es" == collection {
			return true
		}
		if stem, ok := strings.CutSuffix(n, "y"); ok && stem+"ies" == collection {
			return true
		}
	}
	return false
}

// lostSubPath gives the operation's own path with the sub-path that it lost: whole, or as
// what is appended to the resource's path, as the namespace has it (contract C2).
func (c *compiler) lostSubPath(op *consumed, param string) string {
	segment := "/{" + param + "}"
	if own := op.decl.URI.Value; own != "" {
		return strings.TrimSuffix(own, "/") + segment
	}
	if c.namespaces[op.namespace].isAppending() {
		return segment
	}
	return strings.TrimSuffix(op.wire, "/") + segment
}

// writeSubPath writes the sub-path that the operation lost.
func (c *compiler) writeSubPath(op *consumed, param string) []diag.Edit {
	own, res := op.decl.URI, op.resource.URI
	if strings.ContainsAny(own.Value+res.Value, "?#|") {
		return nil
	}
	path := c.lostSubPath(op, param)
	switch {
	case own.Value != "":
		return own.Splice(len(strings.TrimSuffix(own.Value, "/")), len(own.Value), "/{"+param+"}")
	case op.decl.HasURI:
		return own.Rewrite(path)
	}
	return op.decl.Node.SetMember("path", spec.NewText(path), "id", "name", "method")
}
