package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
)

// Credential is a way to authenticate that works on a finished request: it signs it, or
// needs an exchange of its own first. It is one of [*Digest], [*OAuth2], [*OAuth1],
// [*SigV4], [*Veracode] and [*HMAC]. What is simply written into a request, such as a
// bearer token, is no Credential: it stands in the request already.
//
// Every value that a variable may give is a [Secret], so that printing a credential shows
// none.
type Credential interface {
	// Scheme names the kind as documents do.
	Scheme() string
	// Key is equal for credentials that are: what is issued for one serves the other.
	Key() CredentialKey
	credential()
}

// CredentialKey identifies a credential without showing it.
type CredentialKey struct{ sum [sha256.Size]byte }

// String says nothing of the credential: a key of a weak password could be guessed from it.
func (CredentialKey) String() string { return "credential" }

// Format prints what String gives.
func (k CredentialKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// IsZero reports whether this is the key of no credential.
func (k CredentialKey) IsZero() bool { return k == CredentialKey{} }

// keyOf hashes the parts so that no two lists of parts are the same.
func keyOf(parts ...string) CredentialKey {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return CredentialKey{[sha256.Size]byte(h.Sum(nil))}
}

func keyOfSecrets(scheme string, parts ...Secret) CredentialKey {
	all := []string{scheme}
	for _, p := range parts {
		all = append(all, p.value)
	}
	return keyOf(all...)
}

// Digest answers the challenge of a server (RFC 7616).
type Digest struct{ Username, Password Secret }

// The grants of [OAuth2].
const (
	GrantClientCredentials = "client_credentials"
	GrantRefreshToken      = "refresh_token"
	// GrantTokenExchange gives a token for another one (RFC 8693): the caller's.
	GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
)

// OAuth2 gets an access token and sends it as a bearer token (RFC 6749, 6750).
type OAuth2 struct {
	Grant string // one of the constants above
	// TokenEndpoint is where tokens are issued. When it is empty, the metadata of Issuer
	// say where (RFC 8414, OpenID Connect Discovery).
	TokenEndpoint, Issuer  Secret
	ClientID, ClientSecret Secret
	RefreshToken           Secret
	SubjectToken           Secret // what is exchanged; set for each call
	Scope                  Secret // separated by spaces
	Audience, Resource     Secret
	// ClientAuth is how the client shows itself: ClientBasic, ClientPost, or empty to let the
	// metadata of the issuer decide, which means ClientBasic when there are none.
	ClientAuth string
}

// The ways in which an [OAuth2] client shows who it is (RFC 6749 section 2.3.1).
const (
	ClientBasic = "basic"
	ClientPost  = "post"
)

// OAuth1 signs requests with OAuth 1.0a (RFC 5849).
type OAuth1 struct {
	Method                      string // oauth_signature_method
	ConsumerKey, ConsumerSecret Secret
	Token, TokenSecret          Secret
	// SigningKey is a private RSA key: PEM, or base64 of DER or PKCS#12. SigningKeyFile is a
	// file with one, for when SigningKey is empty.
	SigningKey, KeyPassword Secret
	SigningKeyFile          KeyFile
	Realm                   Secret
	// NoBodyHash leaves oauth_body_hash out, which not every server knows.
	NoBodyHash bool
}

// SigV4 signs requests for AWS (Signature Version 4).
type SigV4 struct{ AccessKeyID, SecretKey, SessionToken, Region, Service Secret }

// Veracode signs requests with VERACODE-HMAC-SHA-256. ID and Secret may have the prefix that
// Veracode puts before credentials of its regions.
type Veracode struct{ ID, Secret Secret }

// HMAC signs requests as the document describes it.
type HMAC struct {
	Algorithm     string // sha1, sha256 or sha512
	KeyID, Secret Secret
	Base64        bool // the signature is written so, not in hexadecimal
	// Text is what is signed, Headers are what is sent.
	Text    []HMACPart
	Headers []HMACHeader
}

// CoversBody reports whether the content is part of what is signed or sent.
func (c *HMAC) CoversBody() bool {
	covers := func(text []HMACPart) bool {
		return slices.ContainsFunc(text, func(p HMACPart) bool { return p.Word == "body" || p.Word == "bodyHash" })
	}
	return covers(c.Text) || slices.ContainsFunc(c.Headers, func(h HMACHeader) bool { return covers(h.Value) })
}

// HMACPart is one of [HMACWords], or the text that stands between them.
type HMACPart struct {
	Word string
	Text Secret
}

// HMACHeader is a header that [HMAC] adds.
type HMACHeader struct {
	Name  string
	Value []HMACPart
}

// HMACWords are the parts of a request and of its signature that the texts of [HMAC] can
// name. All but the last may be signed.
func HMACWords() []string {
	return []string{"method", "url", "host", "target", "path", "query", "body", "bodyHash", "contentType", "timestamp", "timestampMs", "date", "nonce", "keyId", "signature"}
}

// Scheme names the kind.
func (*Digest) Scheme() string { return "digest" }

// Scheme names the kind.
func (*OAuth2) Scheme() string { return "oauth2" }

// Scheme names the kind.
func (*OAuth1) Scheme() string { return "oauth1" }

// Scheme names the kind.
func (*SigV4) Scheme() string { return "aws-sig-v4" }

// Scheme names the kind.
func (*Veracode) Scheme() string { return "hmac" }

// Scheme names the kind.
func (*HMAC) Scheme() string { return "hmac" }

// Key identifies the user.
func (c *Digest) Key() CredentialKey { return keyOfSecrets("digest", c.Username, c.Password) }

// Key identifies what a token is issued for.
func (c *OAuth2) Key() CredentialKey {
	return keyOfSecrets("oauth2 "+c.Grant+" "+c.ClientAuth, c.TokenEndpoint, c.Issuer, c.ClientID, c.ClientSecret, c.RefreshToken, c.SubjectToken, c.Scope, c.Audience, c.Resource)
}

// Key identifies the keys.
func (c *OAuth1) Key() CredentialKey {
	return keyOfSecrets("oauth1 "+c.Method+fmt.Sprint(c.NoBodyHash), c.ConsumerKey, c.ConsumerSecret, c.Token, c.TokenSecret, c.SigningKey, c.SigningKeyFile.key(), c.KeyPassword, c.Realm)
}

// Key identifies the keys, region and service.
func (c *SigV4) Key() CredentialKey {
	return keyOfSecrets("sigv4", c.AccessKeyID, c.SecretKey, c.SessionToken, c.Region, c.Service)
}

// Key identifies the key.
func (c *Veracode) Key() CredentialKey { return keyOfSecrets("veracode", c.ID, c.Secret) }

// Key identifies the key and what is done with it.
func (c *HMAC) Key() CredentialKey {
	parts := []Secret{c.KeyID, c.Secret}
	add := func(name string, text []HMACPart) {
		parts = append(parts, NewSecret(fmt.Sprintf("%s %d", name, len(text))))
		for _, p := range text {
			parts = append(parts, NewSecret(p.Word), p.Text)
		}
	}
	add("", c.Text)
	for _, h := range c.Headers {
		add(h.Name, h.Value)
	}
	return keyOfSecrets("hmac "+c.Algorithm+fmt.Sprint(c.Base64), parts...)
}

func (*Digest) credential()   {}
func (*OAuth2) credential()   {}
func (*OAuth1) credential()   {}
func (*SigV4) credential()    {}
func (*Veracode) credential() {}
func (*HMAC) credential()     {}

// KeyFile is a file with a key or a certificate; the zero KeyFile is none. It is read when
// it is needed, and again when it has changed.
type KeyFile struct {
	Path Secret // absolute
	// Root is the absolute folder that a file which a document, or a file beside it, names must
	// stay in, links included. It is empty for one that another variable names: that is the
	// platform's own.
	Root string
}

// IsZero reports whether there is no file.
func (f KeyFile) IsZero() bool { return f.Path.IsEmpty() }

func (f KeyFile) key() Secret { return NewSecret(f.Root + "\x00" + f.Path.value) }

// KeyOpener opens the file of a key inside the folder that it must stay in.
type KeyOpener func(KeyFile) (fs.File, error)

// ClientCertificate is what the client shows in TLS. Cert and PrivateKey are PEM text, or the
// former base64 of PKCS#12. CertFile and KeyFile are files of PEM or PKCS#12, for when the
// texts are empty. What holds certificate and key stands in Cert or CertFile alone.
type ClientCertificate struct {
	Cert, PrivateKey  Secret
	CertFile, KeyFile KeyFile
	Password          Secret // of the key, or of PKCS#12
}

// Key is equal for equal certificates: their connections may be shared.
func (c *ClientCertificate) Key() CredentialKey {
	if c == nil {
		return CredentialKey{}
	}
	return keyOfSecrets("certificate", c.Cert, c.PrivateKey, c.CertFile.key(), c.KeyFile.key(), c.Password)
}

// AppendTo appends what is equal for equal credentials: for keys that are hashed again, since a
// weak password could be guessed from it.
func (k CredentialKey) AppendTo(b []byte) []byte { return append(b, k.sum[:]...) }
