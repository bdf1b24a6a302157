package server

import (
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// Limits of a page.
const (
	maxPage        = 500
	maxPagePreview = 4 << 10
)

// page answers with some keys after a given one, and the beginnings of their values.
func (s *Server) page(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	limit, cut := p.number("limit", 100, 1, maxPage), p.number("preview", 120, 0, maxPagePreview)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	prefix := p.Get("prefix")
	from := prefix
	if after := p.Get("after"); after >= prefix && after != "" {
		from = after + "\x00"
	}
	out := admin.Page{Entries: []admin.PageEntry{}}
	for e, err := range reg.Range(r.Context(), from, pastPrefix(prefix)) {
		if err != nil {
			return err
		}
		if len(out.Entries) == limit {
			out.More = true
			break
		}
		out.Entries = append(out.Entries, preview(e, cut))
	}
	return reply(w, out)
}

// pastPrefix is the first key after all that begin with the prefix; empty: there is none.
func pastPrefix(prefix string) string {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1] < 0xff {
			b[len(b)-1]++
			return string(b)
		}
		b = b[:len(b)-1]
	}
	return ""
}

// listLocks answers with the live leases on keys under a prefix.
func (s *Server) listLocks(w http.ResponseWriter, r *http.Request) error {
	p := newParams(r)
	limit := p.number("limit", maxPage, 1, maxPage)
	reg, err := s.registry(r.Context(), p)
	if err != nil {
		return err
	}
	out := []admin.HeldLock{}
	for l, err := range reg.Locks(r.Context(), p.Get("prefix")) {
		if err != nil {
			return err
		}
		if len(out) == limit {
			break
		}
		out = append(out, heldLock(l))
	}
	return reply(w, out)
}

func heldLock(l minikv.LockInfo) admin.HeldLock {
	return admin.HeldLock{
		Key: admin.Key(l.Key), Owner: string(l.Owner), Token: l.Token.String(), TTL: admin.Duration(l.TTL), Since: l.Since.UTC(),
		Left: admin.Duration(max(time.Until(l.Until), 0).Round(time.Millisecond)), Renewals: l.Renewals, Meta: l.Meta,
	}
}
