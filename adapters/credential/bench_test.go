package credential_test

import (
	"context"
	"testing"

	"capd/adapters/credential"
	"capd/engine/plan"
)

// BenchmarkDo is what it costs to authenticate a request, beside what is sent for it.
func BenchmarkDo(b *testing.B) {
	resp := &plan.Response{Status: 200}
	a := credential.New(plan.UpstreamFunc(func(context.Context, *plan.Request) (*plan.Response, error) { return resp, nil }), credential.Options{})
	for _, c := range []struct {
		name string
		auth plan.Credential
	}{
		{"off", nil},
		{"hmac", &plan.HMAC{Algorithm: "sha256", Secret: plan.NewSecret("s3cret"), Headers: []plan.HMACHeader{{Name: "X-Ts", Value: []plan.HMACPart{{Word: "timestamp"}}}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			req := &plan.Request{Method: "GET", Base: &plan.Base{Scheme: "https", Host: "api.test"}, Target: "/things/42", Auth: c.auth}
			b.ReportAllocs()
			for b.Loop() {
				resp.Secrets = nil
				if _, err := a.Do(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
