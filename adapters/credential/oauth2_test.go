package credential_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"capd/adapters/credential"
	"capd/engine/plan"
)

// authServer issues tokens and serves an API that wants them.
type authServer struct {
	mu       sync.Mutex
	issued   int
	valid    map[string]bool // access tokens
	refresh  string          // the one that is good now
	lifetime string          // expires_in as JSON; empty for none
	asked    []string        // forms
	seen     []string        // tokens that the API was shown, with the size of the body

	answer func(w http.ResponseWriter, form url.Values) bool // in place of the usual one
	hold   chan struct{}                                     // the token endpoint waits for it
	url    string
}

func (s *authServer) start(t testing.TB) *authServer {
	t.Helper()
	s.valid = map[string]bool{}
	s.url = serve(t, s.ServeHTTP)
	return s
}

func (s *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := bodyOf(r)
	if r.URL.Path == "/token" && s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		s.token(w, r, body)
		return
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.seen = append(s.seen, fmt.Sprintf("%s %d", token, len(body)))
	if !s.valid[token] {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "I do not know "+token, http.StatusUnauthorized)
		return
	}
	_, _ = fmt.Fprint(w, "hello "+body)
}

func (s *authServer) token(w http.ResponseWriter, r *http.Request, body string) {
	form, err := url.ParseQuery(body)
	if err != nil || r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	id, pass, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		pass, _ = url.QueryUnescape(pass)
		form.Set("basic", id+" "+pass)
	}
	s.asked = append(s.asked, form.Encode())
	if s.answer != nil && s.answer(w, form) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if form.Get("grant_type") == "refresh_token" && form.Get("refresh_token") != s.refresh {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"not %s"}`, form.Get("refresh_token"))
		return
	}
	s.issued++
	token := fmt.Sprintf("token-%d", s.issued)
	s.valid[token] = true
	more := ""
	if s.lifetime != "" {
		more = `,"expires_in":` + s.lifetime
	}
	if s.refresh != "" {
		s.refresh = fmt.Sprintf("refresh-%d", s.issued)
		more += `,"refresh_token":"` + s.refresh + `"`
	}
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer"%s}`, token, more)
}

func (s *authServer) revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.valid, token)
}

func (s *authServer) forms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *authServer) client() *plan.OAuth2 {
	return &plan.OAuth2{Grant: plan.GrantClientCredentials, TokenEndpoint: secret(s.url + "/token"), ClientID: secret("the client"), ClientSecret: secret("s3cret/+")}
}

func TestOAuth2OneTokenForAll(t *testing.T) {
	t.Parallel()
	s := (&authServer{lifetime: "3600", hold: make(chan struct{})}).start(t)
	up := newClient(t, credential.Options{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			// Each call has a credential of its own making; what it says is the same.
			if _, got := do(t, up, request(t, "POST", s.url, "/x", fmt.Sprint(i), s.client())); got != fmt.Sprintf("hello %d", i) {
				t.Errorf("got %q", got)
			}
		})
	}
	close(s.hold)
	wg.Wait()
	if got := s.forms(); len(got) != 1 || got[0] != "basic=the+client+s3cret%2F%2B&grant_type=client_credentials" {
		t.Errorf("asked for %v", got)
	}
	other := s.client()
	other.Scope = secret("read write")
	do(t, up, request(t, "GET", s.url, "/x", "", other))
	if got := s.forms(); len(got) != 2 || !strings.Contains(got[1], "scope=read+write") {
		t.Errorf("another scope: asked for %v", got)
	}
}

func TestOAuth2RenewsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		lifetime     string
		fresh, later time.Duration // how long the token is used, and when it no longer is
	}{
		{`3600`, 3539 * time.Second, 3541 * time.Second},
		{`"3600"`, 3539 * time.Second, 3541 * time.Second},
		{`20`, 17 * time.Second, 19 * time.Second},
		{``, 9000 * time.Hour, 0},
		{`0`, 9000 * time.Hour, 0},
	} {
		s := (&authServer{lifetime: x.lifetime}).start(t)
		c := newClock()
		up := newClient(t, credential.Options{Now: c.Now})
		for i, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {x.fresh, 1}, {x.later - x.fresh, 2}} {
			if step.wait < 0 {
				break
			}
			c.advance(step.wait)
			if _, got := do(t, up, request(t, "GET", s.url, "/x", "", s.client())); got != "hello " || len(s.forms()) != step.want {
				t.Errorf("lifetime %s, step %d: %q after %d tokens, want %d", x.lifetime, i, got, len(s.forms()), step.want)
			}
		}
	}
}

