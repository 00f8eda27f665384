package secrets

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"
	"unicode"

	"capd/engine/plan"
)

// VaultOptions say which Vault answers vault:// locations and how capd proves who it is. None of
// it ever comes from a document.
type VaultOptions struct {
	Address   string // such as https://vault.example.com:8200
	Namespace string // of Vault Enterprise; may be empty
	CAFile    string // certificates to trust beside those of the system; may be empty

	// One of these, the first that is set: a file with a token, which is read for each login; a
	// role of the Kubernetes auth method; a token.
	TokenFile string
	Role      string
	Token     plan.Secret

	// ServiceAccountFile holds the token that Kubernetes gives to the pod; empty means its usual
	// place.
	ServiceAccountFile string
}

// serviceAccount is where Kubernetes puts the token of a pod.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Vault reads secrets of HashiCorp Vault's KV engine, version 2. A location is
// vault://mount/path, with #field for one field of it and ?version=3 for an old version.
type Vault struct {
	options VaultOptions
	base    *url.URL
	client  *http.Client

	mu    sync.Mutex
	token plan.Secret // of the last login; empty before the first
	until time.Time   // when it ends; zero when that is not known
}

// NewVault checks the options. It asks nothing yet.
func NewVault(o VaultOptions) (*Vault, error) {
	base, err := url.Parse(strings.TrimSuffix(o.Address, "/"))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the address of Vault must be a URL such as https://vault.example.com:8200")
	}
	if o.TokenFile == "" && o.Role == "" && o.Token.IsEmpty() {
		return nil, errors.New("Vault needs a token, a token file, or a role to log in with")
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		transport = &http.Transport{}
	}
	transport = transport.Clone()
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", o.CAFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	if o.ServiceAccountFile == "" {
		o.ServiceAccountFile = serviceAccount
	}
	return &Vault{options: o, base: base, client: &http.Client{
		Transport: transport, Timeout: readTimeout,
		// A token is for the server that was named, whoever that one names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// String gives the address.
func (v *Vault) String() string { return "Vault at " + v.base.Redacted() }

// GoString hides the token from %#v.
func (v *Vault) GoString() string { return v.String() }

// usesToken reports whether the token was given as it is.
func (v *Vault) usesToken() bool { return v.options.TokenFile == "" && v.options.Role == "" }

func (*Vault) remote() bool                 { return true }
func (*Vault) key(at *plan.Location) string { return at.Text }

// address is a location of a Vault, taken apart.
type address struct{ mount, path, field, version string }

func parseAddress(text string) (address, bool) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Opaque != "" {
		return address{}, false
	}
	a := address{mount: u.Host, path: strings.Trim(u.Path, "/"), field: u.Fragment, version: u.Query().Get("version")}
	if field, query, ok := strings.Cut(a.field, "?"); ok { // the two are easily exchanged
		a.field = field
		if q, err := url.ParseQuery(query); err == nil {
			a.version = q.Get("version")
		}
	}
	clean := a.path != "" && path.Clean("/"+a.mount+"/"+a.path) == "/"+a.mount+"/"+a.path
	return a, a.mount != "" && clean && strings.Trim(a.version, "0123456789") == ""
}

func (v *Vault) read(ctx context.Context, at *plan.Location) (values, error) {
	if v == nil {
		return nil, &plan.LookError{Unset: true, Provider: "no Vault is set up", Hint: "name one with --vault-address, and --vault-role or --vault-token-file"}
	}
	a, ok := parseAddress(at.Text)
	if !ok {
		return nil, &plan.LookError{Unset: true, Provider: "the location names no secret of a Vault", Hint: "write vault://mount/path, with #field for one field of it and ?version=3 for an old version"}
	}
	status, body, err := v.get(ctx, a)
	if err != nil {
		return nil, v.failure(err)
	}
	switch {
	case status == http.StatusNotFound:
		return gone(at, body), nil
	case status != http.StatusOK:
		return nil, v.failure(fmt.Errorf("it answers %d for %s%s", status, at.Text, vaultErrors(body)))
	}
	var answer struct {
		Data struct {
			Data map[string]json.RawMessage `json:"data"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Data == nil {
		return nil, v.failure(fmt.Errorf("it gives no secret of the KV engine, version 2, for %s", at.Text))
	}
	get := members(at, answer.Data.Data)
	if a.field == "" {
		return get, nil
	}
	return func(string) (string, error) { return get(a.field) }, nil
}

func (v *Vault) failure(err error) error {
	e := &plan.LookError{
		Provider: "the " + v.String() + " gives no values: " + err.Error(),
		Hint:     "see that it is reachable, and that capd may read the secret there",
	}
	if _, ok := errors.AsType[noAnswer](err); ok {
		return &silentProvider{e}
	}
	return e
}

// noAnswer is the error of a request that nobody answered.
type noAnswer struct{ error }

// gone says why there is no secret: Vault tells of versions that were deleted.
func gone(at *plan.Location, body []byte) values {
	var answer struct {
		Data struct {
			Metadata struct {
				Version   int    `json:"version"`
				Deletion  string `json:"deletion_time"`
				Destroyed bool   `json:"destroyed"`
			} `json:"metadata"`
		} `json:"data"`
	}
	_ = json.Unmarshal(body, &answer) // without metadata it says nothing more
	meta := answer.Data.Metadata
	return func(source string) (string, error) {
		switch {
		case meta.Destroyed:
			return "", unset("write %s anew: version %d of it was destroyed", at, meta.Version)
		case meta.Deletion != "":
			return "", unset("write %s anew, or undelete it: version %d of it was deleted", at, meta.Version)
		}
		return "", unset("put %s into %s, which does not exist", source, at)
	}
}

// get reads a secret. A token that is no longer accepted is exchanged for a new one once.
func (v *Vault) get(ctx context.Context, a address) (int, []byte, error) {
	target := v.endpoint("v1", a.mount, "data", a.path)
	if a.version != "" {
		target.RawQuery = "version=" + a.version
	}
	for fresh := false; ; fresh = true {
		token, err := v.login(ctx, fresh)
		if err != nil {
			return 0, nil, err
		}
		status, body, err := v.ask(ctx, http.MethodGet, target, token, nil)
		if err != nil || status != http.StatusForbidden || fresh {
			return status, body, err
		}
		if v.usesToken() {
			return status, body, nil // there is no other token
		}
	}
}

// endpoint gives the URL of a path below the address. Its parts are taken as they are: what looks
// like an escape in one is a part of a name.
func (v *Vault) endpoint(parts ...string) *url.URL {
	u := *v.base
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/")+"/"+strings.Join(parts, "/"), ""
	return &u
}

// login gives a token: the last one while it is good, unless a fresh one is wanted.
func (v *Vault) login(ctx context.Context, fresh bool) (plan.Secret, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := &v.options
	switch {
	case o.TokenFile != "":
		text, err := os.ReadFile(o.TokenFile)
		if err != nil {
			return plan.Secret{}, errors.New("its token file cannot be read: " + cause(err))
		}
		return plan.NewSecret(strings.TrimSpace(string(text))), nil
	case o.Role == "":
		return o.Token, nil
	case !fresh && !v.token.IsEmpty() && (v.until.IsZero() || time.Now().Before(v.until)):
		return v.token, nil
	}
	jwt, err := os.ReadFile(o.ServiceAccountFile)
	if err != nil {
		return plan.Secret{}, errors.New("the token of the service account cannot be read: " + cause(err))
	}
	request, err := json.Marshal(map[string]string{"role": o.Role, "jwt": strings.TrimSpace(string(jwt))})
	if err != nil {
		return plan.Secret{}, err
	}
	status, body, err := v.ask(ctx, http.MethodPost, v.endpoint("v1", "auth", "kubernetes", "login"), plan.Secret{}, request)
	if err != nil {
		return plan.Secret{}, err
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
			Lease int    `json:"lease_duration"`
		} `json:"auth"`
	}
	if status != http.StatusOK || json.Unmarshal(body, &answer) != nil || answer.Auth.Token == "" {
		return plan.Secret{}, fmt.Errorf("it answers %d to the login of role %s%s", status, o.Role, vaultErrors(body))
	}
	v.token, v.until = plan.NewSecret(answer.Auth.Token), time.Time{}
	if answer.Auth.Lease > 0 {
		v.until = time.Now().Add(time.Duration(answer.Auth.Lease) * time.Second * 9 / 10)
	}
	return v.token, nil
}

// ask sends one request.
func (v *Vault) ask(ctx context.Context, method string, target *url.URL, token plan.Secret, body []byte) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("its address cannot be used")
	}
	r.Header.Set("X-Vault-Request", "true")
	if !token.IsEmpty() {
		r.Header.Set("X-Vault-Token", token.Reveal())
	}
	if v.options.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", v.options.Namespace)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := v.client.Do(r)
	if err != nil {
		return 0, nil, noAnswer{transportError(err)}
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(answer.Body, 2*maxValue+1))
	if err != nil {
		return 0, nil, noAnswer{transportError(err)}
	}
	if len(text) > 2*maxValue {
		return 0, nil, errors.New("its answer is too large")
	}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		return 0, nil, errors.New("it redirects to another address; name that one")
	}
	return answer.StatusCode, text, nil
}

// transportError leaves out the URL, which the message around it names.
func transportError(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		if e.Timeout() {
			return errors.New("it does not answer in time")
		}
		return e.Err
	}
	return err
}

// vaultErrors gives what Vault says, on one line and not too long.
func vaultErrors(body []byte) string {
	var answer struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Errors) == 0 {
		return ""
	}
	text := strings.Join(strings.FieldsFunc(strings.Join(answer.Errors, "; "), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return " (" + text + ")"
}
