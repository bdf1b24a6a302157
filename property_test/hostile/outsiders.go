package hostile

import (
	"crypto/sha256"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/minikv/minikv/crdt"
	"github.com/minikv/minikv/hlc"
	"github.com/minikv/minikv/lwwmap"
	"github.com/minikv/minikv/replica"
	"github.com/minikv/minikv/seal"
)

func init() {
	attacks["garbage in the topic"] = garbage
	attacks["later versions in the topic"] = laterVersions
	attacks["guessed sessions"] = guesses
	attacks["small requests"] = smallRequests
	attacks["version downgrade"] = downgrade
	attacks["wrong ticket"] = func(a *attacker) error { return strangers(a, TicketWrong) }
	attacks["expired ticket"] = func(a *attacker) error { return strangers(a, TicketExpired) }
	attacks["read ticket that writes"] = func(a *attacker) error { return strangers(a, TicketRead) }
}

// garbage has no ticket; it learns the topic from its subscribers.
func garbage(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, topic, err := a.subscribed(n)
		if err != nil {
			return nil, err
		}
		return func() error {
			data := a.noise(1 + a.pick(500))
			kind := "noise"
			switch a.pick(3) {
			case 0:
				data, kind = a.envelope(topic, data), "enveloped noise"
			case 1:
				data[0], kind = 1, "what looks sealed"
				data = a.envelope(topic, append(data, a.noise(300)...))
			}
			a.sent(kind)
			return g.publish(topic, data)
		}, nil
	})
}

// laterVersions floods with what might be understood by nodes of a later version.
func laterVersions(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, topic, err := a.subscribed(n)
		if err != nil {
			return nil, err
		}
		return func() error {
			a.sent("delta of version 2")
			return g.publish(topic, a.envelope(topic, append([]byte{2}, a.noise(200)...)))
		}, nil
	})
}

// guesses opens sessions without knowing the registry.
func guesses(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		return func() error {
			var first []byte
			kind := ""
			switch a.pick(4) {
			case 0:
				kind, first = "guessed registry", guessedHello(a)
			case 1:
				kind, first = "noise", a.noise(1+a.pick(600))
			case 2:
				kind, first = "noise for a proof", append([]byte{seal.OpenType, 1}, a.noise(300)...)
			default:
				kind, first = "proof with guessed keys", guessedOpen(a, n)
			}
			return a.try(n, kind, first)
		}, nil
	})
}

// try opens a session with a first frame, and hears the answer.
func (a *attacker) try(n peer.AddrInfo, kind string, first []byte) error {
	p, err := a.open(n, syncProtocol, kind)
	if err != nil {
		return err
	}
	defer p.close()
	a.sent(kind)
	if err := p.send(first); err != nil {
		return err
	}
	_ = p.s.CloseWrite() // a stream that is gone says so when read from
	for _, f := range p.drain() {
		if len(f) > 0 && f[0] == seal.AnswerType {
			a.tally.note("answered with a proof")
		}
	}
	return nil
}

func guessedHello(a *attacker) []byte {
	id := sha256.Sum256([]byte("minikv/1/public/exchange\ntest"))
	now := hlc.FromTime(time.Now())
	return encode(&replica.Hello{Version: replica.Version, Registry: string(id[:16]), Clock: now, Wall: now})
}

func encode(f replica.Frame) []byte {
	b, err := replica.EncodeFrame(nil, f)
	if err != nil {
		panic(err) // what attackers put in can be encoded
	}
	return b
}

func guessedOpen(a *attacker, n peer.AddrInfo) []byte {
	keys, err := seal.NewKeys("test", [seal.SecretSize]byte(a.noise(seal.SecretSize)), a.noise(32))
	if err != nil {
		panic(err) // the lengths are right
	}
	_, open := keys.Dial(seal.Nonce(a.noise(seal.HandshakeNonce)), a.id.String(), n.ID.String(),
		seal.First{Certificate: a.noise(seal.CertificateSize), Hello: guessedHello(a)})
	return open
}

// smallRequests looks for a request that is answered with much.
func smallRequests(a *attacker) error {
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, topic, err := a.subscribed(n)
		if err != nil {
			return nil, err
		}
		firsts := [][]byte{{}, {0}, {1}, {1, 0x86}, {3, 0x83}, {8}, {seal.OpenType}, {seal.OpenType, 1}, {seal.OpenType, 2}, {seal.AnswerType}, {0xff}}
		i := 0
		return func() error {
			if i++; i%2 == 0 {
				return a.askGreeting(n, topic)
			}
			if err := g.subscribe(topic); err != nil {
				return err
			}
			return a.try(n, "first frame of no or few bytes", firsts[a.pick(len(firsts))])
		}, nil
	})
}

