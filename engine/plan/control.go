package plan

import (
	"slices"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Management is what a control exposure serves of its own document.
type Management struct {
	Health, Info, Reload, Validate bool
}

// Words names what is served, in the words of the language.
func (m *Management) Words() []string {
	var out []string
	for _, w := range []struct {
		on   bool
		word string
	}{{m.Health, "health"}, {m.Info, "info"}, {m.Reload, "reload"}, {m.Validate, "validate"}} {
		if w.on {
			out = append(out, w.word)
		}
	}
	return out
}

// exposeControl compiles a control adapter. What costs the process is served to callers only
// who show something.
func (c *compiler) exposeControl(e *spec.Exposed, out *Exposure, unit diag.Unit) {
	node := e.Node.Get("management")
	m := &Management{Health: true}
	for _, s := range []struct {
		key string
		to  *bool
	}{{"health", &m.Health}, {"info", &m.Info}, {"reload", &m.Reload}, {"validate", &m.Validate}} {
		v := node.Get(s.key)
		switch {
		case v == nil || v.Kind == spec.Null:
		case v.Kind == spec.Bool:
			*s.to = strings.EqualFold(v.Text, "true")
		default:
			c.note(diag.Warning, unit, faultf(diag.CodeWrongType, "L4", v.Span(), "%s of the control adapter is not true or false; it is ignored", s.key))
		}
		if costs := s.key == "reload" || s.key == "validate"; costs && *s.to && out.Guard == nil {
			*s.to = false
			c.note(diag.Warning, unit, faultf(diag.CodeNotHonoured, "L4", v.Span(), "%s of a control adapter without authentication is not served", s.key).
				hintf("add authentication to the adapter: it makes the whole process work, so not everybody may ask for it"))
		}
	}
	if v := node.Get("logs"); v != nil && v.Kind != spec.Null && (v.Kind != spec.Bool || strings.EqualFold(v.Text, "true")) {
		c.note(diag.Warning, unit, faultf(diag.CodeUnsupportedFeature, "L4", v.Span(), "logs of a control adapter are not served: the log is of the whole process").
			hintf("GET /logs of --control-address streams it, and its level is switched there"))
	}
	out.Management = m
}

// noteObservability says what becomes of settings for the process in which a document once ran
// alone. Here it is shared: who runs it says what is measured, and where it goes. What asks for
// something else is a warning.
func (c *compiler) noteObservability(key spec.Text, v *spec.Value, unit diag.Unit) {
	if v == nil || v.Kind == spec.Null {
		return
	}
	traces := v.Get("traces")
	local := traces.Get("local")
	var unmet []string
	for _, s := range []struct {
		word string
		is   bool
	}{
		{"traces.local", asks(local) && (local.Get("enabled") == nil || asks(local.Get("enabled"), "false"))},
		{"traces.sampling", asks(traces.Get("sampling"), "1", "1.0")},
		{"traces.propagation", asks(traces.Get("propagation"), "w3c")},
		{"exporters", asks(v.Get("exporters"))},
	} {
		if s.is {
			unmet = append(unmet, s.word)
		}
	}
	f := faultf(diag.CodeNotHonoured, "L4", key.Span(), "observability is that of the whole process, whatever one document says")
	severity := diag.Info
	if len(unmet) > 0 {
		severity = diag.Warning
		f = faultf(diag.CodeUnsupportedFeature, "L4", key.Span(), "%s under observability has no effect: what is measured, and where it goes, is said for the whole process", strings.Join(unmet, ", "))
	}
	c.note(severity, unit, f.hintf("metrics are at /metrics of --control-address, and OTEL_EXPORTER_OTLP_ENDPOINT in the environment of capd says where traces go"))
}

// asks reports whether a setting is there and is none of the words, which ask for nothing.
func asks(v *spec.Value, nothing ...string) bool {
	return v != nil && v.Kind != spec.Null && !slices.Contains(nothing, strings.ToLower(v.Text))
}

// onlyControls reports whether the document declares nothing but control adapters that are
// served.
func (c *compiler) onlyControls() bool {
	for _, e := range c.unit.Exposures {
		if e.Kind == Control {
			return c.declared() == 0 && c.doc.Truncation == nil && len(c.unit.Unserved) == 0
		}
	}
	return false
}

// declared counts what the document declares to be called.
func (c *compiler) declared() int {
	n := 0
	for i := range c.doc.Exposes {
		e := &c.doc.Exposes[i]
		n += len(e.Tools) + len(e.MCPResources) + len(e.Prompts)
		for j := range e.Skills {
			if hasSkill(&e.Skills[j]) {
				n++
			}
		}
		for j := range e.Resources {
			n += len(e.Resources[j].Operations)
			if e.Resources[j].Forward != nil {
				n++
			}
		}
	}
	return n
}

// findSoleControl keeps SoleControl true: the one control exposure where no REST exposure has
// paths of its own.
func (x *Listener) findSoleControl() {
	x.SoleControl = nil
	for _, m := range x.Mounts {
		switch {
		case m.Exposure.Kind == REST, m.Exposure.Kind == Control && m.Main && x.SoleControl != nil:
			x.SoleControl = nil
			return
		case m.Exposure.Kind == Control && m.Main:
			x.SoleControl = m
		}
	}
}
