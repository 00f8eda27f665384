package stub

import "capd/engine/plan"

// node is a place of the answer. It is a list when it has an element, an object when it has
// members, else a sample of its type.
type node struct {
	typ     string
	members map[string]*node
	element *node
}

// grow makes the tree of all places the samples name.
func grow(samples []plan.Sample) *node {
	root := &node{typ: "object"}
	for _, s := range samples {
		at := root
		for _, name := range s.Path {
			at = at.child(name)
		}
		if len(s.Path) > 0 && (at.typ == "" || s.Type != "") {
			at.typ = s.Type
		}
	}
	return root
}

// child gives the member of a name, or the element of a list for the empty name.
func (n *node) child(name string) *node {
	if name == "" {
		if n.element == nil {
			n.element = &node{}
		}
		return n.element
	}
	if n.members == nil {
		n.members = map[string]*node{}
	}
	if n.members[name] == nil {
		n.members[name] = &node{}
	}
	return n.members[name]
}

// value gives the sample as a JSON value. What stands below a place decides more than its
// type. A list of which nobody reads an element is empty, so that it fits any type of those.
func (n *node) value() any {
	switch {
	case n.element != nil:
		return []any{n.element.value()}
	case n.members != nil:
		object := make(map[string]any, len(n.members)+1)
		for name, m := range n.members {
			object[name] = m.value()
		}
		return object
	}
	switch n.typ {
	case "integer":
		return 1
	case "number":
		return 1.5
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return map[string]any{}
	}
	return "string sample"
}

// merge puts what was sent beside the samples, under "request". A mapping that reads there
// finds its samples all the same.
func merge(samples []plan.Sample, sent map[string]any) any {
	value := grow(samples).value()
	object, ok := value.(map[string]any)
	if list, isList := value.([]any); isList {
		object, ok = list[0].(map[string]any)
	}
	if !ok {
		return value
	}
	switch sample := object["request"].(type) {
	case nil:
		object["request"] = sent
	case map[string]any:
		for name, member := range sent {
			if _, taken := sample[name]; !taken {
				sample[name] = member
			}
		}
	}
	return value
}
