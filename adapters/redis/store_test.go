//go:build unix

package redis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"capd/adapters/memory"
	store "capd/adapters/redis"
	"capd/adapters/redistest"
	"capd/adapters/storetest"
	"capd/engine/plan"
)

// changes are the log lines of a store, as they come.
type changes chan string

// Write takes one line.
func (c changes) Write(line []byte) (int, error) {
	var e struct{ Msg, Error string }
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, err
	}
	c <- strings.TrimSpace(e.Msg + " " + e.Error)
	return len(line), nil
}

// lost and found wait for the line that says so.
func (c changes) lost(t *testing.T) string  { return c.line(t, "cannot be used") }
func (c changes) found(t *testing.T) string { return c.line(t, "is used again") }

func (c changes) line(t *testing.T, want string) string {
	t.Helper()
	select {
	case got := <-c:
		if !strings.Contains(got, want) {
			t.Fatalf("the log says %q, want %q", got, want)
		}
		return got
	case <-time.After(patience):
		t.Fatalf("waited in vain for the log to say %q", want)
		return ""
	}
}

// patience is when what is waited for is given up: long after a machine that stands still for a
// while would have done it.
const patience = 5 * time.Minute

// replica is a store as one of several replicas has it.
type replica struct {
	*store.Store
	changes changes
	failed  sync.Map // operation -> *atomic.Int32
}

func (r *replica) failures(operation string) int {
	n, _ := r.failed.LoadOrStore(operation, new(atomic.Int32))
	return int(n.(*atomic.Int32).Load())
}

// is waits until the store takes its Redis to be up, or not.
func (r *replica) is(t *testing.T, up bool) {
	t.Helper()
	for end := time.Now().Add(patience); r.Status().Up != up; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the Redis is never taken to be up: %t; it is %+v", up, r.Status())
		}
	}
}

func open(t *testing.T, url string, more ...func(*store.Options)) *replica {
	t.Helper()
	r := &replica{changes: make(changes, 100)}
	o := store.Options{
		URL: plan.NewSecret(url), Local: memory.New(memory.Options{}), Again: 5 * time.Millisecond,
		Logger: slog.New(slog.NewJSONHandler(r.changes, nil)),
		Failed: func(operation string) {
			n, _ := r.failed.LoadOrStore(operation, new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
		},
	}
	for _, m := range more {
		m(&o)
	}
	s, err := store.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r.Store = s
	return r
}

// patient is for tests that count: a machine that is busy is no Redis that is gone.
const patient = "?read_timeout=20s"

// later lets time pass for what a Redis holds below a prefix, as nobody can for Redis itself: it
// shortens what is left of every key, and of the instants of buckets.
func later(t *testing.T, c *redis.Client, prefix string, d time.Duration) {
	t.Helper()
	ctx := t.Context()
	keys, err := c.Keys(ctx, prefix+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		left := c.PTTL(ctx, key).Val()
		if left <= d {
			c.Del(ctx, key)
			continue
		}
		if strings.HasPrefix(key, prefix+"b:") {
			full, err := c.Get(ctx, key).Float64()
			if err != nil {
				t.Fatal(err)
			}
			c.Set(ctx, key, strconv.FormatFloat(full-float64(d.Microseconds()), 'f', 3, 64), left)
		}
		c.PExpire(ctx, key, left-d)
	}
}

// TestStore: a Redis does what every store has to do, over every kind of connection.
func TestStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	cluster := redistest.Start(t, "--cluster-enabled", "yes")
	if got := cluster.Do("CLUSTER", "ADDSLOTSRANGE", "0", "16383"); got != "+OK" {
		t.Fatal(got)
	}
	for cluster.Do("SET", "ready", "1") != "+OK" { // the node believes it a moment later
	}
	for name, tt := range map[string]struct {
		server *redistest.Server
		url    string
	}{
		"tcp":     {server, "redis://" + server.Addr + patient},
		"unix":    {server, "unix://" + server.Socket + "?db=3&read_timeout=20s"},
		"cluster": {cluster, "redis://" + cluster.Addr + "?cluster=true&read_timeout=20s"},
	} {
		t.Run(name, func(t *testing.T) {
			o := &redis.Options{Addr: tt.server.Addr}
			if name == "unix" {
				o.DB = 3
			}
			c := redis.NewClient(o)
			defer c.Close()
			n := 0
			storetest.Run(t, func(t *testing.T) *storetest.Subject {
				n++
				prefix := fmt.Sprintf("test %s %d:", name, n)
				var passed atomic.Int64
				r := open(t, tt.url, func(o *store.Options) {
					o.Prefix = prefix
					o.Local = memory.New(memory.Options{Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }})
				})
				return &storetest.Subject{Store: r, Advance: func(d time.Duration) {
					t.Helper()
					passed.Add(int64(d))
					later(t, c, prefix, d)
				}}
			})
			if keys := c.Keys(t.Context(), "*").Val(); len(keys) == 0 {
				t.Error("the Redis has seen nothing of it")
			}
		})
	}
}