// TestOAuth2KeepsATokenThatIsStillGood: a token endpoint that is down does no harm before
// the end of the token.
func TestOAuth2KeepsATokenThatIsStillGood(t *testing.T) {
	t.Parallel()
	s := (&authServer{lifetime: "3600"}).start(t)
	c := newClock()
	up := newClient(t, credential.Options{Now: c.Now})
	call := func() *plan.Request { return request(t, "GET", s.url, "/x", "", s.client()) }
	do(t, up, call())
	s.mu.Lock()
	s.answer = func(w http.ResponseWriter, _ url.Values) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	s.mu.Unlock()
	c.advance(3590 * time.Second)
	if _, got := do(t, up, call()); got != "hello " || len(s.forms()) != 2 {
		t.Errorf("got %q, asked %d times", got, len(s.forms()))
	}
	c.advance(11 * time.Second)
	fails(t, up, call(), plan.CodeUpstreamFailed, "the token endpoint answered 503")
}

func TestOAuth2RefreshTokensRotate(t *testing.T) {
	t.Parallel()
	s := (&authServer{lifetime: "100", refresh: "refresh-0"}).start(t)
	c := newClock()
	up := newClient(t, credential.Options{Now: c.Now})
	client := &plan.OAuth2{Grant: plan.GrantRefreshToken, TokenEndpoint: secret(s.url + "/token"), ClientID: secret("public"), RefreshToken: secret("refresh-0"), Scope: secret("x")}
	for i := range 3 {
		_, got := do(t, up, request(t, "GET", s.url, "/x", "", client))
		want := fmt.Sprintf("client_id=public&grant_type=refresh_token&refresh_token=refresh-%d&scope=x", i)
		if forms := s.forms(); got != "hello " || len(forms) != i+1 || forms[i] != want {
			t.Errorf("got %q, asked for %v, want %s", got, forms, want)
		}
		c.advance(101 * time.Second)
	}
	s.mu.Lock()
	s.refresh = "another"
	s.mu.Unlock()
	e := fails(t, up, request(t, "GET", s.url, "/x", "", client), plan.CodeUpstreamFailed, "answered 400 (invalid_grant)")
	if strings.Contains(fmt.Sprint(e, e.Cause), "refresh-") {
		t.Errorf("shown: %v %v", e, e.Cause)
	}
}

func TestOAuth2TokenThatTheUpstreamRefuses(t *testing.T) {
	t.Parallel()
	s := (&authServer{lifetime: "3600"}).start(t)
	c := newClock()
	up := newClient(t, credential.Options{Now: c.Now})
	call := func(body string) *plan.Request { return request(t, "POST", s.url, "/x", body, s.client()) }
	do(t, up, call("a"))
	c.advance(time.Minute)

	s.revoke("token-1")
	resp, got := do(t, up, call("content"))
	if got != "hello content" || resp.Attempts != 2 || len(s.forms()) != 2 {
		t.Errorf("got %d %q after %d attempts", resp.Status, got, resp.Attempts)
	}
	if masked := fmt.Sprint(resp.Secrets); len(resp.Secrets) != 2 || strings.Contains(masked, "token-") {
		t.Errorf("secrets %v", resp.Secrets)
	}

	// A short stream is held for it, a long one cannot be sent twice.
	c.advance(time.Minute)
	s.revoke("token-2")
	if _, got := do(t, up, stream(call("content"), true)); got != "hello content" || len(s.forms()) != 3 {
		t.Errorf("got %q", got)
	}
	c.advance(time.Minute)
	s.revoke("token-3")
	if resp, _ := do(t, up, stream(call(strings.Repeat("x", 100_000)), true)); resp.Status != 401 || len(s.forms()) != 3 {
		t.Errorf("got %d, asked %d times", resp.Status, len(s.forms()))
	}
	if resp, _ := do(t, up, stream(call("unknown length"), false)); resp.Status != 401 || len(s.forms()) != 3 {
		t.Errorf("got %d, asked %d times", resp.Status, len(s.forms()))
	}

	// Many calls that are refused at once get one new token.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, got := do(t, up, call("a")); got != "hello a" {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
	if n := len(s.forms()); n != 4 {
		t.Errorf("asked %d times", n)
	}

	// One that was just issued is not to blame: the upstream says no to the client.
	s.revoke("token-4")
	s.mu.Lock()
	s.seen = nil
	s.mu.Unlock()
	resp, got = do(t, up, call("a"))
	if resp.Status != 401 || len(s.seen) != 1 || len(s.forms()) != 4 {
		t.Errorf("got %d, the API was asked %v", resp.Status, s.seen)
	}
	if !strings.Contains(got, "token-4") || fmt.Sprint((&plan.Request{Base: &plan.Base{}, Secrets: resp.Secrets}).Mask(got)) != "I do not know <secret>\n" {
		t.Errorf("not masked: %s, %v", got, resp.Secrets)
	}
}

