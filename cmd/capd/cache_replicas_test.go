//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"capd/adapters/redistest"
)

// TestCacheOfReplicas: replicas give each other's answers, and know of each other's changes. No
// secret is in the Redis.
func TestCacheOfReplicas(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	up := cacheUpstream(t)
	spec := specFile(t, "one.yaml", strings.Replace(cachedSpec, "RESILIENCE", "{ cache: {}, coalesce: true }", 1))
	one := start(t, cacheEnv(up), "--redis", "redis://"+server.Addr+"?read_timeout=20s", spec)
	two := start(t, cacheEnv(up), "--redis", "redis://"+server.Addr+"?read_timeout=20s", spec)
	for range 3 {
		if a, b := call(t, "GET", one.url+"/rooms", ""), call(t, "GET", two.url+"/rooms", ""); a.Body != b.Body || a.Body != `{"name":"room 1"}` {
			t.Errorf("the replicas say %s and %s", a.Body, b.Body)
		}
	}
	up.wants(t, "both replicas", 1)
	call(t, "POST", two.url+"/rooms", "{}")
	up.wants(t, "a change", 1)
	call(t, "GET", one.url+"/rooms", "")
	call(t, "GET", two.url+"/rooms", "")
	up.wants(t, "after the change", 1)
	for _, mark := range []string{"marked-key-1", "t0ken"} {
		if strings.Contains(dump(t, server.Addr), mark) {
			t.Errorf("the Redis has %s", mark)
		}
	}
}

// dump gives all keys and values of a Redis.
func dump(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const script = "local out = {} for _, k in ipairs(redis.call('keys', '*')) do out[#out+1] = k if redis.call('type', k).ok == 'string' then out[#out+1] = redis.call('get', k) end end return table.concat(out, ' ')"
	if _, err := fmt.Fprintf(conn, "*3\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n", len(script), script); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	var size int
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(line, "$%d", &size); err != nil || size < 10 {
		t.Fatalf("the Redis says %q", line)
	}
	all := make([]byte, size)
	if _, err := io.ReadFull(r, all); err != nil {
		t.Fatal(err)
	}
	return string(all)
}
