package credential

import (
	"crypto/rsa"
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
	errNoKey = errors.New("credential: no private RSA key in it")
)

// rsaKey is a parsed signing key. One that comes from a file is read again when the file
// changes.
type rsaKey struct {
	mu      sync.Mutex
	key     *rsa.PrivateKey
	changed time.Time
	size    int64
}

// rsaKey gives the signing key of a credential.
func (a *Authenticator) rsaKey(c *plan.OAuth1) (*rsa.PrivateKey, error) {
	k := a.keys.get(stateKey{credential: c.Key()}, func() *rsaKey { return &rsaKey{} })
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.SigningKeyFile.IsZero() {
		if k.key == nil {
			key, err := parseRSAKey([]byte(c.SigningKey.Reveal()), c.KeyPassword.Reveal())
			if err != nil {
				return nil, misconfigured("the signing key is no private RSA key: it must be PEM, base64 of DER or PKCS#12, or the absolute path of a file with one", err)
			}
			k.key = key
		}
		return k.key, nil
	}
	had := k.key
	key, err := k.read(a.opts.OpenKey, c.SigningKeyFile, c.KeyPassword.Reveal())
	if err != nil && had != nil {
		return had, nil // the file is being replaced
	}
	return key, err
}

func (k *rsaKey) read(open plan.KeyOpener, file plan.KeyFile, password string) (*rsa.PrivateKey, error) {
	unreadable := func(err error) error {
		return misconfigured("the file of the signing key cannot be read", withoutPath(err))
	}
	f, err := open(file)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unreadable(err)
	}
	if k.key != nil && info.ModTime().Equal(k.changed) && info.Size() == k.size {
		return k.key, nil
	}
	content, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, unreadable(err)
	}
	key, err := parseRSAKey(content, password)
	if err != nil {
		return nil, misconfigured("the file of the signing key holds no private RSA key that can be read", err)
	}
	k.key, k.changed, k.size = key, info.ModTime(), info.Size()
	return key, nil
}

// maxKeyFile bounds what is read of a file with a key.
const maxKeyFile = 1 << 20

// withoutPath takes the path out of an error of the file system: it is a variable's value.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// parseRSAKey reads PEM, DER, PKCS#12, or base64 of one of the latter.
func parseRSAKey(content []byte, password string) (*rsa.PrivateKey, error) {
	text := string(content)
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n") // as keys stand in environment variables
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if key, err := parseDER(block.Bytes, password); err == nil {
			return key, nil
		}
	}
	if key, err := parseDER(content, password); err == nil {
		return key, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errNoKey
	}
	return parseDER(der, password)
}

func parseDER(der []byte, password string) (*rsa.PrivateKey, error) {
	var key any
	if pkcs8, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		key = pkcs8
	} else if pkcs1, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		key = pkcs1
	} else if fromStore, _, _, err := pkcs12.DecodeChain(der, password); err == nil {
		key = fromStore
	}
	if got, ok := key.(*rsa.PrivateKey); ok {
		return got, nil
	}
	return nil, errNoKey
}