func TestOAuth2SaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		status      int
		media, body string
		want        string
	}{
		{401, "application/json", `{"error":"invalid_client","error_description":"s3cret/+ is wrong"}`, "the token endpoint answered 401 (invalid_client)"},
		{400, "application/json", `{"error":"s3cret/+"}`, "the token endpoint answered 400"},
		{500, "text/html", `<p>s3cret/+`, "the token endpoint answered 500"},
		{302, "text/html", ``, "the token endpoint answered 302"},
		{200, "text/html", `<p>s3cret/+`, "something that is not JSON"},
		{200, "application/json", `{"error":"access_denied"}`, "without one (access_denied)"},
		{200, "application/json", `{}`, "without one"},
		{200, "application/json", `{"access_token":"a","token_type":"mac"}`, "no bearer token"},
		{200, "application/json", `{"access_token":"a\r\nX-Evil: 1"}`, "cannot stand in a header"},
		{200, "application/json", `{"access_token":"` + strings.Repeat("a", 1<<20) + `"}`, "cannot be read"},
	} {
		s := (&authServer{answer: func(w http.ResponseWriter, _ url.Values) bool {
			w.Header().Set("Content-Type", x.media)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(x.status)
			_, _ = fmt.Fprint(w, x.body)
			return true
		}}).start(t)
		e := fails(t, newClient(t, credential.Options{}), request(t, "GET", s.url, "/x", "", s.client()), plan.CodeUpstreamFailed, "no access token", x.want)
		if text := fmt.Sprint(e, e.Cause); strings.Contains(text, "s3cret") {
			t.Errorf("shown: %s", text)
		}
		if len(s.seen) != 0 {
			t.Errorf("%s: the API was called", x.body)
		}
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		c := &plan.OAuth2{TokenEndpoint: secret("http://127.0.0.1:1/s3cret"), ClientID: secret("id"), ClientSecret: secret("s3cret")}
		e := fails(t, newClient(t, credential.Options{}), request(t, "GET", "http://127.0.0.1:1", "/x", "", c), plan.CodeUpstreamFailed, "no access token: upstream")
		if text := fmt.Sprint(e, e.Cause, errors.Unwrap(e.Cause)); strings.Contains(text, "s3cret") {
			t.Errorf("shown: %s", text)
		}
	})
	t.Run("no URL", func(t *testing.T) {
		t.Parallel()
		for _, at := range []string{"login.test/token", "ftp://s3cret", "https://user:s3cret@login.test", "https://login.test/#s3cret", "://s3cret"} {
			for _, c := range []*plan.OAuth2{{TokenEndpoint: secret(at)}, {Issuer: secret(at)}} {
				e := fails(t, newClient(t, credential.Options{}), request(t, "GET", "http://127.0.0.1:1", "/x", "", c), plan.CodeNotConfigured, "http or https URL")
				if strings.Contains(fmt.Sprint(e, e.Cause), "s3cret") {
					t.Errorf("shown: %v %v", e, e.Cause)
				}
			}
		}
	})
	t.Run("the metadata service of a cloud", func(t *testing.T) {
		t.Parallel()
		c := &plan.OAuth2{TokenEndpoint: secret("http://169.254.169.254/token"), ClientID: secret("id"), ClientSecret: secret("s")}
		fails(t, newClient(t, credential.Options{}), request(t, "GET", "http://127.0.0.1:1", "/x", "", c), plan.CodeUpstreamFailed, "no access token")
	})
}

func TestOAuth2FormsOfAnswer(t *testing.T) {
	t.Parallel()
	s := (&authServer{}).start(t)
	s.answer = func(w http.ResponseWriter, _ url.Values) bool {
		s.valid["form-token"] = true
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = fmt.Fprint(w, "access_token=form-token&expires_in=60")
		return true
	}
	if _, got := do(t, newClient(t, credential.Options{}), request(t, "GET", s.url, "/x", "", s.client(), "Authorization", "of the caller")); got != "hello " {
		t.Errorf("got %q", got)
	}
}

func TestOAuth2HowTheClientShowsItself(t *testing.T) {
	t.Parallel()
	s := (&authServer{}).start(t)
	c := s.client()
	c.ClientAuth, c.Audience, c.Resource = plan.ClientPost, secret("aud"), secret("https://r.test")
	do(t, newClient(t, credential.Options{}), request(t, "GET", s.url, "/x", "", c))
	want := "audience=aud&client_id=the+client&client_secret=s3cret%2F%2B&grant_type=client_credentials&resource=https%3A%2F%2Fr.test"
	if got := s.forms(); len(got) != 1 || got[0] != want {
		t.Errorf("asked for %v", got)
	}
}

