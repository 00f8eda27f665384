package credential

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"capd/engine/plan"
)

// oauth1 signs as RFC 5849 says, in the Authorization header.
func (a *Authenticator) oauth1(m *message, c *plan.OAuth1) (*signature, error) {
	nonce, err := a.nonce()
	if err != nil {
		return nil, err
	}
	params := []pair{
		{"oauth_consumer_key", c.ConsumerKey.Reveal()},
		{"oauth_nonce", nonce},
		{"oauth_signature_method", c.Method},
		{"oauth_timestamp", strconv.FormatInt(a.opts.Now().Unix(), 10)},
		{"oauth_version", "1.0"},
	}
	if !c.Token.IsEmpty() {
		params = append(params, pair{"oauth_token", c.Token.Reveal()})
	}
	form := isForm(m.req)
	if !form && !c.NoBodyHash && c.Method != "PLAINTEXT" && (len(m.body) > 0 || c.Method == "RSA-SHA256") {
		params = append(params, pair{"oauth_body_hash", bodyHash(c.Method, m.body)})
	}
	signed := slices.Clone(params)
	_, query := cutTarget(m.req)
	signed = append(signed, formPairs(query)...)
	if form {
		signed = append(signed, formPairs(string(m.body))...)
	}
	sig, err := a.oauth1Signature(c, baseString(m.req, signed))
	if err != nil {
		return nil, err
	}
	var header strings.Builder
	header.WriteString("OAuth ")
	if !c.Realm.IsEmpty() {
		header.WriteString(`realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(c.Realm.Reveal()) + `", `)
	}
	for _, p := range params {
		header.WriteString(p.name + `="` + percent(p.value) + `", `)
	}
	header.WriteString(`oauth_signature="` + percent(sig) + `"`)
	return &signature{
		header:  []plan.Field{{Name: "Authorization", Value: header.String(), Secret: true}},
		secrets: []plan.Secret{plan.NewSecret(sig)},
	}, nil
}

func (a *Authenticator) oauth1Signature(c *plan.OAuth1, base string) (string, error) {
	secrets := percent(c.ConsumerSecret.Reveal()) + "&" + percent(c.TokenSecret.Reveal())
	mac := func(h func() hash.Hash) string {
		m := hmac.New(h, []byte(secrets))
		m.Write([]byte(base))
		return base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	switch c.Method {
	case "PLAINTEXT":
		return secrets, nil
	case "HMAC-SHA1":
		return mac(sha1.New), nil
	case "HMAC-SHA256":
		return mac(sha256.New), nil
	}
	key, err := a.rsaKey(c)
	if err != nil {
		return "", err
	}
	kind, digest := crypto.SHA256, sum(sha256.New(), base)
	if c.Method == "RSA-SHA1" {
		kind, digest = crypto.SHA1, sum(sha1.New(), base)
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, kind, digest)
	if err != nil {
		return "", misconfigured("the signing key cannot sign", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

func sum(h hash.Hash, text string) []byte {
	h.Write([]byte(text))
	return h.Sum(nil)
}

// bodyHash is the OAuth Request Body Hash extension: of all bodies that are no form.
func bodyHash(method string, body []byte) string {
	h := sha1.New()
	if strings.HasSuffix(method, "SHA256") {
		h = sha256.New()
	}
	return base64.StdEncoding.EncodeToString(sum(h, string(body)))
}

// pair is a parameter, decoded.
type pair struct{ name, value string }

// baseString is what is signed (RFC 5849 section 3.4.1).
func baseString(req *plan.Request, params []pair) string {
	encoded := make([]pair, len(params))
	for i, p := range params {
		encoded[i] = pair{percent(p.name), percent(p.value)}
	}
	slices.SortFunc(encoded, func(a, b pair) int {
		if n := strings.Compare(a.name, b.name); n != 0 {
			return n
		}
		return strings.Compare(a.value, b.value)
	})
	texts := make([]string, len(encoded))
	for i, p := range encoded {
		texts[i] = p.name + "=" + p.value
	}
	path, _ := cutTarget(req)
	uri := strings.ToLower(req.Base.Scheme) + "://" + hostOf(req) + path
	return strings.ToUpper(req.Method) + "&" + percent(uri) + "&" + percent(strings.Join(texts, "&"))
}

func isForm(req *plan.Request) bool {
	media, _, err := mime.ParseMediaType(headerOf(req, "Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// formPairs decodes a query or a form (RFC 5849 section 3.4.1.3.1). What escapes nothing
// stays as it is.
func formPairs(s string) []pair {
	var out []pair
	for text := range strings.SplitSeq(s, "&") {
		if text == "" {
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		out = append(out, pair{formDecode(name), formDecode(value)})
	}
	return out
}

func formDecode(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// percent escapes all but unreserved characters (RFC 5849 section 3.6).
func percent(s string) string {
	const upper = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', upper[c>>4], upper[c&15]})
		}
	}
	return b.String()
}
