package credential_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"capd/adapters/credential"
	"capd/engine/plan"
)

// digestServer challenges and verifies as RFC 7616 says, written from the RFC.
type digestServer struct {
	algorithm, qop string
	before         string // challenges of other schemes in the same header
	life           int    // requests that a nonce is good for; 0: any number
	silent         bool   // an old nonce is not called stale

	mu     sync.Mutex
	nonces map[string]int // the last count of each
	made   int
	log    []string // method, whether authenticated, and the size of the body of each request
}

var digestParam = regexp.MustCompile(`([a-z]+)=("([^"]*)"|([^", ]+))`)

func (s *digestServer) hash(parts ...string) string {
	text := strings.Join(parts, ":")
	if s.algorithm == "SHA-256" {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (s *digestServer) challenge(w http.ResponseWriter, stale bool) {
	s.made++
	nonce := fmt.Sprintf("nonce%d", s.made)
	s.nonces[nonce] = 0
	text := fmt.Sprintf(`Digest realm="the, realm", nonce="%s", opaque="o"`, nonce)
	if s.algorithm != "" {
		text += ", algorithm=" + s.algorithm
	}
	if s.qop != "" {
		text += `, qop="` + s.qop + `"`
	}
	if stale && !s.silent {
		text += ", stale=true"
	}
	w.Header().Set("WWW-Authenticate", s.before+text)
	http.Error(w, "who are you?", http.StatusUnauthorized)
}

func (s *digestServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := bodyOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	given, shown := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	s.log = append(s.log, fmt.Sprintf("%s %t %d", r.Method, shown, len(body)))
	if !shown {
		s.challenge(w, false)
		return
	}
	p := map[string]string{}
	for _, m := range digestParam.FindAllStringSubmatch(given, -1) {
		p[m[1]] = m[3] + m[4]
	}
	last, known := s.nonces[p["nonce"]]
	if !known || s.life > 0 && last >= s.life {
		s.challenge(w, true)
		return
	}
	a2 := []string{r.Method, r.RequestURI}
	if p["qop"] == "auth-int" {
		a2 = append(a2, s.hash(body))
	}
	want := []string{s.hash("bob", "the, realm", "s3cret"), p["nonce"]}
	if s.qop != "" {
		count, err := strconv.ParseInt(p["nc"], 16, 32)
		if err != nil || len(p["nc"]) != 8 || int(count) <= last || p["cnonce"] == "" || !slices.Contains(strings.Split(strings.ReplaceAll(s.qop, " ", ""), ","), p["qop"]) {
			http.Error(w, fmt.Sprint("count, cnonce or qop: ", p), http.StatusBadRequest)
			return
		}
		s.nonces[p["nonce"]] = int(count)
		want = append(want, p["nc"], p["cnonce"], p["qop"])
	} else {
		s.nonces[p["nonce"]]++
	}
	want = append(want, s.hash(a2...))
	if p["response"] != s.hash(want...) || p["uri"] != r.RequestURI || p["username"] != "bob" || p["opaque"] != "o" || p["realm"] != "the, realm" {
		s.challenge(w, false)
		return
	}
	_, _ = fmt.Fprint(w, "hello "+body)
}

func (s *digestServer) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.log, ", ")
	s.log = nil
	return out
}

func (s *digestServer) start(t *testing.T) string {
	s.nonces = map[string]int{}
	return serve(t, s.ServeHTTP)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	bob := &plan.Digest{Username: secret("bob"), Password: secret("s3cret")}
	for _, s := range []*digestServer{
		{algorithm: "MD5", qop: "auth"}, {algorithm: "SHA-256", qop: "auth"}, {qop: "auth, auth-int"}, {qop: "auth-int"}, {},
		{algorithm: "SHA-256", qop: "auth-int,auth", before: `Basic realm="a, b", `},
	} {
		t.Run(s.algorithm+" "+s.qop+" "+s.before, func(t *testing.T) {
			t.Parallel()
			base := s.start(t)
			up := newClient(t, credential.Options{})
			resp, got := do(t, up, request(t, "GET", base, "/a%2Fb?x=1&y=a+b", "", bob))
			if got != "hello " || resp.Attempts != 2 || s.requests() != "GET false 0, GET true 0" {
				t.Errorf("got %d %q, %d attempts", resp.Status, got, resp.Attempts)
			}
			// What the first call learnt serves the others: each request is sent once.
			for range 3 {
				resp, got := do(t, up, request(t, "POST", base, "/x", "content", bob))
				if log := s.requests(); got != "hello content" || resp.Attempts != 1 || log != "POST true 7" {
					t.Errorf("got %d %q, %s", resp.Status, got, log)
				}
			}
		})
	}
}

