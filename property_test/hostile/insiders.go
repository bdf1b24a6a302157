package hostile

import (
	"bytes"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
)

func init() {
	attacks["future stamps"] = futureStamps
	attacks["forged actor"] = forgedActor
	attacks["CBOR bombs"] = bombs
}

// insider has a ticket for writing, and calls step for each node that it has joined.
func (a *attacker) insider(step func(*member, *gossip, peer.AddrInfo) error) error {
	m, err := a.member(TicketWrite)
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, err := m.join(n)
		return func() error { return step(m, g, n) }, err
	})
}

// maxSkew is that of the nodes of the test.
const maxSkew = 5 * time.Second

// futureStamps writes what would win for long.
func futureStamps(a *attacker) error {
	return a.insider(func(m *member, g *gossip, n peer.AddrInfo) error {
		actor := crdt.Actor(1 + a.pick(1<<30))
		e := entry("n0/0", "from the future", crdt.Dot{Actor: actor, Seq: 2})
		kind := ""
		switch a.pick(3) {
		case 0: // one that takes longer than a second to arrive may well be taken
			e.Key = "insider/future"
			kind, e.Stamp = "just over the skew", hlc.FromTime(time.Now().Add(maxSkew+time.Second))
		case 1:
			kind, e.Stamp = "100 years", hlc.FromTime(time.Now().AddDate(100, 0, 0))
		default:
			kind, e.Stamp = "maximum", hlc.Max
		}
		a.sent(kind)
		if a.pick(4) == 0 {
			return m.send(n, e)
		}
		return g.publish(m.keys.Topic(), m.delta(e))
	})
}

// forgedActor writes under the actors of honest nodes, which it learns from their contexts.
func forgedActor(a *attacker) error {
	return a.insider(func(m *member, g *gossip, n peer.AddrInfo) error {
		s, err := m.dial(n, nil)
		if err != nil {
			return err
		}
		defer s.close()
		c, err := s.contexts()
		if err != nil {
			return err
		}
		if len(c.Spans) == 0 {
			return nil
		}
		span := c.Spans[a.pick(len(c.Spans))]
		forged := entry("n0/0", "forged", crdt.Dot{Actor: span.Actor, Seq: span.Ranges.Max() + 1_000_000})
		if len(c.Spans) > 10 { // other attackers invented actors: who stands behind those nobody knows, so a member may write as them
			forged.Key = "insider/forged"
		}
		a.sent("under a node's actor")
		return g.publish(m.keys.Topic(), m.delta(forged))
	})
}

// bombs sends what costs a careless reader more to read than it costs to send.
func bombs(a *attacker) error {
	array := func(n int, of byte) []byte {
		return append([]byte{0x9a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte{of}, n)...)
	}
	all := [][]byte{
		array(100_000, 0xa0), array(100_000, 0x80), array(100_000, 0xf6), // empty maps, empty arrays, nulls
		{0xa2, 0x61, 'a', 1, 0x61, 'a', 2},                        // duplicate keys
		append([]byte{0x9f}, bytes.Repeat([]byte{0x80}, 1000)...), // indefinite length
		bytes.Repeat([]byte{0x81}, 100_000),                       // deep
		bytes.Repeat([]byte{0xc1}, 1000),                          // tags
		{0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, // bytes of 16 EB
		{0x9a, 0xff, 0xff, 0xff, 0xff, 1},                         // an array of 4 G
		{0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},    // a map of 16 E
		{0x85, 0x18, 1, 7, 0x80, 0x80, 0x80},                      // an integer that is not minimal
	}
	return a.insider(func(m *member, g *gossip, n peer.AddrInfo) error {
		bomb := all[a.pick(len(all))]
		if a.pick(2) == 0 {
			a.sent("as a delta")
			return g.publish(m.keys.Topic(), a.envelope(m.keys.Topic(), m.seal(bomb)))
		}
		s, err := m.dial(n, nil)
		if err != nil {
			return err
		}
		defer s.close()
		a.sent("as a frame")
		if err := s.sayBytes(append([]byte{byte(1 + a.pick(8))}, bomb...)); err != nil {
			return err
		}
		s.drain()
		return nil
	})
}
