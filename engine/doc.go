// Package engine is the shell around the core: files, listeners, lifecycle and swapping. It
// turns a list of paths into sockets that answer, and does it again on every reload.
//
// # The house
//
//	cmd/capd          main, one file per command, the only list of adapters
//	engine            this package: files, sockets, swapping
//	  engine/spec     YAML text to a syntax tree with positions
//	  engine/expr     templates, references and JSONPath, parsed once
//	  engine/format   bytes of an answer to JSON
//	  engine/script   JavaScript and Starlark, bounded
//	  engine/plan     Compile, Link, Bind; operations that run
//	  engine/portable names and JSON Schemas in the words that every MCP client takes
//	  engine/diag     problems as data
//	schema            the published JSON Schema
//	adapters/*        the walls: auth, rest, mcp, skill and control face callers; httpclient, credential,
//	                  secrets, scripts and stub the world
//
// The packages below engine, and schema, have no sockets, no files and no state. Adapters
// know plan and diag, and what they need of the packages that only read and write values; never
// engine and never each other; cmd puts them together. What may
// import what is held by arch_test.go.
//
// # From files to sockets
//
//	scan -> read, hash -> spec.Parse -> imports -> schema -> plan.Compile   each file by itself (document.go, files.go), into records (record.go)
//	     -> plan.Link -> plan.Bind                                  all together (load.go)
//	     -> sockets -> Adapter.Prepare                              may fail, touches nothing live (apply.go)
//	     -> swap                                                    cannot fail
//	     -> retire
//
// [Load] runs the first two lines; validate, list, stub and serve --check are made of it.
// [Engine.Start] and [Engine.Reload] run all of them, the same code for both.
//
// # From a request to an answer
//
//	socket -> server (one per address, kept across reloads)         listen.go, tls.go
//	       -> front  (one per address and snapshot):
//	            request ID, Host and Origin, panics, dispatch       front.go, hosts.go
//	            pages of allowed origins, callers that stall        cors.go, waits.go
//	       -> the adapter's handler for the address
//
// A request runs on the snapshot that was current when it arrived, however long it takes.
//
// # Reloads
//
// Changed files lead to one (watch.go), and so does whoever calls Reload.
//
// All fallible work happens before anything live is touched. A document whose text is
// unchanged, and what it refers to, keeps its unit, pointer and all. A document that cannot be served as it stands
// keeps the version that is served, and so does one that moved to an address that cannot be
// bound; both are [Stale] and their diagnostics say why. When the whole cannot be made (a path
// is gone, an adapter cannot prepare, [Fail] and an error), the snapshot stays as it is.
//
// # Errors
//
// What is wrong with documents is a [diag.List], never an error: warnings exist without
// errors, and one document's error is no reason to fail for another. An error says that the
// job could not be done: [*PathError], [*ListenError], an adapter's own, or, where the options
// ask for it, [*InvalidError]. A panic in one document is that document's diagnostic, a panic
// in one request that request's 500; what a panic holds is never shown, since it may be a
// secret.
//
// # Life
//
// New checks options and touches nothing. Start returns when everything is served; Stop when
// nothing is, within the drain timeout. Between them any goroutine may Reload or Stop at any
// time.
package engine
