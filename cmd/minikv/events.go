package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/minikv/minikv"
)

// lookEvery is how often the node is asked for its peers and registries: it has no feed of them.
const lookEvery = time.Second

// logEvents logs peers that come and go, first exchanges, refusals, and what happens to locks, until ctx ends.
func logEvents(ctx context.Context, n *minikv.Node, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	e := &events{log: log, peers: map[minikv.PeerID]minikv.PeerInfo{}, locks: map[string]context.CancelFunc{}}
	defer e.watchers.Wait()
	for {
		e.lookAtPeers(n.Peers())
		e.followLocks(ctx, n)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

type events struct {
	log      *slog.Logger
	peers    map[minikv.PeerID]minikv.PeerInfo // as last seen
	locks    map[string]context.CancelFunc     // followed registries
	watchers sync.WaitGroup
}

func (e *events) lookAtPeers(now []minikv.PeerInfo) {
	for _, p := range now {
		was := e.peers[p.ID]
		e.peers[p.ID] = p
		switch {
		case p.Connected && (!was.Connected || !p.Since.Equal(was.Since)):
			e.log.Info("peer connected", "peer", p.ID, "addrs", p.Addrs, "transport", p.Transport)
		case !p.Connected && was.Connected:
			e.log.Info("peer gone", "peer", p.ID, "since", was.Since)
		}
		if !p.LastSync.Equal(was.LastSync) {
			level := slog.LevelDebug
			if was.LastSync.Before(p.Since) { // the first since it connected
				level = slog.LevelInfo
			}
			e.log.Log(context.Background(), level, "equal with peer", "peer", p.ID, "registries", p.Registries)
		}
		if d := p.Refused - was.Refused; p.Refused > was.Refused {
			e.log.Warn("refused from peer", "peer", p.ID, "count", d, "skew", p.ClockSkew)
		}
	}
}

// followLocks begins to follow the locks of registries that were opened, and forgets those that were closed.
func (e *events) followLocks(ctx context.Context, n *minikv.Node) {
	open := map[string]bool{}
	for name, err := range n.Registries(ctx) {
		if err != nil {
			return
		}
		open[name] = true
		if e.locks[name] != nil {
			continue
		}
		reg, ok := n.Lookup(name)
		if !ok {
			continue // closed a moment ago
		}
		rctx, stop := context.WithCancel(ctx)
		e.locks[name] = stop
		e.watchers.Go(func() { e.logLocks(rctx, reg) })
	}
	for name, stop := range e.locks {
		if !open[name] {
			stop()
			delete(e.locks, name)
		}
	}
}

func (e *events) logLocks(ctx context.Context, reg *minikv.Registry) {
	for ev, err := range reg.WatchLocks(ctx, "") {
		if err != nil {
			return // closed, here or by the end of ctx
		}
		attrs := []any{"registry", reg.Name(), "key", ev.Info.Key, "owner", ev.Info.Owner, "token", ev.Info.Token}
		switch ev.Kind {
		case minikv.LockRenewed:
			e.log.Debug("lock renewed", attrs...)
		case minikv.LockOverlap:
			e.log.Warn("lock was held twice", append(attrs, "loser", ev.Loser.Owner, "for", ev.Overlap)...)
		default:
			e.log.Info("lock "+ev.Kind.String(), attrs...)
		}
	}
}
