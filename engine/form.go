package engine

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// head is what the second line of a form says.
type head struct {
	ID   string `json:"id"`
	Path string `json:"path"` // absolute
	// folder is the absolute path that was asked for.
	folder string
}

// form is what is kept of a document.
type form struct {
	Text  []byte     `json:"text"`
	Reads []keptRead `json:"reads,omitempty"`
	since time.Time
}

// name is the name of a document on the shelf, without a suffix.
func shelfName(path, id string) string {
	sum := sha256.Sum256([]byte(path + "\x00" + id))
	return hex.EncodeToString(sum[:])
}

// errDamaged is why a form is not used.
var errDamaged = errors.New("it is damaged")

// parseForm reads a form of a document. The digest is of everything behind the first line.
func parseForm(whole []byte, want head) (*form, error) {
	first, rest, ok := bytes.Cut(whole, []byte("\n"))
	digest, known := bytes.CutPrefix(first, []byte(shelfMagic))
	if !ok || !known {
		return nil, errDamaged
	}
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != string(digest) {
		return nil, errDamaged
	}
	second, texts, ok := bytes.Cut(rest, []byte("\n"))
	var is head
	if !ok || json.Unmarshal(second, &is) != nil {
		return nil, errDamaged
	}
	if is != want {
		return nil, errors.New("it is of another document")
	}
	f := &form{}
	if json.Unmarshal(texts, f) != nil {
		return nil, errDamaged
	}
	return f, nil
}

// encode writes a form. The same form always has the same bytes.
func (k *keepsake) encode(of head) ([]byte, error) {
	first, err := json.Marshal(of)
	if err != nil {
		return nil, err
	}
	texts, err := json.Marshal(form{Text: k.text, Reads: k.reads})
	if err != nil {
		return nil, err
	}
	rest := slices.Concat(first, []byte("\n"), texts, []byte("\n"))
	sum := sha256.Sum256(rest)
	return slices.Concat([]byte(shelfMagic+hex.EncodeToString(sum[:])+"\n"), rest), nil
}

// readHead reads whose form a file is, without a look at the digest.
func readHead(root *os.Root, name string) (h head, ok bool) {
	f, err := root.Open(name)
	if err != nil {
		return head{}, false
	}
	defer func() { _ = f.Close() }() // nothing was written
	lines := bufio.NewReader(io.LimitReader(f, maxHead))
	first, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, shelfMagic) {
		return head{}, false
	}
	second, err := lines.ReadBytes('\n')
	if err != nil || json.Unmarshal(second, &h) != nil {
		return head{}, false
	}
	return h, shelfName(h.Path, h.ID)+formSuffix == name
}
