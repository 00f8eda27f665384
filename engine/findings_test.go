package engine

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"capd/engine/diag"
)

// TestFindingsPointAtTheCulprit: each document is wrong between its marks, and says what was
// meant. Nothing else is reported of it.
func TestFindingsPointAtTheCulprit(t *testing.T) {
	t.Parallel()
	const (
		head     = "naftiko: 1.0.0-alpha2\n"
		bound    = head + "binds:\n- { namespace: vars, keys: { ROOMS_TOKEN: ROOMS_TOKEN } }\n"
		consumes = "capability:\n  consumes:\n  - type: http\n    namespace: rooms-api\n    baseUri: https://rooms.example.com\n"
		list     = "    resources:\n    - path: /rooms\n      operations:\n      - { name: list-rooms }\n"
		floor    = "    resources:\n    - path: /rooms\n      operations:\n      - name: list-rooms\n        inputParameters:\n        - { name: floor, in: query, type: integer }\n"
		room     = "    resources:\n    - path: /rooms/{id}\n      operations:\n      - { name: get-room }\n"
		mcp      = "  exposes:\n  - type: mcp\n    namespace: rooms-mcp\n    port: 9091\n    tools:\n"
		tool     = "    - { name: t, description: T, call: rooms-api.list-rooms }\n"
		rest     = "  exposes:\n  - type: rest\n    namespace: rooms-rest\n    port: 9090\n    resources:\n    - path: /rooms\n      operations:\n"
	)
	body := func(data string) string {
		return bound + consumes + "    resources:\n    - path: /rooms\n      operations:\n      - name: create-room\n        method: POST\n        body:\n          type: json\n          data: " +
			data + mcp + "    - { name: t, description: T, call: rooms-api.create-room }\n"
	}
	for _, tt := range []struct {
		name, text string
		code       diag.Code
		hint       string
	}{
		// What names were meant.
		{"operation", head + consumes + list + mcp + "    - { name: t, description: T, call: rooms-api.⟦list-room⟧ }\n", diag.CodeUnresolvedOperation, "did you mean rooms-api.list-rooms?"},
		{"namespace", head + consumes + list + mcp + "    - { name: t, description: T, call: ⟦room-api⟧.list-rooms }\n" + strings.Replace(tool, "name: t", "name: u", 1), diag.CodeUnresolvedNamespace, "did you mean rooms-api?"},
		{"namespace that is longer", head + consumes + list + mcp + "    - { name: t, description: T, call: ⟦rooms⟧.list-rooms }\n" + strings.Replace(tool, "name: t", "name: u", 1), diag.CodeUnresolvedNamespace, "did you mean rooms-api?"},
		{"keyword", head + consumes + list + mcp + "    - { name: t, ⟦desciption⟧: T, call: rooms-api.list-rooms }\n", diag.CodeUnknownKey, `did you mean "description"?`},
		{"key of with", head + consumes + floor + mcp + "    - { name: t, description: T, call: rooms-api.list-rooms, with: { ⟦flor⟧: 3 } }\n", diag.CodeAssumed, "did you mean floor?"},
		{"declared input", head + consumes + floor + mcp + "    - { name: t, description: T, call: rooms-api.list-rooms, inputParameters: [⟦{ name: flor, type: integer, description: F⟧ }] }\n", diag.CodeUnboundInput, "did you mean floor?"},
		{"input that with reads", head + consumes + room + rest + "      - { name: r, method: GET, path: '/⟦{roomId}⟧', call: rooms-api.get-room, with: { id: rest.roomIds } }\n", diag.CodeUnusedPathInput, "with reads rest.roomIds, did you mean rest.roomId?"},
		{"variable", bound + consumes + "    authentication: { type: bearer, token: '⟦{{Rooms_Token}}⟧' }\n" + list + mcp + tool, diag.CodeAuthUnresolved, "did you mean {{ROOMS_TOKEN}}?"},
		{"variable of a namespace", bound + consumes + floor + mcp + "    - { name: t, description: T, call: rooms-api.list-rooms, with: { floor: '⟦{{vars.ROOM_TOKEN}}⟧' } }\n", diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"authentication", bound + consumes + "    authentication: { type: ⟦baerer⟧, token: '{{ROOMS_TOKEN}}' }\n" + list + mcp + tool, diag.CodeAuthUnsupported, "did you mean bearer?"},
		{"adapter", head + consumes + list + mcp + tool + "  - type: ⟦rests⟧\n    namespace: r\n    port: 9092\n", diag.CodeUnsupportedAdapter, "did you mean rest?"},
		{"root", "naftiko: 1.0.0-alpha2\ncapabilty:\n  exposes: []\n", diag.CodeNotACapability, `did you mean "capability" instead of "capabilty"?`},

		// Where they stand inside of values.
		{"literal block", body("|\n            {\"title\": \"é {{title}}\",\n             \"by\": \"⟦{{vars.ROOM_TOKEN}}⟧\"}\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"folded block", body(">-\n            {\"title\": \"{{title}}\",\n            \"by\": \"⟦{{vars.ROOM_TOKEN}}⟧\"}\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"escapes", body(`{ by: "\u00e9\t\"⟦{{vars.ROOM_TOKEN}}⟧" }` + "\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"single quotes", body(`{ by: 'it''s ⟦{{vars.ROOM_TOKEN}}⟧' }` + "\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"over several lines", body("\n            by: a long\n              text of ⟦{{vars.ROOM_TOKEN}}⟧\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"wide characters", body("{ by: '部屋 ⟦{{vars.ROOM_TOKEN}}⟧' }\n"), diag.CodeUndeclaredVariable, "did you mean ROOMS_TOKEN?"},
		{"fragment", head + consumes + "    resources:\n    - path: /rooms⟦#free⟧\n      operations:\n      - { name: list-rooms }\n" + mcp + tool, diag.CodePathFragment, "as part of the path"},
		{"alternatives", head + consumes + "    resources:\n    - path: /rooms\n      operations:\n      - { name: list-rooms, path: /a⟦|⟧b }\n" + mcp + tool, diag.CodePathAlternatives, "one operation for each"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, want := marked(tt.text)
			list := example(t, text, true)
			if len(list) != 1 || list[0].Code != tt.code || !strings.Contains(list[0].Hint, tt.hint) {
				t.Fatalf("got %v, want %s alone, with the hint %q", list, tt.code, tt.hint)
			}
			if want.Start.IsValid() && (list[0].Span.Start != want.Start || list[0].Span.End != want.End) {
				t.Errorf("it stands at %v to %v, want %v to %v", list[0].Span.Start, list[0].Span.End, want.Start, want.End)
			}
			wording(t, list[0])
		})
	}
}

// marked takes the marks out of a text and gives the place between them.
func marked(text string) (string, diag.Span) {
	var s diag.Span
	for _, m := range []struct {
		mark string
		pos  *diag.Pos
	}{{"⟦", &s.Start}, {"⟧", &s.End}} {
		if before, after, ok := strings.Cut(text, m.mark); ok {
			line := before[strings.LastIndexByte(before, '\n')+1:]
			*m.pos = diag.Pos{Line: strings.Count(before, "\n") + 1, Col: utf8.RuneCountInString(line) + 1}
			text = before + after
		}
	}
	return text, s
}

// TestOneMistakeIsAHandfulOfLines: what is wrong once is reported once, however many
// operations it refuses.
func TestOneMistakeIsAHandfulOfLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := plainDocument("127.0.0.1", "9091")
	text = strings.Replace(text, "    resources:\n", "    authentication: { type: kerberos }\n    resources:\n", 1)
	one := "{ name: list-rooms, call: rooms.list-rooms }"
	var tools []string
	for i := range 40 {
		tools = append(tools, strings.Replace(one, "name: list-rooms", "name: t"+strings.Repeat("x", i), 1))
	}
	place(t, filepath.Join(dir, "rooms.yaml"), strings.Replace(text, one, strings.Join(tools, ", "), 1))
	list := loaded(t, dir, LoadOptions{Paths: []string{dir}}, true)
	if len(list) != 1 || list[0].Code != diag.CodeAuthUnsupported {
		t.Fatalf("got %v, want one problem", list)
	}
	related := list[0].Related
	if n := len(related); n > 7 || related[n-1].Message != "and 34 more, refused for the same reason" {
		t.Errorf("got %d places: %v", n, related)
	}
	if !slices.ContainsFunc(related, func(r diag.Related) bool { return r.Message == "tool t is not served" }) {
		t.Errorf("the first tool is not named: %v", related)
	}
}
