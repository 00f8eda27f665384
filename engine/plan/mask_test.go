package plan

import (
	"encoding/json"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"
)

// TestMaskedHoweverSpelled: a secret is hidden in every spelling that upstreams, proxies and
// languages write it in, and what is beside it stays.
func TestMaskedHoweverSpelled(t *testing.T) {
	t.Parallel()
	const secret = "p&ss=\"w+r<d>/'é 😀\\n%2F=="
	inJSON, _ := json.Marshal(secret)
	again, _ := json.Marshal(string(inJSON))
	var unicode, hexadecimal, decimal strings.Builder
	for _, b := range []byte("p&ss=\"w+r<d>/'") {
		unicode.WriteString(`\u00` + string("0123456789ABCDEF"[b>>4]) + string("0123456789ABCDEF"[b&15]))
	}
	for _, b := range []byte(secret) {
		hexadecimal.WriteString("%" + string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15]))
	}
	for _, r := range secret {
		decimal.WriteString("&#" + number(int(r)) + ";")
	}
	plainJSON := `p&ss=\"w+r<d>/'é 😀\\n%2F==`
	for name, spelled := range map[string]string{
		"plain": secret, "Go": strings.Trim(string(inJSON), `"`), "JSON in JSON": string(again[3 : len(again)-3]),
		"query": url.QueryEscape(secret), "path": url.PathEscape(secret), "query twice": url.QueryEscape(url.QueryEscape(secret)),
		"HTML": html.EscapeString(secret), "XML": strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "'", "&apos;").Replace(secret),
		"PHP": strings.ReplaceAll(plainJSON, "/", `\/`), "JSON": plainJSON, "numbers": decimal.String(), "every byte": hexadecimal.String(),
		"Gson":      strings.NewReplacer("&", `\u0026`, "=", `\u003d`, "<", `\u003c`, ">", `\u003e`, "'", `\u0027`).Replace(plainJSON),
		".NET":      strings.NewReplacer("&", `\u0026`, `\"`, `\u0022`, "<", `\u003C`, ">", `\u003E`, "'", `\u0027`, "+", `\u002B`, "é", `\u00E9`, "😀", `\uD83D\uDE00`).Replace(plainJSON),
		"all of it": unicode.String() + strings.TrimPrefix(plainJSON, `p&ss=\"w+r<d>/'`),
	} {
		m := newMasker([]Secret{NewSecret("other"), NewSecret(secret)})
		text := `{"error":"bad ` + spelled + `, sorry & bye \u0026"}`
		want := `{"error":"bad <secret>, sorry & bye \u0026"}`
		if got := m.text(text); got != want {
			t.Errorf("%s: got %s of %s", name, got, text)
		}
		streamed, err := io.ReadAll(m.reader(strings.NewReader(strings.Repeat("x", 16<<10-20) + text)))
		if got := strings.TrimLeft(string(streamed), "x"); err != nil || got != want {
			t.Errorf("%s, streamed: got %s (%v)", name, got, err)
		}
	}
}

// FuzzMask: nothing of a text but the secret is lost, and a text without it stays.
func FuzzMask(f *testing.F) {
	f.Add("a\\u0026b", "a&b\x00")
	f.Add("%25", "%25%25")
	f.Fuzz(func(t *testing.T, before, secret string) {
		m := newMasker([]Secret{NewSecret(secret)})
		text := before + secret
		got := m.text(text)
		if len(secret) >= leastSecret && !strings.Contains(got, Masked) || len(secret) < leastSecret && got != text {
			t.Errorf("%q of %q", got, text)
		}
	})
}
