package plan

import (
	"net/url"
	"strings"

	"capd/engine/diag"
	"capd/engine/expr"
	"capd/engine/spec"
)

// judgeTunnel says why the operations of an API that stands behind a tunnel are not called:
// capd builds no tunnels. It gives nil when there is no tunnel, and when the author allows
// direct calls with fallback: direct; a finding says then that the tunnel is not used.
func (c *compiler) judgeTunnel(api *spec.Consumed) *fault {
	t := api.Tunnel
	if t == nil {
		return nil
	}
	at := t.Span()
	at.End = diag.Pos{}
	name := api.Namespace.Value
	if t.Kind != spec.Map {
		return faultf(diag.CodeTunnel, "", at, "the tunnel of %s is %s, expected a mapping", name, t.Kind).
			hintf("write tunnel: {type: ziti, service: …, identity: '{{NAME}}', fallback: fail}")
	}
	c.judgeIdentity(name, t.Get("identity").AsText())
	host := literalHost(api.BaseURI.Value)
	if isPublic(host) {
		c.note(diag.Info, diag.Unit{}, faultf(diag.CodeTunnel, "", api.BaseURI.Span(), "%s looks like a public host, and a tunnel is for private networks", host).
			hintf("leave the tunnel out"))
	}
	fallback := t.Get("fallback").AsText()
	if fallback.Value == "direct" {
		severity := diag.Warning
		if isLoopback(host) {
			severity = diag.Info
		}
		c.note(severity, diag.Unit{}, faultf(diag.CodeTunnel, "", fallback.Span(), "capd builds no tunnels, so %s is called directly, as fallback: direct allows", name).
			hintf("write fallback: fail to refuse the calls instead"))
		return nil
	}
	f := faultf(diag.CodeTunnel, "", at, "%s stands behind a tunnel, and capd builds no tunnels, so nothing of it is called", name).
		hintf("write fallback: direct into tunnel if this machine reaches the host by itself, for example through a tunneler that runs beside capd")
	if v := fallback.Value; v != "" && v != "fail" {
		f.span, f.message = fallback.Span(), "the fallback of the tunnel of "+name+" is \""+v+"\", expected fail or direct"
	}
	return f
}

// judgeIdentity looks at the variables that the identity of a tunnel names. No version of
// the language reads them from anywhere but binds.
func (c *compiler) judgeIdentity(name string, identity spec.Text) {
	for ref := range expr.ParseTemplate(identity.Value).Refs() {
		_, key, dotted := strings.Cut(ref.Name, ".")
		if !dotted {
			key = ref.Name
		}
		if c.vars.declares(ref.Name) {
			continue
		}
		f := faultf(diag.CodeUndeclaredVariable, "V2", identity.Sub(ref.Start, ref.End), "the identity of the tunnel of %s is %s, which binds do not declare", name, ref.Name)
		if near, ok := diag.Nearest(key, sortedKeys(c.vars.keys)); ok {
			f.hintf("did you mean %s?", near)
		}
		c.note(diag.Warning, diag.Unit{}, f)
	}
}

// declares reports whether binds have the variable: by its key, or by namespace and key.
func (v *variables) declares(name string) bool {
	if ns, key, ok := v.split(name); ok {
		return v.qualified[ns][key] != nil
	}
	return v.isKey(name)
}

// literalHost gives the host of a base URI, without port; empty when a template chooses it.
func literalHost(base string) string {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil || strings.ContainsAny(u.Host, "{}<>$") {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// isPublic reports whether a host ends in a domain that only the public internet has.
func isPublic(host string) bool {
	i := strings.LastIndexByte(host, '.')
	switch host[i+1:] {
	case "com", "net", "org", "io", "co", "app", "dev", "cloud", "ai":
		return i > 0
	}
	return false
}
