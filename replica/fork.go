package replica

import (
	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

// maxForks is how often a replica that finds itself copied issues its writes
// again. After that it only takes another actor: a liar could keep it busy for
// ever, and what is at stake is little, since no write goes on the word of
// forked dots unless a collection horizon covers it, too.
const maxForks = 16

// checkFork looks whether a peer has seen more writes of this replica's actor
// than it has made: then the process was copied while it ran, and both copies
// have issued the same dots.
func (r *Replica) checkFork(at Instant, seen uint64) error {
	if r.actor == 0 || seen <= r.out.last {
		return nil
	}
	return r.fork(at)
}

// checkOwn looks at an entry under this replica's actor. One that it did not
// make is forged if it lies above its writes: a copy's context would have told
// of it before. In the place of one that it made it is a copy's.
func (r *Replica) checkOwn(at Instant, from string, e *lwwmap.Entry) (err error) {
	if e.Dot.Actor != r.actor {
		return nil
	}
	if e.Dot.Seq > r.out.last {
		r.stats.Refused.Forged++
		return &ForgedError{Actor: r.actor, Writer: r.cfg.Peer, From: from}
	}
	made := crdt.Span{Actor: r.actor, Ranges: crdt.Ranges{{Lo: e.Dot.Seq, Hi: e.Dot.Seq}}}
	r.m.Dots(made, func(rec lwwmap.Record) bool {
		if rec.Kind() != e.Kind || rec.Key() != e.Key || rec.Stamp() != e.Stamp {
			err = r.fork(at)
		}
		return false
	})
	return err
}

// fork goes on as a new actor, above the old one so that the order of this
// replica's writes stays, and issues again under it what it wrote; so nobody's
// write goes on the word of a forked actor's dots.
func (r *Replica) fork(at Instant) error {
	mine := r.made()
	if r.stats.Forks++; r.stats.Forks > maxForks {
		mine = nil
	}
	if err := r.mintActor(at, r.actor); err != nil {
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

// made returns the entries held that this replica wrote as its actor.
func (r *Replica) made() (entries []lwwmap.Entry) {
	r.m.Dots(crdt.Span{Actor: r.actor, Ranges: crdt.Ranges{{Lo: 1, Hi: r.out.last}}}, func(rec lwwmap.Record) bool {
		if rec.Kind() != lwwmap.Origin {
			entries = append(entries, rec.Entry())
		}
		return true
	})
	return entries
}
