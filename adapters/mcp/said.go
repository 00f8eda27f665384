package mcp

import (
	"cmp"
	"strings"

	"capd/engine/plan"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// The versions of the protocol that brought kinds of content.
const (
	firstAudio = "2025-03-26"
	firstLink  = "2025-06-18"
)

// speaker writes what documents say for one client.
type speaker struct {
	version string              // of the protocol; empty when not known
	address func(string) string // the URI by which the client knows a resource; nil: as it is
	uri     string              // names what has no name of its own
}

// saying makes a tool's result of what the document says that it answers.
func (s *speaker) saying(out *plan.Result) *sdk.CallToolResult {
	res := &sdk.CallToolResult{Content: []sdk.Content{}, IsError: out.IsError}
	for i := range out.Content {
		res.Content = append(res.Content, s.content(&out.Content[i]))
	}
	return res
}

// content gives one item. What the client's version of the protocol does not know is said in
// another way.
func (s *speaker) content(c *plan.ContentItem) sdk.Content {
	a := annotations(c.Annotations)
	switch c.Kind {
	case plan.ImageContent:
		return &sdk.ImageContent{Data: c.Data, MIMEType: mediaOf(c), Annotations: a}
	case plan.AudioContent:
		if s.lacks(firstAudio) {
			return &sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: s.uri, MIMEType: mediaOf(c), Blob: c.Data}, Annotations: a}
		}
		return &sdk.AudioContent{Data: c.Data, MIMEType: mediaOf(c), Annotations: a}
	case plan.ResourceContent:
		r := embedded(c)
		r.URI = s.addressOf(c.URI)
		return &sdk.EmbeddedResource{Resource: r, Annotations: a}
	case plan.LinkContent:
		return s.link(c, a)
	}
	return &sdk.TextContent{Text: c.Text, Annotations: a}
}

func (s *speaker) link(c *plan.ContentItem, a *sdk.Annotations) sdk.Content {
	uri := s.addressOf(c.URI)
	if s.lacks(firstLink) {
		text := cmp.Or(c.Title, c.Name) + ": " + uri
		if c.Description != "" {
			text += "\n" + c.Description
		}
		return &sdk.TextContent{Text: text, Annotations: a}
	}
	link := &sdk.ResourceLink{URI: uri, Name: c.Name, Title: c.Title, Description: c.Description, MIMEType: c.MimeType, Annotations: a}
	if c.Size > 0 {
		link.Size = &c.Size
	}
	return link
}

// lacks reports whether the client is known to speak a version of before first.
func (s *speaker) lacks(first string) bool { return s.version != "" && s.version < first }

func (s *speaker) addressOf(uri string) string {
	if s.address == nil {
		return uri
	}
	return s.address(uri)
}

// embedded gives a resource that stands in an answer: text where it is text.
func embedded(c *plan.ContentItem) *sdk.ResourceContents {
	switch {
	case c.Data == nil:
		r := &sdk.ResourceContents{MIMEType: c.MimeType, Text: c.Text}
		if r.Text == "" {
			r.Blob = []byte{} // clients want one of the two, and the SDK leaves out an empty text
		}
		return r
	case c.File != "":
		return contents(c.Data, cmp.Or(c.MimeType, typeByName(c.File)), false, "text/plain")
	}
	return contents(c.Data, c.MimeType, true, "")
}

// mediaOf gives the type of a picture or a sound, which clients want to know.
func mediaOf(c *plan.ContentItem) string {
	return cmp.Or(c.MimeType, typeByName(c.File), sniffed(c.Data), octetStream)
}

func annotations(a *plan.ContentAnnotations) *sdk.Annotations {
	if a == nil {
		return nil
	}
	out := &sdk.Annotations{LastModified: a.LastModified}
	for _, role := range a.Audience {
		out.Audience = append(out.Audience, sdk.Role(role))
	}
	if a.Priority != nil {
		out.Priority = *a.Priority
	}
	return out
}

func icons(all []plan.Icon) []sdk.Icon {
	var out []sdk.Icon
	for _, x := range all {
		out = append(out, sdk.Icon{Source: x.Src, MIMEType: x.MimeType, Sizes: x.Sizes, Theme: sdk.IconTheme(x.Theme)})
	}
	return out
}

// addresses gives how the clients of a view know the resources of one of its members; nil where
// they know them as the document does.
func (l *library) addresses(prefix string) func(string) string {
	if prefix == "" {
		return nil
	}
	return func(uri string) string {
		if v, _ := l.find(prefix + uri); v != nil && strings.HasPrefix(v.uri(), prefix) {
			return prefix + uri
		}
		return uri
	}
}
