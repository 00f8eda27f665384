package credential

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
)

// veracode signs as Veracode wants it: VERACODE-HMAC-SHA-256.
func (a *Authenticator) veracode(m *message, c *plan.Veracode) (*signature, error) {
	nonce, err := a.nonce()
	if err != nil {
		return nil, err
	}
	id := strings.ToLower(withoutRegion(c.ID.Reveal()))
	key, err := hex.DecodeString(withoutRegion(c.Secret.Reveal()))
	if err != nil {
		return nil, misconfigured("the credential for \"apiKey\" is not hexadecimal, as keys of Veracode are", nil)
	}
	raw, err := hex.DecodeString(nonce)
	if err != nil {
		return nil, err
	}
	ts := strconv.FormatInt(a.opts.Now().UnixMilli(), 10)
	data := "id=" + id + "&host=" + hostOf(m.req) + "&url=" + m.req.Target + "&method=" + strings.ToUpper(m.req.Method)
	derived := mac(sha256.New, mac(sha256.New, mac(sha256.New, key, string(raw)), ts), "vcode_request_version_1")
	sig := hex.EncodeToString(mac(sha256.New, derived, data))
	return &signature{
		header:  []plan.Field{{Name: "Authorization", Value: "VERACODE-HMAC-SHA-256 id=" + id + ",ts=" + ts + ",nonce=" + nonce + ",sig=" + sig, Secret: true}},
		secrets: []plan.Secret{plan.NewSecret(sig), plan.NewSecret(id)},
	}, nil
}

// withoutRegion takes off the prefix that tells regions apart, such as vera01ei-.
func withoutRegion(s string) string {
	return s[strings.LastIndexByte(s, '-')+1:]
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// hmac signs as the document describes it.
func (a *Authenticator) hmac(m *message, c *plan.HMAC) (*signature, error) {
	nonce, err := a.nonce()
	if err != nil {
		return nil, err
	}
	w := words{m: m, c: c, now: a.opts.Now().UTC(), nonce: nonce}
	sig := mac(hashOf(c.Algorithm), []byte(c.Secret.Reveal()), w.text(c.Text))
	w.signature = hex.EncodeToString(sig)
	if c.Base64 {
		w.signature = base64.StdEncoding.EncodeToString(sig)
	}
	out := &signature{secrets: []plan.Secret{plan.NewSecret(w.signature)}}
	for _, h := range c.Headers {
		value := w.text(h.Value)
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, plan.Errorf(plan.CodeNotConfigured, "the configured value for %q holds a control character", h.Name)
		}
		out.header = append(out.header, plan.Field{Name: h.Name, Value: value, Secret: true})
	}
	return out, nil
}

func bodyOfHMAC(c *plan.HMAC) bodyUse {
	if c.CoversBody() {
		return bodyWhole
	}
	return bodyUnseen
}

func hashOf(name string) func() hash.Hash {
	switch name {
	case "sha1":
		return sha1.New
	case "sha512":
		return sha512.New
	}
	return sha256.New
}

// words gives the parts of a request that a described signature names.
type words struct {
	m         *message
	c         *plan.HMAC
	now       time.Time
	nonce     string
	signature string
}

func (w *words) text(parts []plan.HMACPart) string {
	var b strings.Builder
	for _, p := range parts {
		if p.Word == "" {
			b.WriteString(p.Text.Reveal())
		} else {
			b.WriteString(w.word(p.Word))
		}
	}
	return b.String()
}

func (w *words) word(name string) string {
	req := w.m.req
	path, query := cutTarget(req)
	switch name {
	case "method":
		return strings.ToUpper(req.Method)
	case "url":
		return req.Base.Scheme + "://" + hostOf(req) + req.Target
	case "host":
		return hostOf(req)
	case "target":
		return req.Target
	case "path":
		return path
	case "query":
		return query
	case "body":
		return string(w.m.body)
	case "bodyHash":
		h := hashOf(w.c.Algorithm)()
		h.Write(w.m.body)
		if w.c.Base64 {
			return base64.StdEncoding.EncodeToString(h.Sum(nil))
		}
		return hex.EncodeToString(h.Sum(nil))
	case "contentType":
		return headerOf(req, "Content-Type")
	case "timestamp":
		return strconv.FormatInt(w.now.Unix(), 10)
	case "timestampMs":
		return strconv.FormatInt(w.now.UnixMilli(), 10)
	case "date":
		return w.now.Format(http.TimeFormat)
	case "nonce":
		return w.nonce
	case "keyId":
		return w.c.KeyID.Reveal()
	case "signature":
		return w.signature
	}
	return ""
}
