package server

import (
	"net/http"

	"github.com/minikv/minikv/server/admin"
)

func (s *Server) doctor(w http.ResponseWriter, r *http.Request) error {
	checks, err := s.node.Doctor(r.Context())
	if err != nil {
		return err
	}
	out := make([]admin.Check, len(checks))
	for i, c := range checks {
		out[i] = admin.Check{Name: c.Name, State: string(c.State), Found: c.Found, Advice: c.Advice}
	}
	return reply(w, out)
}
