package plan

import (
	"errors"
	"fmt"

	"capd/engine/diag"
)

// ErrUnset is what BindOptions.Look gives for a variable without a value.
var ErrUnset = errors.New("not set")

// ErrUnread is what BindOptions.Look gives for a variable that may have a value, which a
// command that calls nobody does not fetch.
var ErrUnread = errors.New("not read")

// LookError says more about why a variable has no value. Its texts are fit for the author of
// the document: they name the location as it is written, and never a value.
type LookError struct {
	Unset bool // it is an ErrUnset: nothing is wrong but that there is no value
	Hint  string
	// Provider is set when no variable of the location can have a value here: what is wrong is
	// said once, of the location.
	Provider string
}

// Error gives what is wrong.
func (e *LookError) Error() string {
	if e.Provider != "" {
		return e.Provider
	}
	return e.Hint
}

// Is makes a LookError an [ErrUnset].
func (e *LookError) Is(target error) bool { return e.Unset && target == ErrUnset }

// lookUp finds the value of one variable. What is wrong with it is one finding, or one of its
// location for all variables that come from there.
func (o BindOptions) lookUp(u *Unit, v *Variable, grant *Grant, list *diag.List) boundValue {
	if err := grant.variable(v).refuse(u, v.Span, list); err != nil {
		return boundValue{err: err} // of a document whose last good state is older than the policy
	}
	value, err := Secret{}, ErrUnset
	if o.Look != nil {
		value, err = o.Look(u.ID, v)
	}
	more, _ := errors.AsType[*LookError](err)
	switch {
	case err == nil:
		return boundValue{value: value}
	case errors.Is(err, ErrUnread):
		if v.guards && o.Placeholders {
			o.reportMissing(u, v, nil, fmt.Sprintf("variable %s is not read here, so nobody can call the adapters that want it", v.Name), list)
		}
		return boundValue{value: NewSecret("<" + v.Name + ">"), placeholder: true}
	case o.Placeholders && errors.Is(err, ErrUnset):
		if v.guards {
			o.reportMissing(u, v, more, fmt.Sprintf("variable %s is not set, so nobody can call the adapters that want it", v.Name), list)
		}
		return boundValue{value: NewSecret("<" + v.Name + ">"), placeholder: true}
	}
	message := fmt.Sprintf("variable %s is not set", v.Name)
	if !errors.Is(err, ErrUnset) {
		message = fmt.Sprintf("variable %s cannot be read", v.Name)
	}
	o.reportMissing(u, v, more, message+", so "+v.missed(), list)
	return boundValue{err: &Error{Code: CodeNotConfigured, Message: message, Cause: err}}
}

func (o BindOptions) reportMissing(u *Unit, v *Variable, more *LookError, message string, list *diag.List) {
	d := diag.Diagnostic{
		Code: diag.CodeMissingVariable, Severity: diag.Warning, Rule: "V5", Span: v.Span,
		Unit: diag.Unit{Doc: u.ID}, Message: message,
		Hint: fmt.Sprintf("set %s in the environment or in an --env-file", v.Name),
	}
	if v.Location != nil {
		d.Hint = "look at " + v.Location.Text
	}
	if more != nil && more.Provider != "" && v.Location != nil {
		d.Code, d.Span, d.Message = diag.CodeBindProvider, v.Location.Span, more.Provider+", so what needs its variables fails"
	}
	if more != nil {
		d.Hint = more.Hint
	}
	for _, known := range *list {
		if d.Code == diag.CodeBindProvider && known.Code == d.Code && known.Span == d.Span && known.Unit == d.Unit && known.Message == d.Message {
			return
		}
	}
	list.Add(d)
}

// missed says what cannot be done without the variable.
func (v *Variable) missed() string {
	switch {
	case v.guards && v.calls:
		return "operations that use it fail, and nobody can call the adapters that want it"
	case v.guards:
		return "nobody can call the adapters that want it"
	}
	return "operations that use it fail"
}