// askGreeting asks for the addresses of members.
func (a *attacker) askGreeting(n peer.AddrInfo, topic string) error {
	p, err := a.open(n, greetProtocol, "greeting")
	if err != nil {
		return err
	}
	defer p.close()
	b, err := cbor.Marshal([]any{1, []string{topic}, [][]byte{}})
	if err != nil {
		return err
	}
	a.sent("greeting")
	if err := p.send(b); err != nil {
		return err
	}
	_ = p.s.CloseWrite() // a stream that is gone says so when read from
	p.drain()
	return nil
}

// downgrade asks for versions that there never were, or are not yet.
func downgrade(a *attacker) error {
	m, err := a.member(TicketWrite)
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, err := a.gossip(n)
		if err != nil {
			return nil, err
		}
		topic := m.keys.Topic()
		if err := g.subscribe(topic); err != nil {
			return nil, err
		}
		delta := func() []byte { return m.seal(plainDelta(entry("downgraded", "x", crdt.Dot{Actor: 9, Seq: 1}))) }
		i := 0
		return func() error {
			version := []byte{0, 2, 255}[a.pick(3)]
			switch i++; i % 6 {
			case 0:
				a.sent("hello of another version in the clear")
				h := guessedHello(a)
				h[2] = version & 0x17
				return a.try(n, "hello", h)
			case 1:
				_, open := m.keys.Dial(seal.Nonce(a.noise(16)), a.id.String(), n.ID.String(), seal.First{Certificate: m.certificate, Hello: guessedHello(a)})
				open[1] = version
				return a.try(n, "handshake of another version", open)
			case 2:
				s, err := m.dial(n, func(h *replica.Hello) { h.Version = uint64(version) })
				if err == nil {
					a.tally.note("hello of another version was answered")
					s.close()
				}
				a.sent("sealed hello of another version")
				return nil
			case 3:
				b := delta()
				b[0] = version
				a.sent("sealed delta of another version")
				return g.publish(topic, a.envelope(topic, b))
			case 4:
				plain := plainDelta(entry("downgraded", "x", crdt.Dot{Actor: 9, Seq: 1}))
				plain[1] = version & 0x17
				a.sent("delta of another version")
				return g.publish(topic, a.envelope(topic, m.seal(plain)))
			default:
				a.sent("delta in the clear")
				return g.publish(topic, a.envelope(topic, plainDelta(entry("downgraded", "x", crdt.Dot{Actor: 9, Seq: 1}))))
			}
		}, nil
	})
}

// strangers write and lie with a ticket that does not give them the right to: by gossip and by session.
func strangers(a *attacker, sort string) error {
	m, err := a.member(sort)
	if err != nil {
		return err
	}
	return a.rounds(func(n peer.AddrInfo) (func() error, error) {
		g, topic, err := a.subscribed(n)
		if err != nil {
			return nil, err
		}
		i := uint64(0)
		return func() error {
			i++
			actor, origin := a.actor()
			forged := entry("n0/0", "written by a stranger", crdt.Dot{Actor: actor, Seq: 2})
			if i%2 == 1 {
				a.sent("delta")
				return g.publish(topic, a.envelope(topic, m.seal(plainDelta(origin, forged))))
			}
			a.sent("session")
			return m.lie(n, forged)
		}, nil
	})
}

// lie opens a session that claims to have seen everything and holds one entry.
func (m *member) lie(n peer.AddrInfo, e ...lwwmap.Entry) error {
	s, err := m.dial(n, nil)
	if err != nil {
		if err == errAnswer {
			return nil // it was refused, as it should be
		}
		return err
	}
	defer s.close()
	m.a.tally.note("session opened")
	c, err := s.contexts()
	if err != nil {
		m.a.tally.note("session without contexts")
		return nil
	}
	for k := range c.Horizons {
		c.Horizons[k].Stamp = s.mine.Clock
	}
	if err := s.say(c, &replica.Entries{Last: true, Entries: e}); err != nil {
		m.a.tally.note("session cut")
		return nil
	}
	state, err := s.agree(uint64(len(e)))
	if err != nil {
		m.a.tally.note("session cut")
		return nil
	}
	m.a.tally.note("session " + state.String())
	s.drain()
	return nil
}

// contexts hears the node's context.
func (s *session) contexts() (*replica.Contexts, error) {
	all := &replica.Contexts{}
	for {
		f, err := s.hear()
		if err != nil {
			return nil, err
		}
		c, ok := f.(*replica.Contexts)
		if !ok {
			return nil, errAnswer
		}
		all.Spans = append(all.Spans, c.Spans...)
		if c.Last {
			all.Last, all.Horizons = true, c.Horizons
			return all, nil
		}
	}
}
