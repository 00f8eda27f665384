package plan

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Transport is how an API is reached, as far as a document says it (docs/decisions/0015). Of
// the zero value of each field the process decides. Equal transports share connections.
type Transport struct {
	// Timeout bounds one request from its first byte to the last of the answer, Connect the
	// way to a connection, TLS included, and Response the wait for the answer's head. The
	// deadline of the call holds besides.
	Timeout, Connect, Response time.Duration
	// Roots are the certificates (PEM) that are trusted instead of the system's.
	Roots string
	// ServerName is the name that the server's certificate must have, instead of the host.
	ServerName string
	// TLS13 refuses older versions of TLS.
	TLS13 bool
	// Proxy is the URL of the proxy; Direct means that none is used, whatever the process has.
	Proxy  string
	Direct bool
	// HTTP1 keeps to HTTP/1.1.
	HTTP1 bool
	// Plain asks for answers without compression.
	Plain bool
}

// readTransport compiles the key transport of an operation over that of its API.
func (c *compiler) readTransport(op *consumed) *fault {
	var t Transport
	for _, v := range []*spec.Value{op.api.Transport, op.decl.Transport} {
		if v == nil {
			continue
		}
		if v.Kind != spec.Map {
			return faultf(diag.CodeTransport, "", v.Span(), "transport is %s, expected a mapping", v.Kind).hintf("write transport: {timeout: 10s}")
		}
		for i := range v.Members {
			m := &v.Members[i]
			if f := c.transportKey(&t, m.Key, m.Value); f != nil {
				return f
			}
		}
	}
	if t != (Transport{}) {
		op.transport = c.sharedTransport(t)
	}
	return nil
}

// sharedTransport gives equal transports of a document one place.
func (c *compiler) sharedTransport(t Transport) *Transport {
	for _, have := range c.transports {
		if *have == t {
			return have
		}
	}
	c.transports = append(c.transports, &t)
	return &t
}

const transportKeys = "timeout, connectTimeout, responseTimeout, tls, proxy, http2 or compression"

func (c *compiler) transportKey(t *Transport, key spec.Text, v *spec.Value) *fault {
	if v == nil || v.Kind == spec.Null {
		return nil
	}
	switch key.Value {
	case "timeout":
		return readDuration(&t.Timeout, key, v)
	case "connectTimeout":
		return readDuration(&t.Connect, key, v)
	case "responseTimeout":
		return readDuration(&t.Response, key, v)
	case "proxy":
		return c.readProxy(t, v)
	case "http2":
		return readSwitch(&t.HTTP1, key, v)
	case "compression":
		return readSwitch(&t.Plain, key, v)
	case "tls":
		if v.Kind != spec.Map {
			return faultf(diag.CodeTransport, "", v.Span(), "tls is %s, expected a mapping", v.Kind).hintf("write tls: {caFile: ./ca.pem}")
		}
		for i := range v.Members {
			if f := c.tlsKey(t, v.Members[i].Key, v.Members[i].Value); f != nil {
				return f
			}
		}
		return nil
	}
	return unknownSetting(key, "transport", transportKeys, []string{"timeout", "connectTimeout", "responseTimeout", "tls", "proxy", "http2", "compression"})
}

// unknownSetting refuses a key: a setting that does not hold could be one that protects.
func unknownSetting(key spec.Text, of, expected string, names []string) *fault {
	f := faultf(diag.CodeTransport, "", key.Span(), "%s has no setting %q", of, key.Value)
	if near, ok := diag.Nearest(key.Value, names); ok {
		return f.hintf("did you mean %s?", near)
	}
	return f.hintf("expected %s", expected)
}

func (c *compiler) tlsKey(t *Transport, key spec.Text, v *spec.Value) *fault {
	if v == nil || v.Kind == spec.Null {
		return nil
	}
	text := v.AsText()
	switch key.Value {
	case "caFile":
		return c.readRoots(t, text, v)
	case "serverName":
		if text.Value == "" || strings.ContainsAny(text.Value, "/: {}") {
			return faultf(diag.CodeTransport, "", v.Span(), "serverName is no host name").hintf("write a name such as api.example.com")
		}
		t.ServerName = text.Value
		return nil
	case "minVersion":
		switch text.Value {
		case "1.2":
			t.TLS13 = false
		case "1.3":
			t.TLS13 = true
		default:
			return faultf(diag.CodeTransport, "", v.Span(), "minVersion is %q, expected 1.2 or 1.3", text.Value).hintf("write minVersion: \"1.3\"")
		}
		return nil
	}
	return unknownSetting(key, "tls", "caFile, serverName or minVersion", []string{"caFile", "serverName", "minVersion"})
}

// readRoots reads the file of trusted certificates.
func (c *compiler) readRoots(t *Transport, location spec.Text, v *spec.Value) *fault {
	if c.files == nil || location.Value == "" {
		return faultf(diag.CodeTransport, "", v.Span(), "caFile cannot be read: this document has no files")
	}
	if roots := c.roots[v]; roots != "" {
		t.Roots = roots // of another operation of the same API
		return nil
	}
	text, err := c.files.Read(location.Span().File, location.Value)
	if err != nil {
		return faultf(diag.CodeTransport, "", v.Span(), "caFile cannot be read: %v", err)
	}
	n := 0
	for rest := text; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return faultf(diag.CodeTransport, "", v.Span(), "part %d of caFile is no certificate", n+1).hintf("the file must hold certificates in PEM, and nothing else")
		}
	}
	if n == 0 {
		return faultf(diag.CodeTransport, "", v.Span(), "caFile holds no certificate").hintf("the file must hold certificates in PEM")
	}
	t.Roots = string(bytes.TrimSpace(text))
	if c.roots == nil {
		c.roots = map[*spec.Value]string{}
	}
	c.roots[v] = t.Roots
	return nil
}

func readDuration(to *time.Duration, key spec.Text, v *spec.Value) *fault {
	d, err := time.ParseDuration(v.AsText().Value)
	if err != nil || d <= 0 {
		return faultf(diag.CodeTransport, "", v.Span(), "%s is %q, expected a time such as 500ms, 10s or 2m", key.Value, v.AsText().Value).
			hintf("write a number with its unit")
	}
	*to = d
	return nil
}

// readSwitch reads a boolean that is true unless it says otherwise.
func readSwitch(off *bool, key spec.Text, v *spec.Value) *fault {
	if v.Kind != spec.Bool {
		return faultf(diag.CodeTransport, "", v.Span(), "%s is %s, expected true or false", key.Value, v.Kind).hintf("write true or false without quotes")
	}
	*off = strings.EqualFold(v.Text, "false")
	return nil
}

func (c *compiler) readProxy(t *Transport, v *spec.Value) *fault {
	text := v.AsText().Value
	if strings.EqualFold(text, "none") {
		t.Direct, t.Proxy = true, ""
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return faultf(diag.CodeTransport, "", v.Span(), "proxy is no address such as http://proxy.example.com:3128").hintf("write none to go around the proxy of the process")
	}
	if u.User != nil {
		return faultf(diag.CodeTransport, "", v.Span(), "proxy holds a user name or a password").hintf("set HTTPS_PROXY for the process, which may hold them")
	}
	if d := c.grant.url(text, text); d != nil {
		return d.fault(v.Span())
	}
	t.Proxy, t.Direct = u.Scheme+"://"+u.Host, false
	return nil
}
