package engine

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// WatchMode says how changes of files are noticed.
type WatchMode uint8

// The modes of watching.
const (
	// WatchEvents listens to the file system, and looks from time to time as well: network
	// file systems tell nothing. It is the default.
	WatchEvents WatchMode = iota
	// WatchPoll only looks from time to time.
	WatchPoll
)

// The defaults of [WatchOptions].
const (
	// DefaultPollInterval is how often files are looked at in [WatchPoll].
	DefaultPollInterval = 2 * time.Second
	// DefaultSafetyInterval is how often they are in [WatchEvents].
	DefaultSafetyInterval = 30 * time.Second

	// watchQuiet is how long files must be left alone before they are looked at: editors and
	// deployments write in several steps. Who never stops writing is not waited for.
	watchQuiet    = 100 * time.Millisecond
	watchAtLatest = time.Second
)

// WatchOptions say how to watch. The zero value is ready to use.
type WatchOptions struct {
	Mode WatchMode
	// Interval is how often files are looked at; 0 means the mode's default.
	Interval time.Duration
	// Extra are further files and folders that matter, such as env files.
	Extra []string
}

// Watch watches the files that the documents are made of: those of the served paths, and
// what they refer to. It sends on the channel it gives when something became another, until
// ctx ends. Several changes in short time are one. It is called before Start, so that no
// change between both is lost.
//
// What is told is that the stamps (size, times) of files differ, whatever the file system says
// of them: an event is only a reason to look, so that files beside the documents disturb nobody.
func (e *Engine) Watch(ctx context.Context, o WatchOptions) <-chan struct{} {
	if o.Interval <= 0 {
		o.Interval = DefaultSafetyInterval
		if o.Mode == WatchPoll {
			o.Interval = DefaultPollInterval
		}
	}
	w := &watcher{engine: e, extra: o.Extra, log: e.opts.Logger, changed: make(chan struct{}, 1), watched: map[string]bool{}}
	if o.Mode == WatchEvents {
		var err error
		if w.events, err = fsnotify.NewWatcher(); err != nil {
			w.log.Warn("the file system does not tell of changes, looking from time to time", "error", err, "interval", o.Interval)
		}
	}
	w.known = w.look()
	ticks := time.NewTicker(o.Interval)
	e.running.Go(func() {
		defer ticks.Stop()
		if w.events != nil {
			defer func() { _ = w.events.Close() }() // nothing more is read from it
		}
		w.run(ctx, ticks.C)
	})
	return w.changed
}

// watcher notices changes.
type watcher struct {
	engine  *Engine
	extra   []string
	log     *slog.Logger
	changed chan struct{}

	events  *fsnotify.Watcher // nil: nobody tells
	watched map[string]bool   // folders that events come from
	known   *look             // the last one
}

func (w *watcher) run(ctx context.Context, ticks <-chan time.Time) {
	var events <-chan fsnotify.Event
	var errors <-chan error
	if w.events != nil {
		events, errors = w.events.Events, w.events.Errors
	}
	quiet := time.NewTimer(0)
	if !quiet.Stop() {
		<-quiet.C
	}
	var since time.Time // of the first event that was not looked at; zero: none
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.engine.stopping:
			return
		case _, ok := <-events:
			if !ok {
				events = nil
				continue
			}
		case err, ok := <-errors:
			if !ok {
				errors = nil
				continue
			}
			w.log.Debug("watching files", "error", err) // events were lost
		case <-ticks:
			w.compare()
			continue
		case <-quiet.C:
			since = time.Time{}
			w.compare()
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		quiet.Reset(max(0, min(watchQuiet, watchAtLatest-time.Since(since))))
	}
}

// compare looks, and tells of a difference.
func (w *watcher) compare() {
	was := w.known
	w.known = w.look()
	if !w.known.differs(was) {
		return
	}
	select {
	case w.changed <- struct{}{}:
	default: // one is on its way
	}
}

// look gives the stamps of all files that matter. The folders they are in were listened to
// before, so that no change is between both.
func (w *watcher) look() *look {
	for {
		l := w.once()
		if !w.listen(l.folders) {
			return l
		}
	}
}

func (w *watcher) once() *look {
	l := &look{stamps: map[string]stamp{}, references: map[string]stamp{}, folders: map[string]bool{}}
	for _, p := range w.engine.opts.Paths {
		if now, err := stampOf(p); err == nil && now.isFolder() {
			l.tree(filepath.Clean(p))
		} else {
			l.file(p, l.stamps)
		}
	}
	if p := w.engine.opts.Policy; p != "" {
		l.file(p, l.stamps)
	}
	for _, p := range w.extra {
		l.file(p, l.stamps)
	}
	for _, d := range w.engine.Current().Docs {
		if _, seen := l.stamps[d.File]; !seen { // a load saw it, and it may be gone before any look did
			l.file(d.File, l.stamps)
		}
		if f, ok := d.Files.(*files); ok {
			l.referred(f)
		}
	}
	return l
}

// listen asks for the events of folders, and reports whether there are more than before.
func (w *watcher) listen(folders map[string]bool) bool {
	if w.events == nil {
		return false
	}
	more := false
	for dir := range folders {
		if w.watched[dir] {
			continue
		}
		if err := w.events.Add(dir); err != nil {
			w.log.Debug("a folder is only looked at from time to time", "folder", dir, "error", err)
			continue
		}
		w.watched[dir], more = true, true
	}
	for dir := range w.watched {
		if !folders[dir] {
			_ = w.events.Remove(dir) // it may be gone already
			delete(w.watched, dir)
		}
	}
	return more
}

// look is one look at files.
type look struct {
	stamps map[string]stamp
	// references are of the files that documents refer to. Which ones those are changes with
	// the documents, so that only a file that both of two looks have can differ.
	references map[string]stamp
	folders    map[string]bool // that have something to look at
}

func (l *look) differs(was *look) bool {
	for path, s := range l.references {
		if before, known := was.references[path]; known && !before.isStill(s) {
			return true
		}
	}
	return !maps.EqualFunc(l.stamps, was.stamps, stamp.isStill)
}

// tree looks at the documents below a folder, as [scan] finds them.
func (l *look) tree(dir string) {
	l.folders[dir] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.stamps[dir] = stamp{} // whether it can be read matters
		return
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			l.tree(name)
		case isYAML(e.Name()):
			l.file(name, l.stamps)
		}
	}
}

// file looks at a file, links followed, or at what is directly in a folder: that is how
// secrets are mounted.
func (l *look) file(path string, stamps map[string]stamp) {
	l.folders[filepath.Dir(path)] = true
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Clean(path) != real {
		l.folders[filepath.Dir(real)] = true
	}
	now, err := stampOf(path)
	if err != nil {
		stamps[path] = stamp{} // that it is not there matters
		return
	}
	stamps[path] = now
	if !now.isFolder() {
		return
	}
	l.folders[path] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if now, err := stampOf(name); err == nil && now.isRegular() {
			stamps[name] = now
		}
	}
}

// referred looks at what a document refers to.
func (l *look) referred(f *files) {
	for u := range f.asked() {
		if u.what == useFolder {
			continue // what is in it is looked for when a call asks
		}
		if at, err := f.find(u.from, u.location); err == nil {
			l.file(at.Path, l.references)
		}
	}
}
