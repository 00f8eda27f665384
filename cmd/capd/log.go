package main

import (
	"errors"
	"io"
	"log/slog"
)

// logger writes to w what is at least as important as the flags ask for.
func (l *logFlags) logger(w io.Writer) *slog.Logger {
	l.now.Set(l.slogLevel())
	o := &slog.HandlerOptions{Level: l.now}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if l.format == formatJSON {
		h = slog.NewJSONHandler(w, o)
	}
	if l.followed != nil {
		h = l.followed.Handler(h)
	}
	return slog.New(h)
}

func (l *logFlags) slogLevel() slog.Level {
	switch l.level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// told writes why a command ends into a log for programs, where text would be out of place, and
// gives the error with nothing left to print.
func (l *logFlags) told(w io.Writer, err error) error {
	var e *exitError
	if l.format != formatJSON || !errors.As(err, &e) || err.Error() == "" {
		return err
	}
	slog.New(slog.NewJSONHandler(w, nil)).Error(err.Error())
	return &exitError{code: e.code}
}
