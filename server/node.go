package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server/admin"
)

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) error {
	regs, err := s.registries(r.Context())
	if err != nil {
		return err
	}
	return reply(w, admin.Status{
		Node: string(s.node.ID()), Name: s.node.Name(), Version: s.cfg.Version, Started: s.started.UTC(),
		Addrs: list(s.node.Addrs()), Admin: s.cfg.Admin, Discovery: s.cfg.Discovery, Storage: s.cfg.Storage,
		Registries: regs, Peers: s.peers(),
		Metrics: metrics(s.node.Metrics()),
	})
}

func metrics(m minikv.Metrics) admin.Metrics {
	return admin.Metrics{
		Bytes: m.Bytes, DiskBytes: m.DiskBytes, Leases: m.Leases, Puts: m.Puts, Deletes: m.Deletes, Merged: m.Merged, Expired: m.Expired, Collected: m.Collected,
		Refused: m.Refused, Dropped: m.Dropped, LateWrites: m.LateWrites, Syncs: m.Syncs, SyncsFailed: m.SyncsFailed, Overlaps: m.OverlapsSeen,
		ClockSkewMax: admin.Duration(m.ClockSkewMax),
	}
}

// list makes a nil slice an empty one, which is [] in JSON.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

func (s *Server) listPeers(w http.ResponseWriter, _ *http.Request) error { return reply(w, s.peers()) }

func (s *Server) peers() []admin.Peer {
	out := []admin.Peer{}
	for _, p := range s.node.Peers() {
		ap := admin.Peer{
			ID: string(p.ID), Addrs: list(p.Addrs), Connected: p.Connected, Transport: p.Transport, Relayed: p.Relayed,
			RTT: admin.Duration(p.RTT), Registries: list(p.Registries), ClockSkew: admin.Duration(p.ClockSkew), Refused: p.Refused,
			Path: string(p.Path), Limited: p.Limited, Inbound: p.Inbound, BytesIn: p.BytesIn, BytesOut: p.BytesOut, Score: p.Score, Refusals: p.Refusals,
			Since: when(p.Since), LastSync: when(p.LastSync), BannedUntil: when(p.BannedUntil),
		}
		out = append(out, ap)
	}
	return out
}

// when makes a zero time null in JSON.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) error {
	addr := newParams(r).Get("addr")
	if addr == "" {
		return admin.Errorf(admin.CodeBadRequest, "the call names no address")
	}
	id, err := s.node.Connect(r.Context(), addr)
	if err != nil {
		return err
	}
	return reply(w, struct {
		Peer string `json:"peer"`
	}{string(id)})
}

// maxSyncs bounds the sessions that one call has at a time.
const maxSyncs = 8

func (s *Server) sync(w http.ResponseWriter, r *http.Request) error {
	var peers []minikv.PeerID
	if one := newParams(r).Get("peer"); one != "" {
		peers = append(peers, minikv.PeerID(one))
	} else {
		for _, p := range s.node.Peers() {
			if p.Connected {
				peers = append(peers, p.ID)
			}
		}
	}
	out := make([]admin.SyncResult, len(peers))
	var g errgroup.Group
	g.SetLimit(maxSyncs)
	for i, p := range peers {
		g.Go(func() error {
			out[i] = s.syncPeer(r, p)
			return nil
		})
	}
	_ = g.Wait() // each result has its own error
	return reply(w, out)
}

func (s *Server) syncPeer(r *http.Request, p minikv.PeerID) admin.SyncResult {
	st, err := s.node.SyncPeer(r.Context(), p)
	res := admin.SyncResult{
		Peer: string(p), Sent: st.Sent, Received: st.Received, Refused: st.Refused, Dropped: st.Dropped,
		BytesOut: st.BytesOut, BytesIn: st.BytesIn, Rounds: st.Rounds, Took: admin.Duration(st.Took),
	}
	if err != nil {
		res.Error = adminError(err, r).Message
	}
	return res
}

func (s *Server) listRegistries(w http.ResponseWriter, r *http.Request) error {
	regs, err := s.registries(r.Context())
	if err != nil {
		return err
	}
	return reply(w, regs)
}

func (s *Server) registries(ctx context.Context) ([]admin.Registry, error) {
	out := []admin.Registry{}
	for name, err := range s.node.Registries(ctx) {
		if err != nil {
			return nil, err
		}
		reg, ok := s.node.Lookup(name)
		if !ok {
			continue // dropped while we were looking: then it is not in the list
		}
		info, err := registryInfo(ctx, reg)
		if errors.Is(err, minikv.ErrClosed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b admin.Registry) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func registryInfo(ctx context.Context, reg *minikv.Registry) (admin.Registry, error) {
	n, err := reg.Len(ctx)
	a, m := reg.Access(), reg.Metrics()
	info := admin.Registry{
		Name: reg.Name(), Keys: n, Tombstones: int(m.Tombstones), Root: reg.Root().String(),
		Kind: admin.KindPrivate, Rights: a.Rights.String(), Expires: timeOrNil(a.Expires),
		Bytes: m.Bytes, Puts: m.Puts, Deletes: m.Deletes, Merged: m.Merged, Expired: m.Expired,
	}
	if a.Public {
		info.Kind = admin.KindPublic
	}
	return info, err
}
