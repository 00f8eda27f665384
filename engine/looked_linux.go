package engine

import (
	"syscall"
	"time"
)

// changeTime gives the time of the last change of a file, its name and its rights included.
func changeTime(info stamp) (time.Time, bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(stat.Ctim.Unix()), true
}
