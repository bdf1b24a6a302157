package hostile

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
)

func init() {
	attacks["flood of keys"] = func(a *attacker) error { return flood(a, false) }
	attacks["flood of tombstones"] = func(a *attacker) error { return flood(a, true) }
	attacks["flood of writers"] = writers
	attacks["leases of others"] = leases
	attacks["expiries"] = expiries
	attacks["unfinished frames"] = unfinished
	attacks["everything again and again"] = everything
	attacks["flapping subscription"] = flapping
	attacks["values that are not there"] = announcing
	attacks["eclipse"] = eclipse
}

// key is that of an actor's origin.
func key(actor crdt.Actor) string { return string(binary.BigEndian.AppendUint64(nil, uint64(actor))) }

// flood writes as many keys as the order says, or deletes as many that there never were.
func flood(a *attacker, tombstones bool) error {
	const batch = 500
	var seq atomic.Uint64
	actor, first := a.actor()
	seq.Store(1)
	most := uint64(a.order.Keys)
	return a.insider(func(m *member, g *gossip, _ peer.AddrInfo) error {
		from := seq.Add(batch) - batch
		if from >= most {
			a.pause(20 * time.Millisecond)
			return nil
		}
		entries := []lwwmap.Entry{}
		if from == 1 {
			entries = append(entries, first)
		}
		for i := range uint64(batch) {
			e := entry(fmt.Sprintf("insider/%d", from+i), "x", crdt.Dot{Actor: actor, Seq: from + i + 1})
			if tombstones {
				e.Deleted, e.Value = true, nil
			}
			entries = append(entries, e)
		}
		if tombstones {
			a.sent("500 tombstones")
		} else {
			a.sent("500 keys")
		}
		return g.publish(m.keys.Topic(), m.delta(entries...))
	})
}

// writers writes each entry as somebody else, in some order, with gaps.
func writers(a *attacker) error {
	var written atomic.Int64
	return a.insider(func(m *member, g *gossip, _ peer.AddrInfo) error {
		if written.Add(50) > int64(a.order.Keys) {
			return nil
		}
		var entries []lwwmap.Entry
		for range 50 {
			entries = append(entries, entry("insider/writer", "x", crdt.Dot{Actor: crdt.Actor(1 + uint64(a.pick(math.MaxInt))), Seq: uint64(2 + a.pick(1000))}))
		}
		a.sent("50 writers")
		return g.publish(m.keys.Topic(), m.delta(entries...))
	})
}

// leases claims, renews and releases leases in the names of others, and takes epochs far ahead.
func leases(a *attacker) error {
	return a.insider(func(m *member, g *gossip, n peer.AddrInfo) error {
		actor, first := a.actor()
		now := hlc.FromTime(time.Now())
		day := uint64(time.Now().UnixMilli()/(24*3600*1000)) << 32
		lease := func(epoch uint64, base hlc.Timestamp, ttl uint64) lwwmap.Entry {
			value, err := cbor.Marshal([]any{replica.Version, cbor.ByteString(n.ID.String()), ttl, []byte{}})
			if err != nil {
				panic(err) // it is plain data
			}
			return lwwmap.Entry{
				Kind: lwwmap.Lease, Key: fmt.Sprint("insider/lock/", a.pick(5)), Value: value, Dot: crdt.Dot{Actor: actor, Seq: 2},
				Stamp: now, Fence: lwwmap.MakeToken(epoch, now, uint64(a.pick(1000))), Base: base,
			}
		}
		var e lwwmap.Entry
		switch a.pick(5) {
		case 0:
			a.sent("claim in another's name")
			e = lease(day+uint64(a.pick(1000)), 0, 1000)
		case 1:
			a.sent("release of another's lease")
			e = lease(day+uint64(a.pick(1000)), 1<<63|hlc.Timestamp(a.pick(1000)), 1000)
		case 2:
			a.sent("lease from the far future")
			e = lease(math.MaxUint64-uint64(a.pick(1000)), 0, 1000)
		case 3:
			a.sent("lease for years")
			e = lease(day+1, 0, 1<<40)
		default:
			a.sent("malformed lease")
			e = lease(day+1, 0, 1000)
			e.Value = a.noise(1 + a.pick(40))
		}
		if a.pick(4) == 0 {
			return m.send(n, first, e)
		}
		return g.publish(m.keys.Topic(), m.delta(first, e))
	})
}

