package scripts

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"capd/engine/script"
)

// maxPrograms is how many compiled programs a worker keeps.
const maxPrograms = 64

// workerMemory is what a worker needs beside the memory of a script: the program itself, its
// threads, and what the collector has not given back.
const workerMemory = 192 << 20

// ceiling gives what the process may take when a script may take memory. A value that grows
// is there twice for a moment, before the script's own limit refuses it.
func ceiling(memory int64) int64 { return memory + memory/2 + workerMemory }

// Work is the other side of a [Pool]: it reads requests and writes answers until the stream
// ends, which it does when capd does, however that ended. It first limits the memory of the
// process: what takes more ends it.
//
// It returns while a script is still running, so that the process can end.
func Work(r io.Reader, w io.Writer, memory int64) error {
	script.BoundRegexps()
	runtime.GOMAXPROCS(2) // one script at a time, and the collector
	debug.SetMemoryLimit(memory)
	if err := limitMemory(ceiling(memory)); err != nil {
		return fmt.Errorf("cannot limit the memory of the process: %w", err)
	}
	requests, ended := make(chan *request), make(chan error, 1)
	go func() {
		worker := worker{programs: map[[sha256.Size]byte]*script.Program{}}
		for in := range requests {
			if err := writeFrame(w, worker.run(in)); err != nil {
				ended <- err
				return
			}
		}
	}()
	go func() {
		for {
			in := new(request)
			if err := readFrame(r, in); err != nil {
				ended <- err
				return
			}
			requests <- in
		}
	}()
	if err := <-ended; !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}

// worker keeps what it has compiled.
type worker struct {
	programs map[[sha256.Size]byte]*script.Program
}

func (w *worker) run(in *request) *answer {
	p, err := w.program(in)
	if err != nil {
		return &answer{Other: err.Error()}
	}
	out := &answer{}
	out.Result, out.Set, err = p.Run(context.Background(), in.Input, in.Limits)
	if err != nil && !errors.As(err, &out.Failed) {
		out.Other = err.Error()
	}
	return out
}

func (w *worker) program(in *request) (*script.Program, error) {
	text, err := json.Marshal(in.Sources)
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(append([]byte{byte(in.Language)}, text...))
	if p := w.programs[key]; p != nil {
		return p, nil
	}
	last := len(in.Sources) - 1
	if last < 0 {
		return nil, errors.New("there is no script")
	}
	p, err := script.Compile(in.Language, in.Sources[last], in.Sources[:last])
	if err != nil {
		return nil, err
	}
	if len(w.programs) >= maxPrograms {
		clear(w.programs)
	}
	w.programs[key] = p
	return p, nil
}
