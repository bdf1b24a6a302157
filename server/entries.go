package server

import (
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func (s *Server) getEntry(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	e, err := reg.Get(r.Context(), p.Get("key"))
	if err != nil {
		return err
	}
	e.Value = list(e.Value) // nil would leave it out of the answer
	return reply(w, entry(e))
}

// smallValue is the size in bytes up to which a put takes no seat: it waits for the disk, and many do so together.
const smallValue = 64 << 10

func (s *Server) putEntry(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	if r.ContentLength < 0 || r.ContentLength > smallValue {
		leave, err := s.largeCall(r.Context())
		if err != nil {
			return err
		}
		defer leave()
	}
	value, err := body(w, r, minikv.MaxValueLen)
	if err != nil {
		return err
	}
	var lease *minikv.Lease
	opts := p.putOptions(&lease)
	if p.err != nil {
		return p.err
	}
	rev, err := reg.Put(r.Context(), p.Get("key"), value, opts...)
	if err != nil {
		return err
	}
	res := admin.PutResult{Revision: rev.String(), Time: rev.Time()}
	if lease != nil {
		res.Lock = lockOf(s.node, lease)
	}
	return reply(w, res)
}

// putOptions reads the options of a put; the lease it takes, if asked to, goes to lease.
func (p *params) putOptions(lease **minikv.Lease) (opts []minikv.PutOption) {
	if p.Get("ttl") != "" {
		opts = append(opts, minikv.TTL(p.duration("ttl")))
	}
	if p.flag("persist") {
		opts = append(opts, minikv.Persist())
	}
	if p.flag("keep_ttl") {
		opts = append(opts, minikv.KeepTTL())
	}
	if p.flag("lock") {
		opts = append(opts, minikv.Locked(lease, p.leaseOptions("lock_ttl", minikv.NoRenew())...))
	}
	for _, o := range p.token() {
		opts = append(opts, o)
	}
	return opts
}

func (s *Server) deleteEntry(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	under := p.token()
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	if err := reg.Delete(r.Context(), p.Get("key"), under...); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

func (s *Server) getTTL(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	ttl, ok, err := reg.TTL(r.Context(), p.Get("key"))
	if err != nil {
		return err
	}
	var res admin.TTLResult
	if ok {
		d, at := admin.Duration(ttl), time.Now().Add(ttl).Truncate(time.Millisecond)
		res = admin.TTLResult{TTL: &d, Expires: &at}
	}
	return reply(w, res)
}

func (s *Server) putTTL(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	under, ttl := p.token(), p.duration("ttl")
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	if err := reg.Expire(r.Context(), p.Get("key"), ttl, under...); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

func (s *Server) deleteTTL(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	under := p.token()
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	if err := reg.Persist(r.Context(), p.Get("key"), under...); err != nil {
		return err
	}
	return reply(w, struct{}{})
}

// entry gives an entry the form in which it travels.
func entry(e minikv.Entry) admin.Entry {
	out := admin.Entry{Key: e.Key, Value: e.Value, Node: string(e.Writer), Expires: e.Expires}
	if !e.Rev.IsZero() {
		out.Time, out.Revision = e.Rev.Time().UTC(), e.Rev.String()
	}
	if !e.Expires.IsZero() {
		out.Expires = e.Expires.UTC()
	}
	if !e.Under.IsZero() {
		out.Under = e.Under.String()
	}
	if l := e.Lock; l != nil {
		out.Lock = &admin.Lock{Owner: string(l.Owner), Token: l.Token.String(), Until: l.Until.UTC()}
	}
	return out
}
