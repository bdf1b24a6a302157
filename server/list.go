package server

import (
	"cmp"
	"net/http"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func (s *Server) listKeys(w http.ResponseWriter, r *http.Request) error {
	return s.walk(w, r, func(reg *minikv.Registry, prefix string, out *lines) error {
		for key, err := range reg.Keys(r.Context(), prefix) {
			if err != nil {
				return err
			}
			if err := out.put(admin.Key(key)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) listEntries(w http.ResponseWriter, r *http.Request) error {
	return s.walk(w, r, func(reg *minikv.Registry, prefix string, out *lines) error {
		for e, err := range reg.Prefix(r.Context(), prefix) {
			if err != nil {
				return err
			}
			e.Value = list(e.Value)
			if err := out.put(entry(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// walk streams what step puts out.
func (s *Server) walk(w http.ResponseWriter, r *http.Request, step func(*minikv.Registry, string, *lines) error) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	leave, err := seat(s.streams, "streams")
	if err != nil {
		return err
	}
	defer leave()
	out := startLines(w, r)
	defer out.close()
	out.end(s.why(step(reg, p.Get("prefix"), out)))
	return nil
}

// why replaces the error of a stream that ended because the server was closed.
func (s *Server) why(err error) error {
	if err != nil && s.ctx.Err() != nil {
		return errStopping
	}
	return err
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	var opts []minikv.WatchOption
	if p.flag("updates_only") {
		opts = append(opts, minikv.UpdatesOnly())
	}
	if at := cmp.Or(r.Header.Get("Last-Event-ID"), p.Get("after")); at != "" { // a browser that lost the connection
		pos, err := minikv.ParsePosition(at)
		if err != nil {
			return err
		}
		opts = append(opts, minikv.After(pos))
	}
	return s.walk(w, r, func(reg *minikv.Registry, prefix string, out *lines) error {
		live := false // before it, lines are flushed when the buffer is full; after it, each at once
		for ev, err := range reg.Watch(r.Context(), prefix, opts...) {
			if err != nil {
				return err
			}
			id := ""
			if out.events {
				id = ev.Position().String()
			}
			if err := out.putID(event(ev), id); err != nil {
				return err
			}
			live = live || ev.Kind == minikv.EventSynced
			if live {
				if err := out.flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func event(ev minikv.Event) admin.Event {
	out := admin.Event{Kind: ev.Kind.String(), Local: ev.Local}
	if ev.Kind != minikv.EventSynced {
		if ev.Kind == minikv.EventPut {
			ev.Entry.Value = list(ev.Entry.Value)
		}
		e := entry(ev.Entry)
		out.Entry = &e
	}
	return out
}
