package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"capd/engine/plan"
)

const (
	// nonceFor is how long a challenge may be answered.
	nonceFor = 5 * time.Minute
	// maxWindows bounds the challenges of which is known how often they were answered.
	maxWindows = 65536

	nonceHead = 8 + 16 // when it was made, and chance
	nonceSize = nonceHead + sha256.Size/2
)

// nonces makes challenges and knows its own again by a signature, so that nothing is kept of
// those that nobody answers, and replicas with the same key know each other's. It is safe for
// concurrent use.
type nonces struct {
	key   []byte
	store plan.Store // shared by replicas; nil: there is one
	now   func() time.Time

	mu     sync.Mutex
	used   map[string]*window
	oldest time.Time // challenges that were made before are not taken: what became of them is forgotten
}

// window says which answers to a challenge came: the 64 below and with the highest count.
type window struct {
	high uint32
	seen uint64 // bit i: high-i came
}

// newNonces makes nonces of a key; of an empty one with a key at random.
func newNonces(key []byte, store plan.Store, now func() time.Time) *nonces {
	// Which answers came before this start is not known here; somebody could send them again.
	n := &nonces{store: store, now: now, used: map[string]*window{}, oldest: now().Truncate(time.Millisecond)}
	if len(key) == 0 {
		key = []byte(rand.Text())
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte("capd challenges of callers")) // a hash takes everything
	n.key = mac.Sum(nil)
	return n
}

// make makes a challenge for a realm.
func (n *nonces) make(realm string) string {
	b := make([]byte, nonceHead, nonceSize)
	binary.BigEndian.PutUint64(b, uint64(n.now().UnixMilli()))
	_, _ = rand.Read(b[8:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(append(b, n.sign(b, realm)...))
}

func (n *nonces) sign(b []byte, realm string) []byte {
	mac := hmac.New(sha256.New, n.key)
	_, _ = mac.Write(b)
	_, _ = mac.Write([]byte(realm))
	return mac.Sum(nil)[:nonceSize-nonceHead]
}

// isFresh reports whether a challenge was made here, or by a replica, for that realm, and may
// still be answered.
func (n *nonces) isFresh(nonce, realm string) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(b) != nonceSize || !hmac.Equal(b[nonceHead:], n.sign(b[:nonceHead], realm)) {
		return false
	}
	age := n.now().Sub(nonceMade(b))
	return age < nonceFor && age > -leeway // clocks of replicas are apart
}

// nonceMade gives when a challenge was made.
func nonceMade(b []byte) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
}

// use reports whether this is the first answer to a fresh challenge with that count.
func (n *nonces) use(ctx context.Context, nonce, count string) bool {
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	nc, ok := nonceCount(count)
	if err != nil || len(b) != nonceSize || !ok || !n.mark(string(b[:nonceHead]), nc, nonceMade(b)) {
		return false
	}
	if n.store == nil {
		return true
	}
	// A store that cannot be reached leaves each replica to know its own.
	first, err := n.store.Claim(ctx, "digest\x00"+nonce+"\x00"+count, nonceFor+leeway)
	return first || err != nil
}

// mark notes an answer.
func (n *nonces) mark(id string, nc uint32, made time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if made.Before(n.oldest) {
		return false
	}
	w := n.used[id]
	if w == nil {
		n.makeRoom()
		if made.Before(n.oldest) {
			return false
		}
		w = &window{}
		n.used[id] = w
	}
	return w.mark(nc)
}

// makeRoom forgets what is too old to be answered. When that is not enough it forgets the older
// half of the time that is left, and takes nothing of it any more: clients get a new challenge.
func (n *nonces) makeRoom() {
	for part := time.Duration(1); len(n.used) >= maxWindows; part *= 2 {
		if before := n.now().Add(-(nonceFor + leeway) / part); before.After(n.oldest) {
			n.oldest = before.Truncate(time.Millisecond)
		}
		for id := range n.used {
			if nonceMade([]byte(id)).Before(n.oldest) {
				delete(n.used, id)
			}
		}
		if part > 1<<20 { // all of one moment: nothing is known of any
			clear(n.used)
			n.oldest = n.now().Truncate(time.Millisecond).Add(time.Millisecond)
		}
	}
}

// mark notes that an answer with a count came. It reports false when it came before, or when
// that cannot be told any more.
func (w *window) mark(nc uint32) bool {
	switch {
	case nc > w.high:
		if ahead := nc - w.high; ahead < 64 {
			w.seen = w.seen<<ahead | 1
		} else {
			w.seen = 1
		}
		w.high = nc
		return true
	case w.high-nc >= 64, w.seen&(1<<(w.high-nc)) != 0:
		return false
	}
	w.seen |= 1 << (w.high - nc)
	return true
}
