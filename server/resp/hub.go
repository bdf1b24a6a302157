package resp

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"github.com/minikv/minikv"
)

// hub carries changes from the registries to those who have subscribed. For each database that somebody listens to
// there is one watch.
type hub struct {
	s     *Server
	mu    sync.Mutex
	feeds [MaxDatabases]*feed
}

// feed is the watch of one database.
type feed struct {
	h     *hub
	n     int
	ready chan struct{} // closed when changes are told from now on, or err is set
	err   error
	stop  context.CancelFunc

	mu   sync.Mutex
	subs map[*subscriber]bool
}

func newHub(s *Server) *hub { return &hub{s: s} }

// join makes a subscriber hear of a database from now on.
func (h *hub) join(n int, sub *subscriber) error {
	r, err := h.s.dbs[n].registry(background)
	if err != nil {
		return err
	}
	h.mu.Lock()
	f := h.feeds[n]
	if f == nil {
		ctx, stop := context.WithCancel(h.s.ctx)
		f = &feed{h: h, n: n, ready: make(chan struct{}), stop: stop, subs: map[*subscriber]bool{}}
		h.feeds[n] = f
		h.s.wg.Go(func() { f.run(ctx, r) })
	}
	f.mu.Lock()
	f.subs[sub] = true
	f.mu.Unlock()
	h.mu.Unlock()
	<-f.ready
	return f.err
}

// leave is join undone; the last one to leave ends the watch.
func (h *hub) leave(n int, sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.feeds[n]
	if f == nil {
		return
	}
	f.mu.Lock()
	delete(f.subs, sub)
	left := len(f.subs)
	f.mu.Unlock()
	if left == 0 {
		h.feeds[n] = nil
		f.stop()
	}
}

// run tells subscribers of changes until nobody listens any more.
func (f *feed) run(ctx context.Context, r *minikv.Registry) {
	defer f.stop()
	synced := false
	for ev, err := range r.Watch(ctx, "", minikv.UpdatesOnly()) {
		switch {
		case err != nil:
			f.end(ctx, r, err, synced)
			return
		case ev.Kind == minikv.EventSynced:
			synced = true
			close(f.ready)
		default:
			f.tell(ev)
		}
	}
}

// end is told why the watch is over. Unless nobody listens, the registry was closed: its subscribers are sent
// away, for they would wait in vain.
func (f *feed) end(ctx context.Context, r *minikv.Registry, err error, synced bool) {
	if !synced {
		f.err = err
		close(f.ready)
	}
	f.h.mu.Lock()
	if f.h.feeds[f.n] == f {
		f.h.feeds[f.n] = nil
	}
	f.h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	f.h.s.dbs[f.n].closed(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	for sub := range f.subs {
		sub.c.nc.Close()
	}
}

// eventName is what Redis calls a change.
func eventName(k minikv.EventKind) string {
	switch k {
	case minikv.EventDelete:
		return "del"
	case minikv.EventExpire:
		return "expired"
	}
	return "set"
}

func (f *feed) tell(ev minikv.Event) {
	name, key := eventName(ev.Kind), ev.Entry.Key
	db := strconv.Itoa(f.n)
	bySpace := message{channel: keyspace + db + "__:" + key, payload: name}
	byEvent := message{channel: keyevent + db + "__:" + name, payload: key}
	f.mu.Lock()
	defer f.mu.Unlock()
	for sub := range f.subs {
		sub.offer(bySpace, byEvent)
	}
}

// message is one notification.
type message struct{ channel, payload string }

// Channels are called __keyspace@<db>__:<key> and __keyevent@<db>__:<event>.
const (
	keyspace = "__keyspace@"
	keyevent = "__keyevent@"
)

// databaseOf is the number of the database that a channel tells of.
func databaseOf(channel string) (n int, ok bool) {
	rest, ok := strings.CutPrefix(channel, keyspace)
	if !ok {
		rest, ok = strings.CutPrefix(channel, keyevent)
	}
	if !ok {
		return 0, false
	}
	number, _, ok := strings.Cut(rest, "__:")
	db, isNumber := parseInt([]byte(number))
	return int(db), ok && isNumber && db >= 0 && db < MaxDatabases
}

// mayMatch says whether there can be a channel that matches a pattern.
func mayMatch(pattern string) bool {
	prefix, whole := literalPrefix(pattern)
	if whole {
		_, ok := databaseOf(prefix)
		return ok
	}
	for _, kind := range []string{keyspace, keyevent} {
		if strings.HasPrefix(prefix, kind) || strings.HasPrefix(kind, prefix) {
			return true
		}
	}
	return false
}
