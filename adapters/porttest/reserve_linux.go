package porttest

import (
	"net"
	"os"
	"strconv"
	"syscall"
)

// reserve binds a socket and does not listen on it. Linux gives its port to nobody who asks for
// any, neither to listen nor to connect from; who names it may listen on it, since both sockets
// have SO_REUSEADDR, as those that Go and Redis listen on have.
func reserve() (addr string, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, os.NewSyscallError("socket", err)
	}
	release = func() { _ = syscall.Close(fd) }
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	var own syscall.Sockaddr
	if err == nil {
		own, err = syscall.Getsockname(fd)
	}
	if err != nil {
		release()
		return "", nil, os.NewSyscallError("bind", err)
	}
	port := own.(*syscall.SockaddrInet4).Port
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), release, nil
}
