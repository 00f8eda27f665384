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
			return nil, &Error{Code: CodeInvalidInput, Message: "the query holds a % that is no escape: write %25", Cause: err}
		}
		values[name] = append(values[name], value)
	}
	return values, nil
}
