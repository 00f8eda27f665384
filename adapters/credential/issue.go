package credential

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"capd/engine/plan"
)

// maxAnswer bounds the answer of an authorization server.
const maxAnswer = 1 << 20

// exchangedFor is how long a token that was given for a caller's is used when nobody says.
const exchangedFor = 5 * time.Minute

// issue gets a token from the token endpoint (RFC 6749 sections 4.4 and 6). Nothing else
// runs for the source meanwhile.
func (a *Authenticator) issue(ctx context.Context, s *tokenSource, req *plan.Request, c *plan.OAuth2) (*token, error) {
	at, err := a.endpoint(ctx, s, req.Grant, c)
	if err != nil {
		return nil, err
	}
	refresh := c.RefreshToken
	if !s.refresh.IsEmpty() {
		refresh = s.refresh
	}
	asked := a.tokenRequest(at, c, refresh)
	asked.Certificate, asked.Grant = req.Certificate, req.Grant
	now := a.opts.Now()
	answer, err := a.exchange(ctx, asked)
	if err != nil {
		return nil, err
	}
	got, err := readToken(answer)
	if err != nil {
		return nil, err
	}
	if got.refresh != "" {
		s.refresh = plan.NewSecret(got.refresh)
	}
	t := &token{value: plan.NewSecret(got.access), issued: now}
	if c.Grant == plan.GrantTokenExchange {
		plan.TokenMinted(ctx, plan.Minted{For: req.Call})
		if got.lifetime == 0 {
			got.lifetime = exchangedFor
		}
	}
	if got.lifetime > 0 {
		t.expires = now.Add(got.lifetime)
	}
	return t, nil
}

func (a *Authenticator) tokenRequest(at *server, c *plan.OAuth2, refresh plan.Secret) *plan.Request {
	form := url.Values{"grant_type": {c.Grant}}
	for name, v := range map[string]plan.Secret{"scope": c.Scope, "audience": c.Audience, "resource": c.Resource} {
		if !v.IsEmpty() {
			form.Set(name, v.Reveal())
		}
	}
	switch c.Grant {
	case plan.GrantRefreshToken:
		form.Set("refresh_token", refresh.Reveal())
	case plan.GrantTokenExchange: // RFC 8693 section 2.1
		const accessToken = "urn:ietf:params:oauth:token-type:access_token"
		form.Set("subject_token", c.SubjectToken.Reveal())
		form.Set("subject_token_type", accessToken)
		form.Set("requested_token_type", accessToken)
	}
	req := &plan.Request{
		Method: http.MethodPost, Base: &plan.Base{Scheme: at.tokens.Scheme, Host: at.tokens.Host}, Target: at.tokens.RequestURI(),
		Header:  []plan.Field{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}, {Name: "Accept", Value: "application/json"}},
		Secrets: []plan.Secret{c.TokenEndpoint, c.Issuer, c.ClientID, c.ClientSecret, c.RefreshToken, refresh, c.SubjectToken},
	}
	id, secret := c.ClientID.Reveal(), c.ClientSecret.Reveal()
	switch {
	case secret == "":
		form.Set("client_id", id)
	case c.ClientAuth == plan.ClientPost || c.ClientAuth == "" && at.post:
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	default:
		basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret)))
		req.Secrets = append(req.Secrets, plan.NewSecret(basic))
		req.Header = append(req.Header, plan.Field{Name: "Authorization", Value: "Basic " + basic, Secret: true})
	}
	req.Secrets = slices.DeleteFunc(req.Secrets, plan.Secret.IsEmpty)
	req.Body = plan.BytesBody([]byte(form.Encode()))
	return req
}

// serverAnswer is an answer of an authorization server, read to its end.
type serverAnswer struct {
	status int
	media  string
	body   []byte
}

// exchange asks an authorization server.
func (a *Authenticator) exchange(ctx context.Context, req *plan.Request) (*serverAnswer, error) {
	resp, err := a.next.Do(ctx, req)
	if err != nil {
		e := plan.AsError(err)
		return nil, &plan.Error{Code: e.Code, Message: "no access token: " + e.Message, Cause: e}
	}
	body := resp.Body.Reader()
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(content) > maxAnswer {
		err = errors.New("credential: the answer is too long")
	}
	if err != nil {
		return nil, &plan.Error{Code: plan.CodeUpstreamFailed, Message: "no access token: the answer of the authorization server cannot be read", Cause: err}
	}
	media, _, _ := mime.ParseMediaType(resp.Get("Content-Type"))
	return &serverAnswer{resp.Status, media, content}, nil
}

// issued is what a token endpoint says.
type issued struct {
	access, refresh string
	lifetime        time.Duration
}

