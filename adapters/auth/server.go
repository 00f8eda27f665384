package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"capd/engine/plan"
)

// maxAnswer bounds an answer of an authorization server.
const maxAnswer = 512 << 10

// errUnavailable says that a token cannot be checked now, which says nothing of the token.
var errUnavailable = errors.New("auth: the authorization server cannot be used now")

// server is an authorization server.
type server struct {
	client plan.Upstream
	issuer string
	grant  *plan.Grant
}

// metadata is what an authorization server says about itself (RFC 8414 section 2).
type metadata struct {
	Issuer           string   `json:"issuer"`
	KeysURL          string   `json:"jwks_uri"`
	IntrospectionURL string   `json:"introspection_endpoint"`
	ClientMethods    []string `json:"introspection_endpoint_auth_methods_supported"`
}

// discover reads the server's metadata, at the first of their places that has them.
func (s *server) discover(ctx context.Context) (*metadata, error) {
	issuer, err := url.Parse(s.issuer)
	if err != nil {
		return nil, errors.New("the issuer is no URL")
	}
	var errs []error
	for _, target := range metadataTargets(issuer) {
		m, err := s.metadataAt(ctx, issuer.Scheme+"://"+issuer.Host+target)
		if err == nil {
			return m, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", target, err))
	}
	return nil, errors.Join(errs...)
}

// metadataTargets gives the places of an issuer's metadata: RFC 8414 section 3, then OpenID
// Connect Discovery section 4, then what many servers do instead.
func metadataTargets(issuer *url.URL) []string {
	path := strings.TrimRight(issuer.EscapedPath(), "/")
	const oauth, openID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	out := []string{oauth + path, path + openID}
	if path != "" {
		out = append(out, path+oauth, openID+path)
	}
	return out
}

func (s *server) metadataAt(ctx context.Context, at string) (*metadata, error) {
	body, err := s.get(ctx, at)
	if err != nil {
		return nil, err
	}
	var m metadata
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, errors.New("the answer is no JSON object")
	}
	if !sameIssuer(m.Issuer, s.issuer) {
		return nil, errors.New("the metadata are of another issuer")
	}
	return &m, nil
}

// sameIssuer compares issuers. People write a slash at the end or leave it out.
func sameIssuer(a, b string) bool {
	return a != "" && strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/")
}

// get reads a JSON document of the server.
func (s *server) get(ctx context.Context, at string) ([]byte, error) {
	return s.ask(ctx, &plan.Request{Method: http.MethodGet}, at)
}

// ask sends a request to a URL of the server and gives the body of its answer, which must be
// 200. No error holds anything of the answer.
func (s *server) ask(ctx context.Context, req *plan.Request, at string) ([]byte, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil {
		return nil, errors.New("it is no URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isThisMachine(u.Hostname())) {
		return nil, errors.New("it is no https URL")
	}
	if s.client == nil {
		return nil, errors.New("nobody can be asked")
	}
	req.Grant = s.grant
	req.Base, req.Target = &plan.Base{Scheme: u.Scheme, Host: u.Host}, u.RequestURI()
	req.Header = append(req.Header, plan.Field{Name: "Accept", Value: "application/json"})
	resp, err := s.client.Do(ctx, req)
	if err != nil {
		return nil, err
	}
	body := resp.Body.Reader()
	defer func() { _ = body.Close() }()
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("it answered %d", resp.Status)
	}
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, errors.New("its answer broke off")
	case len(content) > maxAnswer:
		return nil, errors.New("its answer is too long")
	}
	return content, nil
}

// isThisMachine reports whether a host is the machine itself, so that nobody is on the way.
func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
