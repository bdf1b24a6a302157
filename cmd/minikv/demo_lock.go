package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/minikv/minikv"
)

const (
	keyLocked   = "plan/world-tour"
	keyRace     = "plan/keynote"
	leaseOfDemo = 15 * time.Second
)

// race has two connected nodes go for one lock.
func (d *demo) race(ctx context.Context) error {
	a, b, c := d.mesh.cities[0], d.mesh.cities[1], d.mesh.cities[2]
	others := []*city{b, c}
	d.title("3. A lock, while all are connected")
	lease, err := a.reg.TryLock(ctx, keyRace, minikv.TTL(leaseOfDemo))
	if err != nil {
		return err
	}
	defer lease.Unlock(context.WithoutCancel(ctx)) // ends with the node anyhow
	d.say("%s locks %s: token %s", a.name, keyRace, short(lease.Token()))
	if err := d.mesh.await(ctx, "news of the lock", func() bool {
		// Whoever has not heard of it would take it, too, and be told later that it lost.
		return !slices.ContainsFunc(others, func(o *city) bool {
			_, ok, err := o.reg.LockInfo(ctx, keyRace)
			return err == nil && !ok
		})
	}); err != nil {
		return err
	}
	var locked *minikv.LockedError
	if _, err := b.reg.TryLock(ctx, keyRace); !errors.As(err, &locked) {
		return fmt.Errorf("a second node got a lock that is held: %w", err)
	}
	d.say("%s wants it, too: refused, held by %s", b.name, d.mesh.named(locked.Owner))
	waited := make(chan error, 1)
	var next *minikv.Lease
	wctx, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	go func() {
		var err error
		next, err = c.reg.Lock(wctx, keyRace, minikv.TTL(leaseOfDemo))
		waited <- err
	}()
	d.say("%s waits for it instead; %s gives it back …", c.name, a.name)
	if err := lease.Unlock(ctx); err != nil {
		return err
	}
	if err := <-waited; err != nil {
		return err
	}
	d.say("… and %s has it: token %s, higher than the one before", c.name, short(next.Token()))
	if next.Token().Compare(lease.Token()) <= 0 {
		return errors.New("the second token is not higher than the first; please report this")
	}
	return errors.Join(next.Unlock(ctx), d.done())
}

// lockBoth has both sides take one lock and write under it: the earlier claim first, the later write last.
func (d *demo) lockBoth(ctx context.Context) error {
	b, c := d.mesh.cities[1], d.mesh.cities[2]
	cs := conflict{key: keyLocked, what: "locked and written on both sides"}
	for _, s := range []*city{b, c} {
		if err := d.nextTick(ctx); err != nil {
			return err
		}
		lease, err := s.reg.TryLock(ctx, keyLocked, minikv.TTL(leaseOfDemo))
		if err != nil {
			return err
		}
		w := claim{city: s, lease: lease, value: "planned in " + s.name}
		cs.claims = append(cs.claims, w)
		d.say("%-10s locks  %s: token %s", s.name, keyLocked, short(lease.Token()))
	}
	for i := range cs.claims {
		w := &cs.claims[i]
		if err := d.nextTick(ctx); err != nil {
			return err
		}
		rev, err := w.lease.Put(ctx, []byte(w.value))
		if err != nil {
			return err
		}
		w.rev, w.token = rev, w.lease.Token()
		d.say("%-10s writes %s = %q under its lock", w.city.name, keyLocked, w.value)
	}
	d.cases = append(d.cases, cs)
	return nil
}

// loserIsTold waits until exactly one of the two leases is left.
func (d *demo) loserIsTold(ctx context.Context) error {
	claims := d.cases[len(d.cases)-1].claims
	var lost, kept *claim
	err := d.mesh.await(ctx, "one holder of the lock", func() bool {
		lost, kept = nil, nil
		for i := range claims {
			if claims[i].lease.Err() != nil {
				lost = &claims[i]
			} else {
				kept = &claims[i]
			}
		}
		return lost != nil && kept != nil
	})
	if err != nil {
		return err
	}
	d.say("%s is told: %v.", lost.city.name, reasonOf(lost.lease.Err()))
	d.say("%s still holds %s.", kept.city.name, keyLocked)
	return nil
}

func reasonOf(err error) string {
	if l, ok := errors.AsType[*minikv.LeaseLostError](err); ok {
		return "lease lost, " + l.Reason.String()
	}
	return err.Error()
}

// overlapOn gives the news that the contested lock was held twice, as a node learns it. The channel is closed if ctx ends before.
func (d *demo) overlapOn(ctx context.Context, c *city) <-chan minikv.LockEvent {
	found := make(chan minikv.LockEvent, 1)
	go func() {
		defer close(found)
		for ev, err := range c.reg.WatchLocks(ctx, keyLocked) {
			if err != nil {
				return
			}
			if ev.Kind == minikv.LockOverlap {
				found <- ev
				return
			}
		}
	}()
	return found
}

// short is what tells two tokens of a tour apart: the epoch, and the changing part of the claim's time, which is complemented.
func short(t minikv.Token) string {
	s := t.String()
	return strings.TrimLeft(s[:16], "0") + "·" + s[20:28]
}