// readToken reads the answer of a token endpoint (RFC 6749 section 5). Nothing of its text
// reaches an error but an error code that the RFC knows.
func readToken(answer *serverAnswer) (*issued, error) {
	var said struct {
		AccessToken  string          `json:"access_token"`
		TokenType    string          `json:"token_type"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		RefreshToken string          `json:"refresh_token"`
		Error        string          `json:"error"`
	}
	if answer.media == "application/x-www-form-urlencoded" {
		form, _ := url.ParseQuery(string(answer.body))
		said.AccessToken, said.TokenType, said.RefreshToken, said.Error = form.Get("access_token"), form.Get("token_type"), form.Get("refresh_token"), form.Get("error")
		said.ExpiresIn = []byte(form.Get("expires_in"))
	} else if err := json.Unmarshal(answer.body, &said); err != nil && answer.status/100 == 2 {
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the token endpoint answered with something that is not JSON")
	}
	why := ""
	if isOAuthError(said.Error) {
		why = " (" + said.Error + ")"
	}
	switch {
	case answer.status/100 != 2:
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the token endpoint answered %d%s", answer.status, why)
	case said.AccessToken == "":
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the token endpoint answered without one%s", why)
	case said.TokenType != "" && !strings.EqualFold(said.TokenType, "bearer"):
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the token endpoint issued one that is no bearer token")
	case strings.ContainsFunc(said.AccessToken, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the token endpoint issued one that cannot stand in a header")
	}
	out := &issued{access: said.AccessToken, refresh: said.RefreshToken}
	seconds, err := strconv.ParseFloat(strings.Trim(string(said.ExpiresIn), `" `), 64)
	if err == nil && seconds > 0 {
		out.lifetime = time.Duration(min(seconds, 1e9) * float64(time.Second))
	}
	return out, nil
}

// isOAuthError knows the error codes of RFC 6749 section 5.2 and RFC 8707, which say nothing
// of a secret.
func isOAuthError(code string) bool {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
		"invalid_scope", "invalid_target", "access_denied", "server_error", "temporarily_unavailable":
		return true
	}
	return false
}

// server is what is known of an authorization server.
type server struct {
	tokens *url.URL
	post   bool // it takes the client's secret in the body alone
}

// endpoint gives where tokens are issued: as configured, else as the issuer's metadata say.
func (a *Authenticator) endpoint(ctx context.Context, s *tokenSource, g *plan.Grant, c *plan.OAuth2) (*server, error) {
	if !c.TokenEndpoint.IsEmpty() {
		u, ok := endpointURL(c.TokenEndpoint.Reveal())
		if !ok {
			return nil, misconfigured("the value for \"tokenEndpoint\" is not an http or https URL", nil)
		}
		return &server{tokens: u}, nil
	}
	if s.server != nil {
		return s.server, nil
	}
	issuer, ok := endpointURL(c.Issuer.Reveal())
	if !ok {
		return nil, misconfigured("the value for \"authorizationServerUri\" is not an http or https URL", nil)
	}
	var last error
	for _, target := range metadataTargets(issuer) {
		found, err := a.discover(ctx, issuer, target, g, c)
		if err == nil {
			s.server = found
			return found, nil
		}
		last = err
	}
	return nil, last
}

func endpointURL(text string) (*url.URL, bool) {
	u, err := url.Parse(strings.TrimSpace(text))
	return u, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == ""
}

// metadataTargets gives the places of an issuer's metadata: RFC 8414 section 3, then OpenID
// Connect Discovery section 4, then what many servers do instead.
func metadataTargets(issuer *url.URL) []string {
	path := strings.TrimRight(issuer.EscapedPath(), "/")
	const oauth, openID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	out := []string{oauth + path, path + openID}
	if path != "" {
		out = append(out, path+oauth)
	}
	return out
}

func (a *Authenticator) discover(ctx context.Context, issuer *url.URL, target string, g *plan.Grant, c *plan.OAuth2) (*server, error) {
	answer, err := a.exchange(ctx, &plan.Request{
		Method: http.MethodGet, Grant: g, Base: &plan.Base{Scheme: issuer.Scheme, Host: issuer.Host}, Target: target,
		Header: []plan.Field{{Name: "Accept", Value: "application/json"}}, Secrets: []plan.Secret{c.Issuer},
	})
	if err != nil {
		return nil, err
	}
	if answer.status != http.StatusOK {
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the authorization server answered %d when it was asked for its metadata", answer.status)
	}
	var said struct {
		Issuer        string   `json:"issuer"`
		TokenEndpoint string   `json:"token_endpoint"`
		Methods       []string `json:"token_endpoint_auth_methods_supported"`
	}
	if json.NewDecoder(bytes.NewReader(answer.body)).Decode(&said) != nil || said.TokenEndpoint == "" {
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the metadata of the authorization server name no token endpoint")
	}
	if strings.TrimSuffix(said.Issuer, "/") != strings.TrimSuffix(strings.TrimSpace(c.Issuer.Reveal()), "/") {
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the metadata of the authorization server are those of another issuer")
	}
	u, ok := endpointURL(said.TokenEndpoint)
	if !ok || u.Scheme != "https" && issuer.Scheme == "https" {
		return nil, plan.Errorf(plan.CodeUpstreamFailed, "no access token: the metadata of the authorization server name no token endpoint that may be used")
	}
	post := slices.Contains(said.Methods, "client_secret_post") && !slices.Contains(said.Methods, "client_secret_basic")
	return &server{tokens: u, post: post}, nil
}
