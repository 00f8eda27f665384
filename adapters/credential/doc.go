// Package credential authenticates finished requests: it signs them, answers challenges and
// gets access tokens. It stands between the plan and the transport.
//
// It holds what outlives a call and a reload: tokens, challenges and parsed keys, each by the
// key of its credential, so that all calls with one credential share one token.
package credential
