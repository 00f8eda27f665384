package credential_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"capd/adapters/credential"
	"capd/engine/plan"
)

var veracodeHeader = regexp.MustCompile(`^VERACODE-HMAC-SHA-256 id=([0-9a-f]+),ts=(\d{13}),nonce=([0-9a-f]{32}),sig=([0-9a-f]{64})$`)

func hmacOf(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func TestVeracode(t *testing.T) {
	t.Parallel()
	key, _ := hex.DecodeString("00112233445566778899aabbccddeeff")
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		m := veracodeHeader.FindStringSubmatch(r.Header.Get("Authorization"))
		if m == nil {
			http.Error(w, r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		nonce, _ := hex.DecodeString(m[3])
		data := fmt.Sprintf("id=%s&host=%s&url=%s&method=%s", m[1], r.Host, r.RequestURI, r.Method)
		want := hmacOf(hmacOf(hmacOf(hmacOf(key, string(nonce)), m[2]), "vcode_request_version_1"), data)
		if m[4] != hex.EncodeToString(want) || m[1] != "abcd" {
			http.Error(w, data, http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprint(w, bodyOf(r))
	})
	up := newClient(t, credential.Options{MaxBody: 1})
	for _, c := range []*plan.Veracode{
		{ID: secret("abcd"), Secret: secret("00112233445566778899AABBCCDDEEFF")},
		{ID: secret("vera01ei-ABCD"), Secret: secret("vera01es-00112233445566778899aabbccddeeff")},
	} {
		for _, req := range []*plan.Request{
			request(t, "GET", base, "/appsec/v1/applications?size=2&name=a%20b", "", c),
			stream(request(t, "POST", base, "/x", "long", c), false),
		} {
			if resp, text := do(t, up, req); resp.Status != 200 {
				t.Errorf("%s: %d %s", req.Target, resp.Status, text)
			}
		}
	}
	fails(t, up, request(t, "GET", base, "/", "", &plan.Veracode{ID: secret("abcd"), Secret: secret("not hex")}), plan.CodeNotConfigured, "hexadecimal")
}

func word(s string) plan.HMACPart { return plan.HMACPart{Word: s} }
func text(s string) plan.HMACPart { return plan.HMACPart{Text: secret(s)} }

func TestHMAC(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := bodyOf(r)
		sum := sha512.Sum512([]byte(body))
		signed := strings.Join([]string{r.Method, r.Host, r.RequestURI, r.URL.EscapedPath(), r.URL.RawQuery, body, base64.StdEncoding.EncodeToString(sum[:]),
			r.Header.Get("Content-Type"), r.Header.Get("X-Ts"), r.Header.Get("X-Nonce"), "the-id"}, "\n")
		m := hmac.New(sha512.New, []byte("s3cret"))
		m.Write([]byte(signed))
		if r.Header.Get("X-Sig") != "v1="+base64.StdEncoding.EncodeToString(m.Sum(nil)) {
			http.Error(w, signed, http.StatusUnauthorized)
		}
		if ts, err := strconv.Atoi(r.Header.Get("X-Ts")); err != nil || ts < 1e9 {
			http.Error(w, "no time", http.StatusUnauthorized)
		}
	})
	var signed []plan.HMACPart
	for i, name := range []string{"method", "host", "target", "path", "query", "body", "bodyHash", "contentType", "timestamp", "nonce", "keyId"} {
		if i > 0 {
			signed = append(signed, text("\n"))
		}
		signed = append(signed, word(name))
	}
	c := &plan.HMAC{
		Algorithm: "sha512", KeyID: secret("the-id"), Secret: secret("s3cret"), Base64: true, Text: signed,
		Headers: []plan.HMACHeader{
			{Name: "X-Sig", Value: []plan.HMACPart{text("v1="), word("signature")}},
			{Name: "X-Ts", Value: []plan.HMACPart{word("timestamp")}}, {Name: "X-Nonce", Value: []plan.HMACPart{word("nonce")}},
		},
	}
	up := newClient(t, credential.Options{})
	for _, req := range []*plan.Request{
		request(t, "GET", base, "/a%2Fb?x=1&y=%20", "", c, "X-Sig", "of the caller"),
		stream(request(t, "POST", base, "/a", "content", c, "Content-Type", "text/plain"), false),
	} {
		if resp, got := do(t, up, req); resp.Status != 200 {
			t.Errorf("%s: %d %s", req.Target, resp.Status, got)
		}
	}
	t.Run("every word has a value", func(t *testing.T) {
		rec := &recorder{}
		for _, name := range plan.HMACWords() {
			c := &plan.HMAC{Algorithm: "sha1", KeyID: secret("id"), Secret: secret("s"), Headers: []plan.HMACHeader{{Name: "X-A", Value: []plan.HMACPart{word(name)}}}}
			do(t, credential.New(rec, credential.Options{}), request(t, "POST", "http://h.test", "/p?q", "b", c, "Content-Type", "t/t"))
			if fieldOf(rec.last, "X-A") == "" {
				t.Errorf("{%s} has no value", name)
			}
		}
	})
	t.Run("no header is broken", func(t *testing.T) {
		c := &plan.HMAC{Algorithm: "sha256", Secret: secret("s"), Headers: []plan.HMACHeader{{Name: "X-A", Value: []plan.HMACPart{word("body")}}}}
		fails(t, up, request(t, "POST", base, "/", "a\r\nX-Evil: 1", c), plan.CodeNotConfigured, "X-A")
	})
}
