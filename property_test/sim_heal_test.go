package property_test

import (
	"slices"
	"time"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// heal ends all faults and demands that the replicas become equal, then looks
// whether what they hold is right.
func (w *world) heal() {
	w.tell("the faults are over")
	w.calm = true
	w.quiet()
	if w.plan.byTicks {
		w.healByTicks()
	} else {
		w.healByRounds()
	}
	w.checkResult()
	w.checkLeases()
	w.checkWritable()
}

// quiet restarts what is down, repairs disks and clocks, lets what is under
// way arrive, and waits until no stamp is ahead of a clock by more than a minute.
func (w *world) quiet() {
	for _, l := range w.links {
		l.dark = [2]int{}
	}
	w.plan.loss, w.plan.replay = 0, 0
	for _, n := range w.nodes {
		n.faulty = false
		n.skew = time.Duration(w.rng.Int64N(int64(time.Second))) - 500*time.Millisecond
		if !n.gone {
			n.restart()
			w.relink(n)
		}
	}
	w.runUntil(w.now + 30*w.plan.delay)
	ahead := time.Duration(0)
	for _, p := range w.up() {
		ahead = max(ahead, p.clock.Last().Time().Sub(p.instant().Wall))
	}
	if ahead > time.Second {
		w.tell("%s go by, until no stamp lies in the future", ahead)
		w.now += ahead
	}
}

// healByRounds has each linked pair reconcile once a round; all must be equal
// after at most diameter + 2 rounds.
func (w *world) healByRounds() {
	w.silence()
	limit := w.diameter() + 2
	for round := 1; !w.equal(); round++ {
		if round > limit {
			w.failUnequal("after %d rounds, with an overlay of diameter %d,", limit, limit-2)
		}
		w.tally[cRounds]++
		w.round()
	}
}

// silence stops the events: no ticks, no gossip, no sessions but those of
// rounds.
func (w *world) silence() {
	for _, x := range w.wires {
		x.broken = true
		for _, e := range x.ends {
			e.abort(errBroken)
		}
	}
	w.wires, w.queue.events = nil, nil
}

func (w *world) round() {
	links := slices.Clone(w.links)
	w.rng.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
	for _, l := range links {
		w.now += w.exp(w.plan.delay)
		a, b := l.ends[0].proc, l.ends[1].proc
		if a.reader && b.reader {
			continue
		}
		if w.chance(0.5) {
			a, b = b, a
		}
		w.reconcile(a, b)
	}
}

// reconcile runs a session at once. Without faults it must verify.
func (w *world) reconcile(a, b *process) {
	x := &wire{w: w}
	a.commit()
	b.commit()
	x.ends[0] = &terminal{wire: x, node: a.node, proc: a, session: a.rep.Dial(a.instant(), b.name)}
	x.ends[1] = &terminal{wire: x, node: b.node, proc: b, session: b.rep.Accept(b.instant(), a.name)}
	for _, t := range x.ends {
		limit(t.session, t.node, t.other().node)
	}
	for moved := true; moved; {
		moved = false
		for _, t := range x.ends {
			for f, ok := t.session.Next(t.proc.instant()); ok; f, ok = t.session.Next(t.proc.instant()) {
				if err := t.other().session.Handle(t.other().proc.instant(), f); err != nil {
					w.fail("a session of %s with %s fails after the faults: %v", t.proc.name, t.other().node.name, err)
				}
				moved = true
			}
		}
	}
	for _, t := range x.ends {
		state, err := t.session.State()
		t.ended(state)
		if state != replica.Equal && state != replica.Merged {
			w.fail("a session of %s with %s ends %s after the faults: %v", a.name, b.name, state, err)
		}
		t.proc.check()
	}
}

// healByTicks leaves it to the replicas' own schedule.
func (w *world) healByTicks() {
	w.tally[cByTicks]++
	limit := w.now + time.Duration(w.diameter()+2)*20*w.plan.sync + 2*time.Minute
	for !w.equal() {
		if w.now > limit {
			w.failUnequal("left to their own schedule for %d periods", 20*(w.diameter()+2))
		}
		w.runUntil(w.now + w.plan.sync)
	}
	w.silence()
}

// reading is the latest time that any process shows.
func (w *world) reading() (at lwwmap.Order) {
	for _, p := range w.up() {
		at.Stamp = max(at.Stamp, p.rep.Now(p.instant()))
	}
	return at
}

func (w *world) equal() bool {
	up, at := w.writersUp(), w.reading().Stamp
	for _, p := range w.readersUp() {
		if !w.agrees(p, up[0], w.reading()) {
			return false
		}
	}
	for _, p := range up[1:] {
		if p.rep.Map().RootAt(at) != up[0].rep.Map().RootAt(at) || !p.rep.Map().Context().Equal(up[0].rep.Map().Context()) {
			return false
		}
	}
	return true
}

func (w *world) failUnequal(format string, args ...any) {
	for _, p := range w.up() {
		w.tell("%s: context %s", p.name, p.rep.Map().Context())
		for kind := lwwmap.Data; kind <= lwwmap.Origin; kind++ {
			p.rep.Map().Ascend(kind, "", "", func(r lwwmap.Record) bool {
				w.tell("%s: %s", p.name, show(r))
				return true
			})
		}
	}
	w.fail(format+" replicas differ", args...)
}

// checkResult checks what all hold against the set of all writes. The rules of
// witness have been checked on each replica; as all are equal now, three remain:
// of each key the highest write seen, if it is alive, is what is held; what
// was acknowledged as durable has been seen; and nothing is held that any of
// the replicas had seen deleted or overtaken.
func (w *world) checkResult() {
	at := w.reading().Stamp
	w.book.reading = max(w.book.reading, at)
	up := w.writersUp()
	for _, p := range w.readersUp() {
		p.noisy = true
		p.check()
	}
	for _, p := range up {
		p.noisy = true
		p.check()
		p.checkAcked()
	}
	seen := up[0].witness.seen
	for slot, ops := range w.book.bySlot {
		var top *op
		for _, o := range ops {
			if seen.has(o.id) && (top == nil || o.rank > top.rank) {
				top = o
			}
		}
		name := w.book.names[slot]
		held := up[0].rep.Map().Get(name.kind, name.key)
		if top != nil && !w.book.dead(top) && (held.IsZero() || held.Dot() != top.dot) {
			w.fail("%s is the highest of its key, but all hold %s", top, show(held))
		}
		if held.IsZero() || held.Dead(at) {
			continue
		}
		o := w.book.find(held.Dot())
		for _, p := range up {
			if p.witness.lost.has(o.id) {
				w.fail("all hold %s, which %s had seen overtaken", show(held), p.name)
			}
		}
	}
}

// checkLeases: whoever believes to hold a lease renews it; once the renewals
// are known everywhere, at most one holder per key is left, and the others are told.
func (w *world) checkLeases() {
	w.renewAll()
	w.healByRounds()
	holders := w.renewAll()
	for key, n := range holders {
		if n > 1 {
			w.fail("%d nodes hold the lease on %q after the faults", n, key)
		}
	}
	// Two claims made without knowing of each other: the earlier one stands.
	up := w.writersUp()
	key := w.key()
	w.healByRounds()
	var tokens []lwwmap.Token
	first := len(up[0].leases)
	for _, p := range up[:2] {
		if _, _, live := p.rep.LeaseOn(p.instant(), key); !live {
			p.claim(key)
			tokens = append(tokens, p.leases[len(p.leases)-1].token)
		}
	}
	_ = first
	if len(tokens) < 2 {
		return
	}
	w.healByRounds()
	winner := tokens[0]
	if tokens[1].Compare(winner) > 0 {
		winner = tokens[1]
	}
	if other := tokens[0].Compare(tokens[1]); other < 0 && tokens[0].Epoch() == tokens[1].Epoch() && tokens[0].Claim() < tokens[1].Claim() {
		w.fail("the later of two claims on %q wins", key)
	}
	for i, p := range up[:2] {
		h := p.leases[len(p.leases)-1]
		if stands := p.renew(h); stands != (tokens[i] == winner) {
			w.fail("the lease %s on %q stands %t, but the winner is %s", tokens[i], key, stands, winner)
		}
	}
}

// renewAll renews all leases and counts those that stand, by key.
func (w *world) renewAll() map[string]int {
	holders := map[string]int{}
	for _, p := range w.up() {
		for _, h := range slices.Clone(p.held()) {
			if p.renew(h) {
				holders[h.key]++
			}
		}
		p.settle()
	}
	return holders
}

// checkWritable: no key is stuck. A write anywhere wins everywhere.
func (w *world) checkWritable() {
	w.healByRounds()
	p := pick(w, w.writersUp())
	var keys []string
	for i := range w.plan.keys {
		key := string(rune('k')) + string(rune('0'+i))
		if _, _, locked := p.rep.LeaseOn(p.instant(), key); !locked {
			p.put(key, 0)
			keys = append(keys, key)
		}
	}
	p.settle()
	w.healByRounds()
	for _, key := range keys {
		want := p.rep.Map().Get(lwwmap.Data, key)
		for _, q := range w.writersUp() {
			if got := q.rep.Map().Get(lwwmap.Data, key); got.IsZero() || got.Hash() != want.Hash() {
				w.fail("%s wrote %s after the faults, but %s holds %s", p.name, show(want), q.name, show(got))
			}
		}
	}
}
