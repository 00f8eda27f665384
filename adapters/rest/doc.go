// Package rest serves the REST exposures of a plan over HTTP.
//
// Every exposure answers under /apis/<document>, and its routes also at the path they
// declare. Echo holds context, recovery and error handling behind one catch-all; which
// operation answers is decided by a table of capd's own, because the language's routes
// (contract X) need more than a web framework's patterns can say.
//
// What an operation does is not known here: the adapter turns a request into a
// [plan.Source], runs the operation, and writes its result or its error.
package rest
