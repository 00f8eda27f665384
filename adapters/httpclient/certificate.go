package httpclient

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"capd/engine/plan"
)

var (
	errNoCertificate = errors.New("httpclient: no certificate in it")
	errNoKey         = errors.New("httpclient: no private key in it that can be read")
)

// certificate is a client certificate, read again when one of its files has changed.
type certificate struct {
	source *plan.ClientCertificate
	open   plan.KeyOpener

	mu     sync.Mutex
	seen   [2]fileState // of CertFile and KeyFile
	loaded *tls.Certificate
}

type fileState struct {
	changed time.Time
	size    int64
}

// get is for [tls.Config.GetClientCertificate].
func (c *certificate) get(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.loaded, nil
}

// refresh reads the certificate if that was not done since it changed, and reports whether
// there is a new one. While its files are being replaced the last good one stays.
func (c *certificate) refresh() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	had := c.loaded
	if err := c.load(); err != nil && had == nil {
		return false, err
	}
	return had != nil && c.loaded != had, nil
}

func (c *certificate) load() error {
	sources := []keySource{{c.source.Cert, c.source.CertFile}, {c.source.PrivateKey, c.source.KeyFile}}
	var now [2]fileState
	for i, from := range sources {
		var err error
		if now[i], err = from.state(c.open); err != nil {
			return unreadable(err)
		}
	}
	if c.loaded != nil && now == c.seen {
		return nil
	}
	var texts [2][]byte
	for i, from := range sources {
		var err error
		if texts[i], err = from.read(c.open); err != nil {
			return unreadable(err)
		}
	}
	fresh, err := parse(texts[0], texts[1], c.source.Password.Reveal())
	if err != nil {
		return &plan.Error{
			Code: plan.CodeNotConfigured, Cause: err,
			Message: "the client certificate cannot be used: it must be PEM with its key, or PKCS#12 with the right password",
		}
	}
	c.loaded, c.seen = fresh, now
	return nil
}

// maxKeyFile bounds what is read of a file with a key.
const maxKeyFile = 1 << 20

// keySource is where a certificate or a key stands: in a text or in a file.
type keySource struct {
	text plan.Secret
	file plan.KeyFile
}

func (k keySource) state(open plan.KeyOpener) (fileState, error) {
	if k.file.IsZero() {
		return fileState{}, nil
	}
	f, err := open(k.file)
	if err != nil {
		return fileState{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.ModTime(), info.Size()}, nil
}

func (k keySource) read(open plan.KeyOpener) ([]byte, error) {
	if k.file.IsZero() {
		return []byte(k.text.Reveal()), nil
	}
	f, err := open(k.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

// unreadable gives the error of a file without its path, which is a variable's value.
func unreadable(err error) *plan.Error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return &plan.Error{Code: plan.CodeNotConfigured, Message: "the file of the client certificate cannot be read", Cause: err}
}

// parse reads PEM, or PKCS#12 as it is or in base64. key is where the key stands when it does
// not stand beside the certificate.
func parse(cert, key []byte, password string) (*tls.Certificate, error) {
	text := lines(cert)
	if bytes.Contains(text, []byte("-----BEGIN ")) {
		return parsePEM(text, append(append(lines(key), '\n'), text...), password)
	}
	if der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(cert)), "")); err == nil {
		cert = der
	}
	private, leaf, chain, err := pkcs12.DecodeChain(cert, password)
	if err != nil {
		return nil, err
	}
	out := &tls.Certificate{PrivateKey: private, Certificate: [][]byte{leaf.Raw}, Leaf: leaf}
	for _, c := range chain {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out, nil
}

// lines puts line breaks in place of \n, as keys stand in environment variables.
func lines(text []byte) []byte {
	if bytes.ContainsRune(text, '\n') {
		return text
	}
	return bytes.ReplaceAll(text, []byte(`\n`), []byte("\n"))
}

// parsePEM reads the certificates of one text and the first key of another.
func parsePEM(certs, keys []byte, password string) (*tls.Certificate, error) {
	out := &tls.Certificate{}
	for block, rest := pem.Decode(certs); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out.Certificate = append(out.Certificate, block.Bytes)
		}
	}
	if len(out.Certificate) == 0 {
		return nil, errNoCertificate
	}
	var err error
	if out.Leaf, err = x509.ParseCertificate(out.Certificate[0]); err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(keys); block != nil; block, rest = pem.Decode(rest) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		der := block.Bytes
		//lint:ignore SA1019 an old form that is still handed out
		if x509.IsEncryptedPEMBlock(block) {
			//lint:ignore SA1019 as above
			if der, err = x509.DecryptPEMBlock(block, []byte(password)); err != nil {
				return nil, err
			}
		}
		if out.PrivateKey, err = parseKey(der); err != nil {
			return nil, err
		}
		return out, matches(out)
	}
	return nil, errNoKey
}

func parseKey(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errNoKey
}

// matches refuses a key that belongs to another certificate.
func matches(c *tls.Certificate) error {
	signer, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return errNoKey
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(c.Leaf.PublicKey) {
		return errors.New("httpclient: the key belongs to another certificate")
	}
	return nil
}