func TestDigestSendsABodyAgainAfterAChallengeOnly(t *testing.T) {
	t.Parallel()
	bob := &plan.Digest{Username: secret("bob"), Password: secret("s3cret")}
	s := &digestServer{qop: "auth"}
	base := s.start(t)
	up := newClient(t, credential.Options{MaxBody: 10})
	for _, x := range []struct{ body, log string }{
		{"short", "POST false 5, POST true 5"},
		{"short", "POST true 5"},
		{"longer than can be held", "HEAD true 0, POST true 23"},
	} {
		_, got := do(t, up, stream(request(t, "POST", base, "/x", x.body, bob), false))
		if log := s.requests(); got != "hello "+x.body || log != x.log {
			t.Errorf("got %q, %s, want %s", got, log, x.log)
		}
	}
	t.Run("a long body asks first", func(t *testing.T) {
		_, got := do(t, newClient(t, credential.Options{MaxBody: 10}), stream(request(t, "POST", base, "/x", "longer than can be held", bob, "Content-Type", "a/b"), true))
		if log := s.requests(); got != "hello longer than can be held" || log != "HEAD false 0, POST true 23" {
			t.Errorf("got %q, %s", got, log)
		}
	})
	t.Run("a long body that would have to be signed", func(t *testing.T) {
		base := (&digestServer{qop: "auth-int"}).start(t)
		fails(t, newClient(t, credential.Options{MaxBody: 10}), stream(request(t, "POST", base, "/x", "longer than can be held", bob), true), plan.CodeBodyTooLarge)
	})
	t.Run("any other answer is the answer", func(t *testing.T) {
		n := 0
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) { n++; w.WriteHeader(http.StatusServiceUnavailable) })
		if resp, _ := do(t, up, request(t, "POST", base, "/x", "content", bob)); resp.Status != 503 || n != 1 {
			t.Errorf("got %d, sent %d times", resp.Status, n)
		}
	})
}

func TestDigestNonceThatIsUsedUp(t *testing.T) {
	t.Parallel()
	bob := &plan.Digest{Username: secret("bob"), Password: secret("s3cret")}
	for _, silent := range []bool{false, true} {
		s := &digestServer{qop: "auth", life: 1, silent: silent}
		base := s.start(t)
		up := newClient(t, credential.Options{})
		for i := range 3 {
			_, got := do(t, up, request(t, "PUT", base, "/x", "content", bob))
			want := "PUT true 7, PUT true 7"
			if i == 0 {
				want = "PUT false 7, PUT true 7"
			}
			if log := s.requests(); got != "hello content" || log != want {
				t.Errorf("silent %t: got %q, %s", silent, got, log)
			}
		}
	}
}

func TestDigestWithAWrongPassword(t *testing.T) {
	t.Parallel()
	s := &digestServer{qop: "auth"}
	base := s.start(t)
	up := newClient(t, credential.Options{})
	eve := &plan.Digest{Username: secret("bob"), Password: secret("guess")}
	for range 2 {
		resp, _ := do(t, up, request(t, "GET", base, "/x", "", eve))
		if resp.Status != 401 || resp.Attempts > 2 {
			t.Errorf("got %d after %d attempts", resp.Status, resp.Attempts)
		}
	}
	// Another user of the same server shares nothing with her.
	if _, got := do(t, up, request(t, "GET", base, "/x", "", &plan.Digest{Username: secret("bob"), Password: secret("s3cret")})); got != "hello " {
		t.Errorf("got %q", got)
	}
}

func TestDigestUnderLoad(t *testing.T) {
	t.Parallel()
	bob := &plan.Digest{Username: secret("bob"), Password: secret("s3cret")}
	s := &digestServer{life: 0}
	base := s.start(t)
	up := newClient(t, credential.Options{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, got := do(t, up, request(t, "GET", base, "/x", "", bob)); got != "hello " {
				t.Errorf("got %q", got)
			}
		})
	}
	wg.Wait()
}

func TestAChallengeThatCannotBeMet(t *testing.T) {
	t.Parallel()
	bob := &plan.Digest{Username: secret("bob"), Password: secret("s3cret")}
	for _, header := range []string{"", "Basic realm=x", "Digest", `Digest nonce=""`, `Digest nonce="a", algorithm=MD5-sess`, `Digest nonce="a", qop="other"`, `Digest "`} {
		n := 0
		base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			n++
			w.Header().Set("WWW-Authenticate", header)
			w.WriteHeader(http.StatusUnauthorized)
		})
		if resp, _ := do(t, newClient(t, credential.Options{}), request(t, "GET", base, "/", "", bob)); resp.Status != 401 || n != 1 {
			t.Errorf("%s: got %d, sent %d times", header, resp.Status, n)
		}
	}
}
