package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"capd/adapters/rest"
	"capd/engine"
	"capd/engine/diag"
	"capd/engine/plan"
)

// callTarget is what a call is for: a route or a tool.
type callTarget struct {
	exposure  *plan.Exposure
	route     *plan.Route // nil of a tool
	tool      *plan.Tool  // nil of a route
	operation *plan.Operation
	refusal   *plan.Refusal
	path      []string // of a route that was asked for by a request: values of its placeholders
	query     string   // likewise, raw
	method    string   // likewise
	rest      string   // likewise: what {path} of a forwarded route stands for
	asked     bool     // by a request
}

func routeOf(x *plan.Exposure, r *plan.Route) *callTarget {
	return &callTarget{exposure: x, route: r, operation: r.Operation, refusal: r.Refusal}
}

func toolOf(x *plan.Exposure, t *plan.Tool) *callTarget {
	return &callTarget{exposure: x, tool: t, operation: t.Operation, refusal: t.Refusal}
}

// name is how the target is called, so that nothing else in the document is.
func (t *callTarget) name() string {
	if t.tool != nil {
		return adapterTitle(t.exposure) + "/" + t.tool.Name
	}
	return adapterTitle(t.exposure) + "/" + t.route.Method + " " + routeTarget(t.route)
}

// simple is the target's name without its adapter.
func (t *callTarget) simple() string {
	if t.tool != nil {
		return t.tool.Name
	}
	return t.route.Name
}

// adapterTitle names an adapter, by its position when it has no name of its own.
func adapterTitle(x *plan.Exposure) string {
	if x.Namespace != "" {
		return x.Namespace
	}
	return fmt.Sprintf("%s#%d", x.Kind, x.Index)
}

var requestForm = regexp.MustCompile(`^([A-Za-z]+) +(/.*)$`)

// findTarget gives the one route or tool that a name or a request means.
func findTarget(p *plan.Plan, doc *engine.DocState, name string) (*callTarget, error) {
	if doc.Unit == nil {
		text := "nothing of it is served"
		for _, d := range doc.Diagnostics {
			if d.Severity == diag.Error {
				text = d.String()
				break
			}
		}
		return nil, &exitError{code: exitFindings, err: fmt.Errorf("%s", text)}
	}
	exposures := doc.Unit.Exposures
	for _, x := range exposures {
		if rest, ok := strings.CutPrefix(name, adapterTitle(x)+"/"); ok && rest != "" {
			exposures, name = []*plan.Exposure{x}, rest
			break
		}
	}
	var found []*callTarget
	var methods []string
	if m := requestForm.FindStringSubmatch(name); m != nil {
		found, methods = routesAt(p, exposures, strings.ToUpper(m[1]), m[2])
	} else {
		found = named(exposures, name)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, failure("%s means several operations: %s", name, strings.Join(names(found), ", "))
	case len(methods) > 0:
		return nil, failure("no route answers %s; the path is served for %s", name, strings.Join(methods, ", "))
	}
	return nil, unknownTarget(everything(exposures), name)
}

// routesAt gives the route that answers a request, for each adapter that has one.
func routesAt(p *plan.Plan, exposures []*plan.Exposure, method, path string) (found []*callTarget, methods []string) {
	for _, x := range exposures {
		if x.Kind != plan.REST {
			continue
		}
		got, allow, ok := rest.Find(mountsOf(p, x), method, path)
		if ok {
			t := routeOf(got.Exposure, got.Route)
			t.path, t.query, t.asked = got.Path, got.Query, true
			t.method, t.rest = method, got.Rest
			found = append(found, t)
		}
		methods = append(methods, allow...)
	}
	slices.Sort(methods)
	return found, slices.Compact(methods)
}

// mountsOf gives the addresses of an exposure; of one that is served nowhere, for want of a
// port, a mount without an address.
func mountsOf(p *plan.Plan, x *plan.Exposure) []*plan.Mount {
	var out []*plan.Mount
	for _, l := range p.Listeners {
		for _, m := range l.Mounts {
			if m.Exposure == x {
				out = append(out, m)
			}
		}
	}
	if len(out) == 0 {
		out = append(out, &plan.Mount{Exposure: x})
	}
	return out
}

func everything(exposures []*plan.Exposure) []*callTarget {
	var out []*callTarget
	for _, x := range exposures {
		for _, r := range x.Routes {
			out = append(out, routeOf(x, r))
		}
		for _, t := range x.Tools {
			out = append(out, toolOf(x, t))
		}
	}
	return out
}

func named(exposures []*plan.Exposure, name string) []*callTarget {
	return slices.DeleteFunc(everything(exposures), func(t *callTarget) bool { return t.simple() != name })
}

func names(list []*callTarget) []string {
	out := make([]string, len(list))
	for i, t := range list {
		out[i] = "'" + t.name() + "'"
	}
	return out
}

func unknownTarget(all []*callTarget, name string) error {
	known := make([]string, len(all))
	for i, t := range all {
		known[i] = t.simple()
	}
	if near, ok := diag.Nearest(name, known); ok {
		return failure("there is no operation %s; did you mean %s?", name, near)
	}
	if len(all) == 0 {
		return failure("there is no operation %s; the spec exposes none", name)
	}
	slices.Sort(known)
	return failure("there is no operation %s; there are %s", name, strings.Join(slices.Compact(known), ", "))
}
