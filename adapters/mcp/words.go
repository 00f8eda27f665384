package mcp

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWord is the longest word that is kept, in bytes: what is longer is no word that anybody
// looks for, such as a key or an encoded picture.
const maxWord = 40

// words gives the words of a text, as they are looked for: in lower case, split where names are
// ("getRoom-by_id", "HTTPServer"), without the ending of a plural. Scripts that put no spaces
// between words give every two characters that stand together.
func words(text string, yield func(string)) {
	start, last := -1, rune(0)
	emit := func(end int) {
		if start >= 0 && end-start <= maxWord {
			yield(stem(strings.ToLower(text[start:end])))
		}
		start = -1
	}
	for i, r := range text {
		switch {
		case isSpaceless(r):
			emit(i)
			if isSpaceless(last) {
				yield(string(last) + string(r))
			} else if next, _ := utf8.DecodeRuneInString(text[i+utf8.RuneLen(r):]); !isSpaceless(next) {
				yield(string(r))
			}
		case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
			emit(i)
		case start < 0:
			start = i
		case unicode.IsUpper(r) && !unicode.IsUpper(last):
			emit(i)
			start = i
		case unicode.IsUpper(last) && unicode.IsUpper(r):
			if beginsWord(text[i+utf8.RuneLen(r):]) { // HTTPServer
				emit(i)
				start = i
			}
		}
		last = r
	}
	emit(len(text))
}

// beginsWord reports whether a capital in front of rest begins a word, and is not the last one of
// an abbreviation: that may have the ending of a plural, as in URLs.
func beginsWord(rest string) bool {
	next, n := utf8.DecodeRuneInString(rest)
	after, _ := utf8.DecodeRuneInString(rest[n:])
	return unicode.IsLower(next) && (next != 's' || unicode.IsLower(after))
}

// isSpaceless reports characters of scripts whose words nothing separates.
func isSpaceless(r rune) bool {
	return r >= 0x0E00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// stem takes the ending of an English plural off a word, so that rooms finds room. It leaves
// the endings that are no plural: class, status, analysis.
func stem(w string) string {
	n := len(w)
	switch {
	case w == "ids":
		return "id"
	case n < 4 || w[n-1] != 's':
		return w
	}
	switch {
	case strings.HasSuffix(w, "ies"):
		return w[:n-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "shes"):
		return w[:n-2]
	case strings.HasSuffix(w, "ss"), strings.HasSuffix(w, "us"), strings.HasSuffix(w, "is"):
		return w
	}
	return w[:n-1]
}
