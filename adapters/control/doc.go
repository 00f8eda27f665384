// Package control answers those who run capd: whether it lives and is ready, what it serves and
// how it was set up, and lets them reload and validate. [Server] does so for the whole process,
// [Adapter] for the document that declares an adapter of type control.
//
// The package knows nothing of the engine: what there is to tell comes from functions of its
// options.
package control
