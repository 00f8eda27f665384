package rest

import (
	"net/url"
	"strings"
)

// pathSegments gives the decoded segments of a URL's path, appended to buffer. It reports
// false for an invalid escape and for a path that does not begin with a slash.
func pathSegments(u *url.URL, buffer []string) ([]string, bool) {
	if u.RawPath != "" {
		return splitPath(u.RawPath, true, buffer)
	}
	// Without a RawPath the path was written in its usual form, in which no segment holds an
	// escaped slash; Path is decoded already.
	return splitPath(u.Path, false, buffer)
}

// splitPath cuts a path at its slashes and then, if it is escaped, decodes each segment,
// so that an escaped slash stays inside its segment (contract X4).
func splitPath(path string, escaped bool, buffer []string) ([]string, bool) {
	if !strings.HasPrefix(path, "/") {
		return nil, false
	}
	for {
		path = path[1:]
		text := path
		end := strings.IndexByte(path, '/')
		if end >= 0 {
			text, path = path[:end], path[end:]
		}
		if escaped {
			decoded, err := url.PathUnescape(text)
			if err != nil {
				return nil, false
			}
			text = decoded
		}
		buffer = append(buffer, text)
		if end < 0 {
			return buffer, true
		}
	}
}

// rawSegments gives segments of a URL's path as they came, each with a slash in front.
func rawSegments(u *url.URL, from, to int) string {
	if from >= to {
		return ""
	}
	raw := strings.Split(u.EscapedPath(), "/")[1:]
	return "/" + strings.Join(raw[min(from, len(raw)):min(to, len(raw))], "/")
}
