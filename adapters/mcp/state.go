package mcp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"capd/engine/plan"
)

const (
	// stateLife is how long a user may take to answer.
	stateLife = 10 * time.Minute
	// askingLife is how long all rounds of a call may take. So long it is remembered that the call
	// was made, and a while longer: the clocks of replicas differ.
	askingLife = time.Hour
	clockSkew  = 5 * time.Minute
	// maxReplies bounds the answers to the questions of one call, in bytes.
	maxReplies = 64 << 10
	// maxState bounds a state as a client sends it: it holds the answers, in base64.
	maxState = 2 * maxReplies
)

// askState is what a client keeps between the rounds of a call and sends back: in the clear,
// and signed. Its JSON names are short, since it travels with every round.
type askState struct {
	ID    []byte                `json:"i"` // of the call: all its states have one
	Begun int64                 `json:"b"` // Unix time of the first of them
	Until int64                 `json:"u"` // Unix time
	Call  []byte                `json:"c"` // digest of what is called, with what, and by whom
	Asked int                   `json:"n"` // how often was asked
	Names []string              `json:"q"` // the questions that are open
	Given map[string]stateReply `json:"a,omitempty"`
}

type stateReply struct {
	Kind   plan.QuestionKind `json:"k"`
	Action plan.Action       `json:"d"`
	Value  json.RawMessage   `json:"v,omitempty"`
	Asked  bool              `json:"s,omitempty"`
}

// seal gives the state as text: payload and signature in base64url, with a dot in between.
func (s *askState) seal(key []byte) (string, error) {
	payload, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	return enc.EncodeToString(payload) + "." + enc.EncodeToString(signature(key, payload)), nil
}

var errState = errors.New("not a state of this server")

// openState gives back a state that seal made with the same key, for the same call, and that
// has not expired. Nothing of a state is looked at before its signature is right.
func openState(key []byte, text string, call []byte, now time.Time) (*askState, error) {
	first, second, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxState {
		return nil, errState
	}
	enc := base64.RawURLEncoding.Strict()
	payload, err := enc.DecodeString(first)
	if err != nil {
		return nil, errState
	}
	given, err := enc.DecodeString(second)
	if err != nil || !hmac.Equal(given, signature(key, payload)) {
		return nil, errState
	}
	var s askState
	if err := json.Unmarshal(payload, &s); err != nil || len(s.ID) == 0 {
		return nil, errState
	}
	switch {
	case !bytes.Equal(s.Call, call):
		return nil, errors.New("it belongs to another call")
	case now.Unix() >= s.Until:
		return nil, errors.New("it has expired; call again without it")
	}
	return &s, nil
}

// signature covers what the bytes are for, so that the key can sign other things too.
func signature(key, payload []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("capd mcp requestState 1\x00"))
	m.Write(payload)
	return m.Sum(nil)
}

// digest is equal for equal lists of texts, and for no others.
func digest(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// sortedJSON gives JSON with its members in order, so that a client may write the arguments of a
// call in another way when it calls again.
func sortedJSON(raw []byte) string {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return string(raw)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(b)
}
