package spec

import (
	"fmt"

	"capd/engine/diag"
)

// maxImports bounds the imports of a document.
const maxImports = 1000

// importedBytes is how many times the size of a document the files may have together that it
// imports from.
const importedBytes = 4

// importBudget is what a document may still import. Few lines can import much: each import
// takes a copy of what it names, which is compiled like the rest of the document.
type importBudget struct {
	lim     Limits
	imports int
	bytes   int64 // of the files, each location of one counted
	nodes   int   // values of imported entries
	counted map[*Value]int
	over    bool // the one finding about it was made
}

func newImportBudget(lim Limits) importBudget {
	lim = lim.orDefaults()
	return importBudget{lim: lim, imports: maxImports, bytes: importedBytes * lim.Bytes, nodes: lim.Nodes, counted: map[*Value]int{}}
}

// openedFile is what came of opening a location.
type openedFile struct {
	Opened
	err *OpenError
}

// openFile opens the file of an import, each location once, and takes its text from the budget.
func (r *resolver) openFile(imp *Import) (Opened, *OpenError) {
	key := [2]string{imp.Location.Span().File, imp.Location.Value}
	file, ok := r.files[key]
	if !ok {
		file.Opened, file.err = r.open(key[0], key[1])
		r.files[key] = file
		r.budget.bytes -= int64(len(file.Text))
	}
	return file.Opened, file.err
}

// affordsImport takes one import from the budget.
func (r *resolver) affordsImport(imp *Import) bool {
	r.budget.imports--
	return r.within(imp, r.budget.imports >= 0, "the document has more than %d imports", maxImports)
}

// affordsText reports whether the text of the files that were opened is within the budget.
func (r *resolver) affordsText(imp *Import) bool {
	return r.within(imp, r.budget.bytes >= 0, "the files that the document imports from have more than %d bytes together", importedBytes*r.budget.lim.Bytes)
}

// affordsEntry takes an imported entry from the budget.
func (r *resolver) affordsEntry(imp *Import, node *Value) bool {
	r.budget.nodes -= r.budget.count(node)
	return r.within(imp, r.budget.nodes >= 0, "what the document imports has more than %d values", r.budget.lim.Nodes)
}

// within reports what the budget does not have, at the first import that it does not have it for.
func (r *resolver) within(imp *Import, ok bool, format string, args ...any) bool {
	if ok || r.budget.over {
		return ok
	}
	r.budget.over = true
	at := imp.Span
	if imp.Location.IsSet() {
		at = imp.Location.Span()
	}
	r.found.Add(diag.Diagnostic{
		Code: diag.CodeTooLarge, Severity: diag.Error, Span: at, Path: imp.Node.Path(),
		Message: fmt.Sprintf(format, args...) + "; this import and those behind it are left out",
		Hint:    "import less, or split the document",
	})
	return false
}

// count gives the number of values in what an entry was read from.
func (b *importBudget) count(entry *Value) int {
	n, ok := b.counted[entry]
	if !ok {
		n = countValues(entry)
		b.counted[entry] = n
	}
	return n
}

func countValues(v *Value) int {
	n := 1
	if v == nil {
		return n
	}
	for _, item := range v.Items {
		n += countValues(item)
	}
	for i := range v.Members {
		n += countValues(v.Members[i].Value)
	}
	return n
}
