package credential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"capd/engine/plan"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// sigV4 signs for AWS. Of the headers it covers host, content type and those of AWS, so that
// what a proxy does to the others breaks nothing.
func (a *Authenticator) sigV4(ctx context.Context, m *message, c *plan.SigV4) (*signature, error) {
	service, region := strings.ToLower(c.Service.Reveal()), c.Region.Reveal()
	path, query := cutTarget(m.req)
	if isS3(service) {
		path = objectPath(path)
	}
	r := &http.Request{
		Method: m.req.Method, Host: hostOf(m.req), Header: http.Header{},
		// The signer escapes no path that stands in Opaque.
		URL: &url.URL{Scheme: m.req.Base.Scheme, Host: m.req.Base.Host, Opaque: "//" + m.req.Base.Host + path, RawQuery: strictQuery(query)},
	}
	for _, f := range m.req.Header {
		name := http.CanonicalHeaderKey(f.Name)
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-") {
			r.Header.Add(name, f.Value)
		}
	}
	for _, name := range []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		r.Header.Del(name)
	}
	hash := unsignedPayload
	if m.req.Body.Stream == nil {
		sum := sha256.Sum256(m.body)
		hash = hex.EncodeToString(sum[:])
	}
	if isS3(service) || service == "aoss" {
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	keys := aws.Credentials{AccessKeyID: c.AccessKeyID.Reveal(), SecretAccessKey: c.SecretKey.Reveal(), SessionToken: c.SessionToken.Reveal()}
	err := v4.NewSigner().SignHTTP(ctx, keys, r, hash, service, region, a.opts.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = isS3(service)
	})
	if err != nil {
		return nil, misconfigured("the request cannot be signed for AWS", errors.New("credential: the signer failed"))
	}
	return sigV4Result(m.req, r, path), nil
}

// sigV4Result takes over what the signer changed: its headers, and the query in the spelling
// that it signed.
func sigV4Result(req *plan.Request, r *http.Request, path string) *signature {
	out := &signature{target: path}
	if r.URL.RawQuery != "" {
		out.target += "?" + r.URL.RawQuery
	}
	auth := r.Header.Get("Authorization")
	if _, sig, ok := strings.Cut(auth, "Signature="); ok {
		out.secrets = append(out.secrets, plan.NewSecret(sig))
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if v := r.Header.Get(name); v != "" {
			out.header = append(out.header, plan.Field{Name: name, Value: v, Secret: name == "Authorization" || name == "X-Amz-Security-Token"})
		}
	}
	if r.Host != req.Base.Host && headerOf(req, "Host") == "" {
		out.header = append(out.header, plan.Field{Name: "Host", Value: r.Host})
	}
	return out
}

// bodyOfSigV4: S3 takes content that is not signed, when TLS protects it.
func bodyOfSigV4(req *plan.Request, c *plan.SigV4) bodyUse {
	if isS3(strings.ToLower(c.Service.Reveal())) && req.Base.Scheme == "https" {
		return bodyIfShort
	}
	return bodyWhole
}

// objectPath spells a path as S3 does, which signs the name of an object and not what was sent: all
// but unreserved characters escaped, once, and a slash never. A segment of dots alone stays as it
// is, since others on the way may take it for a step upwards.
func objectPath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			plain = s
		}
		if strings.Trim(plain, "./") != "" {
			segments[i] = strings.ReplaceAll(percent(plain), "%2F", "/")
		}
	}
	return strings.Join(segments, "/")
}

// strictQuery escapes all that can be escaped in a query. The signer leaves out a pair that it
// cannot read, such as one with a semicolon.
func strictQuery(query string) string {
	var out []string
	for _, p := range formPairs(query) {
		out = append(out, percent(p.name)+"="+percent(p.value))
	}
	return strings.Join(out, "&")
}

// isS3 tells the services whose paths are signed as they are; for all others they are
// escaped once more.
func isS3(service string) bool {
	switch service {
	case "s3", "s3express", "s3-outposts", "s3-object-lambda":
		return true
	}
	return false
}
