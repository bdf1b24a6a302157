package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// follow begins to record the changes of registries that were opened, and forgets those that were closed.
func (c *recorder) follow() {
	open := map[string]*minikv.Registry{}
	for name, err := range c.s.node.Registries(c.s.ctx) {
		if err != nil {
			return // closed; what follows ends by itself
		}
		if r, ok := c.s.node.Lookup(name); ok {
			open[name] = r
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, f := range c.followed {
		if open[name] != f.reg { // closed, and perhaps opened again
			f.stop()
			delete(c.followed, name)
		}
	}
	for name, r := range open {
		if c.followed[name] == nil {
			f := &followed{reg: r}
			var ctx context.Context
			ctx, f.stop = context.WithCancel(c.s.ctx)
			c.followed[name] = f
			c.wg.Go(func() { c.watch(ctx, f) })
			c.wg.Go(func() { c.watchLocks(ctx, f) })
		}
	}
}

func (c *recorder) watch(ctx context.Context, f *followed) {
	for ev, err := range f.reg.Watch(ctx, "", minikv.UpdatesOnly()) {
		if err != nil {
			return // the registry or the server was closed
		}
		if ev.Kind == minikv.EventSynced {
			continue
		}
		e := preview(ev.Entry, maxPreview)
		if ev.Kind != minikv.EventPut {
			e.Value = nil
		}
		c.record(f, admin.Change{PageEntry: e, Kind: ev.Kind.String(), Local: ev.Local})
	}
}

func (c *recorder) watchLocks(ctx context.Context, f *followed) {
	for ev, err := range f.reg.WatchLocks(ctx, "") {
		if err != nil {
			return
		}
		kind := map[minikv.LockEventKind]string{
			minikv.LockHeld: admin.ChangeHeld, minikv.LockReleased: admin.ChangeReleased,
			minikv.LockExpired: admin.ChangeLapsed, minikv.LockOverlap: admin.ChangeOverlap,
		}[ev.Kind]
		if kind == "" {
			continue // renewed: the locks' own list shows it
		}
		e := admin.PageEntry{Entry: admin.Entry{Key: ev.Info.Key, Node: string(ev.Info.Owner), Time: ev.Info.Since.UTC(), Under: ev.Info.Token.String()}}
		c.record(f, admin.Change{PageEntry: e, Kind: kind, Local: ev.Info.Owner == c.s.node.ID()})
	}
}

func (c *recorder) record(f *followed, ch admin.Change) {
	ch.Registry, ch.Seen = f.reg.Name(), time.Now().UTC()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	ch.Seq = c.seq
	f.changed = ch.Seen
	if len(f.changes) >= 2*maxChanges { // so that each is moved once
		f.changes = append(f.changes[:0], f.changes[len(f.changes)-maxChanges:]...)
	}
	f.changes = append(f.changes, ch)
	c.rouse()
}

// since gives the changes after seq, the oldest first and at most max of the latest, of one registry or of all, of one key or all.
func (c *recorder) since(seq uint64, registry, key string, max int) []admin.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := []admin.Change{}
	for name, f := range c.followed {
		if registry != "" && registry != name {
			continue
		}
		from, _ := slices.BinarySearchFunc(f.changes, seq+1, func(ch admin.Change, s uint64) int { return cmp.Compare(ch.Seq, s) })
		for _, ch := range f.changes[from:] {
			if key == "" || ch.Key == key {
				out = append(out, ch)
			}
		}
	}
	slices.SortFunc(out, func(a, b admin.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return out[len(out)-min(max, len(out)):]
}

// changed is when a registry last changed, as far as was recorded.
func (c *recorder) changed(registry string) *time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.followed[registry]; f != nil && !f.changed.IsZero() {
		t := f.changed
		return &t
	}
	return nil
}

// listChanges answers with the latest changes, the newest first.
func (s *Server) listChanges(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	limit := p.number("limit", 100, 1, maxChanges)
	if p.err != nil {
		return p.err
	}
	if p.Get("registry") != "" {
		if _, err := s.registry(r.Context(), p); err != nil {
			return err
		}
	}
	s.recorder.start()
	out := s.recorder.since(0, p.Get("registry"), p.Get("key"), limit)
	slices.Reverse(out)
	return reply(w, out)
}

// listSamples answers with the last minutes, the oldest first.
func (s *Server) listSamples(w http.ResponseWriter, _ *http.Request) error {
	s.recorder.start()
	return reply(w, s.recorder.lastMinutes())
}

// preview cuts the value of an entry to its beginning, at the end of a character where it is text.
func preview(e minikv.Entry, limit int) admin.PageEntry {
	out := admin.PageEntry{Size: len(e.Value)}
	if len(e.Value) > limit {
		cut := e.Value[:limit]
		for i := 1; i < utf8.UTFMax && i <= limit; i++ {
			if utf8.RuneStart(e.Value[limit-i]) && !utf8.FullRune(e.Value[limit-i:limit]) {
				cut = e.Value[:limit-i]
				break
			}
		}
		e.Value = slices.Clone(cut)
	}
	out.Entry = entry(e)
	out.Value = list(out.Value)
	if !e.Expires.IsZero() {
		out.Left = admin.Duration(max(time.Until(e.Expires), time.Millisecond).Round(time.Millisecond))
	}
	return out
}

// number reads a whole number within bounds; def where it is not given.
func (p *params) number(name string, def, min, max int) int {
	s := p.Get(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < min || n > max {
		p.fail("%s %.40q: it can be %d to %d", name, s, min, max)
		return def
	}
	return n
}