// TestNothingStays: every key of the store ends by itself.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	r := open(t, "redis://"+server.Addr+patient, func(o *store.Options) { o.Prefix = "team-a:" })
	ctx := t.Context()
	_ = r.Save(ctx, "a", []byte("x"), time.Minute)
	_, _ = r.Claim(ctx, "a", time.Minute)
	_, _ = r.Take(ctx, "a", plan.Rate{Count: 1, Period: time.Minute, Burst: 3})
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	keys := c.Keys(ctx, "team-a:*").Val()
	if len(keys) < 3 {
		t.Errorf("there are %q", keys)
	}
	for _, key := range keys {
		if key == "team-a:check" {
			continue // of those who look whether it answers; it lasts for a millisecond
		}
		if left := c.PTTL(ctx, key).Val(); left <= 0 || left > 61*time.Second {
			t.Errorf("%s lasts for %v", key, left)
		}
	}
}

// TestTwoReplicas: what one replica knows, the other does.
func TestTwoReplicas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, "redis://"+server.Addr+patient), open(t, "redis://"+server.Addr+patient)
	ctx := t.Context()
	var taken, first atomic.Int32
	var group sync.WaitGroup
	for i := range 60 {
		r := []*replica{a, b}[i%2]
		group.Go(func() {
			wait, err := r.Take(ctx, "all", plan.Rate{Count: 1, Period: time.Hour, Burst: 7})
			if err != nil {
				t.Error(err)
			} else if wait == 0 {
				taken.Add(1)
			}
			if ok, err := r.Claim(ctx, "once", time.Hour); err != nil {
				t.Error(err)
			} else if ok {
				first.Add(1)
			}
		})
	}
	group.Wait()
	if taken.Load() != 7 || first.Load() != 1 {
		t.Errorf("a bucket of 7 gave %d, %d were the first", taken.Load(), first.Load())
	}
	if err := a.Save(ctx, "v", []byte("x"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Load(ctx, "v"); string(got) != "x" || err != nil {
		t.Errorf("loaded %q, %v", got, err)
	}
	if err := b.Delete(ctx, "v"); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Load(ctx, "v"); got != nil || err != nil {
		t.Errorf("loaded %q, %v", got, err)
	}
}

// TestLost: while the Redis is gone nothing fails, each replica goes on by itself, and the log has
// one line. When it is back it is told what it missed.
func TestLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a, b := open(t, "redis://"+server.Addr+patient), open(t, "redis://"+server.Addr+patient)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Save(ctx, "before", []byte("x"), time.Hour))
	claims := func(r *replica, key string, want bool) {
		t.Helper()
		if got, err := r.Claim(ctx, key, time.Hour); got != want || err != nil {
			t.Errorf("claim of %s: %t, %v", key, got, err)
		}
	}
	holds := func(r *replica, key, want string) {
		t.Helper()
		if got, err := r.Load(ctx, key); string(got) != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", key, got, err, want)
		}
	}
	claims(a, "used before", true)

	server.Kill()
	holds(a, "before", "")
	a.changes.lost(t)
	if s := a.Status(); s.Up || s.Reason == "" || s.Address != "redis://"+server.Addr {
		t.Errorf("the status is %+v", s)
	}
	for i := range 20 {
		wait, err := a.Take(ctx, "bucket", plan.Rate{Count: 1, Period: time.Hour, Burst: 5})
		if err != nil || (wait == 0) != (i < 5) {
			t.Errorf("token %d waits for %v, %v", i, wait, err)
		}
	}
	claims(a, "used before", false)
	claims(a, "used meanwhile", true)
	claims(a, "used meanwhile", false)
	must(a.Save(ctx, "meanwhile", []byte("here"), time.Hour))
	holds(a, "meanwhile", "here")
	must(a.Save(ctx, "gone", []byte("here"), time.Hour))
	must(a.Delete(ctx, "gone"))
	holds(a, "gone", "")
	must(a.Delete(ctx, "deleted meanwhile"))
	for operation, least := range map[string]int{"load": 1, "save": 2, "delete": 2, "take": 20, "claim": 1} {
		if n := a.failures(operation); n < least {
			t.Errorf("%d failures of %s were counted, want %d", n, operation, least)
		}
	}

	server.Restart()
	a.changes.found(t)
	if s := a.Status(); !s.Up || s.Reason != "" {
		t.Errorf("the status is %+v", s)
	}
	if _, err := b.Load(ctx, "any"); err != nil { // whether or not it has noticed
		t.Error(err)
	}
	claims(open(t, "redis://"+server.Addr+patient), "used meanwhile", false)
	holds(a, "meanwhile", "")
	must(a.Save(ctx, "after", []byte("x"), time.Hour))
	holds(open(t, "redis://"+server.Addr+patient), "after", "x")

	server.Kill() // what was saved in one outage is not there in the next
	for a.failures("load") < 10 {
		holds(a, "meanwhile", "")
	}
	a.changes.lost(t)
}

