package credential_test

import (
	"testing"

	"capd/adapters/credential"
	"capd/engine/plan"
)

func TestPlaceholder(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		c            plan.Credential
		header, want string
	}{
		{nil, "Authorization", ""},
		{&plan.OAuth2{}, "Authorization", "Bearer <oauth2-token>"},
		{&plan.Digest{}, "Authorization", "Digest <response>"},
		{&plan.OAuth1{}, "Authorization", "OAuth <signature>"},
		{&plan.SigV4{}, "Authorization", "AWS4-HMAC-SHA256 <signature>"},
		{&plan.Veracode{}, "Authorization", "VERACODE-HMAC-SHA-256 <signature>"},
		{
			&plan.HMAC{KeyID: secret("id"), Headers: []plan.HMACHeader{{Name: "X-Sig", Value: []plan.HMACPart{word("keyId"), text(":"), word("timestamp"), text(":"), word("signature")}}}},
			"X-Sig", "id:<timestamp>:<signature>",
		},
	} {
		rec := &recorder{}
		req := request(t, "GET", "https://api.test", "/", "", x.c)
		req.Certificate = &plan.ClientCertificate{CertFile: plan.KeyFile{Path: secret("/no/such/file")}}
		do(t, credential.Placeholder(rec), req)
		if got := fieldOf(rec.last, x.header); got != x.want || rec.last.Auth != nil || rec.last.Certificate != nil {
			t.Errorf("got %q, want %q", got, x.want)
		}
	}
}
