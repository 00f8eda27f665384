package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// readJSON checks the answer and leaves it as it is.
func readJSON(in *answer, w *writer) (string, error) {
	text := bytes.TrimPrefix(in.body, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		var err error
		if text, err = in.utf8Text(""); err != nil {
			return "", err
		}
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
	}
	if !json.Valid(text) {
		return "", explainJSON(text)
	}
	w.buf = text
	return "", nil
}

// explainJSON says where text stops to be JSON.
func explainJSON(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return invalid("it is empty")
	}
	line, column := jsonErrorPlace(text)
	if line == 0 {
		return invalid("it ends too early")
	}
	return invalid("line %d, column %d: an error of syntax", line, column)
}

// jsonErrorPlace gives where a text stops to be JSON; zeros when it only ends too early.
func jsonErrorPlace(text []byte) (line, column int) {
	var syntax *json.SyntaxError
	var v json.RawMessage
	if !errors.As(json.Unmarshal(text, &v), &syntax) || syntax.Error() == "unexpected end of JSON input" {
		return 0, 0
	}
	return place(text, int(syntax.Offset)-1)
}

// place gives the line and column, in characters, of the byte at an offset.
func place(text []byte, at int) (line, column int) {
	before := text[:max(0, min(at, len(text)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}

// readText gives the answer as one string.
func readText(in *answer, w *writer) (string, error) {
	text, err := in.utf8Text("")
	if err != nil {
		return "", err
	}
	w.expect(len(text) + len(text)/16)
	w.buf = appendString(w.buf, text)
	return "", w.room(0)
}

func refuseBinary(*answer, *writer) (string, error) {
	return "", invalid("it can be handed on, but not be mapped")
}
