package minikv

import (
	"context"
	"time"

	"github.com/minikv/minikv/replica"
)

// idleTick is the longest time between two ticks of a registry.
const idleTick = time.Second

// ticks does what time demands: expiry, collection, leases, and exchanges that are due.
func (r *Registry) ticks(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.tickSooner:
		case <-timer.C:
		}
		timer.Reset(r.tick(ctx))
	}
}

// tick does one and returns the time to the next.
func (r *Registry) tick(ctx context.Context) time.Duration {
	at := r.node.instant()
	r.mu.Lock()
	if r.writable() != nil {
		r.nextTick = at.Mono + idleTick
		r.mu.Unlock()
		return idleTick
	}
	dial, more := r.rep.Tick(at)
	var fetches []*replica.Session
	for _, f := range r.rep.Fetches() {
		fetches = append(fetches, r.rep.DialFetch(at, f))
	}
	wait := r.rep.NextTick(at, idleTick)
	r.quarantine.expire(at.Wall)
	if more {
		wait = 0
	}
	r.nextTick = at.Mono + wait
	r.mu.Unlock()
	for _, peer := range dial {
		r.link.dial(ctx, peer)
	}
	for _, s := range fetches {
		r.link.fetch(ctx, s)
	}
	return wait
}

// scheduleTick wakes the ticker if something is due before its next tick. The registry is locked.
func (r *Registry) scheduleTick(at replica.Instant) {
	if at.Mono+r.rep.NextTick(at, idleTick) < r.nextTick {
		r.nextTick = at.Mono
		rouse(r.tickSooner)
	}
}
