//go:build race

package main

// raceEnabled: the race detector looks on, and every step takes several times as long.
const raceEnabled = true
