package server

import (
	"context"
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// maxWait bounds how long one call waits for a lock.
const maxWait = 24 * time.Hour

// lock takes a lease that outlives the call: it is not renewed, and ends with its ttl or by its token.
func (s *Server) lock(w http.ResponseWriter, r *http.Request) error {
	lease, err := s.take(r, minikv.NoRenew())
	if err != nil {
		return err
	}
	if r.Context().Err() != nil { // nobody would learn the token
		s.release(lease)
		return r.Context().Err()
	}
	return reply(w, lockOf(s.node, lease))
}

// hold takes a lease, renews it for as long as the caller stays connected, and tells of each renewal and of the loss.
func (s *Server) hold(w http.ResponseWriter, r *http.Request) error {
	leave, err := seat(s.streams, "streams")
	if err != nil {
		return err
	}
	defer leave()
	lease, err := s.take(r)
	if err != nil {
		return err
	}
	defer s.release(lease)
	out := startLines(w, r)
	defer out.close()
	// Often enough that the caller can tell a stopped node from a lost lease before the lease is over.
	tick := time.NewTicker(max(time.Until(lease.Until())/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		ev := admin.HoldEvent{State: admin.HoldHeld, Lock: lockOf(s.node, lease), Left: admin.Duration(time.Until(lease.Until()))}
		if out.put(ev) != nil || out.flush() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-lease.Done():
			ev := admin.HoldEvent{State: admin.HoldLost, Reason: "released"}
			if err := lease.Err(); err != nil {
				ev.Reason = err.Error()
			}
			if out.put(ev) == nil {
				_ = out.flush()
			}
			return nil
		case <-r.Context().Done():
			out.end(s.why(r.Context().Err()))
			return nil
		}
	}
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	t, err := minikv.ParseToken(p.Get("token"))
	if err != nil {
		return admin.Errorf(admin.CodeBadRequest, "%.60q is no token: it has 48 hex digits", p.Get("token"))
	}
	if err := reg.Unlock(r.Context(), p.Get("key"), t); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

// take takes the lease that a call asks for, waiting as long as the call allows.
func (s *Server) take(r *http.Request, more ...minikv.LockOption) (*minikv.Lease, error) {
	p := newParams(r)
	opts, wait := p.leaseOptions("ttl", more...), p.duration("wait")
	if wait < 0 || wait > maxWait {
		p.fail("wait %s; it can be 0 to %s", wait, maxWait)
	}
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return nil, err
	}
	if wait == 0 {
		return reg.TryLock(r.Context(), p.Get("key"), opts...)
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	return reg.Lock(ctx, p.Get("key"), opts...)
}

func (p *params) leaseOptions(ttl string, more ...minikv.LockOption) []minikv.LockOption {
	if p.Get(ttl) != "" {
		more = append(more, minikv.TTL(p.duration(ttl)))
	}
	if p.flag("stop_when_isolated") {
		more = append(more, minikv.StopWhenIsolated())
	}
	return more
}

// release gives a lease back although the call it belongs to may be over.
func (s *Server) release(l *minikv.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := l.Unlock(ctx); err != nil {
		s.cfg.Logger.Warn("lock not released; it ends by itself", "key", l.Key(), "until", l.Until(), "err", err)
	}
}

func lockOf(n *minikv.Node, l *minikv.Lease) *admin.Lock {
	return &admin.Lock{Owner: string(n.ID()), Token: l.Token().String(), Until: l.Until().UTC()}
}
