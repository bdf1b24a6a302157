package hostile

import (
	"errors"
	"math"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

func init() {
	attacks["lying context"] = func(a *attacker) error { return lyingContext(a, false) }
	attacks["lying context with a horizon"] = func(a *attacker) error { return lyingContext(a, true) }
	attacks["forgotten deletes"] = lyingHorizon
	attacks["horizon of origins"] = originHorizon
	attacks["claims of writes to come"] = writesToCome
	attacks["context of ghosts"] = ghosts
	attacks["claimed actors"] = claimedActors
	attacks["dots of others"] = dotsOfOthers
	attacks["lying root"] = lyingRoot
	attacks["endless session"] = endless
}

// meet runs a session as far as the node's context, and goes on with then.
func (m *member) meet(n peer.AddrInfo, then func(*session, *replica.Contexts) error) error {
	s, err := m.dial(n, nil)
	if err != nil {
		return m.turnedDown(err)
	}
	defer s.close()
	c, err := s.contexts()
	if err == nil {
		err = then(s, c)
	}
	if err != nil {
		return m.turnedDown(err)
	}
	return nil
}

// told runs a session in which the attacker says of what it has seen what lie makes of the node's own context.
func (m *member) told(n peer.AddrInfo, lie func(*session, *replica.Contexts) []lwwmap.Entry) error {
	return m.meet(n, func(s *session, c *replica.Contexts) error {
		entries := lie(s, c)
		if err := s.say(c, &replica.Entries{Last: true, Entries: entries}); err != nil {
			return err
		}
		state, err := s.agree(uint64(len(entries)))
		if err != nil {
			return err
		}
		m.a.tally.note("session " + state.String())
		s.drain()
		return nil
	})
}

// errNobody says that a node knows of no writer yet.
var errNobody = errors.New("a context without actors")

// turnedDown notes that a session came to nothing: the next one may do better.
func (m *member) turnedDown(error) error {
	m.a.tally.note("session cut")
	return nil
}

// lyingContext claims to have seen all that the node has, and to hold nothing of it: as if all was deleted. Without a
// horizon it cannot have forgotten the deletes; with one it leaves it to the node what that comes to.
func lyingContext(a *attacker, horizon bool) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("claim to know of deletes")
		return m.told(n, func(s *session, c *replica.Contexts) []lwwmap.Entry {
			c.Horizons = lwwmap.Horizons{}
			if horizon {
				c.Horizons[0].Stamp, c.Horizons[1].Stamp = s.mine.Clock, s.mine.Clock
			}
			return nil
		})
	})
}

// lyingHorizon claims to have seen all, to hold nothing of it, and to have forgotten deletes until now, and goes through
// the audit with that: what a node does that knows that all was deleted.
func lyingHorizon(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("claim to have forgotten deletes")
		return m.meet(n, func(s *session, c *replica.Contexts) error {
			c.Horizons = lwwmap.Horizons{}
			c.Horizons[0].Stamp = s.mine.Clock
			if err := s.say(c, &replica.Entries{Last: true}); err != nil {
				return err
			}
			return s.deny()
		})
	})
}

// deny holds nothing, in some rounds of audit, and then agrees.
func (s *session) deny() error {
	got, left, next := uint64(0), true, uint64(0)
	for {
		f, err := s.hear()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *replica.Entries:
			got += uint64(len(f.Entries))
		case *replica.Status:
			root, answer := f.Root, []replica.Frame{}
			if left && f.Round < next {
				continue // the round is under way
			}
			if left {
				root, next = lwwmap.Digest{1}, f.Round+1
				answer = append(answer, &replica.Tops{})
			}
			answer = append([]replica.Frame{&replica.Status{Root: root, Round: f.Round, Got: got}}, answer...)
			if err := s.say(answer...); err != nil {
				return err
			}
			if !left {
				s.m.a.tally.note("session merged")
				s.drain()
				return nil
			}
		case *replica.Leaves:
			items := &replica.Items{Last: true}
			for _, l := range f.Sums {
				items.Buckets = append(items.Buckets, l.Bucket)
			}
			left = len(f.Sums) > 0 && next < 3 // what is above the horizon stays, and the first tops are told again and again
			if err := s.say(items); err != nil {
				return err
			}
		case *replica.Finish:
			s.m.a.tally.note("session " + f.State.String())
			return nil
		}
	}
}

// originHorizon claims that it is forgotten who stands behind actors.
func originHorizon(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("horizon of origins")
		return m.told(n, func(s *session, c *replica.Contexts) []lwwmap.Entry {
			c.Horizons = lwwmap.Horizons{}
			c.Horizons[lwwmap.Origin-lwwmap.Data].Stamp = s.mine.Clock
			return nil
		})
	})
}

// writesToCome claims to have seen all that the nodes will ever write.
func writesToCome(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("claim of writes to come")
		return m.told(n, func(_ *session, c *replica.Contexts) []lwwmap.Entry {
			for i := range c.Spans {
				c.Spans[i].Ranges = crdt.Ranges{{Lo: 1, Hi: math.MaxUint64}}
			}
			c.Horizons = lwwmap.Horizons{}
			return nil
		})
	})
}

