package main

import (
	"context"

	"github.com/minikv/minikv/server/resp"
)

// ServeRESP opens the node and serves it to Redis clients on a loopback port, until the child ends.
func (s *nodeService) ServeRESP(ask OpenAsk, addr *string) error {
	if err := s.Open(ask, new(Identity)); err != nil {
		return err
	}
	srv, err := resp.New(s.node, resp.Config{Databases: map[int]string{0: s.reg.Name()}})
	if err != nil {
		return err
	}
	l, err := resp.Listen(context.Background(), "127.0.0.1:0", "")
	if err != nil {
		return err
	}
	s.resp = srv
	go srv.Serve(l)
	*addr = l.Addr().String()
	return nil
}
