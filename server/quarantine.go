package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// listQuarantine answers with what exchanges have removed here on a peer's word, the latest first.
func (s *Server) listQuarantine(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	limit, cut := p.number("limit", 100, 1, minikv.QuarantineLen), p.number("preview", 120, 0, maxPagePreview)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	var latest []admin.Quarantined
	for q, err := range reg.Quarantined(r.Context()) {
		if err != nil {
			return err
		}
		e := preview(q.Entry, cut)
		e.Left = 0 // it is gone
		latest = append(latest, admin.Quarantined{PageEntry: e, Peer: string(q.Peer), Removed: q.Removed.UTC()})
	}
	out := []admin.Quarantined{}
	for i := len(latest) - 1; i >= 0 && len(out) < limit; i-- {
		out = append(out, latest[i])
	}
	return reply(w, out)
}

// putBack writes again what is kept aside of one key, or of all. Of one, an error says why it is not; of all, the answer does.
func (s *Server) putBack(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	all, over, key := p.flag("all"), p.flag("force"), p.Get("key")
	if all == p.Has("key") {
		p.fail("the call names either a key or all=true")
	}
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	if all {
		return s.putAllBack(w, r, reg, over)
	}
	res := admin.PutBackResult{Refused: []admin.Error{}}
	written, err := reg.PutBack(r.Context(), key, over)
	if err != nil {
		return err
	}
	res.Count(written)
	return reply(w, res)
}

func (s *Server) putAllBack(w http.ResponseWriter, r *http.Request, reg *minikv.Registry, over bool) error {
	leave, err := s.largeCall(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	keys, err := quarantinedKeys(r.Context(), reg)
	if err != nil {
		return err
	}
	res := admin.PutBackResult{Refused: []admin.Error{}}
	for _, key := range keys {
		written, err := reg.PutBack(r.Context(), key, over, minikv.NoWait())
		switch {
		case err == nil:
			res.Count(written)
		case ofOneKey(err):
			res.Refused = append(res.Refused, *adminError(err, r))
		default:
			return errors.Join(err, reg.Settle(r.Context()))
		}
	}
	if err := reg.Settle(r.Context()); err != nil {
		return err
	}
	return reply(w, res)
}

// quarantinedKeys are the keys of what is kept aside, each once, the one removed last first.
func quarantinedKeys(ctx context.Context, reg *minikv.Registry) ([]string, error) {
	var all, out []string
	for q, err := range reg.Quarantined(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, q.Key)
	}
	seen := make(map[string]bool, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		if !seen[all[i]] {
			seen[all[i]] = true
			out = append(out, all[i])
		}
	}
	return out, nil
}

// ofOneKey tells whether the error is about the key alone, so that others may still be put back.
func ofOneKey(err error) bool {
	for _, e := range []error{minikv.ErrPresent, minikv.ErrNotFound, minikv.ErrLocked, minikv.ErrTooLarge, minikv.ErrKeyInvalid} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
