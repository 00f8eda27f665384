// Package portable writes what a tool is called and takes in the words that every MCP client
// in the field accepts. Names keep to letters, digits, "_" and "-"; schemas lose what some
// client refuses, and say it in a description instead. What was renamed is known, so that
// arguments come back under their declared names.
//
// Values go in and values come out: it knows neither the protocol nor its SDK.
package portable
