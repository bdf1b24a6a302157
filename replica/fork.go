package replica

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// checkFork looks whether a peer has seen more writes of this replica's actor
// than it has made: then the process was copied while it ran, and both copies
// have issued the same dots. This one goes on as a new actor, above the old
// one so that the order of its writes stays, and issues again under it what it
// wrote; so nobody's write goes on the word of a forked actor's dots.
func (r *Replica) checkFork(at Instant, seen *crdt.Context) error {
	if r.actor == 0 || seen.Max(r.actor) <= r.out.last {
		return nil
	}
	r.stats.Forks++
	old := crdt.Span{Actor: r.actor, Ranges: crdt.Ranges{{Lo: 1, Hi: r.out.last}}}
	var mine []lwwmap.Entry
	r.m.Dots(old, func(rec lwwmap.Record) bool {
		if rec.Kind() != lwwmap.Origin {
			mine = append(mine, rec.Entry())
		}
		return true
	})
	if err := r.mintActor(at, old.Actor); err != nil {
		return err
	}
	for _, e := range mine {
		e.Dot = r.nextDot()
		if now, was, ok := r.m.Write(e); ok {
			r.out.wrote(now, was)
			r.changed(at, Change{Now: now, Was: was, Local: true})
		}
	}
	return nil
}