// ghosts claims to have seen writes of actors that there are not.
func ghosts(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("context of ghosts")
		return m.told(n, func(_ *session, c *replica.Contexts) []lwwmap.Entry {
			all := new(crdt.Context)
			for _, s := range c.Spans {
				all.AddRanges(s.Actor, s.Ranges)
			}
			for range 2000 {
				all.AddRanges(crdt.Actor(1+uint64(a.pick(math.MaxInt))), crdt.Ranges{{Lo: 1, Hi: 1}, {Lo: 3, Hi: 3}})
			}
			c.Spans, c.Horizons = all.Spans(), lwwmap.Horizons{}
			return nil
		})
	})
}

// claimedActors says by session that the nodes' actors are its own, so that their gossip would be taken for forged.
func claimedActors(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		return m.meet(n, func(s *session, c *replica.Contexts) error {
			if len(c.Spans) == 0 {
				return errNobody
			}
			_, forged := a.actor()
			victim := c.Spans[a.pick(len(c.Spans))].Actor
			forged.Key, forged.Dot = key(victim), crdt.Dot{Actor: victim, Seq: 1}
			c.Horizons = lwwmap.Horizons{}
			frames := []replica.Frame{c, &replica.Entries{Last: true}, &replica.Entries{Despite: true, Entries: []lwwmap.Entry{forged}}}
			if a.pick(2) == 0 {
				frames = []replica.Frame{claim(), &replica.Entries{Last: true, Entries: []lwwmap.Entry{forged}}}
			}
			a.sent("claim of an actor")
			if err := s.say(frames...); err != nil {
				return err
			}
			_, _ = s.agree(1) // it is the entry that matters
			return nil
		})
	})
}

// dotsOfOthers passes on, by gossip and session, what it says honest nodes have written, under dots that are theirs to come.
func dotsOfOthers(a *attacker) error {
	spans := make(chan []crdt.Span, len(a.nodes)+1)
	return a.insider(func(m *member, g *gossip, n peer.AddrInfo) error {
		var theirs []crdt.Span
		select {
		case theirs = <-spans:
		default:
			if err := m.meet(n, func(_ *session, c *replica.Contexts) error {
				if theirs = c.Spans; len(theirs) == 0 {
					return errNobody
				}
				return nil
			}); err != nil || len(theirs) == 0 {
				return err
			}
		}
		defer func() {
			select {
			case spans <- theirs:
			default:
			}
		}()
		span := theirs[a.pick(len(theirs))]
		e := entry("insider/passed on", "never written", crdt.Dot{Actor: span.Actor, Seq: span.Ranges.Max() + 1 + uint64(a.pick(100))})
		a.sent("dot of another")
		if a.pick(4) == 0 {
			return m.send(n, e)
		}
		_, o := a.actor()
		return g.publish(m.keys.Topic(), m.delta(o, e))
	})
}

// lyingRoot never agrees on what the join comes to, and audits for as long as the node does.
func lyingRoot(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		return m.meet(n, func(s *session, _ *replica.Contexts) error {
			if err := s.say(claim(), &replica.Entries{Last: true}); err != nil {
				return err
			}
			return s.disagree()
		})
	})
}

// disagree answers each root with another one, and begins a round of audit.
func (s *session) disagree() error {
	a, got := s.m.a, uint64(0)
	for {
		f, err := s.hear()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *replica.Entries:
			got += uint64(len(f.Entries))
		case *replica.Status:
			if !a.pause(pace) {
				return a.ctx.Err()
			}
			a.sent("wrong root")
			root := lwwmap.Digest(a.noise(16))
			tops := &replica.Tops{Sums: []replica.TopSum{{Top: byte(a.pick(256)), Sum: lwwmap.Digest(a.noise(16))}}}
			if err := s.say(&replica.Status{Root: root, Round: f.Round, Sent: 0, Got: got}, tops); err != nil {
				return err
			}
		case *replica.Leaves:
			items := &replica.Items{Last: true}
			for _, l := range f.Sums {
				items.Buckets = append(items.Buckets, l.Bucket)
			}
			if err := s.say(items); err != nil {
				return err
			}
		case *replica.Finish:
			a.tally.note("session " + f.State.String())
			return errors.New("the node has had enough")
		}
	}
}

// endless sends the same entry again and again, and never comes to the end.
func endless(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		s, err := m.dial(n, nil)
		if err != nil {
			return m.turnedDown(err)
		}
		defer s.close()
		if err := s.say(claim()); err != nil {
			return m.turnedDown(err)
		}
		go s.drain()
		actor, _ := a.actor()
		e := entry("insider/again", "and again", crdt.Dot{Actor: actor, Seq: 2})
		for a.pause(pace) {
			a.sent("frame without end")
			if err := s.say(&replica.Entries{Entries: []lwwmap.Entry{e, e, e}}); err != nil {
				return m.turnedDown(err)
			}
		}
		return errTurnedAway
	})
}
