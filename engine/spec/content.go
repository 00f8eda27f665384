package spec

import "capd/engine/diag"

// ContentItem is one item of what a tool answers or a prompt says. Its texts are templates.
type ContentItem struct {
	Span        diag.Span
	Node        *Value // what it was read from; a text when the item is one
	Type        Text   // text, image, audio, resource, resource_link, or as written
	Text        Text
	Data        Text // base64, or a mapping
	Location    Text // a file that has the text or the data
	Resource    Text // the name of a resource of the same adapter, whose content or address it has
	MimeType    Text
	URI         Text
	Name        Text
	Title       Text
	Description Text
	Size        Text
	Each        Text // the list for each of whose elements there is an item
	Annotations *ContentAnnotations
}

// ContentAnnotations say whom something is for. Nil says nothing.
type ContentAnnotations struct {
	Node         *Value // what it was read from
	Audience     []Text
	Priority     Text
	LastModified Text
}

// Icon is a picture that clients show for something.
type Icon struct {
	Span     diag.Span
	Node     *Value // what it was read from
	Src      Text
	MimeType Text
	Sizes    []Text
	Theme    Text
}

const (
	contentKeys = "type text data location resource mimeType uri name title description size each annotations"

	contentAnnotationKeys = "audience priority lastModified"

	iconKeys = "src mimeType sizes theme"
)

// content reads what is said under a key: a list of items. A text is an item of type text, and a
// mapping is a list of one.
func (p *parser) content(v *Value, key string) []ContentItem {
	list := some(v, key)
	switch {
	case list == nil:
		return nil
	case list.Kind != List:
		return p.contentItem(list, nil)
	}
	out := make([]ContentItem, 0, len(list.Items))
	for _, item := range list.Items {
		out = p.contentItem(item, out)
	}
	return out
}

// contentItem adds an item to out.
func (p *parser) contentItem(v *Value, out []ContentItem) []ContentItem {
	if bare := p.bareBraces(v); bare != nil {
		v = bare
	}
	if v.Kind == String {
		return append(out, ContentItem{Span: v.Span(), Node: v, Text: v.AsText()})
	}
	if v.Kind != Map {
		p.dropped(v, "content item", diag.Warning)
		return out
	}
	p.keys(v, contentKeys, "")
	return append(out, ContentItem{
		Span: v.Span(), Node: v, Type: p.text(v, "type"), Text: p.text(v, "text"), Data: p.text(v, "data"),
		Location: p.text(v, "location"), Resource: p.text(v, "resource"), MimeType: p.text(v, "mimeType"), URI: p.text(v, "uri"),
		Name: p.text(v, "name"), Title: p.text(v, "title"), Description: p.text(v, "description"),
		Size: p.text(v, "size"), Each: p.text(v, "each"), Annotations: p.contentAnnotations(v),
	})
}

// contentAnnotations reads the key annotations of something.
func (p *parser) contentAnnotations(v *Value) *ContentAnnotations {
	a := some(v, "annotations")
	if a == nil {
		return nil
	}
	if a.Kind != Map {
		p.wrongType(a, "annotations", "a mapping")
		return nil
	}
	p.keys(a, contentAnnotationKeys, "")
	return &ContentAnnotations{Node: a, Audience: p.texts(a, "audience"), Priority: p.text(a, "priority"), LastModified: p.text(a, "lastModified")}
}

// icons reads the key icons of something: a list of mappings. A text is the address of a picture.
func (p *parser) icons(v *Value) []Icon {
	list := some(v, "icons")
	if list == nil {
		return nil
	}
	items := []*Value{list}
	if list.Kind == List {
		items = list.Items
	}
	var out []Icon
	for _, item := range items {
		switch item.Kind {
		case Map:
			p.keys(item, iconKeys, "")
			out = append(out, Icon{
				Span: item.Span(), Node: item, Src: p.text(item, "src"), MimeType: p.text(item, "mimeType"),
				Sizes: p.texts(item, "sizes"), Theme: p.text(item, "theme"),
			})
		case String:
			out = append(out, Icon{Span: item.Span(), Node: item, Src: item.AsText()})
		default:
			p.dropped(item, "icon", diag.Warning)
		}
	}
	return out
}
