package plan

import (
	"fmt"
	"regexp"
	"strings"

	"capd/engine/diag"
	"capd/engine/spec"
)

// Location is a place other than the process environment that holds values.
type Location struct {
	Text   string // as it is written, such as file:///./secrets.yaml or vault://kv/team/api
	Scheme string // in lower case; file for a path
	// File is where a file or a folder of files is. Of another scheme it is zero.
	File FilePlace
	// Keys is how many variables the bind reads there: a file of one value suits only one.
	Keys int
	Span diag.Span
}

// String gives the location as it is written.
func (l *Location) String() string { return l.Text }

// bindKey is one variable that a bind declares.
type bindKey struct {
	key, source spec.Text
	namespace   string
	located     *located // nil for the environment
}

// located is the location of a bind. Where it is is found when the first variable is used.
type located struct {
	text  spec.Text
	keys  int
	known bool
	place *Location
	fault *fault
}

// bindTable is what the binds of one file declare.
type bindTable struct {
	namespaces map[string]bool
	keys       map[string]*bindKey            // by key, of any namespace: the first wins
	qualified  map[string]map[string]*bindKey // by namespace, then key
	others     map[string]*bindKey            // keys of another namespace too, with another meaning
}

func newBindTable(binds []spec.Bind) *bindTable {
	t := &bindTable{
		namespaces: map[string]bool{}, keys: map[string]*bindKey{},
		qualified: map[string]map[string]*bindKey{}, others: map[string]*bindKey{},
	}
	for i := range binds {
		b := &binds[i]
		ns := b.Namespace.Value
		t.namespaces[ns] = true
		if t.qualified[ns] == nil {
			t.qualified[ns] = map[string]*bindKey{}
		}
		var at *located
		if strings.TrimSpace(b.Location.Value) != "" {
			at = &located{text: b.Location, keys: len(b.Keys)}
		}
		for _, k := range b.Keys {
			t.add(&bindKey{key: k.Key, source: k.Source, namespace: ns, located: at})
		}
	}
	return t
}

func (t *bindTable) add(k *bindKey) {
	name := k.key.Value
	if t.qualified[k.namespace][name] == nil {
		t.qualified[k.namespace][name] = k
	}
	first := t.keys[name]
	switch {
	case first == nil:
		t.keys[name] = k
	case t.others[name] == nil && first.namespace != k.namespace && first.identity() != k.identity():
		t.others[name] = k
	}
}

// find gives the key that a name means: of the namespace if it is not empty, else of any. env
// is the environment, and any bind that says nothing else.
func (t *bindTable) find(ns, key string) *bindKey {
	if ns == "" {
		return t.keys[key]
	}
	if b := t.qualified[ns][key]; b != nil || ns != "env" {
		return b
	}
	return t.keys[key]
}

// identity tells where a value comes from, so that a value is looked up once.
func (k *bindKey) identity() string {
	if k.located == nil {
		return "\x00" + k.name()
	}
	return k.located.text.Span().File + "\x00" + k.located.text.Value + "\x00" + k.name()
}

// name is what the variable is called at its source.
func (k *bindKey) name() string {
	if k.source.Value != "" {
		return k.source.Value
	}
	return k.key.Value
}

// tableOf gives the binds that a text of a file may name: those of the document, and those of
// the file that it was imported from.
func (v *variables) tableOf(file string) *bindTable {
	if file == v.c.doc.File {
		return nil
	}
	t, known := v.parts[file]
	if !known {
		t = newBindTable(v.c.doc.BindsOf(file))
		v.parts[file] = t
	}
	return t
}

// declared gives the key that a name in a text of a file means. The document's own binds
// come first: who imports decides.
func (v *variables) declared(ns, key, file string) *bindKey {
	if b := v.bindTable.find(ns, key); b != nil {
		return b
	}
	if t := v.tableOf(file); t != nil {
		return t.find(ns, key)
	}
	return nil
}

// variable gives the variable of a declared key.
func (v *variables) variable(b *bindKey, at diag.Span, where usage) (*Variable, *fault) {
	fresh := &Variable{Name: b.name(), Source: b.name(), Namespace: b.namespace, Key: b.key.Value, Declared: true, Span: b.key.Span()}
	if b.located == nil {
		return v.use(b.identity(), fresh, at, where)
	}
	place, f := v.place(b.located)
	if f != nil {
		return nil, f
	}
	fresh.Name, fresh.Location = b.key.Value, place
	return v.use(b.identity(), fresh, at, where)
}

var schemePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// place finds the place of a location.
func (v *variables) place(l *located) (*Location, *fault) {
	if l.known {
		return l.place, l.fault
	}
	l.known = true
	text := strings.TrimSpace(l.text.Value)
	scheme := strings.ToLower(strings.TrimSuffix(schemePattern.FindString(text), ":"))
	if len(scheme) == 1 { // the letter of a drive
		scheme = ""
	}
	if _, rest, ok := strings.Cut(text, "://"); ok && scheme != "file" {
		if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
			l.fault = faultf(diag.CodeBindLocation, "V1", l.text.Span(), "the location of the bind holds a user name or password").
				hintf("write the location without it; how capd identifies itself is a matter of its flags")
			return nil, l.fault
		}
	}
	l.place = &Location{Text: text, Scheme: scheme, Keys: l.keys, Span: l.text.Span()}
	if scheme != "" && scheme != "file" {
		return l.place, nil
	}
	l.place.Scheme = "file"
	if v.c.files == nil {
		return l.place, nil
	}
	at, err := v.c.files.Place(l.text.Span().File, text)
	if err != nil {
		l.place, l.fault = nil, faultf(diag.CodeBindLocation, "V1", l.text.Span(), "cannot bind: %v", err)
		if hint := hintOutside(err); hint != "" {
			l.fault.hintf("%s", hint)
		}
		return nil, l.fault
	}
	l.place.File = at
	return l.place, nil
}

// noteAmbiguous warns of a plain name that several binds declare with different meanings.
func (v *variables) noteAmbiguous(b *bindKey, at diag.Span) {
	other := v.others[b.key.Value]
	if other == nil || v.keys[b.key.Value] != b {
		return
	}
	f := faultf(diag.CodeAssumed, "E2", at, "binds %s and %s both declare %s; that of %s is used", quoted(b.namespace), quoted(other.namespace), b.key.Value, quoted(b.namespace)).
		hintf("write {{%s.%s}} to choose", b.namespace, b.key.Value)
	f.related = []diag.Related{{Span: b.key.Span(), Message: "the one that is used"}, {Span: other.key.Span(), Message: "the other one"}}
	v.c.note(diag.Warning, diag.Unit{}, f)
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