// TestDeleteIsToldLater: what was deleted while the Redis did not answer is gone when it does.
func TestDeleteIsToldLater(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, "redis://"+server.Addr)
	ctx := t.Context()
	for server.Do("EXISTS", "capd:v:v") != ":1" { // what hangs for a moment may be taken for gone, and not be told
		if err := a.Save(ctx, "v", []byte("old"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	server.Hang()
	if err := a.Delete(ctx, "v"); err != nil {
		t.Error(err)
	}
	a.is(t, false)
	server.Resume()
	a.is(t, true)
	if got, err := a.Load(ctx, "v"); got != nil || err != nil || server.Do("EXISTS", "capd:v:v") != ":0" {
		t.Errorf("it is still %q, %v", got, err)
	}
}

// TestHangsOnce: of a Redis that takes requests and never answers, few operations ever wait.
func TestHangsOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, "redis://"+server.Addr, func(o *store.Options) { o.Again = time.Hour })
	ctx := t.Context()
	if _, err := a.Load(ctx, "v"); err != nil {
		t.Fatal(err)
	}
	server.Hang()
	defer server.Resume()
	if _, err := a.Load(ctx, "v"); err != nil {
		t.Error(err)
	}
	a.changes.lost(t)
	for range 1000 {
		if _, err := a.Take(ctx, "b", plan.Rate{Count: 1, Period: time.Hour, Burst: 5}); err != nil {
			t.Fatal(err)
		}
	}
	if n := a.failures("take"); n != 1000 {
		t.Errorf("%d of 1000 were done elsewhere", n)
	}
	server.Resume()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	seen := c.Info(ctx, "commandstats").Val()
	if !strings.Contains(seen, "cmdstat_get:") {
		t.Fatalf("the Redis does not tell what it was asked:\n%s", seen)
	}
	// Those who looked whether it answers ask for tokens too, each when it has its turn.
	asked := 0
	if _, calls, found := strings.Cut(seen, "cmdstat_evalsha:calls="); found {
		calls, _, _ = strings.Cut(calls, ",")
		n, err := strconv.Atoi(calls)
		if err != nil {
			t.Fatal(err)
		}
		asked = n
	}
	if asked > 4 {
		t.Errorf("the Redis was asked for tokens meanwhile:\n%s", seen)
	}
}

// TestDownAtStart: a Redis that is not there is no reason not to start, and is found when it comes.
func TestDownAtStart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	a := open(t, "redis://"+server.Addr+patient)
	a.changes.lost(t)
	if wait, err := a.Take(t.Context(), "b", plan.Rate{Count: 1, Period: time.Hour, Burst: 1}); wait != 0 || err != nil {
		t.Errorf("%v, %v", wait, err)
	}
	server.Restart()
	a.changes.found(t)
	if wait, err := a.Take(t.Context(), "b", plan.Rate{Count: 1, Period: time.Hour, Burst: 1}); wait != 0 || err != nil {
		t.Errorf("the shared bucket is full: %v, %v", wait, err)
	}
	if wait, err := a.Take(t.Context(), "b", plan.Rate{Count: 1, Period: time.Hour, Burst: 1}); wait == 0 || err != nil {
		t.Errorf("it was taken: %v, %v", wait, err)
	}
}

// TestLostWhileIdle: a Redis that goes away while nobody asks for anything is noticed too.
func TestLostWhileIdle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, "redis://"+server.Addr+patient)
	server.Kill()
	a.changes.lost(t)
	server.Restart()
	a.changes.found(t)
}

