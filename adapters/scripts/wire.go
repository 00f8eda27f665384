package scripts

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"capd/engine/script"
)

// maxFrame bounds a message between capd and a worker, in bytes.
const maxFrame = 256 << 20

// request asks a worker to run a program.
type request struct {
	Language script.Language
	Sources  []script.Source // dependencies in order, then the script itself
	Input    []byte
	Limits   script.Limits
}

// answer is what came of it: a result, why the script failed, or why it was not run.
type answer struct {
	Result []byte
	Set    bool
	Failed *script.Error
	Other  string
}

// writeFrame writes a message behind its length.
func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return errors.New("the message is too long")
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err = w.Write(append(frame, body...))
	return err
}

// readFrame reads a message. At the end of the stream it gives [io.EOF].
func readFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("a message of %d bytes is too long", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}
