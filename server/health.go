package server

import (
	"fmt"
	"net/http"
	"strings"
)

// healthz says that the process lives and answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	plain(w, http.StatusOK, "ok\n")
	return nil
}

// readyz says whether the node is of use: its directory takes writes, and all registries that it keeps are open.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	if why := s.notReady(r); why != "" {
		plain(w, http.StatusServiceUnavailable, "not ready: "+why+"\n")
		return nil
	}
	plain(w, http.StatusOK, "ready\n")
	return nil
}

func (s *Server) notReady(r *http.Request) string {
	if s.ctx.Err() != nil {
		return "the node is shutting down"
	}
	if err := s.node.Ready(); err != nil {
		return strings.TrimPrefix(err.Error(), "minikv: ")
	}
	open := map[string]bool{}
	for name, err := range s.node.Registries(r.Context()) {
		if err != nil {
			return err.Error()
		}
		open[name] = true
	}
	for _, name := range s.node.Kept() {
		if !open[name] {
			return fmt.Sprintf("registry %q is kept in the directory and not open yet", name)
		}
	}
	return ""
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the caller has gone; nobody to tell
}
