package plan

import (
	"net/url"
	"strings"
)

// ParseQuery reads a raw query. Pairs are split at "&" only; a semicolon belongs to its
// value, as the URL standard has it and net/url does not. The error, for an escape that is
// none, is an *[Error] with [CodeInvalidInput].
func ParseQuery(raw string) (url.Values, error) {
	values := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return nil, errQuery(err)
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}

func errQuery(cause error) *Error {
	return &Error{Code: CodeInvalidInput, Message: "the query holds a % that is no escape: write %25", Cause: cause}
}

// CheckQuery gives the error of [ParseQuery], or nil, without the values.
func CheckQuery(raw string) error {
	for rest := raw; ; {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			return nil
		}
		rest = rest[at:]
		if len(rest) < 3 || !isHex(rest[1]) || !isHex(rest[2]) {
			return errQuery(url.EscapeError(rest[:min(3, len(rest))]))
		}
		rest = rest[3:]
	}
}

// appendQueryValues appends the values that a name has in a raw query, as [ParseQuery] reads it.
// It takes less than to parse a query of which few names are asked for.
func appendQueryValues(to []string, raw, name string) []string {
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if pair != "" && unescape(key) == name {
			to = append(to, unescape(value))
		}
	}
	return to
}
