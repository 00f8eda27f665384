package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// request is what is sent again and again, ready for the wire.
type request struct {
	addr string
	wire []byte
	// want must stand in the answer, so that a fast error does not look like speed.
	want []byte
}

// newRequest writes a request out. Header lines are "Name: value".
func newRequest(method, target string, body string, want string, header ...string) (request, error) {
	u, err := url.Parse(target)
	if err != nil {
		return request{}, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, u.RequestURI(), u.Host)
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	if body != "" || method != "GET" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return request{u.Host, b.Bytes(), []byte(want)}, nil
}

// load is what came of one turn.
type load struct {
	calls     int
	spent     time.Duration
	cpu       time.Duration
	latencies []time.Duration
}

// drive sends the request over conns connections for a time. All of it counts but what fails, and one
// failure ends it.
func drive(ctx context.Context, r request, conns int, turn time.Duration, p *process) (load, error) {
	lines := make([]*line, conns)
	for i := range lines {
		l, err := dial(r.addr)
		if err != nil {
			return load{}, err
		}
		defer l.conn.Close()
		if err := l.call(&r); err != nil { // what is made once is there now
			return load{}, err
		}
		lines[i] = l
	}
	begun, before := time.Now(), p.cpu()
	until := begun.Add(turn)
	var wait sync.WaitGroup
	errs := make([]error, conns)
	for i, l := range lines {
		// Calls that are under way in one session have IDs of their own.
		r := r
		r.wire = bytes.Replace(r.wire, []byte(`"id":1000`), fmt.Appendf(nil, `"id":%d`, 1000+i), 1)
		wait.Go(func() {
			for now := time.Now(); now.Before(until) && ctx.Err() == nil; {
				if errs[i] = l.call(&r); errs[i] != nil {
					return
				}
				after := time.Now()
				l.latencies = append(l.latencies, after.Sub(now))
				now = after
			}
		})
	}
	wait.Wait()
	out := load{spent: time.Since(begun), cpu: p.cpu() - before}
	for i, l := range lines {
		if errs[i] != nil {
			return load{}, errs[i]
		}
		out.calls += len(l.latencies)
		out.latencies = append(out.latencies, l.latencies...)
	}
	return out, ctx.Err()
}

// line is one connection.
type line struct {
	conn      net.Conn
	in        *bufio.Reader
	answer    fasthttp.Response
	latencies []time.Duration
}

func dial(addr string) (*line, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &line{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (l *line) call(r *request) error {
	if _, err := l.conn.Write(r.wire); err != nil {
		return err
	}
	if err := l.answer.Read(l.in); err != nil {
		return err
	}
	if status := l.answer.StatusCode(); status != 200 || !bytes.Contains(l.answer.Body(), r.want) {
		return fmt.Errorf("%.60q answered %d %.300s", r.wire, status, l.answer.Body())
	}
	return nil
}

// perSecond gives the rate of several turns.
func perSecond(turns []load) float64 {
	calls, spent := 0, time.Duration(0)
	for _, t := range turns {
		calls, spent = calls+t.calls, spent+t.spent
	}
	return float64(calls) / spent.Seconds()
}

// cpuPerCall gives the CPU time that the server used for a call.
func cpuPerCall(turns []load) time.Duration {
	calls, cpu := 0, time.Duration(0)
	for _, t := range turns {
		calls, cpu = calls+t.calls, cpu+t.cpu
	}
	return cpu / time.Duration(max(1, calls))
}

// quantile gives the latency that a share of the calls did not exceed.
func quantile(turns []load, share float64) time.Duration {
	var all []time.Duration
	for _, t := range turns {
		all = append(all, t.latencies...)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(share*float64(len(all))))]
}
