package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"capd/engine/diag"
	"capd/engine/script"
	"capd/engine/spec"
)

// ScriptRunner runs the programs of script steps. lim is what the document asks for; zero
// fields leave it to the runner. input is a JSON object. result is compact JSON, and set is
// false when the script gave none. The error is a *script.Error, an *Error, or that of ctx.
//
// A nil ScriptRunner runs programs in this process, with the defaults of [script.Limits].
type ScriptRunner interface {
	Run(ctx context.Context, p *script.Program, lim script.Limits, input []byte) (result []byte, set bool, err error)
}

// runScript runs a program and says in words for a caller why it failed.
func runScript(ctx context.Context, r ScriptRunner, p *script.Program, lim script.Limits, input []byte) (result []byte, set bool, err error) {
	if r == nil {
		result, set, err = p.Run(ctx, input, lim.Within(script.Limits{Time: script.DefaultTime}))
	} else {
		result, set, err = r.Run(ctx, p, lim, input)
	}
	if err != nil {
		return nil, false, scriptError(p, err)
	}
	return result, set, nil
}

// scriptError gives a failed run as the failure of a call. The place in the script is for
// the log.
func scriptError(p *script.Program, err error) error {
	var failed *script.Error
	if !errors.As(err, &failed) {
		return AsError(err)
	}
	message := " failed: " + failed.Message
	if said, ok := strings.CutPrefix(failed.Message, "the script "); ok && failed.Kind != script.Exception {
		message = " " + said
	} else if failed.Kind != script.Exception {
		message = ": " + failed.Message
	}
	return &Error{Code: CodeStepFailed, Message: fmt.Sprintf("script %q%s", p.Name(), message), Cause: err}
}

// scripting is what the first control adapter of a document says of its scripts.
type scripting struct {
	node     *spec.Value // nil when it says nothing
	limits   script.Limits
	language spec.Text
	location spec.Text
	allowed  []spec.Text
}

func (c *compiler) scripting() scripting {
	for i := range c.doc.Exposes {
		if Kind(strings.ToLower(c.doc.Exposes[i].Type.Value)) != Control {
			continue
		}
		node := c.doc.Exposes[i].Node.Get("management").Get("scripting")
		s := scripting{node: node, language: node.Get("defaultLanguage").AsText(), location: node.Get("defaultLocation").AsText()}
		if ms := wholeNumber(node.Get("timeout")); ms > 0 && ms < int64(time.Hour/time.Millisecond) {
			s.limits.Time = time.Duration(ms) * time.Millisecond
		}
		if n := wholeNumber(node.Get("statementLimit")); n > 0 {
			s.limits.Steps = uint64(n)
		}
		if list := node.Get("allowedLanguages"); list != nil {
			for _, v := range list.Items {
				s.allowed = append(s.allowed, v.AsText())
			}
		}
		return s
	}
	return scripting{}
}

