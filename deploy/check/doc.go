// Package check holds what is in deploy to account: manifests, the image, the unit, the alerts and the dashboard are read
// by the libraries of those who will read them, and compared with a capd that was just built.
//
// It is a module of its own, so that none of these libraries is one of capd's. Run it with
//
//	cd deploy/check && go test -count=1 ./...
package check
