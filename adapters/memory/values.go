package memory

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// values keeps values up to a number of bytes. What was asked for once more after it was saved
// stays longest: whoever asks for a million things once pushes out only what others asked for
// once as well.
type values struct {
	most   int64 // bytes
	number int
	fresh  *shelf // saved, and not asked for since
	used   *shelf // asked for since
}

// shelf is values in the order of their last use.
type shelf struct {
	*simplelru.LRU[string, value]
	bytes int64
}

type value struct {
	bytes []byte
	ends  time.Time
}

const (
	// overhead is about what it takes to keep a value, beside itself and its key.
	overhead = 256
	// usedShare of ten parts are for what is used; one part of eight is the most that one value
	// may take.
	usedShare  = 8
	valueShare = 8
)

func newValues(bytes int64, number int) *values {
	return &values{most: bytes, number: number, fresh: newShelf(number), used: newShelf(number)}
}

func newShelf(number int) *shelf {
	s := &shelf{}
	// It fails for a number that is not positive, which New sees to. balance drops what is too
	// many before the list does.
	s.LRU, _ = simplelru.NewLRU(number+1, func(key string, v value) { s.bytes -= sizeOf(key, v) })
	return s
}

func sizeOf(key string, v value) int64 { return int64(len(key)+cap(v.bytes)) + overhead }

func (s *shelf) put(key string, v value) {
	s.Remove(key)
	s.bytes += sizeOf(key, v)
	s.Add(key, v)
}

func (v *values) bytes() int64 { return v.fresh.bytes + v.used.bytes }

// get gives a value, and remembers that it was asked for.
func (v *values) get(key string, now time.Time) []byte {
	got, ok := v.used.Get(key)
	if !ok {
		if got, ok = v.fresh.Peek(key); !ok {
			return nil
		}
		v.fresh.Remove(key)
		v.used.put(key, got)
		v.balance()
	}
	if !got.ends.After(now) {
		v.remove(key)
		return nil
	}
	return got.bytes
}

func (v *values) put(key string, bytes []byte, ends time.Time) {
	to := v.fresh
	if v.used.Contains(key) {
		to = v.used
	}
	v.remove(key)
	kept := value{bytes, ends}
	if sizeOf(key, kept) > v.most/valueShare {
		return
	}
	to.put(key, kept)
	v.balance()
}

func (v *values) remove(key string) {
	v.fresh.Remove(key)
	v.used.Remove(key)
}

// balance keeps the bounds. What was used too long ago has to show its use again.
func (v *values) balance() {
	for v.used.bytes > v.most/10*usedShare || v.used.Len() > v.number*usedShare/10 {
		key, old, _ := v.used.RemoveOldest()
		v.fresh.put(key, old)
	}
	for v.bytes() > v.most || v.fresh.Len()+v.used.Len() > v.number {
		v.fresh.RemoveOldest()
	}
}
