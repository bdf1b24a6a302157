package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

// maxTicketBody bounds the calls that carry a ticket or what one is to be.
const maxTicketBody = 64 << 10

func decodeBody(w http.ResponseWriter, r *http.Request, what string, into any) error {
	b, err := body(w, r, maxTicketBody)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return admin.Errorf(admin.CodeBadRequest, "%s: the body is not the JSON that is asked for", what) // nothing of it is told: it may hold a secret
	}
	return nil
}

var rightsOf = map[string]minikv.Rights{
	admin.RightsRead: minikv.RightsRead, admin.RightsWrite: minikv.RightsWrite, admin.RightsOwner: minikv.RightsOwner,
}

func (s *Server) makeTicket(w http.ResponseWriter, r *http.Request) error {
	var p admin.TicketParams
	if err := decodeBody(w, r, "ticket", &p); err != nil {
		return err
	}
	rights, ok := rightsOf[p.Rights]
	if !ok {
		return admin.Errorf(admin.CodeBadRequest, "rights of the ticket: read, write or owner")
	}
	reg, err := s.registry(r.Context(), newParams(r))
	if err != nil {
		return err
	}
	text, err := reg.Ticket(r.Context(), minikv.TicketOptions{Rights: rights, TTL: time.Duration(p.TTL), Addrs: p.Addrs})
	if err != nil {
		return err
	}
	info, err := minikv.ParseTicket(text)
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("ticket made", "registry", info.Registry, "rights", info.Rights.String(), "expires", expiresText(info.Expires))
	return reply(w, admin.Ticket{Ticket: text, Registry: info.Registry, Rights: info.Rights.String(), Expires: timeOrNil(info.Expires), Addrs: list(info.Addrs)})
}

func (s *Server) join(w http.ResponseWriter, r *http.Request) error {
	var p admin.JoinParams
	if err := decodeBody(w, r, "join", &p); err != nil {
		return err
	}
	var opts []minikv.JoinOption
	if p.Replace {
		opts = append(opts, minikv.Replace())
	}
	reg, err := s.node.Join(r.Context(), p.Ticket, opts...)
	if err != nil {
		return err
	}
	info, err := registryInfo(r.Context(), reg)
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("registry joined", "registry", info.Name, "rights", info.Rights)
	return reply(w, info)
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) error {
	reg, err := s.registry(r.Context(), newParams(r))
	if err == nil {
		err = reg.Rotate(r.Context())
	}
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("registry has new keys; all tickets have ended", "registry", reg.Name())
	return reply(w, struct{}{})
}

func (s *Server) forgetKeys(w http.ResponseWriter, r *http.Request) error {
	name := newParams(r).Get("registry")
	err := s.node.ForgetKeys(r.Context(), name)
	if errors.Is(err, minikv.ErrNotFound) {
		e := admin.Errorf(admin.CodeNoRegistry, "this node has no keys of a private registry %q", name)
		e.Registry = name
		return e
	}
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("keys forgotten", "registry", name)
	return reply(w, struct{}{})
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func expiresText(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}
