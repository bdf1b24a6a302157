package property_test

import (
	"math/rand/v2"
	"slices"

	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

// Some worlds have readers: nodes that take what writers hold and give nothing.
// They hear and forward gossip, and have sessions with writers only, which go one
// way. What only a reader has heard of before its writer lost it stays with the
// reader: nobody takes it.

// drawReaders says how many. It has a generator of its own, so that seeds of worlds
// without readers stay what they are.
func (w *world) drawReaders() int {
	r := rand.New(rand.NewPCG(w.seed, 20261124))
	if r.Float64() > 0.3 {
		return 0
	}
	return 1 + r.IntN(3)
}

// addReaders links each to one or two writers, and some to each other.
func (w *world) addReaders(n int) {
	writers := slices.Clone(w.nodes)
	for i := range n {
		r := w.addNode()
		r.reader = true
		for range 1 + w.rng.IntN(2) {
			w.connect(r, pick(w, writers))
		}
		if i > 0 && w.chance(0.5) {
			w.connect(r, w.nodes[r.index-1])
		}
		w.tally[cReaders]++
	}
}

// writersUp returns the processes that run and may write.
func (w *world) writersUp() []*process {
	return slices.DeleteFunc(w.up(), func(p *process) bool { return p.reader })
}

func (w *world) readersUp() []*process {
	return slices.DeleteFunc(w.up(), func(p *process) bool { return !p.reader })
}

// limit tells a session which way it goes.
func limit(s *replica.Session, self, peer *node) {
	switch {
	case self.reader:
		s.Only(replica.Take)
	case peer.reader:
		s.Only(replica.Give)
	}
}

// agrees says whether a reader has all that the writers hold, and besides nothing
// but what they have never heard of.
func (w *world) agrees(r, writer *process, at lwwmap.Order) bool {
	seen, known := r.rep.Map().Context(), writer.rep.Map().Context()
	if len(known.Sub(seen)) > 0 {
		return false
	}
	if len(seen.Sub(known)) == 0 {
		return r.rep.Map().RootAt(at.Stamp) == writer.rep.Map().RootAt(at.Stamp)
	}
	w.tally[cAhead]++
	ok := true
	for kind := lwwmap.Data; kind <= lwwmap.Origin; kind++ {
		r.rep.Map().Ascend(kind, "", "", func(rec lwwmap.Record) bool {
			if known.Has(rec.Dot()) && !rec.Dead(at.Stamp) {
				held := writer.rep.Map().Get(kind, rec.Key())
				ok = ok && !held.IsZero() && held.Hash() == rec.Hash()
			}
			return ok
		})
	}
	return ok
}