// TestPassword: a wrong password and missing rights are told without the password, and another
// URL mends it.
func TestPassword(t *testing.T) {
	t.Parallel()
	const password = "marked-p@ss/w:rd"
	server := redistest.Start(t, "--requirepass", password)
	a := open(t, "redis://:wrong-"+"marked@"+server.Addr+patient)
	line := a.changes.lost(t)
	if strings.Contains(line, "marked") || strings.Contains(a.Status().Reason, "marked") {
		t.Errorf("it says %q, %+v", line, a.Status())
	}
	if err := a.Move(plan.NewSecret("redis://:marked-p%40ss%2Fw%3Ard@" + server.Addr + patient + "\n")); err != nil {
		t.Fatal(err)
	}
	a.changes.found(t)
	if first, err := a.Claim(t.Context(), "k", time.Hour); !first || err != nil {
		t.Errorf("%t, %v", first, err)
	}
	if err := a.Move(plan.NewSecret("nothing")); err == nil || !a.Status().Up {
		t.Errorf("a URL that is none: %v, %+v", err, a.Status())
	}
}

// TestFewRights: the commands that the README names are all that a user needs.
func TestFewRights(t *testing.T) {
	t.Parallel()
	rights := []string{"--user", "capd", "on", ">inner", "~capd:*", "-@all"}
	for _, command := range []string{"get", "set", "del", "hello", "select", "time", "eval", "evalsha"} {
		rights = append(rights, "+"+command)
	}
	server := redistest.Start(t, rights...)
	a := open(t, "redis://capd:inner@"+server.Addr+"/1"+patient+"&client_name=")
	ctx := t.Context()
	if err := a.Save(ctx, "v", []byte("x"), time.Hour); err != nil {
		t.Error(err)
	}
	if got, err := a.Load(ctx, "v"); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if err := a.Delete(ctx, "v"); err != nil {
		t.Error(err)
	}
	for i := range 2 {
		if wait, err := a.Take(ctx, "b", plan.Rate{Count: 1, Period: time.Hour, Burst: 1}); (wait == 0) != (i == 0) || err != nil {
			t.Errorf("%v, %v", wait, err)
		}
		if first, err := a.Claim(ctx, "c", time.Hour); first != (i == 0) || err != nil {
			t.Errorf("%t, %v", first, err)
		}
	}
	for _, operation := range []string{"load", "save", "delete", "take", "claim"} {
		if n := a.failures(operation); n != 0 {
			t.Errorf("%s failed %d times: %+v", operation, n, a.Status())
		}
	}
}

// TestWrongType: a key of somebody else under our name fails alone.
func TestWrongType(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, "redis://"+server.Addr+patient)
	if got := server.Do("LPUSH", "capd:v:list", "x"); got != ":1" {
		t.Fatal(got)
	}
	ctx := t.Context()
	for range 3 {
		if got, err := a.Load(ctx, "list"); got != nil || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if first, err := a.Claim(ctx, "k", time.Hour); !first || err != nil || server.Do("EXISTS", "capd:c:k") != ":1" {
		t.Errorf("%t, %v: the claim did not reach the Redis", first, err)
	}
	if s := a.Status(); !s.Up {
		t.Errorf("the status is %+v", s)
	}
}

// TestCallerGone: a caller that does not wait any longer says nothing of the Redis.
func TestCallerGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	a := open(t, "redis://"+server.Addr+patient)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Load(gone, "v"); err == nil {
		t.Error("it was answered")
	}
	if first, err := a.Claim(t.Context(), "k", time.Hour); !first || err != nil || server.Do("EXISTS", "capd:c:k") != ":1" {
		t.Errorf("%t, %v: the claim did not reach the Redis", first, err)
	}
	if n := a.failures("load"); n != 0 {
		t.Errorf("%d failures were counted", n)
	}
}

// TestSentinel: the Redis is found through a sentinel, which has credentials of its own.
func TestSentinel(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "inner")
	sentinel := redistest.StartSentinel(t, "house", server, "inner", "outer")
	a := open(t, "redis://:outer@"+sentinel.Addr+"?master_name=house&password=inner&read_timeout=20s", func(o *store.Options) { o.Prefix = "s:" })
	if first, err := a.Claim(t.Context(), "k", time.Hour); !first || err != nil {
		t.Errorf("%t, %v", first, err)
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr, Password: "inner"})
	defer c.Close()
	if c.Exists(t.Context(), "s:c:k").Val() != 1 {
		t.Errorf("the claim did not reach the Redis: %+v", a.Status())
	}
}
