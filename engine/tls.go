package engine

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// expiresSoon is how long before its end a certificate is warned of.
	expiresSoon = 14 * 24 * time.Hour
	// maxTLSFile bounds a file with certificates or a key.
	maxTLSFile = 1 << 20
)

// TLSOptions say how addresses speak TLS. All files are PEM.
type TLSOptions struct {
	// CertFile has the certificate and those of the authorities between it and a trusted one;
	// KeyFile has its private key. It may be the same file.
	CertFile, KeyFile string
	// ClientCAFile has the authorities whose certificates callers must show, or may when
	// ClientOptional is set; empty asks nobody for one.
	ClientCAFile   string
	ClientOptional bool
	// Open opens a file; nil means as it is.
	Open func(name string) (fs.File, error)
	// Logger is told of new certificates, of those that cannot be used, and of their end.
	Logger *slog.Logger
}

// files gives the files that TLS is made of.
func (o *TLSOptions) files() []string {
	files := []string{o.CertFile, o.KeyFile}
	if o.ClientCAFile != "" {
		files = append(files, o.ClientCAFile)
	}
	return files
}

// TLS is what every address of an engine speaks. What its files hold can be exchanged while
// connections are open: those go on with what they began with.
type TLS struct {
	opts    TLSOptions
	working sync.Mutex // held by the one load at work
	current atomic.Pointer[certified]
}

// certified is a certificate that is shown. It is immutable, but for told.
type certified struct {
	texts  [][]byte // of the files
	leaf   *x509.Certificate
	config *tls.Config
	open   *tls.Config // asks nobody for a certificate
	told   bool        // that it ends soon
}

// NewTLS reads the files. The error names the file and what is wrong with it, and holds
// nothing of it.
func NewTLS(o TLSOptions) (*TLS, error) {
	if o.Open == nil {
		o.Open = func(name string) (fs.File, error) { return os.Open(name) }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &TLS{opts: o}
	c, err := t.load()
	if err != nil {
		return nil, err
	}
	t.remind(c)
	t.current.Store(c)
	return t, nil
}

// Files gives the files that TLS is made of, for those who watch them; none without TLS.
func (t *TLS) Files() []string {
	if t == nil {
		return nil
	}
	return t.opts.files()
}

// asksClients reports whether callers are asked for a certificate; without TLS none is.
func (t *TLS) asksClients() bool { return t != nil && t.opts.ClientCAFile != "" }

// Reload reads the files again, for connections that come from now on. While they cannot be
// used, for whatever reason, the last good ones stay, and the log says so. It may be called
// without TLS.
func (t *TLS) Reload() {
	if t == nil {
		return
	}
	t.working.Lock()
	defer t.working.Unlock()
	was := t.current.Load()
	c, err := t.load()
	if err == nil && c.ended() && !was.ended() {
		err = fmt.Errorf("the certificate %s expired on %s", t.opts.CertFile, day(c.leaf.NotAfter))
	}
	if err != nil {
		t.opts.Logger.Error("TLS goes on with the certificate of before", "error", err)
		t.remind(was)
		return
	}
	if slices.EqualFunc(c.texts, was.texts, bytes.Equal) {
		t.remind(was)
		return
	}
	t.opts.Logger.Info("new connections get another certificate", "subject", c.leaf.Subject.String(), "expires", day(c.leaf.NotAfter))
	t.remind(c)
	t.current.Store(c)
}

// config gives what a listener speaks.
func (t *TLS) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return t.current.Load().config, nil
		},
	}
}

// openConfig is config for those who show a token instead of a certificate.
func (t *TLS) openConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return t.current.Load().open, nil
		},
	}
}

// load reads the files and makes of them what a new connection gets.
func (t *TLS) load() (*certified, error) {
	c := &certified{}
	for _, name := range t.opts.files() {
		text, err := t.read(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %s", name, reason(err))
		}
		c.texts = append(c.texts, text)
	}
	pair, err := keyPair(c.texts[0], c.texts[1])
	if err != nil {
		return nil, fmt.Errorf("the certificate %s and the key %s cannot be used: %w", t.opts.CertFile, t.opts.KeyFile, err)
	}
	c.leaf = pair.Leaf
	c.config = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"},
	}
	c.open = c.config.Clone()
	if t.opts.ClientCAFile == "" {
		return c, nil
	}
	if c.config.ClientCAs, err = authorities(c.texts[2]); err != nil {
		return nil, fmt.Errorf("the authorities of clients in %s cannot be used: %w", t.opts.ClientCAFile, err)
	}
	c.config.ClientAuth = tls.RequireAndVerifyClientCert
	if t.opts.ClientOptional {
		c.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// A resumed connection would be let in by what was trusted when it began.
	c.config.SessionTicketsDisabled = true
	return c, nil
}

// errTooLarge says that a file is none of certificates or of a key.
var errTooLarge = errors.New("it is larger than 1 MiB")

func (t *TLS) read(name string) ([]byte, error) {
	f, err := t.opts.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxTLSFile+1))
	if err == nil && len(text) > maxTLSFile {
		err = errTooLarge
	}
	return text, err
}

// keyPair reads a certificate with its chain and its key.
func keyPair(cert, key []byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err == nil {
		return pair, nil
	}
	for block, rest := pem.Decode(key); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return pair, errors.New("the key is encrypted; capd needs it without a passphrase")
		}
	}
	return pair, err
}

// authorities reads certificates, every one of them.
func authorities(text []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it has a %s among its certificates", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, errors.New("no certificate (PEM) is in it")
	}
	return pool, nil
}

func (c *certified) ended() bool { return !time.Now().Before(c.leaf.NotAfter) }

// remind warns, once, of a certificate that callers refuse now or soon.
func (t *TLS) remind(c *certified) {
	now := time.Now()
	var message string
	switch {
	case c.ended():
		message = "the TLS certificate has expired"
	case now.Before(c.leaf.NotBefore):
		message = "the TLS certificate is not valid yet"
	case now.Add(expiresSoon).After(c.leaf.NotAfter):
		message = "the TLS certificate expires soon"
	default:
		return
	}
	if c.told {
		return
	}
	c.told = true
	t.opts.Logger.Warn(message, "file", t.opts.CertFile, "from", day(c.leaf.NotBefore), "expires", day(c.leaf.NotAfter))
}

// day gives a time as the log has it.
func day(at time.Time) string { return at.UTC().Format(time.RFC3339) }
