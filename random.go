package minikv

import (
	"context"
	"math/rand/v2"
	"strings"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
)

// How RandomKey looks for a key.
const (
	randomFew   = 512 // keys and tombstones that are gone through: each key is exactly as likely as any other
	randomTries = 32  // writes picked in the hope that one is still what its key holds
	randomSteps = 32  // keys passed, at most, from a write picked when none was
)

// RandomKey returns one of the present keys, for a sample of them. Among a few hundred each is as likely as any
// other. Among more, a write is picked of all that the registry has seen, until the key still holds it, which favours
// nobody; where nearly all keys have been written over many times, the keys that follow long runs of such
// writes are a little likelier. It takes the time of some dozens of gets, however many keys there are, unless most of them are
// deleted. [ErrNotFound] when there is no key.
func (r *Registry) RandomKey(ctx context.Context) (string, error) {
	err := checkContext(ctx)
	var key string
	if err == nil {
		key, err = r.randomKey()
	}
	return key, r.wrap("random key", "", err)
}

func (r *Registry) randomKey() (string, error) {
	defer r.mu.lockToWalk()()
	if r.err != nil {
		return "", r.err
	}
	s := sampler{m: r.m, now: r.now()}
	if r.m.Len(lwwmap.Data)+r.m.Tombstones() <= randomFew {
		s.amongAll()
	} else {
		s.amongWrites()
	}
	if err := r.m.Err(); err != nil {
		return "", err
	}
	if s.found.IsZero() {
		return "", ErrNotFound
	}
	return strings.Clone(s.found.Key()), nil
}

// sampler looks for a present key of a map, whose registry is locked.
type sampler struct {
	m     *lwwmap.Map
	now   hlc.Timestamp
	found lwwmap.Record
}

func (s *sampler) present(rec lwwmap.Record) bool {
	return rec.Kind() == lwwmap.Data && !rec.Dead(s.now)
}

// amongAll goes through all keys.
func (s *sampler) amongAll() {
	n := 0
	s.m.Ascend(lwwmap.Data, "", "", func(rec lwwmap.Record) bool {
		if s.present(rec) {
			if n++; rand.IntN(n) == 0 {
				s.found = rec
			}
		}
		return true
	})
}

// amongWrites picks writes by their dots.
func (s *sampler) amongWrites() {
	spans, all := s.m.Context().Spans(), s.m.Context().Count()
	if all == 0 {
		return
	}
	for range randomTries {
		at, seq := pickDot(spans, rand.Uint64N(all))
		s.walk(spans[at].Actor, seq, seq, 0)
		if !s.found.IsZero() {
			return
		}
	}
	// Go on from a write to the next one that its key still holds, and some further; once around at most.
	at, seq := pickDot(spans, rand.Uint64N(all))
	steps := rand.IntN(randomSteps)
	for i := range len(spans) + 1 {
		span := spans[(at+i)%len(spans)]
		lo, hi := uint64(1), span.Ranges.Max()
		switch i {
		case 0:
			lo = seq
		case len(spans):
			hi = seq - 1
		}
		if steps = s.walk(span.Actor, lo, hi, steps); steps < 0 {
			return
		}
	}
}

// walk passes present keys in the order in which an actor wrote them, and keeps the last one it comes to. It returns how many are still
// to be passed: -1 when it is there.
func (s *sampler) walk(actor crdt.Actor, lo, hi uint64, steps int) int {
	if lo > hi {
		return steps
	}
	s.m.Dots(crdt.Span{Actor: actor, Ranges: crdt.Ranges{{Lo: lo, Hi: hi}}}, func(rec lwwmap.Record) bool {
		if s.present(rec) {
			s.found = rec
			steps--
		}
		return steps >= 0
	})
	return steps
}

// pickDot returns the n-th of the dots of all spans.
func pickDot(spans []crdt.Span, n uint64) (at int, seq uint64) {
	for i, span := range spans {
		for _, x := range span.Ranges {
			if size := x.Hi - x.Lo + 1; n >= size {
				n -= size
				continue
			}
			return i, x.Lo + n
		}
	}
	return 0, 1
}
