// Package skill serves the skill exposures of a plan over HTTP: a catalogue of skills, their
// details, and the files that belong to them. Nothing is executed.
//
// An exposure answers under /skills/<document>, and its skills also at /skills/<name> of the
// address they are on. /skills lists the skills of an address.
//
// Files are read when they are asked for, from the [io/fs.FS] that the plan has for a skill; it
// is the FS that keeps links inside the folder. This package keeps paths inside it, and leaves
// out whatever has a name that begins with a dot.
package skill
