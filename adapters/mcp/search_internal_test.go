package mcp

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/plan"
)

func wordsOf(text string) []string {
	var out []string
	words(text, func(w string) { out = append(out, w) })
	return out
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"getRoom-by_id":                "get room by id",
		"list.rooms":                   "list room",
		"HTTPServerURLs":               "http server url",
		"ListInvoices v2 userIDs ids":  "list invoice v2 user id id",
		"policies boxes classes":       "policy box class",
		"status analysis bus gas this": "status analysis bus gas this",
		"Räume für Gäste":              "räume für gäste",
		"创建房间 room":                    "创建 建房 房间 room",
		"房":                            "房",
		"":                             "",
		" -_. ":                        "",
		strings.Repeat("x", maxWord+1): "",
	} {
		if got := strings.Join(wordsOf(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzWords: words are short, in lower case and without what separates them; what is a word is
// one by itself too.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"getRoom", "HTTPServer_x", "房间ab房", "\xff\xfeA", "éÉ", "a\u0301B", "ǅ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		letters := 0
		for _, w := range wordsOf(text) {
			letters += len(w)
			if w == "" || utf8.RuneCountInString(w) > maxWord || strings.ContainsAny(w, " -_./") {
				t.Errorf("%q of %q is no word", w, text)
			}
			if len(w) > 8*maxWord {
				t.Errorf("%d bytes in a word", len(w))
			}
		}
		if letters > 4*len(text)+8 {
			t.Errorf("%d bytes of words from %d", letters, len(text))
		}
		if again := wordsOf(text); !slices.Equal(again, wordsOf(text)) {
			t.Error("not the same twice")
		}
	})
}

// catalogueOf is a catalogue of tools: name, description and arguments, separated by "|".
func catalogueOf(tools ...string) *catalogue {
	x := &plan.Exposure{Unit: &plan.Unit{ID: "d", Label: "House"}}
	for _, line := range tools {
		part := strings.Split(line+"||", "|")
		schema := `{"type":"object","properties":{`
		for i, name := range strings.Fields(part[2]) {
			if i > 0 {
				schema += ","
			}
			schema += `"` + name + `":{"description":"about ` + name + `"}`
		}
		x.Tools = append(x.Tools, &plan.Tool{Name: part[0], Description: part[1], InputSchema: []byte(schema + "}}")})
	}
	v := plan.Single(&plan.Mount{Exposure: x})
	c := newCatalogue(v)
	c.offerSearch(v)
	return c
}

// TestRanking: what comes first, and what is not found.
func TestRanking(t *testing.T) {
	t.Parallel()
	c := catalogueOf(
		"create_invoice|Create an invoice for a customer.|customer amount",
		"list_invoices|List the invoices of a customer.|customer",
		"getRoom|Get one room of a building.|room_id",
		"list.rooms|List rooms.|floor",
		"invoice|Something else.|",
		"delete-booking|Removes what was booked in a room.|booking_id",
		"zz|An invoice is named invoice; invoice, invoice, invoice.|",
	)
	for query, want := range map[string]string{
		"invoice":         "invoice list_invoices create_invoice zz",
		"invoices":        "invoice list_invoices create_invoice zz",
		"create invoice":  "create_invoice",
		"list_invoices":   "list_invoices",
		"LIST.ROOMS":      "list.rooms",
		"invoi":           "invoice",
		"floor":           "list.rooms",
		"rooms":           "getRoom list.rooms delete-booking",
		"booking":         "delete-booking",
		"nothing at all!": "",
		"building house":  "getRoom", // the label of all of them says little
		"":                "create_invoice list_invoices getRoom",
	} {
		entries, _ := c.finder.find(query, 50, func(*entry) bool { return true })
		var got []string
		for _, e := range entries {
			got = append(got, e.tool.Name)
		}
		if g := strings.Join(got, " "); !strings.HasPrefix(g, want) || want == "" && g != "" {
			t.Errorf("%q: %s, want %s", query, g, want)
		}
	}
}