// wholeNumber gives 0 for what is none.
func wholeNumber(v *spec.Value) int64 {
	n, err := strconv.ParseInt(v.AsText().Value, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// compileScript compiles the script of a step, with the limits that the document sets.
func (c *compiler) compileScript(st *spec.Step) (*script.Program, script.Limits, *fault) {
	s := c.scripting()
	if off := s.node.Get("enabled"); off != nil && off.Kind == spec.Bool && off.Text == "false" {
		return nil, s.limits, faultf(diag.CodeUnsupportedFeature, "", st.Span, "step %s is a script, and this document switches scripts off", st.Name.Value).
			hintf("set management.scripting.enabled of its control adapter to true")
	}
	if d := c.grant.script(); d != nil {
		return nil, s.limits, d.fault(st.Span)
	}
	if !st.File.IsSet() || st.File.Value == "" {
		return nil, s.limits, faultf(diag.CodeScript, "", st.Span, "step %s is a script without a file", st.Name.Value).
			hintf("write file: and the script's file name")
	}
	lang, f := s.languageOf(st)
	if f != nil {
		return nil, s.limits, f
	}
	var dependencies []script.Source
	for _, d := range st.Dependencies {
		source, f := c.readScript(&s, st, d)
		if f != nil {
			return nil, s.limits, f
		}
		dependencies = append(dependencies, source)
	}
	main, f := c.readScript(&s, st, st.File)
	if f != nil {
		return nil, s.limits, f
	}
	p, err := script.Compile(lang, main, dependencies)
	if err != nil {
		return nil, s.limits, badScript(st, err)
	}
	return p, s.limits, nil
}

// languageOf gives the language of a step: its own, else what the file's ending says, else
// the default of the document.
func (s *scripting) languageOf(st *spec.Step) (script.Language, *fault) {
	at, lang, known := st.Language, script.Language(0), false
	switch {
	case st.Language.IsSet():
		lang, known = script.Parse(st.Language.Value)
	default:
		at = st.File
		if lang, known = script.OfFile(st.File.Value); !known && s.language.IsSet() {
			at = s.language
			lang, known = script.Parse(s.language.Value)
		}
	}
	switch {
	case !known:
		return 0, faultf(diag.CodeScript, "", at.Span(), "step %s does not say in which language its script is written", st.Name.Value).
			hintf("write language: javascript or language: python")
	case !lang.Runs():
		return 0, notRun(st, at, lang)
	case !s.allows(lang):
		return 0, faultf(diag.CodeUnsupportedFeature, "", at.Span(), "step %s is written in %s, which allowedLanguages of the control adapter does not list", st.Name.Value, lang).
			hintf("add %s to management.scripting.allowedLanguages", lang)
	}
	return lang, nil
}

// notRun shows what the step looks like in a language that is run.
func notRun(st *spec.Step, at spec.Text, lang script.Language) *fault {
	file := st.File.Value
	if dot := strings.LastIndexByte(file, '.'); dot > 0 {
		file = file[:dot]
	}
	return faultf(diag.CodeUnsupportedFeature, "", at.Span(), "step %s is written in %s, which capd does not run", st.Name.Value, lang).
		hintf("write language: javascript and file: %s.js, a script such as: const items = context[\"previous-step\"]; var result = items.filter(i => i.active);", file)
}

func (s *scripting) allows(lang script.Language) bool {
	for _, t := range s.allowed {
		if l, ok := script.Parse(t.Value); ok && l == lang {
			return true
		}
	}
	return len(s.allowed) == 0
}

var scriptSegment = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

// readScript reads a file of a step. A file name is a relative path of plain segments below
// the location of the step.
func (c *compiler) readScript(s *scripting, st *spec.Step, file spec.Text) (script.Source, *fault) {
	for segment := range strings.SplitSeq(file.Value, "/") {
		if !scriptSegment.MatchString(segment) || strings.Trim(segment, ".") == "" {
			return script.Source{}, faultf(diag.CodeScript, "", file.Span(), "%q is no name of a script file", file.Value).
				hintf("write a path below the step's location, of letters, digits, dots, hyphens and underscores, with / between folders")
		}
	}
	at, location := file, file.Value
	if folder := s.folder(st); folder.Value != "" {
		at, location = folder, strings.TrimSuffix(folder.Value, "/")+"/"+file.Value
	}
	if c.files == nil {
		return script.Source{}, faultf(diag.CodeScript, "", file.Span(), "the script %s cannot be read: this document has no files", file.Value)
	}
	text, err := c.files.Read(at.Span().File, location)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return script.Source{}, faultf(diag.CodeScript, "", file.Span(), "the script %s does not exist", location).
			hintf("file and dependencies are looked for in location, which is the document's folder unless the step or the control adapter names one")
	case err != nil:
		return script.Source{}, faultf(diag.CodeScript, "", file.Span(), "the script cannot be read: %v", err)
	}
	return script.Source{Name: file.Value, Text: text}, nil
}

// folder gives the location of the step's files; empty for the document's folder.
func (s *scripting) folder(st *spec.Step) spec.Text {
	if st.Location.IsSet() {
		return st.Location
	}
	return s.location
}

// badScript reports a script that does not compile, at the name of its file.
func badScript(st *spec.Step, err error) *fault {
	at := st.File
	var syntax *script.SyntaxError
	if errors.As(err, &syntax) {
		for _, d := range st.Dependencies {
			if d.Value == syntax.Name {
				at = d
			}
		}
	}
	return faultf(diag.CodeScript, "", at.Span(), "the script of step %s does not compile: %v", st.Name.Value, err)
}
