// Package engine is the shell around the core: files, listeners, lifecycle and swapping.
package engine
