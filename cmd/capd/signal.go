package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals is what the process was told to do while it serves.
type signals struct {
	// stop ends with the first interrupt or termination, and with the context it was made of.
	stop context.Context
	// again is the second one: stop without waiting.
	again <-chan os.Signal
	// reload asks for the documents to be read again. Requests that come in while one is
	// being served count as one.
	reload <-chan struct{}
}

// watchSignals takes the process's signals until release is called.
func watchSignals(ctx context.Context) (s signals, release func()) {
	stop, cancel := context.WithCancel(ctx)
	again, reload := make(chan os.Signal, 1), make(chan struct{}, 1)
	in, ended := make(chan os.Signal, 8), make(chan struct{})
	signal.Notify(in, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ended:
				return
			case sig := <-in:
				switch {
				case sig == syscall.SIGHUP:
					notify(reload, struct{}{})
				case stop.Err() == nil:
					cancel()
				default:
					notify(again, sig)
				}
			}
		}
	}()
	return signals{stop, again, reload}, func() {
		signal.Stop(in)
		close(ended)
		cancel()
	}
}

// notify leaves v in a channel with room for one, or finds one there already.
func notify[T any](c chan<- T, v T) {
	select {
	case c <- v:
	default:
	}
}