func TestOAuth2Discovery(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		issuer, at, metadata string
		form, fails          string
	}{
		{issuer: "", at: "/.well-known/oauth-authorization-server"},
		{issuer: "/", at: "/.well-known/oauth-authorization-server"},
		{issuer: "", at: "/.well-known/openid-configuration"},
		{issuer: "/realms/a", at: "/.well-known/oauth-authorization-server/realms/a"},
		{issuer: "/realms/a", at: "/realms/a/.well-known/openid-configuration"},
		{issuer: "/realms/a", at: "/realms/a/.well-known/oauth-authorization-server"},
		{
			issuer: "", at: "/.well-known/openid-configuration", metadata: `{"issuer":"URL","token_endpoint":"URL/token","token_endpoint_auth_methods_supported":["client_secret_post"]}`,
			form: "client_id=the+client&client_secret=s3cret%2F%2B&grant_type=client_credentials",
		},
		{issuer: "", at: "/elsewhere", fails: "answered 404 when it was asked for its metadata"},
		{issuer: "", at: "/.well-known/openid-configuration", metadata: `{"issuer":"https://evil.test","token_endpoint":"URL/token"}`, fails: "another issuer"},
		{issuer: "", at: "/.well-known/openid-configuration", metadata: `{"issuer":"URL"}`, fails: "name no token endpoint"},
		{issuer: "", at: "/.well-known/openid-configuration", metadata: `{"issuer":"URL","token_endpoint":"file:///etc"}`, fails: "may be used"},
		{issuer: "", at: "/.well-known/openid-configuration", metadata: `<html>`, fails: "name no token endpoint"},
	} {
		s := (&authServer{lifetime: "100"}).start(t)
		n := 0
		issuer := ""
		issuer = serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != x.at {
				http.NotFound(w, r)
				return
			}
			n++
			text := x.metadata
			if text == "" {
				text = `{"issuer":"ISSUER","token_endpoint":"URL/token"}`
			}
			text = strings.ReplaceAll(text, `"issuer":"URL"`, `"issuer":"ISSUER"`)
			_, _ = fmt.Fprint(w, strings.NewReplacer("ISSUER", issuer+x.issuer, "URL", s.url).Replace(text))
		})
		c := s.client()
		c.TokenEndpoint, c.Issuer = plan.Secret{}, secret(issuer+x.issuer)
		clk := newClock()
		up := newClient(t, credential.Options{Now: clk.Now})
		if x.fails != "" {
			fails(t, up, request(t, "GET", s.url, "/x", "", c), plan.CodeUpstreamFailed, x.fails)
			continue
		}
		for range 2 {
			if _, got := do(t, up, request(t, "GET", s.url, "/x", "", c)); got != "hello " {
				t.Errorf("%s at %s: got %q", x.issuer, x.at, got)
			}
			clk.advance(time.Hour)
		}
		if x.form == "" {
			x.form = "basic=the+client+s3cret%2F%2B&grant_type=client_credentials"
		}
		if got := s.forms(); len(got) != 2 || got[0] != x.form || n != 1 {
			t.Errorf("%s at %s: asked for %v, looked %d times", x.issuer, x.at, got, n)
		}
	}
}

// TestOAuth2CallerWhoGoesAway: the fetch goes on for those who still wait.
func TestOAuth2CallerWhoGoesAway(t *testing.T) {
	t.Parallel()
	s := (&authServer{hold: make(chan struct{})}).start(t)
	up := newClient(t, credential.Options{})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := up.Do(ctx, request(t, "GET", s.url, "/x", "", s.client()))
	if e := plan.AsError(err); e == nil || e.Code != plan.CodeCanceled {
		t.Errorf("got %v", err)
	}
	close(s.hold)
	if _, got := do(t, up, request(t, "GET", s.url, "/x", "", s.client())); got != "hello " || len(s.forms()) != 1 {
		t.Errorf("got %q, asked for %v", got, s.forms())
	}
}

// TestOAuth2PanicWhileFetching: it fails the calls that wait, and nothing else.
func TestOAuth2PanicWhileFetching(t *testing.T) {
	t.Parallel()
	n := 0
	up := credential.New(plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) {
		if n++; n == 1 {
			panic("s3cret")
		}
		return &plan.Response{Status: 200, Body: plan.BytesBody([]byte(`{"access_token":"t"}`))}, nil
	}), credential.Options{})
	c := &plan.OAuth2{TokenEndpoint: secret("https://t.test"), ClientID: secret("a")}
	e := fails(t, up, request(t, "GET", "https://api.test", "/", "", c), plan.CodeInternal)
	if strings.Contains(fmt.Sprint(e, e.Cause), "s3cret") {
		t.Errorf("shown: %v", e.Cause)
	}
	if resp, _ := do(t, up, request(t, "GET", "https://api.test", "/", "", c)); resp.Status != 200 {
		t.Errorf("got %d", resp.Status)
	}
}
