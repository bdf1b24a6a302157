package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func (s *Server) addRegistry(w http.ResponseWriter, r *http.Request) error {
	name := newParams(r).Get("registry")
	if name == "" {
		return admin.Errorf(admin.CodeBadRequest, "the call names no registry")
	}
	b, err := body(w, r, 64<<10)
	if err != nil {
		return err
	}
	var p admin.RegistryParams
	if len(b) > 0 {
		if err := json.Unmarshal(b, &p); err != nil {
			return admin.Errorf(admin.CodeBadRequest, "options of the registry: %v", err)
		}
	}
	reg, err := s.node.Registry(r.Context(), name, registryOptions(p)...)
	if err != nil {
		return err
	}
	info, err := registryInfo(r.Context(), reg)
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("registry opened", "registry", name)
	return reply(w, info)
}

func registryOptions(p admin.RegistryParams) (opts []minikv.RegistryOption) {
	if p.Public {
		opts = append(opts, minikv.Public())
	}
	if p.ReadOnly {
		opts = append(opts, minikv.ReadOnly())
	}
	if p.DefaultTTL != 0 {
		opts = append(opts, minikv.DefaultTTL(time.Duration(p.DefaultTTL)))
	}
	return opts
}

func (s *Server) dropRegistry(w http.ResponseWriter, r *http.Request) error {
	name := newParams(r).Get("registry")
	err := s.node.DropRegistry(r.Context(), name)
	if errors.Is(err, minikv.ErrNotFound) {
		return notOpen(name)
	}
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("registry closed; its entries are gone from this node", "registry", name)
	return reply(w, struct{}{})
}