// expiries writes entries that end long ago, at once, or never.
func expiries(a *attacker) error {
	return a.insider(func(m *member, g *gossip, _ peer.AddrInfo) error {
		actor, first := a.actor()
		entries := []lwwmap.Entry{first}
		now := hlc.FromTime(time.Now())
		for i, at := range []hlc.Timestamp{1, now - 1, now, now + 1, now.Add(10 * time.Millisecond), now.Add(100 * 365 * 24 * time.Hour), hlc.Max} {
			e := entry(fmt.Sprint("insider/expiry/", a.pick(500)), "x", crdt.Dot{Actor: actor, Seq: uint64(i + 2)})
			e.Expires = at
			entries = append(entries, e)
		}
		a.sent("7 expiries")
		return g.publish(m.keys.Topic(), m.delta(entries...))
	})
}

// unfinished opens many sessions, announces frames of 16 MiB, sends a good part of each, and then a byte now and then.
func unfinished(a *attacker) error {
	m, err := a.member(TicketWrite)
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		var open []*pipe
		for range 30 {
			s, err := m.dial(n, nil)
			if err != nil {
				break
			}
			if s.write(uvarint(16<<20)) != nil || s.write(make([]byte, 5<<19)) != nil {
				a.tally.note("stream ended")
				s.close()
				continue
			}
			a.sent("2.5 MiB of an unfinished frame")
			open = append(open, s.pipe)
		}
		return a.drip(open, 100*time.Millisecond), nil
	})
}

// everything asks for all entries, as a new node does, and again.
func everything(a *attacker) error {
	return a.insider(func(m *member, _ *gossip, n peer.AddrInfo) error {
		s, err := m.dial(n, nil)
		if err != nil {
			return m.turnedDown(err)
		}
		defer s.close()
		a.sent("request for everything")
		if err := s.say(claim(), &replica.Entries{Last: true}); err != nil {
			return m.turnedDown(err)
		}
		_, _ = s.agree(0) // it may be cut
		return nil
	})
}

// flapping leaves the topic and comes back, so that nodes dial it each time; it takes their streams and says nothing.
func flapping(a *attacker) error {
	a.onDialled(func(p *pipe) {
		a.tally.note("dialled")
		a.pause(2 * time.Second)
		p.close()
	})
	m, err := a.member(TicketWrite)
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, err := m.join(n)
		return func() error {
			a.sent("left and came")
			if err := g.unsubscribe(m.keys.Topic()); err != nil {
				return err
			}
			return g.subscribe(m.keys.Topic())
		}, err
	})
}

// announcing announces one large value after the other, and hangs up on who asks for them.
func announcing(a *attacker) error {
	a.onDialled(func(p *pipe) {
		a.tally.note("asked")
		p.close()
	})
	var seq atomic.Uint64
	seq.Store(1)
	actor, first := a.actor()
	return a.insider(func(m *member, g *gossip, _ peer.AddrInfo) error {
		n := seq.Add(1)
		delta, err := replica.EncodeDelta(nil, &replica.Delta{
			Actor: actor, Seqs: crdt.Ranges{{Lo: 1, Hi: 1}}, Announced: crdt.Ranges{{Lo: n, Hi: n}}, Entries: []lwwmap.Entry{first},
		})
		if err != nil {
			return err
		}
		a.sent("announcement of nothing")
		return g.publish(m.keys.Topic(), a.envelope(m.keys.Topic(), m.seal(delta)))
	})
}

// eclipse comes first, stays, and takes every stream: there shall be no room for others.
func eclipse(a *attacker) error {
	a.onDialled(func(p *pipe) {
		a.pause(15 * time.Second)
		p.close()
	})
	return a.insider(func(_ *member, _ *gossip, n peer.AddrInfo) error {
		a.sent("presence")
		a.pause(50 * time.Millisecond)
		if !a.isConnected(n) {
			return errTurnedAway
		}
		return nil
	})
}
