package credential_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"

	"capd/adapters/credential"
	"capd/engine/plan"
)

// recorder answers 200 and keeps what it was given.
type recorder struct{ last *plan.Request }

func (r *recorder) Do(_ context.Context, req *plan.Request) (*plan.Response, error) {
	r.last = req
	return &plan.Response{Status: 200, Attempts: 1}, nil
}

func fieldOf(req *plan.Request, name string) string {
	for _, f := range req.Header {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// TestSigV4Vectors has signatures that AWS has published: of its test suite, and of the S3
// documentation.
func TestSigV4Vectors(t *testing.T) {
	t.Parallel()
	suite := &plan.SigV4{AccessKeyID: secret("AKIDEXAMPLE"), SecretKey: secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Region: secret("us-east-1"), Service: secret("service")}
	s3 := &plan.SigV4{AccessKeyID: secret("AKIAIOSFODNN7EXAMPLE"), SecretKey: secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Region: secret("us-east-1"), Service: secret("s3")}
	for _, x := range []struct {
		name, method, host, target string
		c                          *plan.SigV4
		at                         time.Time
		want                       string
	}{
		{"get-vanilla", "GET", "example.amazonaws.com", "/", suite, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-query-order-key-case", "GET", "example.amazonaws.com", "/?Param2=value2&Param1=value1", suite, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"post-vanilla", "POST", "example.amazonaws.com", "/", suite, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"S3 lifecycle", "GET", "examplebucket.s3.amazonaws.com", "/?lifecycle", s3, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{"S3 list", "GET", "examplebucket.s3.amazonaws.com", "/?max-keys=2&prefix=J", s3, time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			up := credential.New(rec, credential.Options{Now: func() time.Time { return x.at }})
			do(t, up, request(t, x.method, "https://"+x.host, x.target, "", x.c))
			if got := fieldOf(rec.last, "Authorization"); !strings.HasSuffix(got, "Signature="+x.want) {
				t.Errorf("got %s, want %s", got, x.want)
			}
			if rec.last.Auth != nil || !rec.last.Signed {
				t.Error("the transport is not told that the request is signed")
			}
		})
	}
}

// verifySigV4 recomputes the signature of a request as it arrived, from the description of
// Signature Version 4.
func verifySigV4(r *http.Request, body, secretKey string) error {
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("no signature")
	}
	parts := map[string]string{}
	for _, p := range strings.Split(auth, ", ") {
		k, v, _ := strings.Cut(p, "=")
		parts[k] = v
	}
	scope := strings.SplitN(parts["Credential"], "/", 2)[1] // date/region/service/aws4_request
	fields := strings.Split(scope, "/")
	path, rawQuery, _ := strings.Cut(r.RequestURI, "?")
	if fields[2] != "s3" {
		segments := strings.Split(path, "/")
		for i := range segments {
			segments[i] = rfc3986(segments[i])
		}
		path = strings.Join(segments, "/")
	} else {
		key, err := url.PathUnescape(strings.ReplaceAll(path, "+", " ")) // S3 reads + as a blank
		if err != nil {
			return err
		}
		path = strings.ReplaceAll(rfc3986(key), "%2F", "/")
	}
	var query []string
	for _, pair := range strings.Split(rawQuery, "&") {
		if pair != "" {
			k, v, _ := strings.Cut(pair, "=")
			k, err := url.PathUnescape(k)
			if err != nil {
				return err
			}
			if v, err = url.PathUnescape(v); err != nil {
				return err
			}
			query = append(query, rfc3986(k)+"="+rfc3986(v))
		}
	}
	sort.Strings(query)
	var headers strings.Builder
	for _, name := range strings.Split(parts["SignedHeaders"], ";") {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	for _, must := range []string{"host", "x-amz-date"} {
		if !strings.Contains(";"+parts["SignedHeaders"]+";", ";"+must+";") {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if said := r.Header.Get("X-Amz-Content-Sha256"); said != "" && said != hash && said != "UNSIGNED-PAYLOAD" {
		return fmt.Errorf("content hash %s", said)
	} else if said != "" {
		hash = said
	}
	canonical := strings.Join([]string{r.Method, path, strings.Join(query, "&"), headers.String(), parts["SignedHeaders"], hash}, "\n")
	sum = sha256.Sum256([]byte(canonical))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), scope, hex.EncodeToString(sum[:])}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, f := range append(fields, text) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(f))
		key = m.Sum(nil)
	}
	if hex.EncodeToString(key) != parts["Signature"] {
		return fmt.Errorf("signature of\n%s", canonical)
	}
	return nil
}

func TestSigV4(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := verifySigV4(r, bodyOf(r), "s3cret"); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
		_, _ = fmt.Fprint(w, r.Header.Get("X-Amz-Security-Token")+" "+r.RequestURI)
	})
	for _, service := range []string{"execute-api", "s3", "aoss"} {
		c := &plan.SigV4{AccessKeyID: secret("AKID"), SecretKey: secret("s3cret"), SessionToken: secret("sess/ion=="), Region: secret("eu-west-1"), Service: secret(service)}
		up := newClient(t, credential.Options{})
		for _, req := range []*plan.Request{
			request(t, "GET", base, "/", "", c),
			request(t, "GET", base, "/a%2Fb/c%20d/e:f?z=1&a=x%2Fy&a=b+c&empty=&flag", "", c, "X-Amz-Target", "Do.It", "Accept", "a/b"),
			request(t, "GET", base, "/a+b:c@d/(1)!*;~/%7E%41%2fx//", "", c),
			request(t, "GET", base, "/x?a;b=c;d&e=100%&&%zz", "", c),
			request(t, "POST", base, "/x", `{"a":1}`, c, "Content-Type", "application/json", "X-Amz-Date", "evil", "x-amz-security-token", "evil"),
			stream(request(t, "PUT", base, "/x", `{"a":1}`, c, "Content-Type", "application/x-amz-json-1.1"), false),
		} {
			resp, text := do(t, up, req)
			if resp.Status != 200 || !strings.HasPrefix(text, "sess/ion==") {
				t.Errorf("%s %s %s: %d %s", service, req.Method, req.Target, resp.Status, text)
			}
			if strings.Contains(req.Target, "a;b") && !strings.HasSuffix(text, "?%25zz=&a%3Bb=c%3Bd&e=100%25") {
				t.Errorf("%s: sent as %s", req.Target, text)
			}
		}
	}
}

// TestSigV4StreamsToS3: over TLS the content need not be signed, so a long one stays a stream.
func TestSigV4StreamsToS3(t *testing.T) {
	t.Parallel()
	c := &plan.SigV4{AccessKeyID: secret("AKID"), SecretKey: secret("s3cret"), Region: secret("eu-west-1"), Service: secret("s3")}
	rec := &recorder{}
	up := credential.New(rec, credential.Options{MaxBody: 4})
	do(t, up, stream(request(t, "PUT", "https://b.s3.test", "/k", "12345", c), false))
	if got := fieldOf(rec.last, "X-Amz-Content-Sha256"); got != "UNSIGNED-PAYLOAD" || rec.last.Body.Stream == nil {
		t.Errorf("got %q, %+v", got, rec.last.Body)
	}
	do(t, up, stream(request(t, "PUT", "https://b.s3.test", "/k", "1234", c), false))
	if got := fieldOf(rec.last, "X-Amz-Content-Sha256"); len(got) != 64 {
		t.Errorf("got %q", got)
	}
	fails(t, up, stream(request(t, "PUT", "http://b.s3.test", "/k", "12345", c), false), plan.CodeBodyTooLarge)
}
