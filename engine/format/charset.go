package format

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// utf8Text gives the body's text without a byte order mark. said is the charset that the text
// itself names, if the format has a way to say that.
func (in *answer) utf8Text(said string) ([]byte, error) {
	body := in.body
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return body[3:], nil
	case bytes.HasPrefix(body, []byte("\xff\xfe")):
		return decodeText(body[2:], unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM))
	case bytes.HasPrefix(body, []byte("\xfe\xff")):
		return decodeText(body[2:], unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM))
	}
	label := said
	if _, params, err := mime.ParseMediaType(in.contentType); err == nil && params["charset"] != "" {
		label = params["charset"]
	}
	if label == "" {
		if utf8.Valid(body) {
			return body, nil
		}
		return decodeText(body, charmap.Windows1252)
	}
	enc, name := charset.Lookup(strings.Trim(label, `"' `))
	switch {
	case enc == nil || enc == encoding.Replacement:
		return nil, invalid("its charset is not known")
	case name == "utf-8":
		return body, nil
	}
	return decodeText(body, enc)
}

func decodeText(body []byte, enc encoding.Encoding) ([]byte, error) {
	out, err := enc.NewDecoder().Bytes(body)
	if err != nil {
		return nil, invalid("its characters are not what its charset says")
	}
	return out, nil
}

// xmlEncoding finds the charset in an XML declaration.
var xmlEncoding = regexp.MustCompile(`^<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']`)

// xmlCharset gives the charset that an XML document itself says.
func xmlCharset(body []byte) string {
	head := body[:min(len(body), 256)]
	switch {
	case bytes.HasPrefix(head, []byte("<\x00?\x00")):
		return "utf-16le"
	case bytes.HasPrefix(head, []byte("\x00<\x00?")):
		return "utf-16be"
	}
	m := xmlEncoding.FindSubmatch(head)
	if m == nil {
		return ""
	}
	if name := strings.ToLower(string(m[1])); !strings.HasPrefix(name, "utf-16") {
		return name
	}
	return "utf-8" // one byte per character so far: it cannot be what it says
}
