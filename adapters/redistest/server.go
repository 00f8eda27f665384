//go:build unix

// Package redistest starts a real Redis for a test: Debian's redis-server, on a port of loopback,
// with nothing kept on disk.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"capd/adapters/porttest"
)

// patience is when what is waited for is given up: long after a machine that stands still for a
// while would have done it.
const patience = 5 * time.Minute

// Server is a Redis that ends with its test.
type Server struct {
	// Addr is HOST:PORT, and Socket a unix socket.
	Addr, Socket string

	tb    testing.TB
	args  []string
	ready string // a part of the line that says so
	cmd   *exec.Cmd
}

// Start starts a Redis with further arguments. The test is skipped when there is none on this
// machine, unless REDIS_TESTS is "required".
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return start(tb, "eady to accept connections", func(dir, port string) []string {
		return append([]string{
			"--bind", "127.0.0.1", "--port", port, "--unixsocket", filepath.Join(dir, "redis.sock"), "--dir", dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", "",
		}, args...)
	})
}

// StartSentinel starts a sentinel that watches a Redis of some name and password, and wants a
// password itself.
func StartSentinel(tb testing.TB, name string, of *Server, inner, outer string) *Server {
	tb.Helper()
	host, port, _ := net.SplitHostPort(of.Addr)
	return start(tb, "+monitor", func(dir, own string) []string {
		file := filepath.Join(dir, "sentinel.conf")
		text := fmt.Sprintf("bind 127.0.0.1\nport %s\nrequirepass %s\nsentinel monitor %s %s %s 1\nsentinel auth-pass %s %s\n", own, outer, name, host, port, name, inner)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		return []string{file, "--sentinel"}
	})
}

func start(tb testing.TB, ready string, args func(dir, port string) []string) *Server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REDIS_TESTS") == "required" {
			tb.Fatal("redis-server is not installed")
		}
		tb.Skip("redis-server is not installed (Debian: apt-get install redis-server), so nothing is tested with a real Redis")
	}
	dir := tb.TempDir()
	s := &Server{tb: tb, ready: ready, Socket: filepath.Join(dir, "redis.sock"), Addr: porttest.Reserve(tb)}
	_, port, _ := net.SplitHostPort(s.Addr)
	s.args = args(dir, port)
	if err := s.run(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Kill)
	return s
}

// run starts the process and waits until it says that it is ready.
func (s *Server) run() error {
	cmd := exec.Command("redis-server", s.args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), s.ready) {
			s.cmd = cmd
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return nil
		}
	}
	_ = cmd.Wait()
	return fmt.Errorf("redis-server did not start:\n%s", said.String())
}

// Kill ends the Redis without a goodbye. All that it had is lost.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Restart starts it again after Kill, empty and at the same address.
func (s *Server) Restart() {
	s.tb.Helper()
	if err := s.run(); err != nil {
		s.tb.Fatal(err)
	}
}

// Hang has the Redis answer nothing, with its connections open, until Resume.
func (s *Server) Hang() { s.signal(syscall.SIGSTOP) }

// Resume has it answer again.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(n syscall.Signal) {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(n); err != nil {
		s.tb.Fatal(err)
	}
}

// Do sends a command as redis-cli would, over a connection of its own, and gives the first line
// of the answer.
func (s *Server) Do(words ...string) string {
	s.tb.Helper()
	conn, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(w), w)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		s.tb.Fatal(err)
	}
	return strings.TrimSpace(line)
}
