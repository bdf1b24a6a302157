package replica

import (
	"errors"
	"time"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
)

const (
	// maxForks is how often in a row a replica that finds itself copied goes on as a
	// new actor, and issues its writes again. Then it does so once in forkEvery, and
	// where it issued more than forkWrites again it waits as much longer: a liar could
	// keep it busy for ever, and fill the context with its actors.
	maxForks   = 16
	forkEvery  = time.Second
	forkWrites = 1000
)

// errForked ends a session in which a peer knows of writes of this replica's actor
// that it has not made, when that happened too often of late. So nothing goes on the
// word of forked dots meanwhile.
var errForked = errors.New("replica: this replica's actor was used by someone else too often of late; try again later")

// forkBudget bounds forks in time.
type forkBudget struct {
	spent int
	at    time.Duration // when spent was last reduced
}

// take says whether there may be one more now.
func (b *forkBudget) take(at Instant) bool {
	if regained := int((at.Mono - b.at) / forkEvery); regained > 0 {
		b.spent = max(b.spent-regained, 0)
		b.at = at.Mono
	}
	if b.spent >= maxForks {
		return false
	}
	b.spent++
	return true
}

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
	if !r.forks.take(at) {
		return errForked
	}
	r.stats.Forks++
	mine := r.made()
	r.forks.spent += len(mine) / forkWrites
	if err := r.mintActor(at, r.actor); err != nil {
		return err
	}
	for _, e := range mine {
		e.Dot = r.nextDot()
		now, was, ok := r.m.Write(e)
		if !ok { // the actor is not above, as there was none
			e.Stamp++ // and no more: what others have written since must win
			r.cfg.Clock.Restore(e.Stamp)
			if now, was, ok = r.m.Write(e); !ok {
				continue
			}
		}
		r.out.wrote(now, was)
		r.changed(at, Change{Now: now, Was: was, Local: true})
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
